/**
 * Child of disk-full.test.ts: `disk-full-child DISK` fills the disk and frees it again while it appends to a log on it, and tells
 * what happened. A process of its own, because an lmdb that meets a full disk aborts.
 */
import { rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openEventLog } from '../../src/log/index.ts';
import { TendrilError } from '../../src/model/index.ts';
import { createDiskGuard } from '../../src/store/index.ts';
import { MESH, sampleEvents } from './sample-events.ts';

const [disk = ''] = process.argv.slice(2);
const RESERVE = 3 * 2 ** 20;
const dir = join(disk, 'data');
const ballast = join(disk, 'ballast');
const changes: string[] = [];
const guard = createDiskGuard({
  path: disk,
  reserveBytes: RESERVE,
  pollMs: 20,
  onChange: ({ state }) => changes.push(state),
});
const log = await openEventLog({ kind: 'lmdb', dir, mesh: MESH, clock: Date, guard });
const codes: Record<string, number> = {};
let next = 1;

const append = async (): Promise<boolean> => {
  try {
    await log.append(sampleEvents(next, 50));
    next += 50;
    return true;
  } catch (error) {
    const code = error instanceof TendrilError ? error.code : String(error);
    codes[code] = (codes[code] ?? 0) + 1;
    return false;
  }
};

const free = (): number => {
  const { bavail, bsize } = statfsSync(disk);
  return bavail * bsize;
};

/** Somebody else takes all but `rest` bytes. */
const fill = (rest: number): void => writeFileSync(ballast, Buffer.alloc(Math.max(0, free() - rest)));

let least = Number.POSITIVE_INFINITY;
let resumed = 0;
const CYCLES = 8;
for (let cycle = 0; cycle < CYCLES; cycle++) {
  fill(cycle % 2 === 0 ? RESERVE + 300_000 : 0);
  while (await append()) least = Math.min(least, free());
  for (let n = 0; n < 5; n++) await append();
  rmSync(ballast);
  if (await append()) resumed++;
}
// At last the log itself fills the disk.
while (await append()) least = Math.min(least, free());
let readable = 0;
for await (const batch of log.read({ from: 1 })) readable += batch.length;
const { failure } = log;
await log.close();
guard.close();
process.send?.({
  appended: next - 1,
  readable,
  codes,
  resumed,
  cycles: CYCLES,
  least,
  reserve: RESERVE,
  changes,
  failure: failure?.message,
});
