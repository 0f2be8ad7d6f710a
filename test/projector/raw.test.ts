/** Raw resources from the log to the read model: records, sets, labels, journal keys, restart, rebuild, verify. */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type EventData, type EventEnvelope, rawKey, rawSetKey } from '../../src/model/index.ts';
import { type ReadModel, verifyData } from '../../src/projector/index.ts';
import { contentVersion } from '../../src/proto/index.ts';
import { closeSystem, feed, openModel, openSystem, stateOf, tempDir, withSystem } from './harness.ts';
import { event, MESH, randomFrom, registered } from './mesh-events.ts';

const CDS = 'type.googleapis.com/envoy.config.cluster.v3.Cluster';
const VHDS = 'type.googleapis.com/envoy.config.route.v3.VirtualHost';
const UNKNOWN = 'type.googleapis.com/my.own.Message';

const put = (typeUrl: string, name: string, fields: object, more: object = {}): EventEnvelope =>
  event('resource.put', {
    typeUrl,
    name,
    resource: { '@type': typeUrl, ...fields },
    ...more,
  } as EventData['resource.put']);
const cluster = (name: string, fields: object = {}, more: object = {}): EventEnvelope =>
  put(CDS, name, { name, ...fields }, more);
const deleted = (typeUrl: string, name: string, more: object = {}): EventEnvelope =>
  event('resource.delete', { typeUrl, name, ...more });
const cleared = (node?: string): EventEnvelope => event('resource.clear', node === undefined ? {} : { node });

/** Reads the journal on from where the last call ended. */
const follower = (model: ReadModel) => {
  let epoch = model.epoch();
  return (): readonly string[] => {
    const changes = model.journalSince(epoch);
    assert.equal(changes.everything, false);
    epoch = changes.epoch;
    return [...changes.keys].sort();
  };
};

test('put, changed, deleted: the model and the journal follow', async (t) => {
  const dir = tempDir(t);
  await withSystem(dir, async (system) => {
    const model = await openModel(dir);
    const changes = follower(model);
    assert.equal(model.raw('', CDS, 'a'), undefined);
    const none = model.rawSet('', CDS);
    assert.deepEqual(none, { names: [] });
    assert.equal(model.rawSet('n', UNKNOWN), none);

    await feed(system, cluster('a', { type: 'EDS', edsClusterConfig: { serviceName: 'other' } }), registered('cart'));
    assert.deepEqual(
      changes().filter((key) => key.startsWith('raw')),
      [`rawset||${CDS}`, `raw||${CDS}|a`],
    );
    const raw = model.raw('', CDS, 'a');
    assert.equal(Buffer.from(raw?.body ?? []).toString('hex'), '0a016110031a0712056f74686572');
    assert.equal(raw?.version, contentVersion([raw?.body ?? new Uint8Array()]));
    assert.equal(raw?.eds, 'other');
    assert.equal(model.raw('', CDS, 'a'), raw, 'from memory');
    assert.equal(model.raw('n', CDS, 'a'), undefined, 'of this node alone');

    await feed(system, cluster('a'), cluster('b'));
    assert.deepEqual(changes(), [`rawset||${CDS}`, `raw||${CDS}|a`, `raw||${CDS}|b`]);
    assert.equal(model.raw('', CDS, 'a')?.eds, undefined);
    const set = model.rawSet('', CDS);
    assert.deepEqual(set, { names: ['a', 'b'] });

    await feed(system, cluster('a'));
    assert.deepEqual(changes(), [], 'equal content');
    await feed(system, cluster('a', { connectTimeout: '1s' }));
    assert.deepEqual(changes(), [`raw||${CDS}|a`], 'another content, the same names');
    assert.equal(model.rawSet('', CDS), set, 'the same object while nothing of it changed');

    await feed(system, deleted(CDS, 'a'));
    assert.deepEqual(changes(), [`rawset||${CDS}`, `raw||${CDS}|a`]);
    assert.equal(model.raw('', CDS, 'a'), undefined);
    assert.deepEqual(model.rawSet('', CDS).names, ['b']);
    await model.close();
  });
});

