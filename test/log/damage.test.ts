/**
 * F-corrupt of reference/reliability.md, section 4b. This process opens 50 damaged copies of a good log: it must not die, and every
 * copy is either refused with LOG_CORRUPT or gives exactly the good events (the damage was in bytes that are not in use).
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { crc32 } from '../../src/store/crc32.ts';
import { collect } from '../contracts/event-log.ts';
import { chooseSeed, hasCode, seeded, temporaryDirectory } from '../store/support.ts';
import { damageCopies, flip, makeLog, openDamaged, outcome, place } from './damage-images.ts';

test('F-corrupt: 40 flipped bits and 10 cut files: refused or harmless, never wrong, and nobody dies', async (context) => {
  const { refused } = await damageCopies(context, 40, 10);
  assert.ok(refused >= 20, 'most of the file is in use: most damage must be found');
});

test('F-corrupt: the head of the file, where LMDB keeps its roots, bit by bit', async (context) => {
  const random = seeded(chooseSeed(context));
  const { image, records } = await makeLog(context);
  const counts = { refused: 0, harmless: 0 };
  for (let n = 0; n < 12; n++) {
    const dir = temporaryDirectory(context);
    // Fields of a meta page: behind its header of 24 bytes, up to the transaction at 152.
    const byte = (n % 2) * 4096 + 24 + Math.floor(random() * 136);
    place(dir, flip(image, byte * 8 + Math.floor(random() * 8)));
    counts[await outcome(dir, records)]++;
  }
  context.diagnostic(`refused ${counts.refused}, harmless ${counts.harmless}`);
});

test('F-corrupt: what only a writer would meet: cut inside the list of tables; end or free pages outside of the file', async (context) => {
  const { image, records } = await makeLog(context);
  const newest = image.readBigUInt64LE(152) > image.readBigUInt64LE(4096 + 152) ? 0 : 4096;
  const listOfTables = Number(image.readBigUInt64LE(newest + 136));
  const damaged = {
    'cut at the begin of the list of tables': image.subarray(0, listOfTables * 4096 + 200),
    'cut at the end of the list of tables': image.subarray(0, listOfTables * 4096 + 4050),
    'last page, bit 34': flip(image, (newest + 144) * 8 + 34),
    'root of the free pages, bit 24': flip(image, (newest + 88) * 8 + 24),
  };
  for (const [what, copy] of Object.entries(damaged)) {
    const dir = temporaryDirectory(context);
    place(dir, copy);
    assert.equal(await outcome(dir, records), 'refused', what);
  }
});

test('pages whose kind is lost after a clean stop: the start, or the reading, ends with LOG_CORRUPT', async (context) => {
  const { image } = await makeLog(context);
  const damaged = Buffer.from(image);
  const [PAGE, BRANCH, FLAGS_AT] = [4096, 0x01, 18];
  for (let page = 2 * PAGE; page < damaged.length; page += PAGE)
    if (damaged.readUInt16LE(page + FLAGS_AT) === BRANCH) damaged.writeUInt16LE(0, page + FLAGS_AT);
  assert.notDeepEqual(damaged, image);
  const dir = temporaryDirectory(context);
  place(dir, damaged);
  writeFileSync(
    join(dir, 'log', 'clean.json'),
    JSON.stringify({ size: damaged.length, meta: crc32(damaged.subarray(0, 131_072)) }),
  );
  const reading = async (): Promise<void> => {
    const log = await openDamaged(dir);
    try {
      await collect(log.read({ from: 1 }));
    } finally {
      await log.close();
    }
  };
  await assert.rejects(reading(), hasCode('LOG_CORRUPT', 'table events'));
});

test('a bit that flips after a clean stop: reading stops at that event and names it, what lies before is given', async (context) => {
  const { image, records } = await makeLog(context);
  const dir = temporaryDirectory(context);
  const damaged = Buffer.from(image);
  const mark = '"id":"event-1234"';
  for (let at = damaged.indexOf(mark); at >= 0; at = damaged.indexOf(mark, at + 1)) damaged[at + 7] = 'E'.charCodeAt(0);
  place(dir, damaged);
  writeFileSync(
    join(dir, 'log', 'clean.json'),
    JSON.stringify({ size: damaged.length, meta: crc32(damaged.subarray(0, 131_072)) }),
  );
  const log = await openDamaged(dir);
  context.after(() => log.close());
  assert.equal(log.opened?.clean, true);
  assert.deepEqual(await collect(log.read({ from: 1235 })), records.slice(1234));
  const seen: number[] = [];
  const reading = async (): Promise<void> => {
    for await (const batch of log.read({ from: 1, maxBatch: 100 })) seen.push(...batch.map(({ offset }) => offset));
  };
  await assert.rejects(reading(), hasCode('LOG_CORRUPT', 'event 1234 fails its checksum', 'tendril verify'));
  assert.equal(seen.length, 1200);
});
