/** A simulation from its options to its result: load, connect, churn, fault, drain, probe. Whatever ends it, what was measured is kept. */
import { cpus, loadavg, totalmem } from 'node:os';
import { Changes } from './changes.ts';
import type { ClientShare } from './client/messages.ts';
import { monotonicMs } from './clock.ts';
import { connectFigures, fullMeshFigures } from './configuration.ts';
import { ControlPlane } from './control-plane.ts';
import { runFault, runStorm } from './faults.ts';
import { Fleet } from './fleet.ts';
import { goalsOf } from './goals.ts';
import { SimMesh } from './mesh.ts';
import type { Asked } from './options.ts';
import { round } from './percentiles.ts';
import { Propagation } from './propagation.ts';
import { Recorder, serverPeak } from './recorder.ts';
import { format } from './report/format.ts';
import { RESULT_FORMAT, type SimResult } from './result.ts';

export interface RunInput extends Asked {
  readonly command: string;
  readonly version: string;
  readonly signal: AbortSignal;
  /** A line of progress. */
  readonly progress: (line: string) => void;
  /** A terminal gets a line every second. */
  readonly everyMs: number;
  /** For tests, in place of two seconds and of one: nothing came for so long; between the steps of a fault. */
  readonly quietMs?: number;
  readonly stepMs?: number;
  /** In place of ten seconds: so long without an answer, the server is said to hang. */
  readonly silentMs?: number;
  /** The server, when it is up: for tests that end it. */
  readonly onServer?: (server: ControlPlane) => void;
}

const AT_ONCE = 100;
/** Nothing came for so long: two looks of a client process, and what the server may hold back. */
const QUIET_MS = 2_000;
const CONNECT_MS = 300_000;
const STEP_MS = 1_000;
const SILENT_MS = 10_000;
const LAST_TICK_MS = 500;
const MOST_QUIET_MS = 60_000;

const pause = (ms: number): Promise<void> => new Promise((next) => setTimeout(next, ms));
type Parts = { -readonly [K in keyof Omit<SimResult, 'goals'>]: SimResult[K] };