test('nodes, types and names of any kind have sets of their own', async (t) => {
  const dir = tempDir(t);
  await withSystem(dir, async (system) => {
    const model = await openModel(dir);
    const changes = follower(model);
    const node = 'sidecar~a/b|c ü';
    const names = ['😀', '￿', 'z|x', '}', '|', 'ä', 'a'];
    await feed(system, ...names.map((name) => put(UNKNOWN, name, { value: 'AQ==' }, { node })));
    await feed(system, put(`${UNKNOWN}2`, 'more', { value: 'AQ==' }, { node }), put(UNKNOWN, 'x', { value: 'Ag==' }));
    const encoded = encodeURIComponent(node);
    const keys = changes();
    for (const name of names) assert.ok(keys.includes(`raw|${encoded}|${UNKNOWN}|${name}`), name);
    assert.ok(keys.includes(`rawset|${encoded}|${UNKNOWN}`));
    assert.deepEqual(model.rawSet(node, UNKNOWN).names, [...names].sort());
    assert.deepEqual(model.rawSet(node, `${UNKNOWN}2`).names, ['more']);
    assert.deepEqual(model.rawSet('', UNKNOWN).names, ['x']);
    for (const name of names) assert.deepEqual([...(model.raw(node, UNKNOWN, name)?.body ?? [])], [1]);
    await feed(system, cleared(node));
    assert.deepEqual(model.journalSince(model.epoch()).keys, []);
    assert.deepEqual(model.rawSet(node, UNKNOWN).names, []);
    assert.equal(model.raw(node, UNKNOWN, 'ä'), undefined);
    assert.deepEqual(model.rawSet('', UNKNOWN).names, ['x']);
    await model.close();
  });
});

test('labels', async (t) => {
  const dir = tempDir(t);
  await withSystem(dir, async (system) => {
    const model = await openModel(dir);
    const changes = follower(model);
    const key = `rawset|n|${CDS}`;
    await feed(system, cluster('a', {}, { node: 'n', version: 'v1' }));
    assert.deepEqual(changes(), [key, `raw|n|${CDS}|a`]);
    assert.deepEqual(model.rawSet('n', CDS), { names: ['a'], label: 'v1' });
    await feed(system, cluster('a', {}, { node: 'n', version: 'v2' }));
    assert.deepEqual(changes(), [key], 'the label alone');
    assert.deepEqual(model.rawSet('n', CDS), { names: ['a'], label: 'v2' });
    await feed(system, deleted(CDS, 'a', { node: 'n', version: 'v3' }));
    changes();
    assert.deepEqual(model.rawSet('n', CDS), { names: [], label: 'v3' });
    await feed(system, cleared('n'));
    assert.deepEqual(changes(), [key]);
    assert.deepEqual(model.rawSet('n', CDS), { names: [] });
    await model.close();
  });
});

test('virtual hosts are kept without their name', async (t) => {
  const dir = tempDir(t);
  await withSystem(dir, async (system) => {
    const host = { domains: ['A.b', 'a.b:80'], routes: [{ match: { prefix: '/' }, route: { cluster: 'c' } }] };
    const of = (name: string) => put(VHDS, name, { name, ...host });
    await feed(system, of('outbound/a.b:80'), of('outbound~1/a.b:80'));
    const model = await openModel(dir);
    const [one, two] = ['outbound', 'outbound~1'].map((rds) => model.raw('', VHDS, `${rds}/a.b:80`));
    assert.deepEqual(one, two, 'the name is no part of the version');
    assert.deepEqual(one?.domains, ['a.b', 'a.b:80']);
    assert.deepEqual(one?.clusters, ['c']);
    await model.close();
  });
});

