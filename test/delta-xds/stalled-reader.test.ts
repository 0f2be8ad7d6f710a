/**
 * Issue 4, section 2.2: a client that reads nothing costs at most 8 MiB and delays nobody, and when it reads again it gets the newest
 * state and not the backlog. Counted at the clients and in the server's counters; what it costs in CPU is in bench/stalled-reader.ts.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type AdsServer, createAdsServer } from '../../src/delta-xds/index.ts';
import { CDS, decodeDeltaResponse, EDS, encodeDeltaRequest, GRPC_PATHS, VHDS } from '../../src/proto/index.ts';
import { until } from '../cli/support/tendril.ts';
import { Fleet, type FleetOptions, type FleetSidecar } from '../support/fleet.ts';
import { openConnection, openStream } from '../support/grpc-streams.ts';
import { stallingProxy } from '../support/stalling-proxy.ts';
import { assignmentBody, clusterBody, MemoryMesh, nodeOf, virtualHostBody } from './support/memory-mesh.ts';

const BOUND = 8 * 2 ** 20;
/** Bytes of one assignment. */
const PADDING = 2_000;

interface Stand {
  readonly mesh: MemoryMesh;
  readonly server: AdsServer;
  readonly port: number;
  readonly names: readonly string[];
  /** Bytes in flight, at most, so far. */
  readonly peak: () => number;
  /** Gives a service a new version of its assignment, and every tenth one new clusters and hosts too. */
  readonly change: (index: number, version: number) => Promise<void>;
}

const stand = async (t: TestContext, services: number): Promise<Stand> => {
  const mesh = new MemoryMesh();
  const names = Array.from({ length: services }, (_, index) => `svc-${index}.shop:80`);
  const set = (name: string, version: number, all: boolean): void => {
    mesh.set('eds', name, assignmentBody(name, `e-${version}`, [8_080], PADDING));
    if (!all) return;
    mesh.set('cds', name, clusterBody(name, `c-${version}`, true));
    mesh.set('vhds', name, virtualHostBody(`h-${version}`, [name.slice(0, name.indexOf(':')), name], [name]));
  };
  for (const name of names) set(name, 0, true);
  mesh.preloads.set('app.shop', names);
  const server = createAdsServer({
    source: mesh,
    // A peer whose socket stands still is taken for dead after 40 s; a slow machine must not look like that.
    limits: { keepaliveMs: 600_000 },
    // A slow machine takes long for all changes; whoever acknowledges nothing is sent one response a second.
    clock: () => performance.now() / 20,
    now: Date.now,
    random: Math.random,
    logger: { info: () => undefined, warn: () => undefined },
    identifier: 'tendril/test/0',
  });
  const { port } = await server.listen('127.0.0.1', 0);
  t.after(() => server.close());
  let peak = 0;
  const look = (): number => {
    peak = Math.max(peak, server.counters().inFlightBytes);
    return peak;
  };
  return {
    mesh,
    server,
    port,
    names,
    peak: look,
    change: async (index, version) => {
      set(names[index % services] ?? '', version, version % 10 === 0);
      await server.wake();
      look();
    },
  };
};

const fleetOf = (t: TestContext, options: FleetOptions): Fleet => {
  const fleet = new Fleet({ caller: () => 'app.shop', streamsPerConnection: 1, ...options });
  t.after(() => fleet.close());
  return fleet;
};

const holdsNewest = (sidecar: FleetSidecar, { mesh, names }: Stand): boolean => {
  const [clusters, assignments, hosts] = (['cds', 'eds', 'vhds'] as const).map((type) =>
    sidecar.session.versions(type),
  );
  return names.every(
    (name) =>
      clusters?.get(name) === mesh.clusters.get(name)?.version &&
      assignments?.get(name) === mesh.assignments.get(name)?.version &&
      hosts?.get(`outbound/${name}`) === mesh.hosts.get(name)?.version,
  );
};

const newest = (sidecar: FleetSidecar, at: Stand): Promise<true> =>
  until(
    () => (holdsNewest(sidecar, at) ? true : undefined),
    () => `${sidecar.id} does not have the newest state`,
  );

const CHANGES = 1_000;
const SERVICES = 200;

