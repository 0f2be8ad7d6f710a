import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { EventEnvelope, TendrilError } from '../../src/model/index.ts';
import type { ReadModel } from '../../src/projector/index.ts';
import { JournalWriter, MAX_EPOCHS, proofInJournal, readJournal } from '../../src/projector/journal.ts';
import { RecordCache } from '../../src/projector/record-cache.ts';
import { openEnvironment } from '../../src/store/index.ts';
import { feed, openModel, openSystem, tempDir, withSystem } from './harness.ts';
import {
  changeEvents,
  endpoint,
  event,
  initialEvents,
  MESH,
  observed,
  policy,
  randomFrom,
  registered,
  route,
} from './mesh-events.ts';

test('before the first publication there is nothing to open', async (t) => {
  const dir = tempDir(t);
  await assert.rejects(openModel(dir), (error: TendrilError) => error.code === 'DATA_MISSING');
  await withSystem(dir, async () => {
    const model = await openModel(dir);
    assert.equal(model.epoch(), 1);
    await model.close();
    await assert.rejects(openModel(dir, { mesh: 'foreign' }), (error: TendrilError) => error.code === 'MESH_MISMATCH');
  });
});

test('callers fall back to their namespace, then to everybody', async (t) => {
  const dir = tempDir(t);
  await withSystem(dir, async (system) => {
    await feed(system, registered('cart'), registered('secret', { visibility: 'namespace' }));
    await feed(
      system,
      policy('Dependency', 'mesh-wide', { scope: { mesh: true }, to: { 'cart.shop': {} } }),
      policy('Dependency', 'own', { scope: { service: 'own' }, to: { 'secret.shop': {} }, learn: false }),
    );
    const model = await openModel(dir);
    assert.deepEqual(model.caller('own.shop').preload, ['cart.shop:80', 'secret.shop:80']);
    assert.equal(model.caller('own.shop').learn, false);
    assert.deepEqual(model.caller('someone.shop').preload, ['cart.shop:80']);
    assert.equal(model.caller('someone.shop').learn, true);
    assert.deepEqual(model.caller('foreign.elsewhere').preload, ['cart.shop:80']);
    // Records with a star changed: everybody who stands on them sees it.
    await feed(system, event('policy.deleted', { kind: 'Dependency', namespace: 'shop', name: 'mesh-wide' }));
    model.journalSince(0);
    assert.deepEqual(model.caller('someone.shop').preload, []);
    assert.deepEqual(model.caller('foreign.elsewhere').preload, []);
    assert.deepEqual(model.caller('own.shop').preload, ['secret.shop:80']);
    await model.close();
  });
});

test('external hosts and suffixes follow', async (t) => {
  const dir = tempDir(t);
  await withSystem(dir, async (system) => {
    const model = await openModel(dir);
    assert.deepEqual(model.suffixes(), ['.mesh.local', '.svc.cluster.local']);
    await feed(system, registered('google', { external: { hosts: ['www.example.com', 'api.example.com'] } }));
    model.journalSince(1);
    assert.equal(model.externalHost('www.example.com'), 'google.shop');
    await feed(
      system,
      registered('google', { external: { hosts: ['api.example.com'] } }),
      event('mesh.configured', { name: MESH, suffixes: ['.mine'] }),
    );
    model.journalSince(1);
    assert.equal(model.externalHost('www.example.com'), undefined);
    assert.equal(model.externalHost('api.example.com'), 'google.shop');
    assert.deepEqual(model.suffixes(), ['.mine']);
    await model.close();
  });
});

const known = [
  'cds||svc-0.shop:80',
  'eds||svc-0.shop:80',
  'vhds||svc-1.shop:80',
  'vhds|ns:shop|svc-1.shop:80',
  'local||svc-2.shop',
  'eds||svc-2.shop:80/v1',
  'nothing',
];
const callers = ['svc-0.shop', 'svc-1.shop', 'x.shop', 'x.other'];

/** All that a worker may ask for. */
const snapshot = (model: ReadModel): unknown => ({
  epoch: model.epoch(),
  offset: model.offset(),
  resources: known.map((key) => model.resource(key)),
  services: ['svc-0.shop', 'svc-3.shop', 'no.shop'].map((name) => model.service(name)),
  endpoints: ['svc-0-0', 'svc-0-1'].map((id) => model.endpoint('svc-0.shop', id)),
  callers: callers.map((name) => model.caller(name)),
  hosts: ['a.example', 'b.example'].map((host) => model.externalHost(host)),
  suffixes: model.suffixes(),
});