test('restart, rebuild and verify give the same records and the same hash', async (t) => {
  const dir = tempDir(t);
  const events = [
    cluster('a', { type: 'EDS' }, { version: '1' }),
    put(UNKNOWN, 'x', { value: 'AQ==' }, { node: 'n' }),
    put(VHDS, 'r/h', { name: 'r/h', domains: ['h'] }, { node: 'n', version: '7' }),
    put(UNKNOWN, 'y', { value: '' }),
    deleted(UNKNOWN, 'y'),
    cluster('bad', { nam: 'x' }),
  ];
  let hash = '';
  await withSystem(dir, async (system) => {
    const outcomes = await feed(system, ...events);
    assert.deepEqual(
      outcomes.map(({ status, code }) => code ?? status),
      ['applied', 'applied', 'applied', 'applied', 'applied', 'E101'],
    );
    hash = system.projector.proof()?.hash ?? '';
  });
  const before = await stateOf(dir);
  assert.equal(Object.keys(before.raw ?? {}).length, 3);
  assert.deepEqual(Object.keys(before['raw-label'] ?? {}).sort(), [`n|${VHDS}`, `|${CDS}`]);

  // Another version of the software derives everything again; nothing differs, so nothing is told.
  const system = await openSystem(dir, { version: 'other' });
  const model = await openModel(dir);
  assert.deepEqual(model.journalSince(model.epoch() - 1).keys, []);
  assert.equal(system.projector.proof()?.hash, hash);
  await model.close();
  await closeSystem(system);
  assert.deepEqual((await stateOf(dir)).raw, before.raw);

  const report = await verifyData({ dir, mesh: MESH });
  assert.deepEqual(report.problems, []);
});

test('whatever happens, the model in memory says what the fold says, and a rebuild gives the same records', async (t) => {
  const dir = tempDir(t);
  const random = randomFrom(11);
  const pick = <T>(...list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  const nodes = [undefined, 'n1', 'n 2'];
  const names = ['a', 'b', 'c|d'];
  const types = [CDS, UNKNOWN];
  const any = (): EventEnvelope => {
    const node = pick(...nodes);
    const where = { ...(node === undefined ? {} : { node }), ...(random() < 0.4 ? { version: pick('1', '2') } : {}) };
    const [typeUrl, name] = [pick(...types), pick(...names)];
    const what = random();
    if (what < 0.08) return cleared(node);
    if (what < 0.3) return deleted(typeUrl, name, where);
    const content = pick(1, 2);
    return typeUrl === CDS
      ? cluster(name, { connectTimeout: `${content}s` }, where)
      : put(typeUrl, name, { value: content === 1 ? '' : 'AQ==' }, where);
  };
  await withSystem(dir, async (system) => {
    const model = await openModel(dir);
    const { fold } = system.projector;
    for (let round = 0; round < 120; round++) {
      await feed(system, ...Array.from({ length: pick(1, 1, 4) }, any));
      model.journalSince(model.epoch());
      for (const node of nodes) {
        for (const typeUrl of types) {
          const held = names.filter((name) => {
            const expected = fold.raw(rawKey({ node, typeUrl, name }));
            const found = model.raw(node ?? '', typeUrl, name);
            assert.equal(found?.version, expected?.version, `round ${round} ${node} ${typeUrl} ${name}`);
            assert.deepEqual(found?.body, expected?.body);
            return expected !== undefined;
          });
          const { names: stored, label } = model.rawSet(node ?? '', typeUrl);
          assert.deepEqual([stored, label], [held, fold.rawLabel(rawSetKey(node, typeUrl))], `round ${round}`);
        }
      }
    }
    await model.close();
  });
  const before = await stateOf(dir);
  assert.ok(Object.keys(before.raw ?? {}).length > 3);
  rmSync(join(dir, 'state'), { recursive: true });
  await withSystem(dir, async () => undefined);
  const after = await stateOf(dir);
  for (const table of ['entity', 'raw', 'raw-label']) assert.deepEqual(after[table], before[table], table);
});
