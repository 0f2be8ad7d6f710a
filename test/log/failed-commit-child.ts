/**
 * Child of failed-commit.test.ts, started with a limit on the size of its files: appends until a commit fails, then looks at what
 * is left. It tells everything at once on stdout, and ends by a signal: lmdb 3.5.6 may damage the heap when a commit fails.
 */
import { writeSync } from 'node:fs';
import { openEventLog } from '../../src/log/index.ts';
import { TendrilError } from '../../src/model/index.ts';
import { MESH, sampleEvents } from './sample-events.ts';

const [dir = ''] = process.argv.slice(2);
const log = await openEventLog({ kind: 'lmdb', dir, mesh: MESH, clock: Date });
const unhandled: string[] = [];
process.on('unhandledRejection', (reason) => unhandled.push(String(reason)));

const append = async (first: number): Promise<string> => {
  try {
    await log.append(sampleEvents(first, 100));
    return 'ok';
  } catch (error) {
    return error instanceof TendrilError ? error.code : String(error);
  }
};

const tell = (report: object): void => {
  writeSync(1, `${JSON.stringify(report)}\n`);
};

let appended = 0;
const codes: string[] = [];
while (codes.length < 3) {
  const code = await append(appended + 1);
  if (code === 'ok') appended += 100;
  else codes.push(code);
  tell({ appended, codes });
}
const { commits } = log.counters;
let readable = 0;
for await (const batch of log.read({ from: 1 })) readable += batch.length;
await new Promise((resolve) => setTimeout(resolve, 50));
tell({ appended, codes, commits, readable, failure: log.failure?.code, head: log.head().offset, unhandled });
process.kill(process.pid, 'SIGKILL');
