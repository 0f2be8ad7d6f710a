/** One sample a second: server and client processes, loop lag, what came. */
import { monotonicMs } from './clock.ts';
import type { ControlPlane, ProcessSample } from './control-plane.ts';
import type { Fleet } from './fleet.ts';
import { round } from './percentiles.ts';
import type { Propagation } from './propagation.ts';
import type { Phase, ProcessFigures, ProcessRole, Second } from './result.ts';

const EVERY_MS = 1_000;
type ByRole = Partial<Record<ProcessRole, number>>;

const quantile = (
  before: ReadonlyMap<number, number>,
  after: ReadonlyMap<number, number>,
  share: number,
): number | undefined => {
  // A restarted worker counts from 0 again.
  const counts = [...after]
    .map(([bound, count]) => [bound, Math.max(0, count - (before.get(bound) ?? 0))] as const)
    .sort(([a], [b]) => a - b);
  const total = counts.at(-1)?.[1] ?? 0;
  if (total === 0) return undefined;
  const bound = counts.find(([, count]) => count >= total * share)?.[0] ?? 0;
  return Number.isFinite(bound) ? bound * 1_000 : (counts.at(-2)?.[0] ?? 0) * 1_000;
};

export class Recorder {
  readonly seconds: Second[] = [];
  readonly phases: Phase[] = [];
  readonly began = monotonicMs();
  /** Changes posted since the last sample. */
  changes = 0;
  readonly #server: ControlPlane;
  readonly #fleet: () => Fleet | undefined;
  readonly #churn: Propagation;
  readonly #hot: Propagation;
  readonly #timer: NodeJS.Timeout;
  readonly #processes = new Map<number, { first: ProcessSample; last: ProcessSample; peak: number }>();
  #name: Phase['name'] = 'load';
  #from = 0;
  #cpu = { server: 0, client: 0 };
  #lag: ReadonlyMap<number, number> = new Map();
  #phaseLag: ReadonlyMap<number, number> = new Map();
  #counts = { pushes: 0, resources: 0, bytes: 0 };
  #cpuBefore: ByRole = {};
  #isBusy = false;
  #loopLagMs: number | undefined;
  /** Monotonic ms: its last answer, or its first question. */
  #heard: number | undefined;

