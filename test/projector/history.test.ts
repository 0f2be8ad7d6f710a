import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { findRows, hashSubject, joinRows, ownerOf, RowCollector } from '../../src/projector/history-rows.ts';
import { StateQueries } from '../../src/projector/state-queries.ts';
import { openStateTables, STATE_NAME, STATE_SCHEMA } from '../../src/projector/state-tables.ts';
import { concatenate, FINAL_LEVEL, type PackKey, Tiers } from '../../src/projector/tiers.ts';
import { openEnvironment } from '../../src/store/index.ts';
import { feed, openSystem, tempDir } from './harness.ts';
import { changeEvents, endpoint, event, initialEvents, MESH, randomFrom, registered } from './mesh-events.ts';

test('rows are found by owner, in order of offset, in one pack as in joined ones', () => {
  const rows = fc.array(
    fc.record({ hash: fc.constantFrom(0, 1, 7, 0xffff_ffff, 0x8000_0000), kind: fc.integer({ min: 0, max: 0xffff }) }),
  );
  fc.assert(
    fc.property(fc.array(rows, { minLength: 1 }), (commits) => {
      let offset = 2 ** 33;
      const model = new Map<number, { offset: number; kind: number }[]>();
      const packs = commits.map((commit) => {
        const collector = new RowCollector();
        for (const { hash, kind } of commit) {
          offset++;
          collector.add(hash, offset, kind);
          model.set(hash, [...(model.get(hash) ?? []), { offset, kind }]);
        }
        return collector.pack();
      });
      const joined = joinRows(packs);
      for (const hash of [0, 1, 2, 7, 0xffff_ffff, 0x8000_0000]) {
        assert.deepEqual(findRows(joined, hash), model.get(hash) ?? []);
        assert.deepEqual(
          packs.flatMap((pack) => findRows(pack, hash)),
          model.get(hash) ?? [],
        );
      }
    }),
  );
});

test('the owner is what is folded together', () => {
  assert.equal(ownerOf('endpoint/shop/cart/cart-1'), 'endpoint/shop/cart');
  assert.equal(ownerOf('edge/cart.shop/redis.shop:6379'), 'edge/cart.shop');
  assert.equal(ownerOf('policy/Route/shop/cart'), 'policy/Route/shop/cart');
  assert.equal(ownerOf('endpoint/short'), 'endpoint/short');
  assert.equal(hashSubject('endpoint/shop/cart/a').owner, hashSubject('endpoint/shop/cart/b').owner);
  assert.notEqual(hashSubject('endpoint/shop/cart/a').kind, hashSubject('endpoint/shop/cart/b').kind);
});

test('T1, T2: tiers keep everything in order, in few packs, whatever the sizes', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(1, 10, 1000, 40_000, 600_000), { minLength: 1, maxLength: 120 }), (sizes) => {
      const table = new Map<string, { key: PackKey; bytes: Uint8Array }>();
      const writer = {
        put: (key: PackKey, bytes: Uint8Array) => void table.set(key.join(), { key, bytes }),
        remove: (key: PackKey) => void assert.ok(table.delete(key.join()), 'removes only what is there'),
      };
      let tiers = new Tiers(concatenate);
      const all: Uint8Array[] = [];
      for (const [index, size] of sizes.entries()) {
        const bytes = new Uint8Array(size).fill(index);
        all.push(bytes);
        tiers.add(index + 1, bytes, writer);
        if (index % 7 === 3) {
          // A restart.
          tiers = new Tiers(concatenate);
          for (const { key, bytes: stored } of [...table.values()].sort(
            (a, b) => a.key[0] - b.key[0] || a.key[1] - b.key[1],
          )) {
            tiers.load(key, stored);
          }
        }
      }
      const packs = [...table.values()].sort((a, b) => a.key[1] - b.key[1]);
      assert.ok(Buffer.from(concatenate(packs.map((pack) => pack.bytes))).equals(Buffer.from(concatenate(all))));
      const pending = packs.filter((pack) => pack.key[0] !== FINAL_LEVEL);
      assert.ok(pending.length < 16 * 3, `${pending.length} packs are not final`);
    }),
    { numRuns: 30 },
  );
});

test('history finds every event of a subject and an image near any offset', async (t) => {
  const dir = tempDir(t);
  const system = await openSystem(dir);
  const size = { services: 3, endpoints: 4 };
  await feed(system, ...initialEvents(size));
  const next = changeEvents(size, randomFrom(7));
  const offsets = new Map<string, number[]>();
  for (let round = 0; round < 60; round++) {
    const events = Array.from({ length: 1 + (round % 20) }, next);
    const { offsets: got } = await system.log.append(events);
    for (const [index, offset] of got.entries()) {
      const subject = events[index]?.subject ?? '';
      offsets.set(subject, [...(offsets.get(subject) ?? []), offset]);
    }
    await system.projector.waitFor(got.at(-1) ?? 0);
  }
  await feed(
    system,
    event('endpoint.deregistered', { namespace: 'shop', service: 'svc-2', id: 'svc-2-0' }),
    registered('late'),
    endpoint('late', 'a'),
  );
  const head = system.projector.notice.offset;
  await system.projector.close();
  await system.log.close();

  const environment = await openEnvironment({
    dir,
    mesh: MESH,
    name: STATE_NAME,
    schema: STATE_SCHEMA,
    mode: 'visible',
    readOnly: true,
  });
  t.after(() => environment.close());
  const tables = openStateTables(environment);
  const queries = new StateQueries(tables);
  for (const [subject, expected] of offsets) {
    const found = queries.offsetsOf(subject, head);
    for (const offset of expected) assert.ok(found.includes(offset), `${subject} at ${offset}`);
    const half = expected[Math.floor(expected.length / 2)] ?? 0;
    assert.ok(queries.offsetsOf(subject, half).every((offset) => offset <= half));
  }
  const image = queries.imageOf('eps/svc-0.shop/0', head);
  assert.ok(image !== undefined && image.offset > 0 && image.bytes !== undefined);
  assert.deepEqual(queries.imageOf('eps/svc-0.shop/0', image.offset), image);
  assert.equal(queries.imageOf('eps/nobody.shop/0', head), undefined);
});
