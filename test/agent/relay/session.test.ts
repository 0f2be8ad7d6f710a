/** The relay's session between a client session and the server's own (invariants R1 to R7 of session.ts). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LastGood } from '../../../src/agent/relay/last-good.ts';
import { RelaySession } from '../../../src/agent/relay/session.ts';
import { readResource, request } from '../../../src/agent/relay/wire.ts';
import { encodeDeltaRequest, encodeResource } from '../../../src/proto/index.ts';
import { Stand } from './stand.ts';

const known = (): Stand => {
  const stand = new Stand();
  stand.service('a.shop:80');
  stand.service('b.shop:80');
  stand.up();
  stand.ask('a.shop');
  stand.ask('b.shop:80');
  stand.settle();
  stand.check(['a.shop', 'b.shop:80']);
  return stand;
};

test('while the control plane is there, nothing is made here, and what is acknowledged becomes last good (R2)', () => {
  const stand = known();
  assert.equal(stand.relay.state, 'up');
  assert.deepEqual([stand.relay.counters.local, stand.relay.counters.upstreams], [0, 1]);
  assert.deepEqual(stand.kept(), stand.held());
});

test('a refused resource is not last good, a removed one no longer is (R2)', () => {
  const stand = known();
  const before = stand.kept();
  const bad = stand.service('a.shop:80');
  stand.bad.add(bad);
  stand.gone('b.shop:80');
  stand.settle();
  assert.ok(stand.relay.counters.refused > 0);
  assert.equal(stand.kept().vhds?.['outbound/a.shop:80'], before.vhds?.['outbound/a.shop:80']);
  assert.equal(stand.kept().vhds?.['outbound/b.shop:80'], undefined);
});

test('an Envoy that starts without a control plane gets all that the last one had; then it is sent nothing again (R4, R5, R6)', () => {
  const stand = known();
  const before = stand.held();
  stand.lose();
  stand.restart();
  stand.settle();
  assert.deepEqual(stand.held(), before);
  assert.equal(stand.relay.counters.upstreams, 0);
  const { local } = stand.relay.counters;
  stand.up();
  stand.settle();
  assert.equal(stand.relay.state, 'up');
  assert.deepEqual([stand.resources, stand.relay.counters.local], [0, local]);
  stand.service('a.shop:80');
  stand.settle();
  stand.check(['a.shop', 'b.shop:80']);
});

test('lost while an Envoy is there: its stream goes on, a question waits for the next control plane (R1, R7)', () => {
  const stand = known();
  stand.lose();
  stand.service('c.shop:80');
  stand.ask('c.shop');
  stand.settle();
  assert.equal(stand.client.virtualHostOf('c.shop'), undefined);
  assert.equal(stand.relay.counters.local, 0, 'it holds all that is known');
  stand.up();
  stand.settle();
  stand.check(['a.shop', 'b.shop:80', 'c.shop']);
  assert.equal(stand.resources, 3, 'cluster, assignment and virtual host of the new service');
});

test('an Envoy whose stream to the relay breaks meanwhile is sent nothing that it holds (R6)', () => {
  const stand = known();
  stand.lose();
  stand.envoyReconnects();
  stand.settle();
  assert.equal(stand.relay.counters.localResources, 0);
  stand.up();
  stand.settle();
  assert.equal(stand.resources, 0);
});

test('an answer to a lost control plane ends here, what it acknowledges counts (R2, R3)', () => {
  const stand = known();
  const version = stand.service('a.shop:80');
  stand.wake();
  while (stand.step(2)); // The responses are on their way to Envoy.
  stand.lose();
  stand.up();
  stand.settle();
  assert.equal(stand.kept().vhds?.['outbound/a.shop:80'], version);
  assert.equal(stand.resources, 0, 'R5: the next stream began after the answers');
  stand.check(['a.shop', 'b.shop:80']);
});

test('what a new Envoy refuses of the last good configuration is last good no longer; the rest is served (R2)', () => {
  const stand = known();
  const version = stand.client.versions('vhds').get('outbound/a.shop:80') ?? '';
  stand.lose();
  stand.bad.add(version);
  stand.restart();
  stand.settle();
  assert.deepEqual([...stand.client.versions('vhds').keys()], ['outbound/b.shop:80']);
  assert.equal(stand.kept().vhds?.['outbound/a.shop:80'], undefined);
});

test('of a node never seen nothing is answered: its Envoy waits for a control plane (R7)', () => {
  const stand = new Stand();
  stand.service('a.shop:80');
  stand.ask('a.shop');
  stand.settle();
  assert.equal(stand.relay.counters.local, 0);
  stand.up();
  stand.settle();
  stand.check(['a.shop']);
});

test('any order of messages, losses, returns, restarts, refusals and changes ends with what the server says', () => {
  const names = ['a.shop:80', 'b.shop:80', 'c.shop:80'];
  const hosts = ['a.shop', 'b.shop:80', 'c.shop', 'x.example', 'nobody.shop'];
  const one = <T extends string>(what: T, weight: number, max = 0) => ({
    weight,
    arbitrary: fc.record({ do: fc.constant(what), at: fc.nat({ max }) }),
  });
  const step = fc.oneof(
    ...[one('service', 3, 2), one('roam', 1, 2), one('gone', 1, 2), one('endpoints', 2, 2), one('bad', 1, 2)],
    ...[one('ask', 3, 4), one('wire', 16, 3), one('wake', 3), one('up', 2), one('lose', 1), one('restart', 1)],
    ...[one('reconnect', 1), one('settle', 1), one('settle-over', 1)],
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const stand = new Stand();
      const asked = new Set<string>();
      for (const { do: what, at } of steps) {
        const name = names[at] ?? '';
        if (what === 'service') stand.service(name);
        else if (what === 'roam') {
          for (const other of names) if (other !== name && stand.mesh.hosts.has(other)) stand.service(other);
          stand.service(name, ['x.example']);
        } else if (what === 'gone') stand.gone(name);
        else if (what === 'endpoints') stand.endpoints(name);
        else if (what === 'bad') stand.bad.add(stand.service(name));
        else if (what === 'ask') {
          const host = hosts[at] ?? '';
          asked.add(host);
          stand.ask(host);
        } else if (what === 'wire') stand.step(at as 0 | 1 | 2 | 3);
        else if (what === 'wake') stand.wake();
        else if (what === 'up') stand.up();
        else if (what === 'lose') stand.lose();
        else if (what === 'restart') stand.restart();
        else if (what === 'reconnect') stand.envoyReconnects();
        else if (what === 'settle') stand.settle();
        else stand.settleOver();
      }
      stand.up();
      // Whatever was refused is put right.
      stand.bad.clear();
      for (const name of names) if (stand.mesh.hosts.has(name)) stand.service(name);
      for (const host of asked) stand.ask(host);
      stand.settle();
      for (const host of asked) stand.ask(host);
      stand.settle();
      stand.check(asked);
      assert.equal(stand.relay.state, 'up');
      const held = stand.held();
      const kept = stand.kept();
      for (const [type, versions] of Object.entries(held))
        for (const [name, version] of Object.entries(versions))
          assert.equal(kept[type]?.[name], version, `${type} ${name}`);
      // R5: a control plane that comes back sends nothing that is held.
      stand.lose();
      stand.up();
      stand.settle();
      assert.equal(stand.resources, 0);
      // And an Envoy that restarts without it has what it had.
      stand.lose();
      stand.restart();
      stand.settle();
      stand.check(
        [...asked].filter((host) => held.vhds !== undefined && stand.client.virtualHostOf(host) !== undefined),
      );
      assert.deepEqual(stand.held(), held);
    }),
    { numRuns: Number(process.env.TENDRIL_RELAY_COUNT ?? 150) },
  );
});

const CLUSTERS = 'type.googleapis.com/envoy.config.cluster.v3.Cluster';
const asksForClusters = () =>
  encodeDeltaRequest({
    node: {
      id: 'n',
      cluster: '',
      locality: { region: '', zone: '', subzone: '' },
      metadata: {},
      clientFeatures: [],
      userAgentName: '',
    },
    typeUrl: CLUSTERS,
    subscribe: ['*'],
    unsubscribe: [],
    initialResourceVersions: new Map(),
    responseNonce: '',
  });
const cluster = (name: string, version: string) =>
  readResource(encodeResource({ name, version, typeUrl: CLUSTERS, body: new Uint8Array([1]) }));

test('a silent control plane is left only for a last good configuration', () => {
  for (const size of [0, 1]) {
    const lastGood = new LastGood('n');
    if (size > 0) lastGood.keep(CLUSTERS, cluster('a', '1'));
    const session = new RelaySession({ lastGood: () => lastGood });
    session.onRequest(asksForClusters());
    session.onReady();
    assert.deepEqual([session.state, session.starving], ['up', size > 0]);
  }
});

test('a late refusal of an answer made here sends and drops nothing once a control plane has the word', () => {
  const lastGood = new LastGood('n');
  for (const name of ['a', 'b']) lastGood.keep(CLUSTERS, cluster(name, '1'));
  const session = new RelaySession({ lastGood: () => lastGood });
  session.onLost();
  session.onRequest(asksForClusters());
  session.onReady();
  session.onSettleOver();
  const nack = request({ typeUrl: CLUSTERS, responseNonce: 'relay-1', errorDetail: { code: 13, message: 'x' } });
  assert.deepEqual(session.onRequest(nack), []);
});
