/** The process's logger: JSON lines on stderr (stdout belongs to command output). */
import { destination, type Logger, pino } from 'pino';

export const createLogger = (level: string): Logger =>
  pino({ level, base: { pid: process.pid } }, destination({ dest: 2, sync: true }));