test('M2: a model with a warm memory sees what one without sees, after every commit', async (t) => {
  const dir = tempDir(t);
  const random = randomFrom(5);
  const size = { services: 4, endpoints: 2 };
  await withSystem(dir, async (system) => {
    await feed(system, ...initialEvents(size));
    const warm = await openModel(dir);
    const lazy = await openModel(dir);
    const next = changeEvents(size, random);
    const others: (() => EventEnvelope)[] = [
      () => route('svc-1', { timeout: `${1 + Math.floor(random() * 9)}s` }),
      () => policy('Upstream', 'svc-2', { subsets: { v1: { labels: { version: 'v1' } } } }),
      () => route('svc-2', random() < 0.5 ? { to: { v1: {} } } : {}),
      () =>
        observed(callers[Math.floor(random() * 4)] ?? '', `svc-${Math.floor(random() * 4)}.shop:80`, `n${random()}`),
      () =>
        registered(
          'svc-3',
          random() < 0.5
            ? { visibility: 'namespace' }
            : { external: { hosts: [random() < 0.5 ? 'a.example' : 'b.example'] } },
        ),
      () => policy('Dependency', 'all', { scope: { mesh: true }, to: random() < 0.5 ? { 'svc-0.shop': {} } : {} }),
      () => event('mesh.configured', { name: MESH, suffixes: [random() < 0.5 ? '.a' : '.b'] }),
      () =>
        event(random() < 0.5 ? 'service.deregistered' : 'service.registered', {
          namespace: 'shop',
          name: 'svc-0',
          ports: [{ port: 80, protocol: 'http' }],
        } as never),
    ];
    for (let round = 0; round < 80; round++) {
      const make = random() < 0.5 ? next : (others[Math.floor(random() * others.length)] ?? next);
      await feed(system, make());
      // One hears of every commit, the other finds out by itself on its next turn.
      warm.journalSince(warm.epoch());
      const cold = await openModel(dir);
      assert.deepEqual(snapshot(warm), snapshot(cold), `round ${round}`);
      if (round % 9 === 0) assert.deepEqual(snapshot(lazy), snapshot(cold), `round ${round}`);
      await cold.close();
    }
    assert.ok(warm.counters().hits > 100);
    await warm.close();
    await lazy.close();
  });
});

test('records given out are copies: later reads do not change them', async (t) => {
  const dir = tempDir(t);
  await withSystem(dir, async (system) => {
    await feed(system, ...initialEvents({ services: 30, endpoints: 5 }));
    const model = await openModel(dir, { cacheBytes: 1 });
    const first = model.resource('eds||svc-0.shop:80');
    const bytes = Buffer.from(first?.body ?? []).toString('hex');
    for (let at = 1; at < 30; at++) model.resource(`eds||svc-${at}.shop:80`);
    await new Promise((done) => setTimeout(done, 5));
    for (let at = 1; at < 30; at++) model.resource(`cds||svc-${at}.shop:80`);
    assert.equal(Buffer.from(first?.body ?? []).toString('hex'), bytes);
    assert.ok(model.counters().bytes <= 1, 'the bound holds');
    await model.close();
  });
});

test('the journal resumes from any epoch it holds, and says everything beyond', async (t) => {
  const dir = tempDir(t);
  await withSystem(dir, async (system) => {
    const model = await openModel(dir);
    for (const name of ['a', 'b', 'c']) await feed(system, registered(name));
    const keysOf = (since: number): readonly string[] =>
      model.journalSince(since).keys.filter((key) => key.startsWith('svc|'));
    assert.deepEqual(keysOf(1), ['svc|a.shop', 'svc|b.shop', 'svc|c.shop']);
    assert.deepEqual(keysOf(3), ['svc|c.shop']);
    assert.deepEqual(model.journalSince(4), { epoch: 4, keys: [], everything: false });
    for (const since of [0, 99, -1]) assert.equal(model.journalSince(since).everything, true, `since ${since}`);
    await model.close();
  });
  // A restart keeps it.
  await withSystem(dir, async (system) => {
    await feed(system, endpoint('a', 'x'));
    const model = await openModel(dir);
    assert.ok(model.journalSince(3).keys.includes('svc|c.shop'));
    assert.ok(model.journalSince(3).keys.includes('own|a.shop|x'));
    await model.close();
  });
});

