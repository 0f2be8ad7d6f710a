/**
 * What is traced for F-power: `power-child DIR SEED BATCHES`, a log and a projector over it under four writers. Every acknowledged
 * batch is written to stdout at once, `<first offset> <id>,<id>,…`, so that the trace has it in its place. Ends as by a power cut.
 */
import { writeSync } from 'node:fs';
import { openEventLog } from '../../src/log/index.ts';
import { Projector } from '../../src/projector/index.ts';
import { changeEvents, MESH, randomFrom } from '../projector/mesh-events.ts';

const [dir = '', seed = '0', batches = '20'] = process.argv.slice(2);
const random = randomFrom(Number(seed));
const log = await openEventLog({ kind: 'lmdb', dir, mesh: MESH, clock: Date });
const projector = await Projector.open({ dir, log, mesh: MESH, clock: Date });
const change = changeEvents({ services: 10, endpoints: 4 }, random);

const write = async (writer: number): Promise<void> => {
  for (let n = 0; n < Number(batches); n++) {
    const events = Array.from({ length: 1 + Math.floor(random() * 8) }, (_, index) => ({
      ...change(),
      id: `${seed}-${writer}-${n}-${index}`,
    }));
    const { offsets } = await log.append(events);
    writeSync(1, `${offsets[0]} ${events.map(({ id }) => id).join(',')}\n`);
    if (random() < 0.3) await projector.waitFor(offsets.at(-1) ?? 0);
  }
};

await Promise.all(Array.from({ length: 4 }, (_, writer) => write(writer)));
process.kill(process.pid, 'SIGKILL');
