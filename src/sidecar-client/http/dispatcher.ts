/**
 * Calls of HTTP to services of the mesh by their names, as an undici `Dispatcher`: for `fetch`, `request`, and all that takes one.
 * `http:` URLs alone: `https:` is for hosts outside the mesh (`passthrough`).
 */
import { Agent, Dispatcher } from 'undici';
import { TendrilError } from '../../model/basics.ts';
import { overflow } from '../call-errors.ts';
import type { CallCore, UpstreamCluster } from '../calls/index.ts';
import type { ConfigSource } from '../config-source.ts';
import { type CallContext, HttpCall } from './call.ts';
import { Connections } from './connections.ts';
import { H2Pool } from './h2-pool.ts';
import type { ConnectionPool } from './pool.ts';

export interface DispatcherOptions {
  /** [0, 1): backoff, ids of traces. Default `Math.random`. */
  readonly random?: () => number;
  /** Monotonic, ms. */
  readonly nowMs?: () => number;
  /** Hosts that the mesh does not know are called directly. Default false: `CALL_UNKNOWN_HOST`. */
  readonly passthrough?: boolean;
  /** Bytes of a streamed request body that are kept for another try. Default 65,536; 0: streams are sent once. */
  readonly replayBytes?: number;
  /** Share of the traces begun here that are marked as sampled, 0..1. Default 0. */
  readonly traceSampledShare?: number;
  /** Calls that run or wait, at most; above: `CALL_OVERFLOW`. Default 10,000. */
  readonly maxCalls?: number;
}

export interface DispatcherStats {
  /** Calls that run or wait. */
  readonly calls: number;
  /** Calls refused because of `maxCalls` or `limits.pending`, since the start. */
  readonly overflows: number;
  /** Connections, those being opened too. */
  readonly connections: number;
  /** Requests that wait for a connection. */
  readonly pending: number;
}

const REPLAY_BYTES = 65_536;
const MAX_CALLS = 10_000;

export class MeshDispatcher extends Dispatcher {
  readonly #context: CallContext;
  readonly #maxCalls: number;
  readonly #clusters = new Map<UpstreamCluster, { readonly protocol: 1 | 2; readonly pool: ConnectionPool }>();
  /** Of clusters whose protocol has changed: what runs there is served. */
  readonly #retired = new Set<ConnectionPool>();
  readonly #calls = new Set<HttpCall>();
  readonly #outside: Agent | undefined;
  #overflows = 0;
  #closed = false;
  #idle: (() => void)[] = [];

  constructor(core: CallCore, source: ConfigSource, options: DispatcherOptions = {}) {
    super();
    const outside = options.passthrough === true ? new Agent() : undefined;
    this.#outside = outside;
    this.#maxCalls = options.maxCalls ?? MAX_CALLS;
    this.#context = {
      core,
      source,
      trace: { random: options.random ?? Math.random, sampledShare: options.traceSampledShare ?? 0 },
      nowMs: options.nowMs ?? (() => performance.now()),
      wallMs: Date.now,
      connections: (cluster) => this.#connections(cluster),
      replayBytes: options.replayBytes ?? REPLAY_BYTES,
      elsewhere:
        outside === undefined ? undefined : (request, handler) => void outside.dispatch(request as never, handler),
    };
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandlers): boolean {
    try {
      if (this.#closed) throw new TendrilError('SIDECAR_CLOSED', 'the dispatcher has been closed');
      if (this.#calls.size >= this.#maxCalls) {
        this.#overflows += 1;
        throw overflow(`maxCalls: ${this.#maxCalls} calls run`);
      }
      const call = new HttpCall(this.#context, options, handler, () => this.#ended(call));
      this.#calls.add(call);
      void call.start();
    } catch (error) {
      handler.onError?.(error as Error);
    }
    return true;
  }

  stats(): DispatcherStats {
    const all = this.#pools();
    const sum = (of: (one: ConnectionPool) => number): number => all.reduce((total, one) => total + of(one), 0);
    return {
      calls: this.#calls.size,
      overflows: this.#overflows + sum((one) => one.overflows),
      connections: sum((one) => one.open),
      pending: sum((one) => one.pending),
    };
  }

  /** Takes no further calls, waits for those that run, closes all connections. */
  override close(): Promise<void>;
  override close(callback: () => void): void;
  override close(callback?: () => void): Promise<void> | undefined {
    this.#closed = true;
    const done = new Promise<void>((idle) => {
      if (this.#calls.size === 0) idle();
      else this.#idle.push(idle);
    }).then(() => this.#cut(this.#outside?.close()));
    if (callback === undefined) return done;
    void done.then(callback);
    return undefined;
  }

  /** Ends the calls that run, too. */
  override destroy(): Promise<void>;
  override destroy(error: Error | null): Promise<void>;
  override destroy(callback: () => void): void;
  override destroy(error: Error | null, callback: () => void): void;
  override destroy(first?: Error | null | (() => void), second?: () => void): Promise<void> | undefined {
    const callback = typeof first === 'function' ? first : second;
    this.#closed = true;
    const reason = first instanceof Error ? first : undefined;
    for (const call of [...this.#calls]) call.cancel(reason);
    const done = this.#cut(this.#outside?.destroy(reason ?? null));
    if (callback === undefined) return done;
    void done.then(callback);
    return undefined;
  }

  /** `outside`: the end of the calls to hosts outside the mesh. */
  async #cut(outside: Promise<void> | undefined): Promise<void> {
    await Promise.all([...this.#pools().map((one) => one.close()), outside]);
    this.#clusters.clear();
    this.#retired.clear();
  }

  #pools(): readonly ConnectionPool[] {
    return [...[...this.#clusters.values()].map(({ pool }) => pool), ...this.#retired];
  }

  /** A cluster that is held anew is another object: the connections of the former go with its endpoints. */
  #connections(cluster: UpstreamCluster): ConnectionPool {
    const { protocol } = cluster;
    const made = this.#clusters.get(cluster);
    if (made?.protocol === protocol) return made.pool;
    if (made !== undefined) this.#retired.add(made.pool);
    for (const [other, { pool: its }] of this.#clusters)
      if (its.open === 0 && this.#clusters.delete(other)) this.#drop(its);
    for (const its of this.#retired) if (its.open === 0 && this.#retired.delete(its)) this.#drop(its);
    const pool = protocol === 2 ? new H2Pool(cluster) : new Connections(cluster);
    this.#clusters.set(cluster, { protocol, pool });
    return pool;
  }

  #drop(pool: ConnectionPool): void {
    this.#overflows += pool.overflows;
    void pool.close();
  }

  #ended(call: HttpCall): void {
    this.#calls.delete(call);
    if (this.#calls.size > 0) return;
    for (const idle of this.#idle) idle();
    this.#idle = [];
  }
}
