/** The state as it was: at any offset what a fold of the log up to there tells, without that fold. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hashOf } from '../../src/projector/history-rows.ts';
import { createFoldState } from '../../src/projector/index.ts';
import { closeSystem, feed, openSystem, tempDir } from './harness.ts';
import { endpoint, event, MESH, policy, randomFrom, registered } from './mesh-events.ts';
import { meshStep } from './past-events.ts';
import { told } from './past-told.ts';

const SEED = Number(process.env.TENDRIL_PAST_SEED ?? 7);

test('at every offset documents, services, endpoints, what is in force and raw resources are those of a replay', async (t) => {
  const system = await openSystem(tempDir(t), {});
  t.after(() => closeSystem(system));
  const random = randomFrom(SEED);
  // Many events in one commit and single ones: images lie at some offsets only.
  for (let round = 0; round < 240; round++) {
    const events = Array.from({ length: 1 + Math.floor(random() * 12) }, () => meshStep(random)).flat();
    system.clock.at += 1_000;
    await feed(system, ...events);
  }
  const head = system.log.head().offset;
  let [endpoints, documents, raws] = [0, 0, 0];
  // The plain way: everything from the first event on, stopped here and there.
  const fold = createFoldState({ mesh: MESH });
  const compare = async (at: number): Promise<void> => {
    const plain = told(fold, [...fold.rawKeys()].sort());
    const past = await system.projector.past.stateAt(at);
    const then = await past.read((state) => told(state, state.rawKeys('')));
    assert.deepEqual(then, plain, `at ${at} of ${head}, seed ${SEED}`);
    assert.deepEqual(await past.counts(), fold.entityCounts, `counts at ${at} of ${head}, seed ${SEED}`);
    endpoints += plain.endpoints.flat().length;
    documents += plain.documents.length;
    raws += plain.raws.length;
  };
  await compare(0);
  let next = 1;
  for await (const records of system.log.read({ from: 1 })) {
    for (const record of records) {
      fold.apply(record);
      if (record.offset !== next) continue;
      await compare(next);
      next += 1 + Math.floor(random() * 36);
    }
  }
  assert.ok(endpoints > 1_000 && documents > 100 && raws > 10, `compared ${endpoints}, ${documents}, ${raws}`);
});

test('counts begin at the newest that is stored: also where that lies in a batch, and where nothing is left', async (t) => {
  const system = await openSystem(tempDir(t));
  t.after(() => closeSystem(system));
  const batch = (size: number, from: number) =>
    Array.from({ length: size }, (_, index) => ({
      ...registered(`s-${from + index}`),
      batch: { id: `b-${from}`, index, size },
    }));
  await feed(system, ...batch(1_000, 0));
  // Offset 1,024 lies inside.
  await feed(system, ...batch(100, 1_000));
  await feed(system, event('service.deregistered', { namespace: 'shop', name: 's-1' }), endpoint('s-2', 'x'));
  const services = async (at: number) => (await (await system.projector.past.stateAt(at)).counts()).services;
  assert.deepEqual([await services(1_024), await services(1_050), await services(1_099)], [1_000, 1_000, 1_000]);
  assert.deepEqual([await services(1_100), await services(1_101), await services(0)], [1_100, 1_099, 0]);
  const { endpoints } = await (await system.projector.past.stateAt(1_102)).counts();
  assert.equal(endpoints, 1);
});

test('an endpoint record of then has the facets and the offset of then', async (t) => {
  const system = await openSystem(tempDir(t));
  t.after(() => closeSystem(system));
  await feed(system, registered('a'), endpoint('a', 'x'), { ...endpoint('a', 'x', { weight: 2 }), source: 'other' });
  await feed(
    system,
    event('endpoint.health-changed', { namespace: 'shop', service: 'a', id: 'x', health: 'draining' }),
  );
  await feed(system, event('endpoint.deregistered', { namespace: 'shop', service: 'a', id: 'x' }));
  const shards = await (await system.projector.past.stateAt(3)).entities.endpoints('a.shop');
  const record = shards?.get('x');
  assert.equal(record?.offset, 3);
  assert.deepEqual(
    record?.facets.map(({ source, first }) => [source, first]),
    [
      ['test', 2],
      ['other', 3],
    ],
  );
});

test('a look that fails on what is not loaded yet runs again; what it throws in the end is its own', async (t) => {
  const system = await openSystem(tempDir(t));
  t.after(() => closeSystem(system));
  await feed(system, registered('a'), policy('Route', 'a', { timeout: '1s' }));
  const past = await system.projector.past.stateAt(2);
  const seen = await past.read((state) => {
    const service = state.service('a.shop');
    if (service === undefined) throw new Error('there is none');
    return service.name;
  });
  assert.equal(seen, 'a.shop');
  await assert.rejects(
    past.read((state) => {
      if (state.service('b.shop') === undefined) throw new Error('there is none');
    }),
    { message: 'there is none' },
  );
});

test('so many looks may wait for what they lack; the next one is refused and counted', async (t) => {
  const system = await openSystem(tempDir(t));
  t.after(() => closeSystem(system));
  await feed(system, registered('a'));
  const past = await system.projector.past.stateAt(1);
  const asked = await Promise.allSettled(
    Array.from({ length: 70 }, (_, index) => past.read((state) => state.service(`s-${index}.shop`))),
  );
  const refused = asked.filter(({ status }) => status === 'rejected');
  assert.equal(refused.length, 6);
  for (const one of refused) assert.equal((one as PromiseRejectedResult).reason.code, 'STATE_BUSY');
  assert.equal(system.projector.past.counters.refused, 6);
});

test('a clearing takes away what was put before it: in the counts, and inside of one commit', async (t) => {
  const system = await openSystem(tempDir(t));
  t.after(() => closeSystem(system));
  const typeUrl = 'type.googleapis.com/envoy.config.cluster.v3.Cluster';
  const put = (name: string) =>
    event('resource.put', { node: 'web/1', typeUrl, name, resource: { '@type': typeUrl, name } });
  await feed(system, put('x'), put('y'));
  // The next counts that are stored are those at 1,024.
  await feed(system, ...Array.from({ length: 1_022 }, (_, index) => registered(`s-${index % 5}`)));
  await feed(system, event('resource.clear', { node: 'web/1' }), put('x'), registered('s-0'));
  const at = async (offset: number) => {
    const past = await system.projector.past.stateAt(offset);
    const keys = await past.read((state) => [...state.rawKeys('')].filter((key) => state.raw(key) !== undefined));
    return [keys.length, (await past.counts()).raw];
  };
  assert.deepEqual(
    [await at(1_024), await at(1_025), await at(1_026)],
    [
      [2, 2],
      [0, 0],
      [1, 1],
    ],
  );
});

test('the removal of another entity with the same hash is not taken for its own', async (t) => {
  const names = new Map<number, string>();
  let pair: readonly [string, string] | undefined;
  for (let number = 0; pair === undefined; number++) {
    const name = `s-${number}`;
    const hash = hashOf(`svc/${name}.shop`);
    const other = names.get(hash);
    if (other !== undefined) pair = [other, name];
    names.set(hash, name);
    assert.ok(number < 2_000_000, 'no two names have one hash');
  }
  const [stays, goes] = pair;
  const system = await openSystem(tempDir(t));
  t.after(() => closeSystem(system));
  // Each in a commit of its own.
  await feed(system, registered(stays));
  await feed(system, registered(goes));
  await feed(system, event('service.deregistered', { namespace: 'shop', name: goes }));
  await feed(system, registered(stays, { labels: { tier: 'x' } }));
  const past = await system.projector.past.stateAt(3);
  const there = await past.read((state) => [stays, goes].map((name) => state.service(`${name}.shop`) !== undefined));
  assert.deepEqual(there, [true, false]);
});