test('the journal keeps its bounds and finds proofs by offset', async (t) => {
  const dir = tempDir(t);
  const environment = await openEnvironment({
    dir,
    name: 'journal',
    mesh: MESH,
    schema: { name: 'test', version: 1 },
    mode: 'visible',
  });
  t.after(() => environment.close());
  const table = environment.table<number>('journal');
  let journal = new JournalWriter(table);
  const last = MAX_EPOCHS + 500;
  for (let epoch = 1; epoch <= last; ) {
    await environment.commit((batch) => {
      for (let many = 0; many < 700 && epoch <= last; many++, epoch++) {
        const hash = epoch.toString(16).padStart(64, '0');
        journal.write(
          { epoch, offset: epoch * 10, hash, chain: hash, keys: new Set([`k${epoch}`, 'own|a.b|x\ny']) },
          batch,
        );
      }
    });
    journal = new JournalWriter(table);
  }
  assert.ok(table.count() <= MAX_EPOCHS + 700, `${table.count()} entries`);
  assert.deepEqual(readJournal(table, last - 2, last).keys, [`k${last - 1}`, 'own|a.b|x\ny', `k${last}`]);
  assert.equal(readJournal(table, 5, last).everything, true);
  assert.equal(proofInJournal(table, last * 10)?.offset, last * 10);
  assert.equal(proofInJournal(table, last * 10 - 1)?.hash, (last - 1).toString(16).padStart(64, '0'));
  assert.equal(proofInJournal(table, 10), undefined, 'no longer there');

  // One entry that names more than anybody wants to read.
  const many = new Set(Array.from({ length: 50_001 }, (_, at) => `k${at}`));
  await environment.commit((batch) =>
    new JournalWriter(table).write({ epoch: last + 1, offset: 0, hash: '', chain: '', keys: many }, batch),
  );
  assert.equal(readJournal(table, last, last + 1).everything, true);
});

test('M4: when the file is made anew the model moves over, once it is published', async (t) => {
  const dir = tempDir(t);
  let moved = 0;
  await withSystem(dir, (system) => feed(system, registered('cart'), endpoint('cart', 'a')));
  const model = await openModel(dir, { onReplaced: () => moved++ });
  const before = model.resource('eds||cart.shop:80');
  const { epoch } = model.journalSince(model.epoch());
  // As after damage: the core finds no state and makes it from the log.
  rmSync(join(dir, 'state'), { recursive: true });
  assert.equal(model.journalSince(epoch).everything, false);
  assert.deepEqual(model.resource('eds||cart.shop:80'), before, 'the old one is served meanwhile');
  const system = await openSystem(dir);
  await feed(system, registered('late'));
  while (moved === 0) {
    model.journalSince(epoch);
    await new Promise((done) => setTimeout(done, 10));
  }
  assert.deepEqual(model.journalSince(epoch), { epoch: 2, keys: [], everything: true });
  assert.ok(model.service('late.shop') !== undefined);
  assert.deepEqual(model.resource('eds||cart.shop:80'), before);
  assert.equal(model.journalSince(2).everything, false);
  assert.equal(moved, 1);
  await model.close();
  await system.projector.close();
  await system.log.close();
});

test('the memory of records keeps its bounds and its order of use', () => {
  const cache = new RecordCache<string>(3, 10);
  const reads: string[] = [];
  const get = (key: string, weight = 1): string | undefined =>
    cache.get(
      key,
      (read) => {
        reads.push(read);
        return read === 'none' ? undefined : `v${read}`;
      },
      () => weight,
    );
  for (const key of ['a', 'b', 'c', 'a', 'd', 'a', 'b']) get(key);
  assert.deepEqual(reads, ['a', 'b', 'c', 'd', 'b']);
  assert.equal(get('none'), undefined);
  assert.equal(get('none'), undefined);
  assert.equal(reads.filter((key) => key === 'none').length, 1, 'absence is remembered');
  get('heavy', 9);
  assert.ok(cache.weight <= 10 && cache.size === 2);
  get('too heavy', 11);
  assert.equal(cache.size, 0);
  cache.delete('absent');
  cache.clear();
  assert.deepEqual([cache.size, cache.weight], [0, 0]);
});
