import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EventData } from '../../../src/model/index.ts';
import { endpoint, recordAt, Story, service, type Told, told } from './story.ts';

const bad = (type: string, data: unknown, more: Partial<Told> = {}): Told =>
  ({ type, data, subject: 'x', ...more }) as unknown as Told;

const codes = (...events: readonly Told[]): (string | undefined)[] => {
  const story = new Story();
  return events.flatMap((event) =>
    story.apply(event).map(({ status, code }) => (status === 'quarantined' ? code : `${status} ${code}`)),
  );
};

test('what is no event of this mesh and version is quarantined, and changes nothing', () => {
  const good = told('service.registered', service('a'));
  assert.deepEqual(
    codes(
      bad('service.exploded', {}),
      bad('__proto__', {}),
      { ...good, mesh: 'other' },
      { ...good, schemaVersion: 2 },
      { ...good, subject: 'service/default/b' },
      { ...told('endpoint.registered', endpoint('a', 'x')), subject: 'endpoint/default/a/y' },
      told('mesh.configured', { name: 'other', suffixes: [] }),
    ),
    ['type', 'type', 'mesh', 'version', 'subject', 'subject', 'mesh'],
  );
});

test('bad data is quarantined', () => {
  const registered = (more: object) =>
    bad('service.registered', { ...service('a'), ...more }, { subject: 'service/default/a' });
  const ep = (more: object) =>
    bad('endpoint.registered', { ...endpoint('a', 'x'), ...more }, { subject: 'endpoint/default/a/x' });
  const edge = (from: string, to: string) => told('dependency.declared', { from, to });
  const events = [
    registered({ ports: [] }),
    registered({ ports: [{ port: 70_000, protocol: 'http' }] }),
    registered({ ports: [{ port: 80.5, protocol: 'http' }] }),
    registered({
      ports: [
        { port: 80, protocol: 'http' },
        { port: 80, protocol: 'tcp' },
      ],
    }),
    registered({ name: 'A' }),
    registered({ surprise: 1 }),
    registered({ external: { hosts: ['*.example.com'] } }),
    registered({ external: { hosts: ['Example.com'] } }),
    registered({ interfaces: [{ name: 'shop.Cart', port: 81 }] }),
    registered({ labels: { ['x'.repeat(64)]: '1' } }),
    registered({ labels: { 'a\u0000b': '1' } }),
    ep({ address: '10.0.0.256' }),
    ep({ address: 'host.example.com' }),
    ep({ address: 'fe80::1%eth0' }),
    ep({ ports: { http: 80 } }),
    ep({ ports: { '080': 80 } }),
    ep({ inbound: { 80: 0 } }),
    ep({ weight: -1 }),
    ep({ weight: 1.5 }),
    ep({ health: 'fine' }),
    ep({ id: '' }),
    ep({ locality: { planet: 'earth' } }),
    edge('cart', 'a.default'),
    edge('cart.default', 'a'),
    edge('cart.default', 'a.default:0'),
    edge('cart.default', `${'a'.repeat(64)}.default`),
    bad('policy.deleted', { kind: 'Rout', namespace: 'default', name: 'a' }, { subject: 'policy/Rout/default/a' }),
    bad('policy.applied', { document: 'text' }),
    bad('dependency.renewed', { edges: [{ from: 'a.b', to: 'nowhere' }] }, { subject: 'edges' }),
  ];
  assert.deepEqual(new Set(codes(...events)), new Set(['schema']));
});

test('names that reach into prototypes are refused', () => {
  const text = '{"namespace":"default","service":"a","id":"x","address":"10.0.0.1","labels":{"__proto__":"1"}}';
  const data = JSON.parse(text) as EventData['endpoint.registered'];
  assert.deepEqual(codes(told('endpoint.registered', data)), ['schema']);
  assert.deepEqual(codes(told('endpoint.registered', endpoint('a', 'x', { labels: { constructor: '1' } as never }))), [
    'schema',
  ]);
  const story = new Story();
  const document = {
    apiVersion: 'tendril.dev/v1',
    kind: 'Service',
    metadata: { name: 'a' },
    spec: JSON.parse('{"__proto__":{}}'),
  };
  assert.equal(story.apply(told('policy.applied', { document }))[0]?.status, 'rejected');
});

test('raw resources are not for this version (E107)', () => {
  const resource = { '@type': 'type.googleapis.com/envoy.config.cluster.v3.Cluster', name: 'x' };
  assert.deepEqual(
    codes(
      told('resource.put', { typeUrl: 'type.googleapis.com/envoy.config.cluster.v3.Cluster', name: 'x', resource }),
      told('resource.delete', { typeUrl: 'type.googleapis.com/envoy.config.cluster.v3.Cluster', name: 'x' }),
      told('resource.clear', {}),
    ),
    ['E107', 'E107', 'E107'],
  );
});

test('envelopes without what an event needs are quarantined', () => {
  const story = new Story();
  const good = recordAt(1, told('service.registered', service('a')));
  const changed = (offset: number, more: object) => ({
    ...good,
    offset,
    event: { ...good.event, offset, id: `id-${offset}`, ...more } as typeof good.event,
  });
  const outcomes = [
    changed(1, { id: undefined }),
    changed(2, { source: '' }),
    changed(3, { expect: -1 }),
    changed(4, { expect: 'x' }),
    changed(5, { batch: 'x' }),
    changed(6, { batch: { id: 'a', index: 2, size: 1.5 } }),
    changed(7, { reason: 7 }),
    changed(8, { id: 'x'.repeat(257) }),
  ].flatMap((record) => story.fold.apply(record));
  assert.deepEqual(
    outcomes.map(({ status, code }) => `${status} ${code}`),
    Array(8).fill('quarantined schema'),
  );
});

test('an unreadable record is quarantined with the reason, and the next one is folded', () => {
  const story = new Story();
  const [outcome] = story.unreadable();
  assert.deepEqual([outcome?.status, outcome?.code], ['quarantined', 'unreadable']);
  assert.match(outcome?.message ?? '', /not JSON/);
  assert.equal(story.fold.offset, 1);
  assert.equal(story.send('service.registered', service('a')).status, 'applied');
  assert.deepEqual(story.fold.counters, { applied: 1, rejected: 0, quarantined: 1, duplicate: 0 });
});

test('a fold that throws quarantines the event, undoes its batch, and goes on', () => {
  const story = new Story();
  const boom = () => {
    throw new Error('boom');
  };
  const good = recordAt(2, told('service.registered', service('b')), { batch: { id: 'x', index: 1, size: 2 } });
  story.apply(told('service.registered', service('a')), { id: 'x', index: 0, size: 2 });
  const data = new Proxy({}, { ownKeys: boom, get: boom, has: boom, getPrototypeOf: boom });
  const outcomes = story.fold.apply({ ...good, event: { ...good.event, data } as unknown as typeof good.event });
  assert.deepEqual(
    outcomes.map(({ status, code }) => `${status} ${code}`),
    ['rejected batch', 'quarantined fold'],
  );
  assert.match(outcomes[1]?.message ?? '', /boom/);
  assert.deepEqual([...story.fold.serviceNames()], []);
  story.offset = 2;
  assert.equal(story.send('service.registered', service('a')).status, 'applied');
});
