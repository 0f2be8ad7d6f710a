/** Damaged copies of a good log, for damage.test.ts and damage.soak.ts. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type LogRecord, openEventLog } from '../../src/log/index.ts';
import { TendrilError } from '../../src/model/index.ts';
import { collect } from '../contracts/event-log.ts';
import { chooseSeed, seeded, temporaryDirectory } from '../store/support.ts';
import { MESH, sampleEvents } from './sample-events.ts';

export const openDamaged = (dir: string) => openEventLog({ kind: 'lmdb', dir, mesh: MESH, clock: Date });

export const makeLog = async (context: TestContext): Promise<{ image: Buffer; records: LogRecord[] }> => {
  const dir = temporaryDirectory(context);
  const log = await openDamaged(dir);
  for (let n = 0; n < 40; n++) await log.append(sampleEvents(1 + n * 50, 50));
  const records = await collect(log.read({ from: 1 }));
  await log.close();
  return { image: readFileSync(join(dir, 'log', 'data.mdb')), records };
};

export const place = (dir: string, image: Buffer): void => {
  mkdirSync(join(dir, 'log'), { recursive: true });
  writeFileSync(join(dir, 'log', 'data.mdb'), image);
};

export const flip = (image: Buffer, bit: number): Buffer => {
  const damaged = Buffer.from(image);
  damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return damaged;
};

/** `refused`, or `harmless` when every event is there and the same. Anything else fails. */
export const outcome = async (dir: string, good: readonly LogRecord[]): Promise<'refused' | 'harmless'> => {
  try {
    const log = await openDamaged(dir);
    try {
      assert.deepEqual(await collect(log.read({ from: 1 })), good);
      return 'harmless';
    } finally {
      await log.close();
    }
  } catch (error) {
    if (error instanceof TendrilError && error.code === 'LOG_CORRUPT') return 'refused';
    throw error;
  }
};

/** Flips one bit in each of `flips` copies and cuts each of `cuts` others at a random length; gives the outcomes. */
export const damageCopies = async (
  context: TestContext,
  flips: number,
  cuts: number,
): Promise<{ refused: number; harmless: number }> => {
  const random = seeded(chooseSeed(context));
  const { image, records } = await makeLog(context);
  const counts = { refused: 0, harmless: 0 };
  for (let n = 0; n < flips + cuts; n++) {
    const dir = temporaryDirectory(context);
    const at = Math.floor(random() * image.length);
    place(dir, n < flips ? flip(image, at * 8 + Math.floor(random() * 8)) : image.subarray(0, at));
    counts[await outcome(dir, records)]++;
    rmSync(dir, { recursive: true });
  }
  context.diagnostic(`${image.length} bytes; refused ${counts.refused}, harmless ${counts.harmless}`);
  return counts;
};
