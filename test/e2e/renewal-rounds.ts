/**
 * Issue 5, section 2.2: a sidecar that has called thousands of services once gives up what nobody uses any more, without an error for
 * who goes on calling.
 */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { openEventLog } from '../../src/log/index.ts';
import { type EventEnvelope, schemaVersionOf } from '../../src/model/index.ts';
import { callHttp } from '../support/clients.ts';
import { eventually, type Mesh, serviceEvents, startMesh } from './harness.ts';
import type { Sidecar } from './sidecar.ts';
import { Toys } from './toys.ts';
import { startTraffic, type Traffic } from './traffic.ts';

const CALLER = 'app.default';
const KEPT = 'kept.default';
const MESH = 'default';
const DRAIN_S = 5;
const PORTS = [{ port: 80, protocol: 'http' }];
const MOST_AT_ONCE = 8;

/** Bytes that Envoy has allocated. */
const allocated = async ({ envoy }: Sidecar): Promise<number> =>
  Number(((await envoy.adminJson('/memory')) as { readonly allocated: string }).allocated);

const metric = async (mesh: Mesh, name: string): Promise<number> => {
  const { host, port } = mesh.server.admin;
  const text = await (await fetch(`http://${host}:${port}/metrics`)).text();
  const values = [...text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? ([0-9.e+]+)$`, 'gm'))];
  assert.ok(values.length > 0, `there is no metric ${name}`);
  return values.reduce((sum, [, value]) => sum + Number(value), 0);
};

const callEach = async (port: number, authorities: readonly string[]): Promise<void> => {
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let authority = authorities[next++]; authority !== undefined; authority = authorities[next++]) {
      const { status, body } = await callHttp({ port, authority, timeoutMs: 30_000 });
      assert.equal(status, 200, `${authority}: ${body}`);
    }
  };
  await Promise.all(Array.from({ length: MOST_AT_ONCE }, worker));
};

/** Nobody outside may say that an edge has expired: the control plane is away, and its log says so when it comes back. */
const expire = async (data: string, services: readonly string[], round: number): Promise<void> => {
  const log = await openEventLog({ kind: 'lmdb', dir: data, mesh: MESH, clock: Date });
  const type = 'dependency.expired';
  const events = services.map(
    (name): EventEnvelope<typeof type> => ({
      id: `expired-${round}-${name}`,
      type,
      subject: `edge/${CALLER}/${name}:80`,
      time: new Date().toISOString(),
      source: 'tendril',
      schemaVersion: schemaVersionOf(type),
      mesh: MESH,
      data: { from: CALLER, to: `${name}:80` },
    }),
  );
  for (let at = 0; at < events.length; at += 500) await log.append(events.slice(at, at + 500));
  await log.close();
};

const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(2);

/** Share of what Envoy took for the services that it must give back: its tables of statistics do not shrink (docs/protocol.md, section 11). */
const GIVEN_BACK = 0.9;

/** State of the caller's edge to a service. */
const stateOf = async (mesh: Mesh, service: string | undefined): Promise<string | undefined> => {
  const { body } = await mesh.request('GET', `/v1/graph?focus=${service}&depth=1`);
  const edges = body.edges as readonly { readonly to: string; readonly state: string }[];
  return edges.find(({ to }) => to === service)?.state;
};

/** `count`: services called once, in each of `rounds`. */
export const renewalRounds = async (t: TestContext, count: number, rounds: number): Promise<void> => {
  const names = Array.from({ length: count }, (_, index) => `once-${index}`);
  const once = names.map((name) => `${name}.default`);
  const toys = new Toys();
  // Nothing tells of streams here, and the next round is not a day away.
  const mesh = await startMesh({ log: 'lmdb', child: true, xdsLimits: 'renewal-unseen=1,renewal-every-ms=1000' });
  let traffic: Traffic | undefined;
  try {
    const { port: target } = await toys.http('all');
    await mesh.events(
      ...['kept', ...names].flatMap((name) => serviceEvents(name, PORTS, [{ id: name, ports: { 80: target } }])),
    );
    const sidecar = await mesh.sidecar({ service: CALLER, drainTimeS: DRAIN_S });
    const { outboundPort: port } = sidecar;
    assert.equal((await callHttp({ port, authority: KEPT })).status, 200);
    await eventually('its edge is in the log', async () => (await metric(mesh, 'tendril_edges_written_total')) >= 1);
    // A first dump makes Envoy allocate what it keeps.
    await sidecar.holds();
    await sidecar.quiet();
    const start = await allocated(sidecar);
    traffic = startTraffic([{ port, authority: KEPT }]);
    const low: number[] = [];

    for (let round = 1; round <= rounds; round++) {
      const before = await metric(mesh, 'tendril_edges_written_total');
      await callEach(port, once);
      await eventually(
        'every edge is in the log',
        async () => (await metric(mesh, 'tendril_edges_written_total')) >= before + count,
      );
      // Envoy gathers access logs for 5 s: what it told after the edges have expired would bring them back.
      await sleep(6_000);
      assert.equal((await sidecar.holds()).clusters.length, count + 1);
      const full = await allocated(sidecar);

      await mesh.server.killAll();
      await expire(mesh.data, once, round);
      await mesh.start();
      await eventually(
        'the generation is renewed',
        async () => (await metric(mesh, 'tendril_xds_renewals_total')) === 1,
      );
      const routes = `outbound~${round}`;
      await eventually(
        'Envoy uses the next generation alone',
        async () => (await sidecar.envoy.held()).routes.join() === routes,
        60_000,
      );
      await eventually(
        'clusters nobody uses are gone',
        async () => (await sidecar.holds()).clusters.join() === `${KEPT}:80`,
        60_000,
      );
      const { endpoints, virtualHosts } = await sidecar.holds();
      assert.deepEqual([endpoints, virtualHosts], [[`${KEPT}:80`], [`${routes}/${KEPT}:80`]]);
      await sidecar.quiet();
      const after = await allocated(sidecar);
      low.push(after);
      t.diagnostic(
        `round ${round}: allocated by Envoy ${megabytes(start)} MB at the start, ${megabytes(full)} MB with ${count} services, ${megabytes(after)} MB after`,
      );
      assert.ok(full - after >= GIVEN_BACK * (full - start), `${start}, ${full}, ${after} bytes`);
    }
    const [first = 0, ...others] = low;
    for (const after of others) assert.ok(after < first * 1.05, `what stays adds up: ${low.join(', ')} bytes`);

    await traffic.more(20);
    await traffic.stop();
    assert.deepEqual(traffic.failures(), [], `errors in ${traffic.calls()} calls of the service that was kept`);
    t.diagnostic(`${traffic.calls()} calls of the service that was kept, 0 errors`);
    // What is called again is asked for again, and its edge is back.
    assert.equal(await stateOf(mesh, once[0]), 'expired');
    assert.equal((await callHttp({ port, authority: once[0] ?? '' })).status, 200);
    await eventually('its edge is back', async () => (await stateOf(mesh, once[0])) === 'active');
    const proxy = (await mesh.proxy(sidecar)) as { readonly generation?: number } | undefined;
    assert.equal(proxy?.generation, rounds);
    await sidecar.assertHealthy();
  } finally {
    await traffic?.stop();
    await mesh.stop();
    await toys.close();
  }
};
