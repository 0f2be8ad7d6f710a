/**
 * Writer of the kill test: `kill-child DIR SEED` appends batches from 8 writers at once and reports every acknowledged one on
 * stdout, synchronously, as `<first offset> <id of the batch> <size>`.
 */
import { writeSync } from 'node:fs';
import { openEventLog } from '../../src/log/index.ts';
import type { EventEnvelope } from '../../src/model/index.ts';
import { seeded } from '../store/support.ts';
import { MESH, sampleEvent } from './sample-events.ts';

const [dir = '', seed = '0'] = process.argv.slice(2);
const random = seeded(Number(seed));
const log = await openEventLog({ kind: 'lmdb', dir, mesh: MESH, clock: Date });

const batchOf = (id: string, size: number): EventEnvelope[] =>
  Array.from({ length: size }, (_, index) => ({
    ...sampleEvent(index),
    id: `${id}/${index}`,
    batch: { id, index, size },
  }));

const write = async (writer: number): Promise<never> => {
  for (let n = 0; ; n++) {
    const id = `${seed}-${writer}-${n}`;
    const size = 1 + Math.floor(random() * 6);
    const { offsets } = await log.append(batchOf(id, size));
    writeSync(1, `${offsets[0]} ${id} ${size}\n`);
  }
};

process.send?.('writing');
await Promise.all(Array.from({ length: 8 }, (_, writer) => write(writer)));
