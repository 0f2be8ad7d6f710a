/** What profiles do to a mesh besides steady changes, and what it costs. */
import type { Changes } from './changes.ts';
import { monotonicMs } from './clock.ts';
import type { ControlPlane } from './control-plane.ts';
import type { Fleet } from './fleet.ts';
import type { SimEvent, SimMesh } from './mesh.ts';
import { percentilesOf } from './percentiles.ts';
import type { Fault } from './profiles.ts';
import type { Propagation } from './propagation.ts';
import { randomFrom } from './random.ts';
import type { Recorder } from './recorder.ts';
import type { FaultFigures, PropagationFigures, StormFigures } from './result.ts';

export interface FaultContext {
  readonly mesh: SimMesh;
  readonly server: ControlPlane;
  readonly fleet: Fleet;
  readonly changes: Changes;
  readonly holders: readonly number[];
  readonly sidecars: number;
  /** Every sidecar holds everything. */
  readonly isFull: boolean;
  readonly recorder: Recorder;
  /** Of the fault's own changes. */
  readonly propagation: Propagation;
  readonly signal: AbortSignal;
  /** Between the steps of a fault, ms. */
  readonly stepMs: number;
  /** Nothing came for a while. */
  readonly quiet: () => Promise<void>;
}

const pause = (ms: number): Promise<void> => new Promise((next) => setTimeout(next, ms));
const STEPS = 4;
const FLAP_HZ = 10;
const FLAP_S = 5;
const ROUTE_HOLDERS = 40;
const STORM_MS = 120_000;
const PROOF_MS = 30_000;
const NO_CHANGES: PropagationFigures = {
  changes: 0,
  expected: 0,
  arrived: 0,
  coalesced: 0,
  each: percentilesOf([]),
  last: percentilesOf([]),
};
const MEMORY_MS = 100;

function* endpointsOf(mesh: SimMesh): Generator<readonly [service: number, endpoint: number]> {
  for (let service = 0; service < mesh.services.length; service++)
    for (let endpoint = 0; endpoint < (mesh.counts[service] ?? 0); endpoint++) yield [service, endpoint];
}

/** Sidecars that hold any of these services. */
const holdersOf = ({ mesh, sidecars, isFull }: FaultContext, services: ReadonlySet<number>): number =>
  isFull ? sidecars : mesh.holdersOfAny(services, sidecars);

/** Runs `act`, which gives the number of its events, until it is quiet again. */
const cost = async (
  context: FaultContext,
  what: string,
  holders: number,
  act: () => Promise<number>,
): Promise<FaultFigures> => {
  const { fleet, server, quiet } = context;
  fleet.mark();
  await quiet();
  const cpu = (): number => server.sample().reduce((sum, { cpuS }) => sum + cpuS, 0);
  const bytes = (): number => Object.values(fleet.counts().bytes).reduce((sum, part) => sum + part, 0);
  const before = { pushes: fleet.counts().pushes, bytes: bytes(), cpu: cpu(), at: monotonicMs() };
  const events = await act();
  await quiet();
  const propagation = context.propagation.figures();
  return {
    what,
    events,
    holders,
    pushes: fleet.counts().pushes - before.pushes,
    bytes: bytes() - before.bytes,
    largestPush: fleet.counts().largestPush,
    serverCpuS: cpu() - before.cpu,
    ms: Math.round(monotonicMs() - before.at),
    ...(propagation === undefined ? {} : { propagation }),
  };
};

const rollingUpdate = (context: FaultContext): Promise<FaultFigures> => {
  const { mesh, server, changes, propagation, signal, stepMs } = context;
  const count = Math.max(1, Math.floor(mesh.services.length / 10));
  const concerned = holdersOf(context, new Set(Array.from({ length: count }, (_, service) => service)));
  return cost(context, `pods of ${count} services replaced, a quarter at a time`, concerned, async () => {
    let events = 0;
    for (let step = 0; step < STEPS && !signal.aborted; step++) {
      const gone: SimEvent[] = [];
      for (let service = 0; service < count; service++)
        for (let endpoint = step; endpoint < (mesh.counts[service] ?? 0); endpoint += STEPS)
          gone.push(await changes.replace(service, endpoint, propagation));
      await changes.settle();
      // The new pods are ready: now the old ones end.
      await pause(stepMs);
      events += gone.length + (await server.load(gone));
      await pause(stepMs);
    }
    return events;
  });
};

const zoneFailure = (context: FaultContext): Promise<FaultFigures> => {
  const { mesh, server, stepMs } = context;
  const concerned = [...endpointsOf(mesh)].filter(([service, endpoint]) => mesh.zoneOf(service, endpoint) === 0);
  const holders = holdersOf(context, new Set(concerned.map(([service]) => service)));
  return cost(context, 'all endpoints of a zone unhealthy, then back', holders, async () => {
    const turn = (isHealthy: boolean): SimEvent[] =>
      concerned.map(([service, endpoint]) => mesh.setHealth(service, endpoint, isHealthy));
    const down = await server.load(turn(false));
    await pause(2 * stepMs);
    return down + (await server.load(turn(true)));
  });
};