for (const where of ['its stream', 'its socket'] as const)
  test(`a client that stops reading ${where}: bounded, the others get every change, it gets the newest state`, async (t) => {
    const at = await stand(t, SERVICES);
    const proxy = await stallingProxy(at.port);
    t.after(() => proxy.close());
    const ofSocket = where === 'its socket';
    const [slow] = fleetOf(
      t,
      ofSocket ? { port: proxy.port, size: 1, window: 2 ** 28 } : { port: at.port, size: 1 },
    ).sidecars;
    const { sidecars: others } = fleetOf(t, { port: at.port, size: 2 });
    assert.ok(slow !== undefined);
    for (const sidecar of [slow, ...others]) await newest(sidecar, at);
    if (ofSocket) proxy.stall();
    else slow.pause();
    const before = { ...slow.stats };
    for (let version = 1; version <= CHANGES; version++) {
      await at.change(version, version);
      const key = `${EDS} ${at.names[version % SERVICES]} e-${version}`;
      // One change after the other: whatever held the others up would hold up this loop.
      const deadline = performance.now() + 60_000;
      while (!others.every(({ received }) => received.has(key))) {
        assert.ok(performance.now() < deadline, `the others wait for ${key}`);
        await new Promise((next) => setImmediate(next));
      }
    }
    assert.ok(at.peak() <= BOUND, `${at.peak()} bytes in flight`);
    const { resets, sessions } = at.server.counters();
    assert.deepEqual([resets, sessions], [0, 3]);
    if (ofSocket) proxy.go();
    else slow.resume();
    await newest(slow, at);
    const [responses, resources] = [slow.stats.responses - before.responses, slow.stats.resources - before.resources];
    t.diagnostic(
      `${responses} responses with ${resources} resources for ${CHANGES} changes; ${at.peak()} bytes in flight at most`,
    );
    // What was under way when it stopped, one response a second and type until the transport was full, and then the newest of all.
    assert.ok(resources < CHANGES / 2, `${resources} resources: the backlog`);
    assert.ok(responses < CHANGES / 4, `${responses} responses: the backlog`);
    for (const sidecar of [slow, ...others]) assert.equal(sidecar.stats.streams, 1, 'nobody was dropped');
  });

test('a client that asks for 13 MB and never reads: at most 8 MiB wait; then it gets all of it, as it is by then', async (t) => {
  const at = await stand(t, 6_000);
  const connection = openConnection(at.port);
  t.after(() => connection.destroy());
  const versions = new Map<string, string>();
  const stream = openStream(connection, GRPC_PATHS.delta, {
    onMessage: (message) => {
      const { typeUrl, nonce, resources } = decodeDeltaResponse(message);
      if (typeUrl === EDS) for (const { name, version } of resources) versions.set(name, version);
      stream.send(request({ typeUrl, responseNonce: nonce }));
    },
    onEnd: () => undefined,
  });
  const request = (
    parts: Partial<Parameters<typeof encodeDeltaRequest>[0]> & { readonly typeUrl: string },
  ): Uint8Array =>
    encodeDeltaRequest({
      subscribe: [],
      unsubscribe: [],
      initialResourceVersions: new Map(),
      responseNonce: '',
      ...parts,
    });
  stream.raw.pause();
  stream.send(request({ typeUrl: CDS, node: nodeOf('app.shop') }));
  stream.send(request({ typeUrl: EDS, subscribe: at.names }));
  await until(
    () => (at.server.counters().held > 0 ? true : undefined),
    () => 'the session is never held',
  );
  // It goes on asking, too: a held session answers nothing.
  for (let index = 0; index < 200; index++)
    stream.send(request({ typeUrl: VHDS, subscribe: [`outbound/nobody-${index}.shop`] }));
  for (let version = 1; version <= 300; version++) await at.change(version * 7, version);
  // A portion of the names is sent before it is seen that nobody reads.
  assert.ok(at.peak() > 2 ** 18 && at.peak() <= BOUND, `${at.peak()} bytes in flight`);
  assert.deepEqual([at.server.counters().resets, at.server.counters().sessions], [0, 1]);
  stream.raw.resume();
  await until(
    () => (at.names.every((name) => versions.get(name) === at.mesh.assignments.get(name)?.version) ? true : undefined),
    () => `${versions.size} assignments came`,
  );
  t.diagnostic(`${at.peak()} bytes in flight at most`);
});

test('one resource above the bound is sent all the same, and no more than that one waits', async (t) => {
  const at = await stand(t, 3);
  const [big = '', ...small] = at.names;
  at.mesh.set('eds', big, assignmentBody(big, 'e-big', [8_080], 9 * 2 ** 20));
  const { sidecars } = fleetOf(t, { port: at.port, size: 1 });
  const [sidecar] = sidecars;
  assert.ok(sidecar !== undefined);
  await until(
    () => (sidecar.stats.responses > 0 ? true : undefined),
    () => 'no response',
  );
  sidecar.pause();
  for (let version = 1; version <= 12; version++) {
    at.mesh.set('eds', big, assignmentBody(big, `e-big-${version}`, [8_080], 9 * 2 ** 20));
    for (const name of small) at.mesh.set('eds', name, assignmentBody(name, `e-${version}`, [8_080], PADDING));
    await at.server.wake();
    at.peak();
  }
  sidecar.resume();
  await newest(sidecar, at);
  assert.equal(at.server.counters().resets, 0);
  assert.ok(at.peak() < 2 * 10 * 2 ** 20, `${at.peak()} bytes in flight`);
  assert.equal(sidecar.stats.streams, 1);
});
