/**
 * Issue 4, section 1.5: gRPC applications without a proxy, with the real client (@grpc/grpc-js-xds) and real gRPC services, against
 * the real server over state-of-the-world ADS.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { status } from '@grpc/grpc-js';
import fc from 'fast-check';
import { routeSpec, upstreamSpec } from '../compile/grpc/specs.ts';
import { buildGo, type GoProgram, requireGo } from '../support/go.ts';
import { freePort } from '../support/ports.ts';
import { repositoryRoot } from '../support/root.ts';
import { endpointEvent, eventually, type Mesh, serviceEvents, startMesh } from './harness.ts';
import { ProxylessClient } from './proxyless-client.ts';
import { Toys } from './toys.ts';

const GRPC = [{ port: 50051, protocol: 'grpc' }];
const CART = 'cart.default:50051';

const GO_CLIENT = join(repositoryRoot, 'test/e2e/grpc-go');

const CLIENTS = [
  { name: 'grpc-js', skip: false, build: () => undefined },
  { name: 'grpc-go', skip: requireGo(GO_CLIENT), build: () => buildGo(GO_CLIENT) },
];

// Both wait for reports and back-offs of their clients: at the same time.
suite('proxyless', { concurrency: true }, () => {
  for (const { name: clientName, skip, build } of CLIENTS)
    suite(`proxyless, ${clientName}`, { skip, concurrency: 1 }, () => {
      const toys = new Toys();
      let program: GoProgram | undefined;
      let mesh: Mesh;
      let client: ProxylessClient;

      /** Registers a service whose only endpoint is a new backend of the same name. */
      const serve = async (
        name: string,
        id: string,
        options: Parameters<typeof serviceEvents>[3] = {},
      ): Promise<void> => {
        const { port } = await toys.grpc(id);
        await mesh.events(...serviceEvents(name, GRPC, [{ id, ports: { 50051: port } }], options));
      };

      /** Of a call that fails at once, whatever the target's name. */
      const words = async (target: string): Promise<string> => {
        const { code, text } = await client.call(target);
        assert.equal(code, status.UNAVAILABLE, text);
        return text.replaceAll(target, '…');
      };

      before(async () => {
        mesh = await startMesh({ workers: 1, log: 'lmdb', child: true });
        await serve('cart', 'cart-1');
        program = build();
        client = await ProxylessClient.start('web.default', mesh.server.xds, program?.path);
      });
      after(async () => {
        await client?.stop();
        await mesh?.stop();
        await toys.close();
        program?.remove();
      });

      // gRFC A71; grpc-js-xds 1.14 takes the first of its servers alone.
      if (clientName === 'grpc-go')
        test('several control planes: where one is away, another one is taken', async () => {
          const away = { host: '127.0.0.1', port: await freePort() };
          const second = await ProxylessClient.start('batch.default', [away, mesh.server.xds], program?.path);
          try {
            assert.equal(await second.reached(CART), 'cart-1');
          } finally {
            await second.stop();
          }
        });

      test('first call; the control plane knows the client, what it holds, and the edge', async () => {
        assert.equal(await client.reached(CART), 'cart-1');
        await eventually('all is acknowledged', async () => {
          const { body } = await mesh.request('GET', `/v1/proxies/${encodeURIComponent(client.id)}/resources`);
          const resources = body.resources as readonly { type: string; name: string; state: string }[];
          return (
            resources.length === 4 &&
            ['cds', 'eds', 'lds', 'rds'].every((type) =>
              resources.some((each) => each.type === type && each.name === CART && each.state === 'acked'),
            )
          );
        });
        await eventually('the edge is learned', async () => {
          const { body } = await mesh.request('GET', '/v1/graph?focus=web.default&depth=1');
          return (body.edges as readonly { to: string }[]).some(({ to }) => to === 'cart.default');
        });
        const why = await mesh.request(
          'GET',
          `/v1/proxies/${encodeURIComponent(client.id)}/why?type=lds&name=${encodeURIComponent(CART)}`,
        );
        assert.deepEqual([why.body.because, why.body.subject], ['edge', CART]);
      });

      test('its load reports make the use of the edge known', async () => {
        const edges = async (): Promise<readonly { from: string; to: string; evidence: readonly string[] }[]> =>
          (await mesh.request('GET', '/v1/graph?focus=web.default&depth=1')).body.edges as [];
        await eventually('the use is in the graph', async () => {
          assert.equal(await client.reached(CART), 'cart-1');
          return (await edges()).some(({ to, evidence }) => to === 'cart.default' && evidence.includes('observed'));
        });
      });

      test('an endpoint moves', async () => {
        const { port } = await toys.grpc('cart-2');
        await mesh.events(endpointEvent('cart', { id: 'cart-2', ports: { 50051: port } }), {
          type: 'endpoint.deregistered',
          data: { namespace: 'default', service: 'cart', id: 'cart-1' },
        });
        await eventually('calls arrive at the new place', async () => (await client.reached(CART)) === 'cart-2');
      });

      test('an endpoint that is ill gets no calls', async () => {
        const { port } = await toys.grpc('cart-3');
        await mesh.events(endpointEvent('cart', { id: 'cart-3', ports: { 50051: port } }));
        await eventually('both are called', async () => (await client.reached(CART)) === 'cart-3');
        await mesh.events({
          type: 'endpoint.health-changed',
          data: { namespace: 'default', service: 'cart', id: 'cart-2', health: 'unhealthy' },
        });
        await eventually('only the other is called', async () => {
          const reached = new Set<string>();
          for (let at = 0; at < 10; at++) reached.add(await client.reached(CART));
          return reached.size === 1 && reached.has('cart-3');
        });
      });

      test('canary: weights, then all to the new version; a header chooses', async () => {
        const [one, two] = [await toys.grpc('shop-v1'), await toys.grpc('shop-v2')];
        await mesh.events(
          ...serviceEvents('shop', GRPC, [
            { id: 'shop-1', ports: { 50051: one.port }, labels: { version: 'v1' } },
            { id: 'shop-2', ports: { 50051: two.port }, labels: { version: 'v2' } },
          ]),
        );
        const weights = (v1: number, v2: number): Promise<void> =>
          mesh.docs(`
kind: Upstream
metadata: {name: shop}
spec: {subsets: {v1: {labels: {version: v1}}, v2: {labels: {version: v2}}}}
---
kind: Route
metadata: {name: shop}
spec:
  to: {v1: {weight: ${v1}}, v2: {weight: ${v2}}}
  rules: {beta: {match: {headers: {x-beta: "1"}}, to: {v2: {}}}}
`);
        await weights(90, 10);
        const shares = async (): Promise<number> => {
          const calls = await Promise.all(Array.from({ length: 300 }, () => client.reached('shop.default:50051')));
          return calls.filter((id) => id === 'shop-v2').length / calls.length;
        };
        const share = await shares();
        // 10 % of 300: 30 +- 5.2, so six times the deviation.
        assert.ok(share > 0.001 && share < 0.21, `${share} of the calls went to v2`);
        for (let at = 0; at < 10; at++)
          assert.equal(await client.reached('shop.default:50051', { headers: { 'x-beta': '1' } }), 'shop-v2');
        await weights(0, 100);
        await eventually('all calls go to v2', async () => (await shares()) === 1);
      });

      test('a service that appears later: unknown it fails at once; a call that waits for it succeeds', async () => {
        const target = 'late.default:50051';
        assert.equal((await client.call(target)).code, status.UNAVAILABLE);
        const waiting = client.reached(target, { waitForReady: true, timeoutMs: 60_000 });
        await serve('late', 'late-1');
        assert.equal(await waiting, 'late-1');
      });

      test('a service without endpoints fails at once; they come', async () => {
        await mesh.events(...serviceEvents('empty', GRPC, []));
        const { code } = await client.call('empty.default:50051');
        assert.equal(code, status.UNAVAILABLE);
        const { port } = await toys.grpc('empty-1');
        await mesh.events(endpointEvent('empty', { id: 'empty-1', ports: { 50051: port } }));
        await eventually(
          'the service is reached',
          async () => (await client.call('empty.default:50051')).code === status.OK,
        );
      });

      test('"not this value" holds for a call without the header, whatever the client', async () => {
        await serve('picky', 'picky-1');
        await mesh.docs(`
kind: Route
metadata: {name: picky}
spec:
  rules: {others: {match: {headers: {x-user: {exact: jason, not: true}}}, to: {"cart.default": {}}}}
`);
        const target = 'picky.default:50051';
        const as = (user: string): Promise<string> => client.reached(target, { headers: { 'x-user': user } });
        assert.equal(await client.reached(target), 'cart-3');
        assert.equal(await as('john'), 'cart-3');
        assert.equal(await as('jason'), 'picky-1');
      });

      test('a route to a service that does not exist fails that share alone', async () => {
        await serve('split', 'split-1');
        await mesh.docs(`
kind: Route
metadata: {name: split}
spec:
  rules: {gone: {match: {headers: {x-gone: "1"}}, to: {"gone.default": {}}}}
`);
        assert.equal(await client.reached('split.default:50051'), 'split-1');
        assert.equal(
          (await client.call('split.default:50051', { headers: { 'x-gone': '1' } })).code,
          status.UNAVAILABLE,
        );
      });

      test('a failure that the Route says to retry is answered by another endpoint', async () => {
        const [good, bad] = [await toys.grpc('twice-good'), await toys.grpc('twice-bad')];
        bad.fail(status.UNAVAILABLE);
        await mesh.docs(`
kind: Route
metadata: {name: twice}
spec: {retry: {attempts: 4, when: {grpc: [unavailable]}}}
`);
        await mesh.events(
          ...serviceEvents('twice', GRPC, [
            { id: 'twice-1', ports: { 50051: good.port } },
            { id: 'twice-2', ports: { 50051: bad.port } },
          ]),
        );
        await eventually('both have been called', async () => {
          assert.equal(await client.reached('twice.default:50051', { waitForReady: true }), 'twice-good');
          return bad.hits() > 0;
        });
      });

      test('ring hash: the same key, the same endpoint', async () => {
        const backends = await Promise.all(['ring-a', 'ring-b', 'ring-c'].map((id) => toys.grpc(id)));
        await mesh.docs(`
kind: Upstream
metadata: {name: ring}
spec: {lb: {ringHash: {}}, hash: [{header: x-user}]}
`);
        await mesh.events(
          ...serviceEvents(
            'ring',
            GRPC,
            backends.map(({ id, port }) => ({ id, ports: { 50051: port } })),
          ),
        );
        const as = (user: string): Promise<string> =>
          client.reached('ring.default:50051', { headers: { 'x-user': user }, waitForReady: true });
        const users = Array.from({ length: 30 }, (_, at) => `user-${at}`);
        const first = await Promise.all(users.map(as));
        assert.equal(new Set(first).size, 3, 'users are spread');
        assert.deepEqual(await Promise.all(users.map(as)), first);
      });

      test('a service outside the mesh is found by its name', async () => {
        const { port } = await toys.grpc('outside-1');
        await mesh.events({
          type: 'service.registered',
          data: {
            namespace: 'default',
            name: 'outside',
            ports: [{ port, protocol: 'grpc' }],
            external: { hosts: ['localhost'] },
          },
        });
        assert.equal(await client.reached(`outside.default:${port}`, { waitForReady: true }), 'outside-1');
      });

      test('a service removed: calls fail at once, as to one that never was; it comes back', async () => {
        await serve('brief', 'brief-1');
        const target = 'brief.default:50051';
        assert.equal(await client.reached(target), 'brief-1');
        await mesh.events({ type: 'service.deregistered', data: { namespace: 'default', name: 'brief' } });
        await eventually('calls fail', async () => (await client.call(target)).code === status.UNAVAILABLE);
        assert.equal(await words(target), await words('never.default:50051'));
        assert.equal(await client.reached(CART), 'cart-3');
        await serve('brief', 'brief-2');
        assert.match(await client.reached(target, { waitForReady: true }), /^brief-[12]$/);
      });

      test('what may not be called is as if it did not exist; it is there when it may', async () => {
        await serve('secret', 'secret-1', { namespace: 'vault', visibility: 'namespace' });
        const denied = (type: string) => mesh.events({ type, data: { from: 'web.default', to: 'cart.default' } });
        const never = await words('never.default:50051');
        assert.equal(await words('secret.vault:50051'), never);
        await serve('secret', 'secret-2', { namespace: 'vault' });
        assert.match(await client.reached('secret.vault:50051', { waitForReady: true }), /^secret-/);

        await denied('dependency.denied');
        await eventually('calls fail', async () => (await client.call(CART)).code === status.UNAVAILABLE);
        assert.equal(await words(CART), never);
        await denied('dependency.withdrawn');
        assert.equal(await client.reached(CART, { waitForReady: true }), 'cart-3');
      });

      test('whatever documents say, the client refuses nothing', async () => {
        const count = 30;
        const options = { seed: 20, numRuns: count };
        const [routes, upstreams] = [fc.sample(routeSpec, options), fc.sample(upstreamSpec, options)];
        const { port } = await toys.grpc('any');
        let accepted = 0;
        for (let at = 0; at < count; at++) {
          const name = `any-${at}`;
          const subsets = { v1: { labels: { v: '1' } }, v2: { labels: { v: '2' } } };
          const endpoints = ['a', 'b', 'b'].map((zone, index) => ({
            id: `${name}-${index}`,
            ports: { 50051: port },
            locality: { region: 'eu', zone },
            labels: { v: String(1 + (index % 2)) },
            weight: 1 + index,
          }));
          await mesh.events(...serviceEvents(name, GRPC, endpoints));
          const metadata = { name, namespace: 'default' };
          const documents = [
            { kind: 'Upstream', metadata, spec: { ...upstreams[at], subsets } },
            { kind: 'Route', metadata, spec: routes[at] },
          ].map((document) => JSON.stringify({ apiVersion: 'tendril.dev/v1', ...document }));
          const answer = await mesh.request(
            'POST',
            '/v1/docs:apply?wait=applied&timeout=60s',
            documents.join('\n---\n'),
          );
          if (answer.status === 200) accepted++;
        }
        assert.ok(accepted > count / 3, `only ${accepted} of ${count} documents are valid`);
        const outcomes = await Promise.all(
          Array.from({ length: count }, (_, at) =>
            client.call(`any-${at}.default:50051`, { headers: { 'x-user': 'ab' } }),
          ),
        );
        assert.deepEqual(
          outcomes.filter(({ code }) => code < 0),
          [],
        );
        let row: Record<string, unknown> = {};
        await eventually('all is acknowledged', async () => {
          row = (await mesh.request('GET', `/v1/proxies/${encodeURIComponent(client.id)}`)).body;
          return row.state !== 'pending';
        });
        assert.deepEqual([row.state, row.lastError], ['in-sync', undefined]);
      });

      test('the control plane is killed and comes back: calls go on, and news arrive again', async () => {
        await mesh.server.killAll();
        for (let at = 0; at < 20; at++) assert.equal(await client.reached(CART), 'cart-3');
        await mesh.start();
        const { port } = await toys.grpc('cart-4');
        await mesh.events(endpointEvent('cart', { id: 'cart-4', ports: { 50051: port } }), {
          type: 'endpoint.deregistered',
          data: { namespace: 'default', service: 'cart', id: 'cart-3' },
        });
        await eventually(
          'calls arrive at the new place',
          async () => (await client.reached(CART)) === 'cart-4',
          60_000,
        );
      });
    });
});