export const runSimulation = async (input: RunInput): Promise<SimResult> => {
  const { options, profile, progress, everyMs, signal } = input;
  const { sidecars, clients, perConnection, probes, mode } = options;
  const { services, endpoints, deps, hot: hotRate, seed } = options;
  const meshOptions = { services, endpoints, deps, hot: hotRate, seed, shape: profile.shape ?? ('uniform' as const) };
  const mesh = new SimMesh(meshOptions);
  const isFull = mode === 'full-mesh';
  const holders = isFull ? mesh.services.map(() => sidecars) : mesh.holders(sidecars);
  const server = new ControlPlane(options);
  const { quietMs = QUIET_MS, stepMs = STEP_MS, silentMs = SILENT_MS } = input;
  const [churn, hot, inFault] = [new Propagation(), new Propagation(), new Propagation()];
  let fleet: Fleet | undefined;
  let probing: Fleet | undefined;
  const recorder = new Recorder(server, () => fleet, churn, hot);
  const changes = new Changes(mesh, server, holders, recorder);
  const result: Parts = {
    format: RESULT_FORMAT,
    at: new Date().toISOString(),
    version: input.version,
    command: input.command,
    shows: profile.shows,
    options,
    machine: {
      cpus: cpus().length,
      model: cpus()[0]?.model ?? '',
      memoryGiB: Math.round(totalmem() / 2 ** 30),
      node: process.version,
      platform: process.platform,
      load: round(loadavg()[0] ?? 0, 2),
    },
    outcome: { status: 'complete' },
    meshHash: mesh.hash(),
    phases: recorder.phases,
    seconds: recorder.seconds,
    processes: [],
    bytes: { cds: 0, eds: 0, vhds: 0, rds: 0, lds: 0, other: 0 },
    pushes: 0,
    resources: 0,
    refused: 0,
    reconnects: 0,
    faults: [],
  };
  // Ends every wait: Ctrl-C, or a process that died.
  const ended = new AbortController();
  const end = (): void => ended.abort();
  if (signal.aborted) end();
  signal.addEventListener('abort', end, { once: true });
  const over = new Promise<never>((_, fail) =>
    ended.signal.addEventListener('abort', () => fail(new Error('ended')), { once: true }),
  );
  over.catch(() => undefined);
  server.onDied = (how) => {
    const log = server.log;
    result.outcome = { status: 'server-died', message: `the control plane died in mid-run (${how})`, log };
    end();
  };
  const onClientLost = (how: string): void => {
    result.outcome = { status: 'failed', message: how };
    end();
  };
  /** A server that hangs does not end: nothing else tells. */
  const hangs = (): string | undefined =>
    recorder.silentMs() < silentMs
      ? undefined
      : `the control plane has not answered for ${Math.round(recorder.silentMs() / 1_000)} s`;
  let silence: string | undefined;
  let [shown, phaseName] = [0, ''];
  const show = setInterval(() => {
    const second = recorder.seconds.at(-1);
    if (second === undefined || recorder.seconds.length === shown) return;
    shown = recorder.seconds.length;
    const lag = second.loopLagMs === undefined ? '' : `, loop lag P99 ${format(second.loopLagMs, 'ms')}`;
    const said = hangs();
    const p99 = second.propagation === undefined ? '' : `, P99 ${format(second.propagation.p99, 'ms')}`;
    progress(
      `${Math.round(second.atMs / 1_000)} s ${phaseName}: ${second.connected} connected, ${second.pushes} pushes/s${p99}${lag}${said === undefined ? '' : `; ${said}`}`,
    );
  }, everyMs);
  const phase = async <T>(name: Parameters<Recorder['begin']>[0], act: () => Promise<T>): Promise<T> => {
    if (ended.signal.aborted) throw new Error('ended');
    phaseName = name;
    await recorder.begin(name);
    let isWhole = false;
    try {
      const value = await Promise.race([act(), over]);
      isWhole = !ended.signal.aborted;
      return value;
    } catch (error) {
      silence ??= hangs();
      throw error;
    } finally {
      // Before probes and faults: what the mesh costs to run. Of a part of a phase, or of a server that is dead, it would be another figure.
      const serverRssAnonMiB = recorder.serverRssAnonMiB();
      const { phase: done, lag } = await recorder.end();
      if (isWhole && (name === 'settle' || name === 'churn')) result.serverRssAnonMiB = serverRssAnonMiB;
      if (isWhole && name === 'churn') {
        if (lag !== undefined) result.loopLag = lag;
        const count = (churn.figures()?.changes ?? 0) + (hot.figures()?.changes ?? 0);
        if (count > 0) result.serverCpuPerChangeMs = round((done.serverCpuS * 1_000) / count);
      }
    }
  };

  const quiet = async (): Promise<void> => {
    const began = monotonicMs();
    let [pushes, since] = [-1, began];
    while (!ended.signal.aborted && monotonicMs() - since < quietMs && monotonicMs() - began < MOST_QUIET_MS) {
      await pause(100);
      const now = fleet?.counts().pushes ?? 0;
      if (now === pushes) continue;
      pushes = now;
      since = monotonicMs();
    }
  };
  const shares = (total: number, processes: number, needsAll: boolean, prefix: string): ClientShare[] => {
    const each = Math.ceil(total / processes);
    return Array.from({ length: processes }, (_, index) => ({
      mesh: meshOptions,
      port: server.xdsPort,
      from: index * each,
      count: Math.max(0, Math.min(each, total - index * each)),
      perConnection,
      needsAll,
      prefix,
      atOnce: profile.isCold === true ? total : AT_ONCE,
    })).filter(({ count }) => count > 0);
  };
  const truth = (): readonly (readonly string[])[] => mesh.services.map((_, service) => mesh.endpointsOf(service));
  const completed = async (who: Fleet, count: number): Promise<void> => {
    const began = monotonicMs();
    while (who.completed < count && !ended.signal.aborted && monotonicMs() - began < CONNECT_MS) await pause(50);
  };

  try {
    await phase('load', async () => {
      await server.start();
      input.onServer?.(server);
      await server.load(mesh.events());
    });
    const onArrival = (change: number, at: number): void => {
      if (!churn.arrived(change, at) && !hot.arrived(change, at)) inFault.arrived(change, at);
    };
    await phase('connect', async () => {
      const began = monotonicMs();
      fleet = new Fleet(shares(sidecars, clients, isFull, 'sim'), onArrival, onClientLost);
      await completed(fleet, sidecars);
      const totalMs = monotonicMs() - began;
      result.connect = connectFigures(fleet, sidecars, totalMs);
      if (fleet.completed < sidecars)
        throw new Error(
          `only ${fleet.completed} of ${sidecars} sidecars were configured within ${Math.round(totalMs / 1_000)} s`,
        );
    });
    await phase('settle', async () => {
      const began = monotonicMs();
      await quiet();
      while (!ended.signal.aborted && monotonicMs() - began < options.settleS * 1_000) await pause(100);
    });
    if (options.churn > 0 || options.hot > 0)
      await phase('churn', () =>
        changes.steady(
          { churn: options.churn, hot: options.hot, seconds: options.durationS },
          churn,
          hot,
          ended.signal,
        ),
      );
    const { fault } = profile;
    if (fault !== undefined && fleet !== undefined) {
      const context = {
        mesh,
        server,
        fleet: fleet as Fleet,
        changes,
        holders,
        sidecars,
        isFull,
        recorder,
        propagation: inFault,
        signal: ended.signal,
        quiet,
        stepMs,
      };
      await phase('fault', async () => {
        if (fault === 'reconnect-storm') result.storm = await runStorm(context);
        else result.faults = [await runFault(fault, context)];
      });
    }
    await phase('drain', async () => {
      await changes.settle();
      await quiet();
      const held = await fleet?.check(truth());
      if (held !== undefined)
        result.lost = { sidecars: held.lostSidecars, resources: held.lostResources, examples: held.examples };
    });
    if (probes > 0 && !isFull)
      await phase('probe', async () => {
        probing = new Fleet(shares(probes, 1, true, 'probe'), () => undefined, onClientLost);
        await completed(probing, probes);
        if (probing.completed < probes)
          throw new Error(`only ${probing.completed} of ${probes} probes of the full mesh were configured`);
        const onDemand = result.connect?.bytesPerSidecar;
        result.fullMesh = await fullMeshFigures(probing, fleet as Fleet, probes, truth(), onDemand);
      });
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    if (signal.aborted)
      result.outcome = { status: 'interrupted', ...(silence === undefined ? {} : { message: silence }) };
    else if (result.outcome.status === 'complete')
      result.outcome = {
        status: 'failed',
        message: silence === undefined ? said : `${said}; ${silence}`,
        log: server.log,
      };
  } finally {
    clearInterval(show);
    recorder.stop();
    // What came in the last second before the end is still with the clients.
    if (result.outcome.status !== 'complete') await pause(LAST_TICK_MS);
    recorder.look();
    end();
    await Promise.all([fleet?.stop(), probing?.stop()]);
    await server.stop();
  }
  const counts = (fleet as Fleet | undefined)?.counts();
  if (counts !== undefined) {
    result.bytes = counts.bytes;
    result.pushes = counts.pushes;
    result.resources = counts.resources;
    const { foreign, repeated } = counts;
    // None found by a run that did not end is no finding.
    if (result.lost !== undefined || foreign + repeated > 0)
      result.unneeded = { foreign, repeated, examples: (fleet as Fleet | undefined)?.examples ?? [] };
    result.refused = counts.refused;
    // Sidecars that came back after the storm did what they should.
    result.reconnects = counts.reconnects - (result.storm?.reconnects ?? 0);
  }
  result.processes = recorder.processes();
  const peak = serverPeak(recorder.seconds.filter(({ phase: name }) => name !== 'probe'));
  if (peak > 0) result.serverRssAnonPeakMiB = peak;
  const [churnFigures, hotFigures] = [churn.figures(), hot.figures()];
  if (churnFigures !== undefined) result.churn = churnFigures;
  if (hotFigures !== undefined) result.hot = hotFigures;
  result.seconds = recorder.seconds.map((second, index) => {
    const from = recorder.began + (recorder.seconds[index - 1]?.atMs ?? 0);
    const to = recorder.began + second.atMs;
    return { ...second, coalesced: churn.coalescedBetween(from, to) + hot.coalescedBetween(from, to) };
  });
  return { ...result, goals: result.outcome.status === 'complete' ? goalsOf(result) : [] };
};
