/** Services come, go, change and come back while a sidecar calls them: nothing hangs, nothing needs a restart, nothing else fails. */
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { type CallResult, callHttp } from '../support/clients.ts';
import { requirePart } from '../support/parts.ts';
import { freePort } from '../support/ports.ts';
import { openTcp } from '../support/streams.ts';
import { endpointEvent, eventually, type Mesh, serviceEvents, startMesh } from './harness.ts';
import type { Sidecar } from './sidecar.ts';
import { Toys } from './toys.ts';
import { backendOf, callMany, startTraffic, statusOf, tally } from './traffic.ts';

const HTTP = [{ port: 80, protocol: 'http' }];
const gone = (name: string) => ({ type: 'service.deregistered', data: { namespace: 'default', name } });

suite('life of services', { skip: requirePart('envoy') }, () => {
  const toys = new Toys();
  let mesh: Mesh;
  let steady: number;

  before(async () => {
    mesh = await startMesh();
    steady = (await toys.http('steady')).port;
    await mesh.events(...serviceEvents('steady', HTTP, [{ id: 'steady-1', ports: { 80: steady } }]));
  });
  after(async () => {
    await mesh?.stop();
    await toys.close();
  });

  const call = (sidecar: Sidecar, authority: string, path = '/'): Promise<CallResult> =>
    callHttp({ port: sidecar.outboundPort, authority, path });
  const comes = (sidecar: Sidecar, authority: string, status: number): Promise<void> =>
    eventually(`${authority}: ${status}`, async () => (await call(sidecar, authority)).status === status);
  /** Calls to another service all the while; none may fail. */
  const beside = async (sidecar: Sidecar, run: () => Promise<void>): Promise<void> => {
    const traffic = startTraffic([{ port: sidecar.outboundPort, authority: 'steady.default' }]);
    await traffic.more(5);
    await run();
    await traffic.more(5);
    await traffic.stop();
    assert.deepEqual(traffic.failures(), []);
  };

  test('a service that goes is 404 at once, and answers again when it is back: for who asked, and for who was given it', async () => {
    const app = await toys.http('phoenix');
    const register = serviceEvents('phoenix', HTTP, [{ id: 'phoenix-1', ports: { 80: app.port } }]);
    await mesh.events(...register);
    const asked = await mesh.sidecar({ service: 'owner.default', id: 'owner-1' });
    assert.equal((await call(asked, 'phoenix.default')).status, 200);
    const given = await mesh.sidecar({ service: 'owner.default', id: 'owner-2' });
    await eventually('the sibling holds it', async () => (await given.holds()).clusters.includes('phoenix.default:80'));
    await beside(asked, async () => {
      for (let round = 0; round < 3; round++) {
        await mesh.events(gone('phoenix'));
        for (const sidecar of [asked, given]) {
          await comes(sidecar, 'phoenix.default', 404);
          assert.equal((await call(sidecar, 'phoenix')).status, 404);
          assert.equal((await call(sidecar, 'phoenix.default:80')).status, 404);
        }
        await mesh.events(...register);
        for (const sidecar of [asked, given]) {
          await comes(sidecar, 'phoenix.default', 200);
          assert.equal((await call(sidecar, 'phoenix')).status, 200);
        }
      }
    });
    for (const sidecar of [asked, given]) await sidecar.assertHealthy();
  });

  test('the last endpoint goes: 503 at once; another comes: 200', async () => {
    const app = await toys.http('lonely');
    const endpoint = { id: 'lonely-1', ports: { 80: app.port } };
    await mesh.events(...serviceEvents('lonely', HTTP, [endpoint]));
    const sidecar = await mesh.sidecar({ service: 'lonely-caller.default' });
    assert.equal((await call(sidecar, 'lonely.default')).status, 200);
    await mesh.events({
      type: 'endpoint.deregistered',
      data: { namespace: 'default', service: 'lonely', id: 'lonely-1' },
    });
    await comes(sidecar, 'lonely.default', 503);
    assert.match((await call(sidecar, 'lonely.default')).body, /no healthy upstream/);
    await mesh.events(endpointEvent('lonely', endpoint));
    await comes(sidecar, 'lonely.default', 200);
    await sidecar.assertHealthy();
  });

  test('a route to a service that goes: 503 and no wait, the rest of the route works; it comes back', async () => {
    for (const name of ['front', 'behind'])
      await mesh.events(
        ...serviceEvents(name, HTTP, [{ id: `${name}-1`, ports: { 80: (await toys.http(name)).port } }]),
      );
    await mesh.docs(`
kind: Route
metadata: {name: front}
spec: {rules: {other: {match: {path: {prefix: /other}}, to: {behind.default: {}}}}}`);
    const sidecar = await mesh.sidecar({ service: 'front-caller.default' });
    assert.equal(backendOf(await call(sidecar, 'front.default', '/other')), 'behind');
    assert.equal(backendOf(await call(sidecar, 'front.default')), 'front');
    await beside(sidecar, async () => {
      await mesh.events(gone('behind'));
      await eventually('503', async () => (await call(sidecar, 'front.default', '/other')).status === 503);
      for (let round = 0; round < 3; round++) {
        const { status, ms } = await call(sidecar, 'front.default', '/other');
        assert.deepEqual([status, ms < 1_900], [503, true], 'not after the time-out for unknown clusters');
        assert.equal((await call(sidecar, 'front.default')).status, 200);
      }
      await mesh.events(
        ...serviceEvents('behind', HTTP, [{ id: 'behind-1', ports: { 80: (await toys.http('behind-again')).port } }]),
      );
      await eventually('back', async () => (await call(sidecar, 'front.default', '/other')).status === 200);
    });
    await sidecar.assertHealthy();
  });

  test('a host name moves from one service to another under traffic: no request fails', async () => {
    const host = 'api.example.test';
    const [old, next] = [await toys.http('old-api'), await toys.http('new-api')];
    const service = (name: string, hosts: readonly string[]) => ({
      type: 'service.registered',
      data: { namespace: 'default', name, ports: HTTP, ...(hosts.length === 0 ? {} : { external: { hosts } }) },
    });
    await mesh.events(
      service('old-api', [host]),
      service('new-api', []),
      endpointEvent('old-api', { id: 'old-1', ports: { 80: old.port } }),
      endpointEvent('new-api', { id: 'new-1', ports: { 80: next.port } }),
    );
    const sidecar = await mesh.sidecar({ service: 'api-caller.default' });
    assert.equal(backendOf(await call(sidecar, host)), 'old-api');
    // One time the winner is held before, the other time it is new.
    const traffic = startTraffic([{ port: sidecar.outboundPort, authority: host }], 2);
    await traffic.more(10);
    await mesh.events(service('old-api', []), service('new-api', [host]));
    await eventually('the new one answers', async () => backendOf(await call(sidecar, host)) === 'new-api');
    await traffic.more(10);
    assert.equal((await call(sidecar, 'old-api.default')).status, 200, 'the old one is still there by its own name');
    await mesh.events(service('new-api', []), service('old-api', [host]));
    await eventually('the old one answers again', async () => backendOf(await call(sidecar, host)) === 'old-api');
    await traffic.more(10);
    await traffic.stop();
    assert.deepEqual(traffic.failures(), []);
    await sidecar.assertHealthy();
  });

  test('a cluster that changes ten times under traffic: no request fails', async () => {
    await mesh.events(
      ...serviceEvents('busy', HTTP, [{ id: 'busy-1', ports: { 80: (await toys.http('busy')).port } }]),
    );
    const sidecar = await mesh.sidecar({ service: 'busy-caller.default' });
    const target = { port: sidecar.outboundPort, authority: 'busy.default' };
    const traffic = startTraffic([target, target], 2);
    await traffic.more(10);
    for (let requests = 100; requests < 110; requests++) {
      await mesh.docs(`kind: Upstream\nmetadata: {name: busy}\nspec: {limits: {requests: ${requests}}}`);
      await traffic.more(10);
    }
    await traffic.stop();
    assert.deepEqual(traffic.failures(), []);
    const config = (await sidecar.clusterConfig('busy.default:80'))?.circuit_breakers as {
      thresholds: { max_requests: number }[];
    };
    assert.equal(config.thresholds[0]?.max_requests, 109);
    await sidecar.assertHealthy();
  });

  test('a port that a service loses and gets again', async () => {
    const [web, extra] = [await toys.http('port-web'), await toys.http('port-extra')];
    const ports = [
      { port: 80, protocol: 'http' },
      { port: 81, protocol: 'http' },
    ];
    const endpoint = { id: 'ports-1', ports: { 80: web.port, 81: extra.port } };
    await mesh.events(...serviceEvents('ports', ports, [endpoint]));
    const sidecar = await mesh.sidecar({ service: 'ports-caller.default' });
    assert.equal(backendOf(await call(sidecar, 'ports.default:81')), 'port-extra');
    assert.equal(backendOf(await call(sidecar, 'ports.default')), 'port-web');
    await mesh.events(...serviceEvents('ports', ports.slice(0, 1), []));
    await comes(sidecar, 'ports.default:81', 404);
    assert.equal((await call(sidecar, 'ports.default')).status, 200);
    await mesh.events(...serviceEvents('ports', ports, []));
    await comes(sidecar, 'ports.default:81', 200);
    await sidecar.assertHealthy();
  });

  test('TCP: the listener goes with its service and comes back', async () => {
    const app = await toys.tcp('tcp-phoenix');
    const register = serviceEvents(
      'tcp-phoenix',
      [{ port: 6379, protocol: 'tcp' }],
      [{ id: 'tcp-1', ports: { 6379: app.port } }],
    );
    const localPort = await freePort();
    await mesh.events(...register);
    await mesh.docs(
      `kind: Dependency\nmetadata: {name: tcp-caller}\nspec: {to: {tcp-phoenix.default:6379: {localPort: ${localPort}}}}`,
    );
    const sidecar = await mesh.sidecar({ service: 'tcp-caller.default' });
    const exchange = async (): Promise<string> => {
      const socket = await openTcp({ port: localPort });
      socket.send('ping');
      const answer = await socket.next();
      await socket.close();
      return answer;
    };
    const listens = async (): Promise<boolean> =>
      (await sidecar.holds()).listeners.includes('tcp/tcp-phoenix.default:6379');
    await eventually('a listener', listens);
    assert.equal(await exchange(), 'tcp-phoenix:ping');
    await mesh.events(gone('tcp-phoenix'));
    await eventually('no listener', async () => !(await listens()));
    await mesh.events(...register);
    await eventually('a listener again', listens);
    await eventually('it answers', async () => (await exchange().catch(() => '')) === 'tcp-phoenix:ping');
    await sidecar.assertHealthy();
  });

  test('from sidecar to sidecar: the request passes both, and stays in the zone of the caller', async () => {
    const zones = ['zone-a', 'zone-b'];
    const inbound = [await freePort(), await freePort()];
    const apps = await Promise.all(zones.map((zone) => toys.http(`api-${zone}`)));
    const locality = (index: number) => ({ region: 'eu', zone: zones[index] ?? '' });
    await mesh.events(
      ...serviceEvents(
        'zoned-api',
        HTTP,
        zones.map((_, index) => ({
          id: `zoned-api-${index}`,
          ports: { 80: apps[index]?.port ?? 0 },
          inbound: { 80: inbound[index] },
          locality: locality(index),
        })),
      ),
      ...serviceEvents(
        'zoned-caller',
        HTTP,
        // Addresses of their own: Envoy counts callers by address.
        zones.map((_, index) => ({
          id: `zoned-caller-${index}`,
          address: `127.0.0.${index + 1}`,
          ports: {},
          locality: locality(index),
        })),
      ),
    );
    const callees: Sidecar[] = [];
    for (const index of [0, 1])
      callees.push(
        await mesh.sidecar({
          service: 'zoned-api.default',
          endpoint: `zoned-api-${index}`,
          ...locality(index),
          ...(inbound[index] === undefined ? {} : { inboundPort: inbound[index] }),
        }),
      );
    for (const index of [0, 1]) {
      const caller = await mesh.sidecar({
        service: 'zoned-caller.default',
        endpoint: `zoned-caller-${index}`,
        ...locality(index),
      });
      const results = await callMany({ port: caller.outboundPort, authority: 'zoned-api' }, 40, 4);
      assert.deepEqual(tally(results, statusOf), { 200: 40 });
      assert.deepEqual(tally(results, backendOf), { [`api-${zones[index]}`]: 40 });
      await caller.assertHealthy();
    }
    for (const callee of callees) {
      assert.equal(
        await callee.stat(/^cluster\.inbound_80\.upstream_rq_200$/),
        40,
        'through the sidecar of the callee',
      );
      await callee.assertHealthy();
    }
  });
});