  constructor(server: ControlPlane, fleet: () => Fleet | undefined, churn: Propagation, hot: Propagation) {
    this.#server = server;
    this.#fleet = fleet;
    this.#churn = churn;
    this.#hot = hot;
    this.#timer = setInterval(() => {
      this.#second();
      if (!this.#isBusy) void this.#askLag();
    }, EVERY_MS);
  }

  /** Processes as of now; those that are gone keep their last figures. */
  look(): readonly ProcessSample[] {
    const samples = [...this.#server.sample(), ...(this.#fleet()?.sample() ?? [])];
    for (const sample of samples) {
      const known = this.#processes.get(sample.pid);
      if (known === undefined)
        this.#processes.set(sample.pid, { first: sample, last: sample, peak: sample.rssAnonMiB });
      else if (sample.cpuS >= known.last.cpuS) {
        known.last = sample;
        known.peak = Math.max(known.peak, sample.rssAnonMiB);
      }
    }
    return samples;
  }

  #cpuOf(isServer: boolean): number {
    let sum = 0;
    for (const { last } of this.#processes.values()) if ((last.role !== 'client') === isServer) sum += last.cpuS;
    return sum;
  }

  /** A server that is busy answers late: memory is looked at meanwhile, and the lag belongs to the second in which the answer came. */
  async #askLag(): Promise<void> {
    this.#isBusy = true;
    const lag = await this.#lagOfServer();
    if (lag.size > 0) {
      this.#loopLagMs = quantile(this.#lag, lag, 0.99);
      this.#lag = lag;
    }
    this.#isBusy = false;
  }

  async #lagOfServer(): Promise<ReadonlyMap<number, number>> {
    if (this.#server.api === '') return new Map(); // Not up yet.
    this.#heard ??= monotonicMs();
    const lag = await this.#server.lag();
    if (lag.size > 0) this.#heard = monotonicMs();
    return lag;
  }

  /** The server has not answered for so long. */
  silentMs(): number {
    return this.#heard === undefined ? 0 : monotonicMs() - this.#heard;
  }

  #second(): void {
    const samples = this.look();
    const loopLagMs = this.#loopLagMs;
    this.#loopLagMs = undefined;
    const fleet = this.#fleet();
    const counts = fleet?.counts();
    const now =
      counts === undefined
        ? this.#counts
        : {
            pushes: counts.pushes,
            resources: counts.resources,
            bytes: Object.values(counts.bytes).reduce((sum, bytes) => sum + bytes, 0),
          };
    const [cpuS, rssAnonMiB, cpu]: [ByRole, ByRole, ByRole] = [{}, {}, {}];
    for (const sample of samples) {
      cpu[sample.role] = (cpu[sample.role] ?? 0) + sample.cpuS;
      rssAnonMiB[sample.role] = round((rssAnonMiB[sample.role] ?? 0) + sample.rssAnonMiB, 1);
    }
    for (const [role, seconds] of Object.entries(cpu) as [ProcessRole, number][])
      cpuS[role] = round(Math.max(0, seconds - (this.#cpuBefore[role] ?? 0)));
    this.#cpuBefore = cpu;
    const [propagation, hotPropagation] = [this.#churn.second(), this.#hot.second()];
    this.seconds.push({
      atMs: Math.round(monotonicMs() - this.began),
      phase: this.#name,
      connected: fleet?.connected ?? 0,
      changes: this.changes,
      pushes: Math.max(0, now.pushes - this.#counts.pushes),
      resources: Math.max(0, now.resources - this.#counts.resources),
      bytes: Math.max(0, now.bytes - this.#counts.bytes),
      ...(propagation === undefined ? {} : { propagation }),
      ...(hotPropagation === undefined ? {} : { hotPropagation }),
      coalesced: 0,
      ...(loopLagMs === undefined ? {} : { loopLagMs }),
      cpuS,
      rssAnonMiB,
    });
    this.changes = 0;
    this.#counts = now;
  }

  async begin(name: Phase['name']): Promise<void> {
    this.look();
    this.#name = name;
    this.#from = monotonicMs() - this.began;
    this.#cpu = { server: this.#cpuOf(true), client: this.#cpuOf(false) };
    this.#phaseLag = await this.#lagOfServer();
  }

  /** Ends the phase, with its loop lag. */
  async end(): Promise<{ readonly phase: Phase; readonly lag?: { readonly p50Ms: number; readonly p99Ms: number } }> {
    this.look();
    const phase: Phase = {
      name: this.#name,
      fromMs: Math.round(this.#from),
      toMs: Math.round(monotonicMs() - this.began),
      serverCpuS: round(this.#cpuOf(true) - this.#cpu.server),
      clientCpuS: round(this.#cpuOf(false) - this.#cpu.client),
    };
    this.phases.push(phase);
    const lag = await this.#lagOfServer();
    const [p50Ms, p99Ms] = [quantile(this.#phaseLag, lag, 0.5), quantile(this.#phaseLag, lag, 0.99)];
    return { phase, ...(p50Ms === undefined || p99Ms === undefined ? {} : { lag: { p50Ms, p99Ms } }) };
  }

  serverRssAnonMiB(): number {
    return round(
      this.#server.sample().reduce((sum, { rssAnonMiB }) => sum + rssAnonMiB, 0),
      1,
    );
  }

  processes(): readonly ProcessFigures[] {
    return [...this.#processes.values()].map(({ last, peak }) => ({
      role: last.role,
      pid: last.pid,
      cpuS: last.cpuS,
      rssAnonMiB: round(last.rssAnonMiB, 1),
      rssAnonPeakMiB: round(peak, 1),
    }));
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

/** Of the server, in the highest second. */
export const serverPeak = (seconds: readonly Second[]): number =>
  Math.max(
    0,
    ...seconds.map(({ rssAnonMiB: { supervisor = 0, core = 0, worker = 0 } }) => round(supervisor + core + worker, 1)),
  );
