/** What a session takes of an earlier life (C7), and that it keeps bytes of its own. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { CDS, Cluster, ClusterLoadAssignment, type ProtoNode, VirtualHost } from '../../src/proto/index.ts';
import type { HeldResource } from '../../src/sidecar-client/config-source.ts';
import { ClientSession, type ClientSessionOptions } from '../../src/sidecar-client/session.ts';

const NODE: ProtoNode = {
  id: 'n',
  cluster: 'web.shop',
  metadata: {},
  locality: { region: '', zone: '', subzone: '' },
  userAgentName: 'test',
  clientFeatures: [],
};

const session = (options: Partial<ClientSessionOptions> = {}): ClientSession =>
  new ClientSession({ node: NODE, bodies: true, ...options });

const held = (name: string, body: Uint8Array): HeldResource => ({ name, version: `v-${name}`, body });
const cluster = (name: string) => held(name, Cluster.encode({ name, type: 3 } as never).finish());
const assignment = (clusterName: string) =>
  held(clusterName, ClusterLoadAssignment.encode({ clusterName } as never).finish());
const host = (name: string, ...domains: string[]) =>
  held(
    name,
    VirtualHost.encode({
      name,
      domains,
      routes: [{ match: { prefix: '/' }, route: { cluster: 'a' } }],
    } as never).finish(),
  );

/** Whatever order names and versions stand in: they are sets. */
const sorted = (value: unknown): unknown => {
  if (value instanceof Map) return sorted([...value]);
  if (Array.isArray(value)) return value.map(sorted).sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, sorted(part)]));
};

const earlier = {
  cds: [cluster('a')],
  eds: [assignment('a'), assignment('unused')],
  vhds: [host('outbound/a', 'a', 'a.x'), host('outbound/b', 'a.x'), host('outbound/c', 'c')],
  hosts: ['a', 'nobody'],
  clusters: ['t.shop:1'],
};

test('C7: all of it at once, but for what the invariants forbid', () => {
  const taken = session();
  assert.deepEqual(taken.restore(earlier), ['vhds outbound/b: Duplicate entry of domain a.x']);
  assert.deepEqual(taken.counts(), { clusters: 1, assignments: 1, virtualHosts: 2 });
  assert.deepEqual(taken.asked(), { hosts: ['a', 'nobody'], clusters: ['t.shop:1'] });
  assert.equal(taken.virtualHostOf('a.x'), 'outbound/a');
  assert.deepEqual(taken.hostOf('outbound/a')?.targets, [{ cluster: 'a', weight: 1 }]);
  assert.equal(taken.isComplete('a'), true);
  const sent = taken.onConnected().flatMap((effect) => (effect.kind === 'request' ? [effect.request] : []));
  assert.deepEqual(Object.fromEntries(sent.flatMap((request) => [...request.initialResourceVersions])), {
    a: 'v-a',
    'outbound/a': 'v-outbound/a',
    'outbound/c': 'v-outbound/c',
  });
});

test('C7: what is taken where it is asked for, and the rest later, is what would be taken at once', () => {
  const life = { ...earlier, vhds: earlier.vhds.filter(({ name }) => name !== 'outbound/b') };
  const asks: readonly ((of: ClientSession) => unknown)[] = [
    (of) => of.virtualHostOf('a'),
    (of) => of.virtualHostOf('a.x'),
    (of) => of.virtualHostOf('nobody'),
    (of) => of.hostOf('outbound/c')?.domains,
    (of) => of.cluster('a')?.eds,
    (of) => of.isComplete('a'),
    (of) => of.isComplete('b'),
    (of) => of.endpoints('a'),
    (of) => of.resource('eds', 'a')?.version,
    (of) => of.resource('eds', 'unused')?.version,
    (of) => of.resource('vhds', 'outbound/a')?.version,
    (of) => of.ask('a'),
    (of) => of.ask('a.x'),
    (of) => of.isAsked('t.shop:1'),
    (of) => of.counts(),
    (of) => of.asked(),
  ];
  const said = (of: ClientSession): unknown =>
    of.onConnected().map((effect) => (effect.kind === 'request' ? effect.request : effect));
  fc.assert(
    fc.property(fc.array(fc.nat(asks.length - 1), { maxLength: 6 }), (order) => {
      const problems: string[] = [];
      const [now, later] = [session(), session()];
      assert.deepEqual(now.restore(life), []);
      later.restoreLater(life, (why) => problems.push(why));
      for (const at of order) assert.deepEqual(asks[at]?.(later), asks[at]?.(now), `question ${at}`);
      const resource = later.resource('cds', 'a');
      assert.deepEqual(sorted(said(later)), sorted(said(now)));
      assert.equal(later.resource('cds', 'a'), resource);
      assert.deepEqual(problems, []);
    }),
    { numRuns: 200 },
  );
});

test('C7: what an earlier life cannot have is told when it is taken', () => {
  const problems: string[] = [];
  const taken = session();
  taken.restoreLater(earlier, (why) => problems.push(why));
  assert.equal(taken.virtualHostOf('a'), 'outbound/a');
  assert.deepEqual(problems, []);
  assert.equal(taken.hostOf('outbound/b'), undefined);
  assert.deepEqual(problems, ['vhds outbound/b: Duplicate entry of domain a.x']);
  assert.equal(taken.counts().virtualHosts, 2);
});

test('C7: what was checked is not checked again, what was not is', () => {
  const check = (kind: string): string | undefined => (kind === 'cluster' ? 'unusable' : undefined);
  const life = { ...earlier, vhds: [] };
  assert.deepEqual(session({ check }).restore({ ...life, isChecked: true }), []);
  const wary = session({ check });
  assert.deepEqual(wary.restore(life), ['cds a: a: unusable']);
  assert.deepEqual(wary.counts(), { clusters: 0, assignments: 0, virtualHosts: 0 });
});

test('C7: bytes that are no such message, or of another name, are left out', () => {
  const cut = host('outbound/a', 'a');
  const life = {
    ...earlier,
    cds: [held('other', cluster('a').body)],
    eds: [],
    vhds: [{ ...cut, body: cut.body.subarray(0, -1) }],
  };
  const taken = session();
  assert.equal(taken.restore({ ...life, isChecked: true }).length, 2);
  assert.deepEqual(taken.counts(), { clusters: 0, assignments: 0, virtualHosts: 0 });
});

test('a body that is held does not keep the message that brought it, and shares its memory with others', () => {
  const { name, version, body } = cluster('a');
  const message = Buffer.concat([Buffer.alloc(100_000), body]);
  const client = session();
  client.onConnected();
  client.onResponse({
    typeUrl: CDS,
    nonce: '1',
    resources: [{ name, version, typeUrl: CDS, aliases: [], body: message.subarray(100_000) }],
    removed: [],
  } as never);
  assert.deepEqual(client.resource('cds', 'a')?.body, new Uint8Array(body));
  assert.ok((client.resource('cds', 'a')?.body.buffer.byteLength ?? 0) < 10_000);
});
