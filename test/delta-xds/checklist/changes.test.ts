/** Checklist rules 72 and 73: what a change is, and that none is lost. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Hub } from '../../../src/delta-xds/hub.ts';
import { DEFAULT_SESSION_LIMITS, SharedShapes, zeroSessionCounters } from '../../../src/delta-xds/index.ts';
import {
  assignmentBody,
  clusterBody,
  listenerBody,
  MemoryMesh,
  nodeOf,
  virtualHostBody,
} from '../support/memory-mesh.ts';
import { says } from '../support/says.ts';
import { isType, SimEnvoy } from '../support/sim-envoy.ts';

test('rule 72: an identical put is no push; put and delete in one commit are what they are together', () =>
  says(`
    mesh service a.shop:80 1; preload a.shop:80; lds outbound l1
    > cds
    < cds 1: a.shop:80@c-1
    < eds 2: a.shop:80@e-1
    > lds
    < lds 3: outbound@l1
    > rds sub outbound
    < rds 4: outbound@rc
    > vhds
    < vhds 5: outbound/a.shop:80@h-1 [a.shop a.shop:80]
    > cds ack 1
    > eds ack 2
    > lds ack 3
    > rds ack 4
    > vhds ack 5
    mesh service a.shop:80 1; lds outbound l1
    mesh service a.shop:80 2; service a.shop:80 gone; service a.shop:80 1
    mesh lds outbound gone; lds outbound l1
    mesh service b.shop:80 1; service b.shop:80 gone
    mesh service a.shop:80 gone; service a.shop:80 2; lds outbound l2; lds outbound gone
    < cds 6: a.shop:80@c-2
    < eds 7: a.shop:80@e-2
    < lds 8: removed outbound
    < vhds 9: outbound/a.shop:80@h-2 [a.shop a.shop:80]
  `));

test('rule 73: a change at any point of the set-up of a stream is not lost', () => {
  // Points: before and after the node is read, before and after every request; the notice comes at once or when all is set up.
  const name = 'a.shop:80';
  const put = (mesh: MemoryMesh, version: string): void => {
    mesh.set('cds', name, clusterBody(name, `c-${version}`, true));
    mesh.set('eds', name, assignmentBody(name, `e-${version}`, [80]));
    mesh.set('vhds', name, virtualHostBody(`h-${version}`, ['a.shop', name], [name]));
    mesh.listeners.set('outbound', listenerBody('outbound', `l-${version}`));
    // The preload list names what exists, so it changed with the first put.
    mesh.changed('own|app.shop|1', 'caller|app.shop');
  };
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 30 }), { maxLength: 5 }), fc.boolean(), (points, atOnce) => {
      const mesh = new MemoryMesh();
      mesh.preloads.set('app.shop', [name]);
      const turns: (() => void)[] = [];
      const hub = new Hub({
        source: mesh,
        shapes: new SharedShapes(),
        session: { limits: DEFAULT_SESSION_LIMITS, counters: zeroSessionCounters() },
        clock: () => 0,
        later: (run) => turns.push(run),
        after: () => () => undefined,
        tag: () => 't',
      });
      let version = 0;
      let point = 0;
      const step = (): void => {
        for (const at of points)
          if (at === point) {
            put(mesh, String(++version));
            if (atOnce) void hub.wake();
          }
        point++;
      };
      const envoy = new SimEnvoy(nodeOf('app.shop'));
      envoy.askedRoutes.add('outbound');
      envoy.connect();
      step();
      const view = mesh.attach(nodeOf('app.shop'));
      step();
      const inbox: Parameters<SimEnvoy['receive']>[0][] = [];
      const member = hub.join(view, {
        execute: (effect) => {
          if (effect.kind !== 'send' || !isType(effect.type)) return;
          inbox.push({ ...effect, type: effect.type });
          step();
        },
        fail: (error) => {
          throw error;
        },
      });
      step();
      const exchange = (): void => {
        for (let rounds = 0; rounds < 100; rounds++) {
          const request = envoy.outbox.shift();
          if (request !== undefined) hub.request(member, request);
          step();
          const response = inbox.shift();
          if (response !== undefined) envoy.receive(response);
          step();
          if (atOnce) turns.shift()?.();
        }
      };
      exchange();
      void hub.wake();
      while (turns.length > 0) turns.shift()?.();
      exchange();
      if (version === 0) return;
      assert.equal(envoy.clusters.get(name)?.version, `c-${version}`);
      assert.equal(envoy.clusters.get(name)?.warming, false);
      assert.equal(envoy.assignments.get(name), `e-${version}`);
      assert.equal(envoy.hosts.get(`outbound/${name}`)?.version, `h-${version}`);
      assert.equal(envoy.listeners.get('outbound'), `l-${version}`);
      assert.deepEqual(envoy.refusals, []);
    }),
    { numRuns: 200 },
  );
});
