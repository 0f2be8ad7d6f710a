/**
 * The balancing policy of `tendril:` channels: the core of calls picks the endpoint, this keeps a subchannel for each. Connections are
 * opened at the first pick; while one is being opened, calls go to endpoints that have one, but for calls with a hash key, which wait
 * for theirs. Invariants:
 *  1. Every pick of the core is released: by the end of its call, at once where no call begins, or after `UNSTARTED_MS`.
 *  2. A retry goes where the call has not been, while there is such an endpoint.
 *  3. A subchannel whose endpoint is in no cluster any more is let go; its calls end in peace.
 */
import { connectivityState, experimental, Metadata, status } from '@grpc/grpc-js';
import { overflow, refused } from '../call-errors.ts';
import type { CallEndpoint, CallOutcome, Pick, UpstreamCluster } from '../calls/index.ts';
import { callerOf, type GrpcCaller } from './registry.ts';
import { POLICY } from './resolver.ts';
import { Subchannels } from './subchannels.ts';
import { IDLE_OVER, TRY_OVER, timedSubchannel } from './timed-try.ts';
import { Waiting } from './waiting.ts';

/** A call that is picked for but does not begin (its credentials failed, it was cancelled) is given up after so long, ms. */
const UNSTARTED_MS = 10_000;
/** Endpoints looked at for one call, at most. */
const MOST_LOOKS = 16;
/** Set by grpc-js on every try but the first. */
const RETRY_KEY = 'grpc-previous-rpc-attempts';

export class TendrilBalancingConfig implements experimental.TypedLoadBalancingConfig {
  readonly client: string;
  constructor(client: string) {
    this.client = client;
  }
  getLoadBalancerName(): string {
    return POLICY;
  }
  toJsonObject(): object {
    return { [POLICY]: { client: this.client } };
  }
  static createFromJson(json: { readonly client?: unknown }): TendrilBalancingConfig {
    return new TendrilBalancingConfig(typeof json.client === 'string' ? json.client : '');
  }
}

const failure = (kind: experimental.PickResultType, details: string): experimental.PickResult =>
  ({
    pickResultType: kind,
    subchannel: null,
    status: { code: status.UNAVAILABLE, details, metadata: new Metadata() },
    onCallStarted: null,
    onCallEnded: null,
  }) as experimental.PickResult;

const QUEUE = {
  pickResultType: experimental.PickResultType.QUEUE,
  subchannel: null,
  status: null,
  onCallStarted: null,
  onCallEnded: null,
} as experimental.PickResult;

/** Timers of grpc-js may end so much before the time, ms. */
const EARLY_MS = 5;

/**
 * CANCELLED and DEADLINE_EXCEEDED may be the caller's own doing; grpc-js does not say whose. A deadline that is over before the route's
 * time-out, which ends at `dueMs`, is the caller's, and says nothing of the endpoint.
 */
const outcomeOf = (code: number, dueMs: number): CallOutcome => {
  if (code === status.CANCELLED) return { end: 'cancelled' };
  if (code === TRY_OVER || code === IDLE_OVER) return { end: 'timeout' };
  if (code === status.DEADLINE_EXCEEDED)
    return { end: performance.now() >= dueMs - EARLY_MS ? 'timeout' : 'cancelled' };
  return { end: 'answered', status: 200, grpcStatus: code };
};

export class TendrilBalancer implements experimental.LoadBalancer {
  readonly #helper: experimental.ChannelControlHelper;
  readonly #subchannels: Subchannels;
  readonly #watched = new Map<UpstreamCluster, () => void>();
  /** Endpoints that a call has been to, by what the channel hands on with each of its tries. */
  readonly #tried = new WeakMap<object, Set<string>>();
  #caller: GrpcCaller | undefined;
  readonly #waiting = new Waiting();
  #telling = false;
  #open = true;

  constructor(helper: experimental.ChannelControlHelper) {
    this.#helper = helper;
    this.#subchannels = new Subchannels(helper, () => this.#tellSoon());
  }

  updateAddressList(
    _endpoints: unknown,
    config: experimental.TypedLoadBalancingConfig,
    options: import('@grpc/grpc-js').ChannelOptions,
  ): boolean {
    if (!(config instanceof TendrilBalancingConfig)) return false;
    this.#caller = callerOf(config.client);
    this.#subchannels.options = options;
    this.#tell();
    return true;
  }

  exitIdle(): void {}

  resetBackoff(): void {}