const registryFlap = (context: FaultContext): Promise<FaultFigures> => {
  const { mesh, server, changes, propagation, signal } = context;
  const all = [...endpointsOf(mesh)];
  const flapping = all.filter((_, index) => index % 10 === 0);
  // What does not flap still changes: once in each turn, and its propagation is the figure.
  const stable = all.filter((_, index) => index % 10 !== 0);
  const random = randomFrom(mesh.options.seed + 3);
  const holders = holdersOf(context, new Set(flapping.map(([service]) => service)));
  return cost(context, `${flapping.length} endpoints flip ${FLAP_HZ} times a second`, holders, async () => {
    let events = 0;
    const began = monotonicMs();
    // An even number of turns: all are healthy in the end.
    for (let turn = 0; turn < FLAP_HZ * FLAP_S && (!signal.aborted || turn % 2 === 1); turn++) {
      const [service, endpoint] = stable[Math.floor(random() * stable.length)] ?? [];
      if (service !== undefined && endpoint !== undefined) await changes.move(service, endpoint, propagation);
      events +=
        1 +
        (await server.load(flapping.map(([service, endpoint]) => mesh.setHealth(service, endpoint, turn % 2 === 1))));
      await pause(Math.max(0, began + ((turn + 1) * 1_000) / FLAP_HZ - monotonicMs()));
    }
    await changes.settle();
    return events;
  });
};

const routeChange = async (context: FaultContext): Promise<FaultFigures> => {
  const { mesh, holders, server } = context;
  // The service whose number of holders is nearest to what the figure is asked for.
  const distance = (count: number | undefined): number => Math.abs((count ?? 0) - ROUTE_HOLDERS);
  let service = 0;
  for (const index of holders.keys()) if (distance(holders[index]) < distance(holders[service])) service = index;
  const name = mesh.services[service]?.name ?? '';
  const put = (timeout: string): Promise<void> => {
    const document = {
      apiVersion: 'tendril.dev/v1',
      kind: 'Route',
      metadata: { name, namespace: 'sim' },
      spec: { timeout },
    };
    return server.post([{ type: 'policy.applied', data: { document } }], '?wait=applied&timeout=30s');
  };
  await put('2s');
  return cost(context, `one route change of ${name}`, holders[service] ?? 0, async () => {
    await put('3s');
    return 1;
  });
};

/** Undefined for the storm, which has figures of its own. */
export const runFault = async (
  fault: Exclude<Fault, 'reconnect-storm'>,
  context: FaultContext,
): Promise<FaultFigures> => {
  switch (fault) {
    case 'rolling-update':
      return rollingUpdate(context);
    case 'zone-failure':
      return zoneFailure(context);
    case 'registry-flap':
      return registryFlap(context);
    case 'route-change':
      return routeChange(context);
  }
};

/** `kill -9` of all server processes, a start on the same data, and all sidecars come back by themselves. */
export const runStorm = async (context: FaultContext): Promise<StormFigures> => {
  const { server, fleet, sidecars, recorder, signal, quiet } = context;
  await quiet();
  const rssBeforeMiB = recorder.serverRssAnonMiB();
  const before = fleet.counts();
  let rssPeakMiB = 0;
  const look = setInterval(() => {
    rssPeakMiB = Math.max(rssPeakMiB, recorder.serverRssAnonMiB());
  }, MEMORY_MS);
  try {
    const killed = monotonicMs();
    await server.kill();
    await server.start();
    const ready = monotonicMs();
    // Ticks come in turns: until the first after the kill, they tell of the streams before.
    while (fleet.lastAnswered < killed && !signal.aborted && monotonicMs() - killed < STORM_MS) await pause(100);
    while (fleet.connected < sidecars && !signal.aborted && monotonicMs() - killed < STORM_MS) await pause(100);
    const [resubscribed, last] = [fleet.connected, fleet.lastAnswered];
    await quiet();
    const after = fleet.counts();
    const proof = await prove(context);
    return {
      sidecars,
      resubscribed,
      ...(resubscribed === sidecars
        ? { allSubscribedMs: Math.round(last - killed), sinceReadyMs: Math.round(last - ready) }
        : {}),
      reconnects: after.reconnects - before.reconnects,
      resourceBytes: after.resourceBytes - before.resourceBytes,
      listenerBytes: after.listenerBytes - before.listenerBytes,
      rssBeforeMiB,
      rssPeakMiB,
      proof,
    };
  } finally {
    clearInterval(look);
  }
};

/** One change of each of a few services that together all sidecars hold, and the time for them to come. */
const prove = async ({
  mesh,
  sidecars,
  isFull,
  changes,
  propagation,
  signal,
}: FaultContext): Promise<PropagationFigures> => {
  for (const service of isFull ? [0] : mesh.covering(sidecars)) await changes.move(service, 0, propagation);
  await changes.settle();
  const began = monotonicMs();
  let figures = propagation.figures() ?? NO_CHANGES;
  while (figures.arrived < figures.expected && !signal.aborted && monotonicMs() - began < PROOF_MS) {
    await pause(100);
    figures = propagation.figures() ?? NO_CHANGES;
  }
  return figures;
};
