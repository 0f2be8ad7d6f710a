/**
 * A local xDS endpoint for Envoys: between them and the control planes, with the last good configuration of each node, so that an Envoy
 * that restarts while every control plane is down has what it had.
 */
import { type Client, type MethodDefinition, Server, ServerCredentials, status } from '@grpc/grpc-js';
import { TendrilError } from '../../model/basics.ts';
import { GRPC_PATHS } from '../../proto/index.ts';
import {
  addressText,
  type CacheProblem,
  cacheProblemFrom,
  channelTo,
  type HostPort,
} from '../../sidecar-client/index.ts';
import { AdsStream } from './ads-stream.ts';
import { ageOf, agoText } from './age.ts';
import type { RelayForm } from './effect.ts';
import { KeptNodes } from './kept-nodes.ts';
import type { Relay, RelayOptions, RelayStatus } from './options.ts';
import { ResourceStore } from './resource-store.ts';
import { type EnvoyCall, SIDE_PATHS, type SideCounters, SideStream } from './side-stream.ts';
import { same, type UnderWay } from './uplink.ts';

/** How often the times of nodes that are connected are recorded: a relay that is killed knows the age to this. */
const SEEN_MS = 60_000;
/** A copy whose node was not seen for so long is removed. */
const KEPT_MS = 30 * 86_400_000;
/** Not at the start: an Envoy that is about to come is seen first, and a clock that is not set yet costs no copy. */
const PRUNE_MS = 3_600_000;

const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || /^127(?:\.\d{1,3}){3}$/.test(host);

const methodOf = (path: string): MethodDefinition<Buffer, Buffer> => ({
  path,
  requestStream: true,
  responseStream: true,
  requestSerialize: same,
  requestDeserialize: same,
  responseSerialize: same,
  responseDeserialize: same,
});