  destroy(): void {
    this.#open = false;
    for (const forget of this.#watched.values()) forget();
    this.#watched.clear();
    this.#waiting.clear();
    this.#subchannels.close();
  }

  getTypeName(): string {
    return POLICY;
  }

  /** Calls that wait are picked for again. READY means here: calls are taken; whether there are connections shows at the pick. */
  #tell(): void {
    if (!this.#open) return;
    this.#waiting.clear();
    this.#helper.updateState(
      connectivityState.READY,
      { pick: (args) => this.#pick(args) } as experimental.Picker,
      null,
    );
  }

  #tellSoon(): void {
    if (this.#telling) return;
    this.#telling = true;
    setImmediate(() => {
      this.#telling = false;
      this.#forgetGone();
      this.#tell();
    });
  }

  #watch(cluster: UpstreamCluster): void {
    if (!this.#watched.has(cluster))
      this.#watched.set(
        cluster,
        cluster.onChange(() => this.#tellSoon()),
      );
  }

  #forgetGone(): void {
    const keys = new Set<string>();
    for (const [cluster, forget] of this.#watched) {
      if (this.#caller?.core.cluster(cluster.name) !== cluster) {
        forget();
        this.#watched.delete(cluster);
      } else for (const { key } of cluster.endpoints()) keys.add(key);
    }
    this.#subchannels.keepOnly(keys);
  }

  #pick({ metadata, extraPickInfo }: experimental.PickArgs): experimental.PickResult {
    const { DROP, TRANSIENT_FAILURE } = experimental.PickResultType;
    const caller = this.#caller;
    const name = extraPickInfo.cluster ?? '';
    const cluster = caller?.core.cluster(name);
    if (caller === undefined || cluster === undefined)
      return failure(TRANSIENT_FAILURE, refused(name, 'no-cluster').message);
    this.#watch(cluster);
    const isRetry = metadata.get(RETRY_KEY).length > 0;
    const retry = isRetry ? cluster.beginRetry() : undefined;
    if (isRetry && retry === undefined) return failure(DROP, `${name}: the retry budget is used up`);
    const { hashKey } = extraPickInfo;
    const looked = new Set(this.#tried.get(extraPickInfo));
    let waiting = false;
    for (let look = 0; look < MOST_LOOKS; look++) {
      const pick = cluster.pick(hashKey, looked.size > 0 ? looked : undefined, caller.nowMs());
      if (typeof pick === 'string') {
        retry?.done();
        return failure(pick === 'overflow' ? DROP : TRANSIENT_FAILURE, refused(name, pick).message);
      }
      const { key } = pick.endpoint;
      const again = looked.has(key) && look > 0;
      const { state, subchannel, take } = this.#subchannels.of(pick.endpoint, cluster.maxRequestsPerConnection);
      if (state === connectivityState.READY) return this.#complete(extraPickInfo, pick, subchannel, take(), retry);
      pick.release({ end: state === connectivityState.TRANSIENT_FAILURE ? 'connect' : 'cancelled' }, caller.nowMs());
      if (state !== connectivityState.TRANSIENT_FAILURE) {
        waiting = true;
        if (hashKey !== undefined) break;
      }
      if (again) break;
      looked.add(key);
    }
    retry?.done();
    if (waiting && !this.#waiting.add(cluster))
      return failure(DROP, overflow(`${name}: limits.pending calls wait for a connection`).message);
    return waiting ? QUEUE : failure(TRANSIENT_FAILURE, `${name}: no connection to any endpoint`);
  }

  #complete(
    call: experimental.PickArgs['extraPickInfo'],
    pick: Pick,
    subchannel: experimental.SubchannelInterface,
    begun: () => void,
    retry: { readonly done: () => void } | undefined,
  ): experimental.PickResult {
    const dueMs = Number(call.dueMs ?? Number.POSITIVE_INFINITY);
    const end = (outcome: CallOutcome): void => {
      clearTimeout(unstarted);
      begun();
      pick.release(outcome, this.#caller?.nowMs() ?? 0);
      retry?.done();
    };
    const unstarted = setTimeout(() => end({ end: 'cancelled' }), UNSTARTED_MS);
    unstarted.unref();
    return {
      pickResultType: experimental.PickResultType.COMPLETE,
      subchannel: timedSubchannel(subchannel, { tryMs: Number(call.tryMs ?? 0), idleMs: Number(call.idleMs ?? 0) }),
      status: null,
      onCallStarted: () => {
        clearTimeout(unstarted);
        begun();
        this.#remember(call, pick.endpoint);
      },
      onCallEnded: (code: number) => end(outcomeOf(code, dueMs)),
    } as experimental.PickResult;
  }

  #remember(call: object, { key }: CallEndpoint): void {
    const tried = this.#tried.get(call);
    if (tried === undefined) this.#tried.set(call, new Set([key]));
    else tried.add(key);
  }
}
