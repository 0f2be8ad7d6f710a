/** State-of-the-world streams through the relay, between a client and the server's own session (W1 to W7 of state-session.ts). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LastGood } from '../../../src/agent/relay/last-good.ts';
import { StateSession } from '../../../src/agent/relay/state-session.ts';
import { readState, stateRequest } from '../../../src/agent/relay/state-wire.ts';
import {
  CDS,
  composeStateResponse,
  decodeStateRequest,
  EDS,
  encodeAny,
  encodeStateRequest,
  LDS,
} from '../../../src/proto/index.ts';
import { clusterBody, nodeOf } from '../../delta-xds/support/memory-mesh.ts';
import { StateStand } from './state-stand.ts';

const known = (): StateStand => {
  const stand = new StateStand();
  stand.service('a.shop:80');
  stand.service('b.shop:80');
  stand.up();
  stand.settle();
  assert.deepEqual(stand.client.names(EDS), ['a.shop:80', 'b.shop:80']);
  return stand;
};

test('while the control plane is there, nothing is made here, and what is acknowledged becomes last good (W2)', () => {
  const stand = known();
  assert.equal(stand.relay.state, 'up');
  assert.deepEqual([stand.relay.counters.local, stand.relay.counters.upstreams], [0, 1]);
  assert.deepEqual(stand.kept(), stand.held());
  stand.gone('b.shop:80');
  stand.settle();
  assert.deepEqual(Object.keys(stand.kept()[CDS] ?? {}), ['a.shop:80']);
  assert.deepEqual(stand.kept(), stand.held());
});

test('an Envoy that starts without a control plane gets all that the last one had, and what changed when one is back (W4, W5, W6)', () => {
  const stand = known();
  const before = stand.held();
  stand.lose();
  stand.restart();
  stand.settle();
  assert.deepEqual(stand.held(), before);
  assert.equal(stand.relay.counters.upstreams, 0);
  const { local } = stand.relay.counters;
  stand.service('c.shop:80');
  stand.up();
  stand.settle();
  assert.equal(stand.relay.counters.local, local);
  assert.deepEqual(stand.client.names(EDS), ['a.shop:80', 'b.shop:80', 'c.shop:80']);
  assert.deepEqual(stand.kept(), stand.held());
});

test('lost while an Envoy is there: it is sent nothing, and listeners and clusters that it holds are not sent again (W1, W6)', () => {
  const stand = known();
  stand.lose();
  stand.settle();
  assert.equal(stand.relay.counters.local, 0);
  stand.reconnect();
  stand.settle();
  assert.equal(stand.relay.counters.local, 0, 'nor when it comes back with versions');
  stand.up();
  stand.settle();
  assert.deepEqual(
    stand.answers.filter((type) => type === 'cds'),
    [],
  );
});

test('a refused response is not last good (W2)', () => {
  const stand = known();
  const before = stand.kept();
  stand.client.bad = 'c.shop:80';
  stand.service('c.shop:80');
  stand.settle();
  assert.ok(stand.relay.counters.refused > 0);
  assert.deepEqual(stand.kept()[CDS], before[CDS]);
});

test('what a new Envoy refuses of the last good configuration is last good no longer; the rest is served (W2)', () => {
  const stand = known();
  stand.lose();
  stand.restart();
  // Its clusters it takes; of the assignments one is bad.
  while (stand.client.names(CDS).length === 0) for (const wire of [0, 3]) stand.step(wire);
  stand.client.bad = 'a.shop:80';
  stand.settle();
  assert.deepEqual(stand.client.names(EDS), ['b.shop:80']);
  assert.deepEqual(Object.keys(stand.kept()[EDS] ?? {}), ['b.shop:80']);
});

test('an Envoy with an answer made here refuses the first response of a control plane: that version is not told (W5)', () => {
  const stand = known();
  stand.lose();
  stand.restart();
  stand.settle();
  stand.client.bad = 'c.shop:80';
  stand.service('c.shop:80');
  stand.up();
  stand.settle();
  assert.ok(stand.relay.counters.refused > 0);
  stand.client.bad = '';
  stand.service('c.shop:80');
  stand.settle();
  assert.deepEqual(stand.client.names(EDS), ['a.shop:80', 'b.shop:80', 'c.shop:80']);
  const relay = session(['a']);
  relay.onLost();
  relay.onRequest(first([]));
  const versionInfo = 'tendril-relay-last-good';
  relay.onRequest(stateRequest({ ...asks([], CDS, 'relay-1'), versionInfo }));
  relay.onReady();
  relay.onResponse(composeStateResponse({ typeUrl: CDS, nonce: 'n1', versionInfo: '7', resources: [] }));
  const errorDetail = { code: 13, message: 'bad' };
  const [told] = relay.onRequest(stateRequest({ ...asks([], CDS, 'n1'), versionInfo, errorDetail }));
  assert.ok(told?.kind === 'to-control-plane');
  assert.deepEqual(decodeStateRequest(told.bytes), { ...asks([], CDS, 'n1'), errorDetail });
});

const session = (kept: readonly string[], type = CDS) => {
  const lastGood = new LastGood('n', { form: 'sotw' });
  const body = (name: string) => encodeAny(type, clusterBody(name, '1', false).body);
  const state = composeStateResponse({ typeUrl: type, nonce: '1', versionInfo: '1', resources: kept.map(body) });
  for (const resource of readState(state).resources) lastGood.keep(type, resource);
  return new StateSession({ lastGood: () => lastGood });
};
const asks = (names: readonly string[], typeUrl = CDS, responseNonce = '') => ({
  ...{ typeUrl, names, responseNonce, versionInfo: '' },
});
const first = (names: readonly string[], typeUrl = CDS) =>
  encodeStateRequest({ ...asks(names, typeUrl), node: nodeOf('app.shop') });
const namesIn = (effects: ReturnType<StateSession['onRequest']>) =>
  effects.flatMap((effect) =>
    effect.kind === 'to-envoy' ? [readState(effect.bytes).resources.map(({ name }) => name)] : [],
  );

test('clusters asked for by name: one more brings all that are known, one that is not known brings nothing and stays asked for (W6, W7)', () => {
  const relay = session(['a', 'b', 'c']);
  relay.onLost();
  assert.deepEqual(namesIn(relay.onRequest(first(['a', 'b']))), [['a', 'b']]);
  assert.deepEqual(namesIn(relay.onRequest(stateRequest(asks(['a', 'b', 'x'], CDS, 'relay-1')))), []);
  assert.deepEqual(namesIn(relay.onRequest(stateRequest(asks(['a', 'b', 'c', 'x'], CDS, 'relay-1')))), [
    ['a', 'b', 'c'],
  ]);
  relay.onRequest(stateRequest(asks(['a', 'b', 'c', 'x'], CDS, 'relay-2')));
  const [begun] = relay.onReady();
  assert.ok(begun?.kind === 'to-control-plane');
  const told = decodeStateRequest(begun.bytes);
  assert.deepEqual([told.names, told.node?.id], [['a', 'b', 'c', 'x'], 'sidecar~1~app.shop']);
});

test('an assignment that is not known is answered empty; of a node never seen nothing is answered (W7)', () => {
  const relay = session(['a'], EDS);
  relay.onLost();
  assert.deepEqual(namesIn(relay.onRequest(first(['a', 'x'], EDS))), [['a', 'x']]);
  const fresh = session([]);
  fresh.onLost();
  assert.deepEqual(fresh.onRequest(first([])), []);
});

test('a new name in the answer to a response made here passes on, without that nonce (W3)', () => {
  const relay = session(['a'], EDS);
  relay.onLost();
  relay.onRequest(first(['a'], EDS));
  relay.onReady();
  relay.onSettleOver();
  assert.deepEqual(relay.onRequest(stateRequest(asks(['a'], EDS, 'relay-1'))), [], 'nothing new');
  const [passed] = relay.onRequest(stateRequest(asks(['a', 'b'], EDS, 'relay-1')));
  assert.ok(passed?.kind === 'to-control-plane');
  const { names, responseNonce } = decodeStateRequest(passed.bytes);
  assert.deepEqual([names, responseNonce], [['a', 'b'], '']);
});

test('a resource without a name, or of a type that is not known, is passed on and costs no stream', () => {
  const relay = session([]);
  relay.onRequest(first([], LDS));
  relay.onReady();
  const resources = [encodeAny(LDS, Buffer.from([0xff, 0xff])), encodeAny(LDS, Buffer.alloc(0))];
  const bytes = composeStateResponse({ typeUrl: LDS, nonce: '1', versionInfo: '1', resources });
  assert.deepEqual(relay.onResponse(bytes), [{ kind: 'to-envoy', bytes }]);
});

test('any order of messages, losses, returns, restarts, refusals and changes ends with what the server says', () => {
  const names = ['a.shop:80', 'b.shop:80', 'c.shop:80'];
  const one = <T extends string>(what: T, weight: number, max = 0) => ({
    weight,
    arbitrary: fc.record({ do: fc.constant(what), at: fc.nat({ max }) }),
  });
  const step = fc.oneof(
    ...[one('service', 3, 2), one('gone', 1, 2), one('endpoints', 2, 2), one('bad', 1, 3), one('wire', 16, 3)],
    ...[one('wake', 3), one('up', 2), one('lose', 1), one('restart', 1), one('reconnect', 1), one('settle', 1)],
    one('settle-over', 1),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const stand = new StateStand();
      for (const { do: what, at } of steps) {
        const name = names[at] ?? '';
        if (what === 'service') stand.service(name);
        else if (what === 'gone') stand.gone(name);
        else if (what === 'endpoints') stand.endpoints(name);
        else if (what === 'bad') stand.client.bad = name;
        else if (what === 'wire') stand.step(at);
        else if (what === 'wake') stand.wake();
        else if (what === 'up') stand.up();
        else if (what === 'lose') stand.lose();
        else if (what === 'restart') stand.restart();
        else if (what === 'reconnect') stand.reconnect();
        else if (what === 'settle') stand.settle();
        else stand.settleOver();
      }
      stand.up();
      stand.client.bad = '';
      for (const name of names) stand.service(name);
      stand.settle();
      assert.equal(stand.relay.state, 'up');
      assert.deepEqual(stand.client.names(CDS), names);
      const held = stand.held();
      for (const name of names) {
        const port = 1_000 + Number(/e-([0-9]+)/.exec(stand.mesh.assignments.get(name)?.version ?? '')?.[1]);
        const portValue = Buffer.from([0x18, (port & 0x7f) | 0x80, port >> 7]).toString('latin1');
        assert.ok(held[EDS]?.[name]?.includes(portValue), `${name} has its newest endpoint`);
      }
      for (const [type, resources] of Object.entries(held))
        for (const [name, bytes] of Object.entries(resources))
          assert.equal(stand.kept()[type]?.[name], bytes, `${type} ${name}`);
      // And an Envoy that restarts without a control plane has what it had.
      stand.lose();
      stand.restart();
      stand.settle();
      assert.deepEqual(stand.held(), held);
    }),
    { numRuns: Number(process.env.TENDRIL_RELAY_COUNT ?? 100) },
  );
});
