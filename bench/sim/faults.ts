/** What profiles do to a mesh besides steady changes, and what it costs. */
import type { Changes } from './changes.ts';
import { monotonicMs } from './clock.ts';
import type { ControlPlane } from './control-plane.ts';
import type { Fleet } from './fleet.ts';
import type { SimEvent, SimMesh } from './mesh.ts';
import type { Fault } from './profiles.ts';
import type { Propagation } from './propagation.ts';
import { type Recorder, serverPeak } from './recorder.ts';
import type { FaultFigures, StormFigures } from './result.ts';

export interface FaultContext {
  readonly mesh: SimMesh;
  readonly server: ControlPlane;
  readonly fleet: Fleet;
  readonly changes: Changes;
  readonly holders: readonly number[];
  readonly sidecars: number;
  readonly recorder: Recorder;
  readonly hot: Propagation;
  readonly signal: AbortSignal;
  /** Nothing came for a while. */
  readonly quiet: () => Promise<void>;
}

const pause = (ms: number): Promise<void> => new Promise((next) => setTimeout(next, ms));
const STEPS = 4;
const STEP_MS = 1_000;
const FLAP_HZ = 10;
const FLAP_S = 5;
const ROUTE_HOLDERS = 40;
const STORM_MS = 120_000;

function* endpointsOf(mesh: SimMesh): Generator<readonly [service: number, endpoint: number]> {
  for (let service = 0; service < mesh.services.length; service++)
    for (let endpoint = 0; endpoint < (mesh.counts[service] ?? 0); endpoint++) yield [service, endpoint];
}

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
  return {
    what,
    events,
    holders,
    pushes: fleet.counts().pushes - before.pushes,
    bytes: bytes() - before.bytes,
    largestPush: fleet.counts().largestPush,
    serverCpuS: cpu() - before.cpu,
    ms: Math.round(monotonicMs() - before.at),
  };
};

const rollingUpdate = (context: FaultContext): Promise<FaultFigures> => {
  const { mesh, changes, hot, sidecars, signal } = context;
  const count = Math.max(1, Math.floor(mesh.services.length / 10));
  return cost(context, `${count} services replaced, a quarter at a time`, sidecars, async () => {
    let events = 0;
    for (let step = 0; step < STEPS && !signal.aborted; step++) {
      for (let service = 0; service < count; service++)
        for (let endpoint = step; endpoint < (mesh.counts[service] ?? 0); endpoint += STEPS) {
          await changes.move(service, endpoint, hot);
          events++;
        }
      await changes.settle();
      await pause(STEP_MS);
    }
    return events;
  });
};

const zoneFailure = (context: FaultContext): Promise<FaultFigures> => {
  const { mesh, server, sidecars } = context;
  return cost(context, 'all endpoints of a zone unhealthy, then back', sidecars, async () => {
    const turn = (isHealthy: boolean): SimEvent[] =>
      [...endpointsOf(mesh)]
        .filter(([service, endpoint]) => mesh.zoneOf(service, endpoint) === 0)
        .map(([service, endpoint]) => mesh.setHealth(service, endpoint, isHealthy));
    const down = await server.load(turn(false));
    await pause(2 * STEP_MS);
    return down + (await server.load(turn(true)));
  });
};

const registryFlap = (context: FaultContext): Promise<FaultFigures> => {
  const { mesh, server, sidecars, signal } = context;
  const flapping = [...endpointsOf(mesh)].filter((_, index) => index % 10 === 0);
  return cost(context, `${flapping.length} endpoints flip ${FLAP_HZ} times a second`, sidecars, async () => {
    let events = 0;
    const began = monotonicMs();
    // An even number of turns: all are healthy in the end.
    for (let turn = 0; turn < FLAP_HZ * FLAP_S && (!signal.aborted || turn % 2 === 1); turn++) {
      events += await server.load(
        flapping.map(([service, endpoint]) => mesh.setHealth(service, endpoint, turn % 2 === 1)),
      );
      await pause(Math.max(0, began + ((turn + 1) * 1_000) / FLAP_HZ - monotonicMs()));
    }
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
  const { server, fleet, sidecars, recorder, changes, hot, mesh, signal, quiet } = context;
  await quiet();
  const rssBeforeMiB = recorder.serverRssAnonMiB();
  const before = fleet.counts();
  const from = recorder.seconds.length;
  const killed = monotonicMs();
  await server.kill();
  await server.start();
  const ready = monotonicMs();
  // Ticks come once a second: until the first after the kill, they tell of the streams before.
  while (fleet.lastAnswered < killed && !signal.aborted && monotonicMs() - killed < STORM_MS) await pause(100);
  while (fleet.connected < sidecars && !signal.aborted && monotonicMs() - killed < STORM_MS) await pause(100);
  const [resubscribed, last] = [fleet.connected, fleet.lastAnswered];
  await quiet();
  const after = fleet.counts();
  const figures = {
    sidecars,
    resubscribed,
    ...(resubscribed === sidecars
      ? { allSubscribedMs: Math.round(last - killed), sinceReadyMs: Math.round(last - ready) }
      : {}),
    resourceBytes: after.resourceBytes - before.resourceBytes,
    listenerBytes: after.listenerBytes - before.listenerBytes,
    rssBeforeMiB,
    rssPeakMiB: serverPeak(recorder.seconds.slice(from)),
  };
  // One more change of what all hold: the check of the final state shows whether everybody is subscribed indeed.
  if (mesh.options.hot > 0) await changes.move(0, 0, hot);
  await changes.settle();
  return figures;
};
