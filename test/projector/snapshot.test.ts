/** Snapshots: round trips while events come in, and whatever is wrong with one. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { verifyData } from '../../src/projector/index.ts';
import { hasCode } from '../store/support.ts';
import { closeSystem, feed, openSystem, stateOf, tempDir, withSystem } from './harness.ts';
import { MESH, randomFrom } from './mesh-events.ts';
import { bytesOf, initial, installed, mixedEvents, replayedHash } from './snapshot-support.ts';

const RUNS = Number(process.env.TENDRIL_SNAPSHOT_RUNS ?? 5);

test('taken while events come in, a snapshot gives the state of a replay, and both go on alike', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.integer(), fc.integer({ min: 0, max: 6 }), fc.boolean(), async (seed, rounds, withLog) => {
      const parent = tempDir(t);
      const system = await openSystem(join(parent, 'source'));
      try {
        const next = mixedEvents(seed);
        if (rounds > 0) await feed(system, ...initial());
        for (let round = 1; round < rounds; round++) await feed(system, ...next());
        const meanwhile = next();
        const [bytes] = await Promise.all([
          system.projector.snapshots.open({ withLog }).then(bytesOf),
          feed(system, ...meanwhile),
        ]);
        const { dir, header } = await installed(parent, bytes);
        assert.equal(header.hash, await replayedHash(t, system, header.offset));
        const later = [...meanwhile, ...next()];
        const copy = await openSystem(dir);
        try {
          assert.equal(copy.log.head().offset, header.offset);
          assert.equal(copy.log.head().first, withLog ? 1 : header.offset + 1);
          assert.deepEqual(copy.projector.proof(), {
            offset: header.offset,
            hash: header.hash,
            chain: header.chain,
            foldVersion: header.foldVersion,
          });
          // The log goes on in both with the same records: also those that are duplicates now.
          const rest = [];
          for await (const records of system.log.read({ from: header.offset + 1 }))
            for (const { event } of records) if (event !== undefined) rest.push(event);
          if (rest.length > 0) await feed(copy, ...rest);
          await feed(copy, ...later);
          await feed(system, ...later);
          assert.deepEqual(copy.projector.proof(), system.projector.proof());
          assert.deepEqual([...copy.projector.sharedKeys()].sort(), [...system.projector.sharedKeys()].sort());
        } finally {
          await closeSystem(copy);
        }
        const report = await verifyData({ dir, mesh: MESH });
        assert.deepEqual(report.problems, []);
        assert.equal(report.hash, system.projector.proof()?.hash);
        if (withLog) {
          await closeSystem(system);
          assert.deepEqual(await stateOf(dir), await stateOf(system.dir));
        }
      } finally {
        await closeSystem(system);
      }
      assert.ok(!existsSync(join(parent, 'source', 'tmp')) || readdirSync(join(parent, 'source', 'tmp')).length === 0);
    }),
    { numRuns: RUNS },
  );
});

test('a changed byte, or a missing end, is refused', async (t) => {
  const parent = tempDir(t);
  const next = mixedEvents(7);
  const bytes = await withSystem(join(parent, 'source'), async (system) => {
    await feed(system, ...initial(), ...next());
    return bytesOf(await system.projector.snapshots.open({ withLog: true }));
  });
  const random = randomFrom(11);
  for (let round = 0; round < 60; round++) {
    const image = Buffer.from(bytes);
    const at = round < 40 ? Math.floor(random() * bytes.length) : round - 40;
    image[at] = (image[at] ?? 0) ^ (1 << Math.floor(random() * 8));
    await assert.rejects(installed(parent, image), (error: { code?: string }) => {
      // Of the version's bytes another one is a newer format.
      assert.match(String(error.code), /^(SNAPSHOT_CORRUPT|DATA_FROM_NEWER_VERSION)$/, `byte ${at}: ${String(error)}`);
      return true;
    });
  }
  for (let round = 0; round < 20; round++) {
    const length = round === 0 ? bytes.length - 1 : Math.floor(random() * bytes.length);
    await assert.rejects(installed(parent, bytes.subarray(0, length)), hasCode('SNAPSHOT_CORRUPT'));
  }
  await assert.rejects(installed(parent, Buffer.concat([bytes, Buffer.alloc(1)])), hasCode('SNAPSHOT_CORRUPT'));
  await installed(parent, bytes);
});

test('at most two at a time', async (t) => {
  await withSystem(tempDir(t), async (system) => {
    await feed(system, ...initial());
    const { snapshots } = system.projector;
    const open = [await snapshots.open({ withLog: true }), await snapshots.open({ withLog: true })];
    await assert.rejects(snapshots.open({ withLog: true }), hasCode('SNAPSHOT_BUSY'));
    assert.equal(snapshots.counters.refused, 1);
    for (const snapshot of open) await snapshot.close();
    await bytesOf(await snapshots.open({ withLog: false }));
    assert.equal(snapshots.isOpen, false);
  });
});
