/** What a session takes of an earlier life (C7), and that it keeps bytes of its own. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
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
