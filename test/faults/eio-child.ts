/**
 * A writer whose disk fails, under strace: `eio-child DIR`. Four writers append to an existing log; every acknowledged event is told at
 * once on stdout, `ack <offset> <id>`, and every refusal, `refused <code>`. After the first failure each of them tries once more, what
 * is there is read, and the process ends by itself.
 */
import { writeSync } from 'node:fs';
import { openEventLog } from '../../src/log/index.ts';
import { TendrilError } from '../../src/model/index.ts';
import { MESH, sampleEvent } from '../log/sample-events.ts';

const MOST = 400;
const [dir = ''] = process.argv.slice(2);
const tell = (line: string): void => {
  writeSync(1, `${line}\n`);
};
const codeOf = (error: unknown): string => (error instanceof TendrilError ? error.code : String(error));
process.on('unhandledRejection', (reason) => tell(`unhandled ${codeOf(reason)}`));

try {
  const log = await openEventLog({ kind: 'lmdb', dir, mesh: MESH, clock: Date });
  let next = 1_000;
  const write = async (): Promise<void> => {
    for (let refused = 0; refused < 2 && next < 1_000 + MOST; ) {
      const event = sampleEvent(next++);
      try {
        const { offsets } = await log.append([event]);
        tell(`ack ${offsets[0]} ${event.id}`);
      } catch (error) {
        refused++;
        tell(`refused ${codeOf(error)}`);
      }
    }
  };
  await Promise.all(Array.from({ length: 4 }, write));
  try {
    let readable = 0;
    for await (const batch of log.read({ from: 1 })) readable += batch.length;
    tell(`readable ${readable}`);
  } catch (error) {
    // LMDB ends an environment whose meta page it could not write, in this process: other processes go on reading.
    tell(`unreadable ${codeOf(error)}`);
  }
  await log.close();
} catch (error) {
  tell(`not opened ${codeOf(error)}`);
}