class RunningRelay implements Relay {
  address: HostPort;
  readonly #options: RelayOptions;
  readonly #store: ResourceStore | undefined;
  readonly #storeProblem: CacheProblem | undefined;
  readonly #server = new Server({
    'grpc.max_receive_message_length': 64 * 2 ** 20,
    'grpc.max_send_message_length': -1,
    'grpc.enable_channelz': 0,
  });
  readonly #nodes: KeptNodes;
  readonly #streams = new Set<AdsStream>();
  readonly #underWay: UnderWay = new Map();
  readonly #sides = new Set<SideStream>();
  readonly #side: SideCounters = { open: 0, accessLogsDropped: 0 };
  readonly #now: () => number;
  readonly #timers: NodeJS.Timeout[] = [];
  #closed = false;
  #pruned = 0;
  #up: { readonly at: HostPort; readonly client: Client } | undefined;

  constructor(options: RelayOptions, store: ResourceStore | undefined, storeProblem: CacheProblem | undefined) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#store = store;
    const used = () => new Set([...this.#streams].map(({ lastGood }) => lastGood));
    this.#nodes = new KeptNodes({ ...options, store, now: this.#now, used });
    this.#storeProblem = storeProblem;
    this.address = options.listen;
    const paths = [GRPC_PATHS.delta, GRPC_PATHS.sotw, ...SIDE_PATHS];
    this.#server.addService(Object.fromEntries(paths.map((path) => [path, methodOf(path)])), {
      [GRPC_PATHS.delta]: (call: EnvoyCall) => this.#take(call, () => this.#ads('delta', call)),
      [GRPC_PATHS.sotw]: (call: EnvoyCall) => this.#take(call, () => this.#ads('sotw', call)),
      ...Object.fromEntries(
        SIDE_PATHS.map((path) => [path, (call: EnvoyCall) => this.#take(call, () => this.#sideStream(path, call))]),
      ),
    });
  }

  async listen(): Promise<void> {
    const { host, port } = this.#options.listen;
    const at = addressText({ host, port });
    try {
      const bound = await new Promise<number>((done, fail) =>
        this.#server.bindAsync(at, ServerCredentials.createInsecure(), (error, given) =>
          error === null ? done(given) : fail(error),
        ),
      );
      this.address = { host, port: bound };
      this.#timers.push(
        setInterval(() => this.#seen(this.#streams), SEEN_MS),
        setInterval(() => this.#prune(), this.#options.pruneMs ?? PRUNE_MS),
      );
    } catch (cause) {
      throw new TendrilError(
        'RELAY_LISTEN',
        `cannot listen on ${at}: ${cause instanceof Error ? cause.message : cause}`,
        {
          remedy: 'choose another port, or stop what listens there',
          cause,
        },
      );
    }
  }

  /** An Envoy whose stream has just been ended may begin another one before the port is gone. */
  #take(call: EnvoyCall, then: () => void): void {
    if (this.#closed) call.emit('error', { code: status.UNAVAILABLE, details: 'the relay ends' });
    else then();
  }

  #ads(form: RelayForm, call: EnvoyCall): void {
    const { upstreams, credentials, backoff, log } = this.#options;
    const stream: AdsStream = new AdsStream(call, {
      form,
      budget: this.#nodes.budget,
      upstreams,
      underWay: this.#underWay,
      ...(credentials === undefined ? {} : { credentials }),
      ...(backoff === undefined ? {} : { backoff }),
      lastGood: (node) => this.#nodes.of(form, node),
      heldElsewhere: (asking, typeUrl, name) =>
        [...this.#streams].some(
          (other) => other !== asking && other.lastGood === asking.lastGood && other.session.holds(typeUrl, name),
        ),
      onUp: (to) => this.#controlPlaneUp(to),
      onDown: (why) => {
        this.#seen([stream]);
        const others = [...this.#streams].some(
          (other) => other !== stream && (other.session.state === 'up' || other.session.state === 'joining'),
        );
        if (this.#up === undefined || others) return;
        const { at } = this.#up;
        log?.warn(
          { why, controlPlane: at },
          `control plane lost: ${addressText(at)} (${why}); the last good configuration answers until one is back`,
        );
        this.#up.client.close();
        this.#up = undefined;
      },
      onKept: (kept) => kept.seen(this.#now(), true),
      onAlone: (served) => {
        const ageMs = ageOf(served.confirmedAt, this.#now());
        const fields = { node: served.node, resources: served.size, ageMs };
        log?.warn(fields, `no control plane: ${served.node} is served its last good configuration ${agoText(ageMs)}`);
      },
      onClose: (closed) => {
        this.#seen([closed]);
        this.#streams.delete(closed);
      },
    });
    this.#streams.add(stream);
  }

  /** Records that their nodes are there, and whether a control plane is. */
  #seen(streams: Iterable<AdsStream>): void {
    for (const { lastGood, confirmed } of streams) lastGood?.seen(this.#now(), confirmed);
  }

  #prune(): void {
    this.#seen(this.#streams);
    const now = this.#now();
    const used = new Set([...this.#streams].map(({ lastGood }) => lastGood?.key ?? ''));
    for (const node of this.#store?.prune(now - KEPT_MS, now, used) ?? []) {
      this.#nodes.forget(node);
      this.#pruned++;
      this.#options.log?.info({ node }, 'last good configuration removed: no Envoy of this node came for 30 days');
    }
  }

  #controlPlaneUp(at: HostPort): void {
    const known = this.#up?.at;
    if (known?.host === at.host && known.port === at.port) return;
    this.#up?.client.close();
    this.#up = { at, client: channelTo(at, this.#options.credentials) };
    this.#options.log?.info({ controlPlane: at }, `control plane reached: ${addressText(at)}`);
    for (const side of [...this.#sides]) side.controlPlaneBack();
  }

  #sideStream(path: string, call: EnvoyCall): void {
    const side: SideStream = new SideStream(path, call, this.#side, {
      isUp: () => this.#up !== undefined,
      onClose: () => {
        if (this.#sides.delete(side)) this.#side.open--;
      },
    });
    this.#sides.add(side);
    side.start(this.#up?.client);
  }

  status(): RelayStatus {
    const now = this.#now();
    const { used, maxBytes, refused } = this.#nodes.budget;
    const confirmed = new Set([...this.#streams].filter((each) => each.confirmed).map(({ lastGood }) => lastGood));
    return {
      controlPlane: this.#up?.at,
      envoys: [...this.#streams].map(({ form, session }) => ({
        ...{ node: session.nodeId ?? '', form, state: session.state },
        ...session.counters,
      })),
      lastGood: [...this.#nodes.all].map((each) => {
        const { node, form, size, bytes, notKept, confirmedAt } = each;
        const ageMs = confirmed.has(each) ? 0 : ageOf(confirmedAt, now);
        return { node, form, resources: size, bytes, notKept, ageMs };
      }),
      memory: { bytes: used, maxBytes, refused, released: this.#nodes.released },
      cache: {
        path: this.#store?.path,
        waiting: this.#store?.waiting ?? 0,
        problem: this.#storeProblem ?? this.#store?.problem,
        emptied: this.#store?.emptied,
        pruned: this.#pruned,
      },
      side: { ...this.#side },
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const timer of this.#timers) clearInterval(timer);
    for (const stream of [...this.#streams]) stream.end();
    for (const side of [...this.#sides]) side.end();
    this.#server.forceShutdown();
    this.#up?.client.close();
    this.#up = undefined;
    for (const client of [...this.#underWay.values()].flat()) client.close();
    this.#underWay.clear();
    await this.#store?.close();
  }
}

const SILENT = (): void => undefined;

const openStore = async ({
  cacheDir,
  mesh,
  log,
}: RelayOptions): Promise<{ readonly store?: ResourceStore; readonly problem?: CacheProblem }> => {
  if (cacheDir === undefined) return {};
  try {
    // What was emptied is said below, with the reason; a cache that was not closed in order is nothing to hear of.
    const logger = { info: SILENT, warn: SILENT, error: log?.error.bind(log) ?? SILENT };
    const store = await ResourceStore.open({ dir: cacheDir, mesh, logger });
    const { path, emptied } = store;
    if (emptied !== undefined) log?.warn({ path }, `${path} was made anew: ${emptied}`);
    return { store };
  } catch (error) {
    const problem = cacheProblemFrom(error);
    log?.warn(
      { ...problem, cacheDir },
      `${problem.message}: the last good configuration is kept in memory only (${problem.remedy})`,
    );
    return { problem };
  }
};

/**
 * Starts the endpoint. A cache folder that cannot be used (foreign, locked, not writable) is named in the status and does without; a
 * damaged one is emptied. @throws TendrilError `USAGE` (no upstream, no loopback address), `RELAY_LISTEN`.
 */
export const startRelay = async (options: RelayOptions): Promise<Relay> => {
  if (options.upstreams.length === 0)
    throw new TendrilError('USAGE', 'no control plane is given', { remedy: 'give the xDS address of one at least' });
  if (!isLoopback(options.listen.host))
    throw new TendrilError('USAGE', `the relay listens on loopback only, not on ${options.listen.host}`, {
      remedy: 'use 127.0.0.1 or ::1',
    });
  const { store, problem } = await openStore(options);
  const relay = new RunningRelay(options, store, problem);
  try {
    await relay.listen();
  } catch (error) {
    await store?.close();
    throw error;
  }
  return relay;
};
