/**
 * One xDS worker: serves streams from the read model, and tells the core what it saw. It lives on without the core: known
 * services are answered from the read model, observed edges wait (bounded) for the core's return.
 */
import type { Socket } from 'node:net';
import { hostname } from 'node:os';
import type { Logger } from 'pino';
import { type AdsServer, createAdsServer, DeliveryLog } from '../delta-xds/index.ts';
import { ReadModel } from '../projector/index.ts';
import { armedFailpoint, failpoint } from '../store/index.ts';
import { type Channel, channelPath, dialChannel } from './channel.ts';
import type { HostPort, ServeConfig } from './config.ts';
import { HeldBytes } from './held-bytes.ts';
import { xdsListenError } from './listen-error.ts';
import { LoopLag } from './loop-lag.ts';
import { MeshSource } from './mesh-source.ts';
import type { ObservedEdge, ToCore, ToWorker, WorkerQuestion } from './messages.ts';
import { ANONYMOUS } from './node-identity.ts';
import { Outbox } from './outbox.ts';
import { UseService } from './use-service.ts';

/** Ledger changes go to the core at most this often (design, section 9). */
const REPORT_MS = 200;
/** So many edges go together when a thousand sidecars come at once; each costs the log, the fold and its caller's sessions less. */
const OBSERVED_MS = 50;
/** More than this many at once is a storm of new sidecars: their answers come first, edges are told when it is over, or after `STORM_MS`. */
const STORM_EDGES = 100;
const STORM_MS = 500;
/** As many are told at once however young they are: the outbox is bounded. */
const MOST_HELD_BACK = 4_000;
const RETRY_MS = 100;
/** Bound of what waits for a dead core; the oldest go first, counted. */
const MAX_OBSERVED = 10_000;
/** Bytes on their way to a core that does not read, before reports are kept back: one report may be larger. */
const MAX_WAITING = 64 * 1024;

export interface XdsWorkerOptions {
  readonly config: ServeConfig;
  readonly worker: number;
  readonly logger: Logger;
  /**
   * File descriptors of the port, bound already; `dealt`: connections come by `accept`, accepted elsewhere. Default: `config.xds` is
   * bound.
   */
  readonly port?: readonly number[] | 'dealt';
  /** `--workers 0`: the other end lives in this process; else the core is dialled. */
  readonly channel?: Channel<ToCore, ToWorker>;
}

export class XdsWorker {
  readonly #server: AdsServer;
  readonly #model: ReadModel;
  readonly #source: MeshSource;
  readonly #held: HeldBytes;
  readonly #options: XdsWorkerOptions;
  readonly #stop = new AbortController();
  readonly #timer: NodeJS.Timeout;
  readonly #lag = new LoopLag(() => performance.now());
  #core: Channel<ToCore, ToWorker> | undefined;
  #address: HostPort = { host: '127.0.0.1', port: 0 };
  /** Edges seen, until the log has them: a core that dies takes nothing with it. */
  readonly #observed = new Outbox<ObservedEdge>(MAX_OBSERVED);
  readonly #deliveries = new DeliveryLog();
  readonly #use: UseService;
  #reportSoon = false;
  /** When the first edge of those not told was seen, performance.now(). */
  #observedSince = 0;

  private constructor(options: XdsWorkerOptions, model: ReadModel) {
    this.#options = options;
    this.#model = model;
    this.#source = new MeshSource(model, { logger: options.logger });
    this.#use = new UseService({
      source: this.#source,
      clock: () => performance.now(),
      now: Date.now,
      random: Math.random,
      warn: (facts, message) => options.logger.warn(facts, message),
      workers: options.config.workers,
    });
    this.#held = new HeldBytes(model);
    this.#server = createAdsServer({
      source: this.#source,
      transport: options.config.xdsTransport,
      limits: options.config.xdsLimits,
      clock: () => performance.now(),
      now: Date.now,
      random: Math.random,
      logger: options.logger,
      identifier: `tendril/${hostname()}/${options.worker}`,
      offset: () => model.offset(),
      onObserve: (edge) => this.#observe(edge),
      deliveries: this.#deliveries,
      sideRoutes: this.#use.routes,
      watcher: this.#use,
      ...(armedFailpoint() === undefined
        ? {}
        : { onPush: (moment) => failpoint(moment === 'before' ? 'beforePush' : 'afterPush') }),
      longStream: (node) => {
        const longest = this.#use.longestStreamMs(node);
        return Number.isFinite(longest) ? longest : undefined;
      },
    });
    this.#timer = setInterval(() => this.#report(), REPORT_MS);
    this.#timer.unref();
  }

  /** Opens the read model, listens, and starts talking to the core. */
  static async start(options: XdsWorkerOptions): Promise<XdsWorker> {
    const { data, mesh } = options.config;
    let replaced = (): void => undefined;
    const model = await ReadModel.open({ dir: data, mesh, logger: options.logger, onReplaced: () => replaced() });
    const worker = new XdsWorker(options, model);
    replaced = () => void worker.#wake();
    const { host, port } = options.config.xds;
    try {
      worker.#address =
        options.port === 'dealt' ? options.config.xds : await worker.#server.listen(host, port, options.port);
    } catch (error) {
      clearInterval(worker.#timer);
      worker.#lag.close();
      await model.close();
      throw xdsListenError(error, options.config.xds);
    }
    if (options.channel !== undefined) worker.#meet(options.channel);
    else
      dialChannel<ToCore, ToWorker>(channelPath(options.config.data), {
        retryMs: RETRY_MS,
        signal: worker.#stop.signal,
        onPeer: (peer) => worker.#meet(peer),
      });
    return worker;
  }

  get address(): HostPort {
    return this.#address;
  }

  /** Serves a connection that was accepted elsewhere. */
  accept(socket: Socket): void {
    this.#server.accept(socket);
  }

  #meet(core: Channel<ToCore, ToWorker>): void {
    this.#core = core;
    this.#observed.again();
    this.#use.again();
    core.onClose = () => {
      if (this.#core === core) this.#core = undefined;
    };
    core.onMessage = (message) => {
      if (message.t === 'notice') void this.#wake();
      else if (message.t === 'took') this.#observed.confirmed(message.upTo);
      else if (message.t === 'used') this.#use.confirmed(core, message.upTo);
      else if (message.t === 'long') this.#use.elsewhere(message.worker, message.statement);
      else void this.#reply(core, message.id, message.question);
    };
    core.send({ t: 'hello', worker: this.#options.worker, pid: process.pid, xds: this.#address });
    void this.#wake();
    this.#report();
  }

  /** Takes the newest state to the streams and tells the core of now. */
  async #wake(): Promise<void> {
    const epoch = await this.#server.wake();
    this.#core?.send({ t: 'applied', epoch });
  }

  #observe(edge: ObservedEdge): void {
    // Nodes that do not say who they are must not be given what another of them asked for (docs/decisions/002).
    if (edge.from === ANONYMOUS) return;
    this.#observed.put(edge);
    if (this.#reportSoon) return;
    this.#reportSoon = true;
    if (this.#observedSince === 0) this.#observedSince = performance.now();
    setTimeout(() => {
      this.#reportSoon = false;
      this.#report();
    }, OBSERVED_MS);
  }

  /** `last`: nothing is held back for later. */
  #report(last = false): void {
    const core = this.#core;
    // A core that does not read gets nothing more: what it is to know is kept here, within the bounds above.
    if (core === undefined || core.waiting > MAX_WAITING) return;
    core.send({ t: 'alive', ...this.#server.joins });
    const seen = this.#observed.unsent();
    if (seen !== undefined && (last || !this.#isStorm(seen.items.length))) {
      if (core.send({ t: 'observed', upTo: seen.upTo, edges: seen.items })) this.#observed.sent(seen.upTo);
      this.#observedSince = 0;
    }
    this.#use.tell(core, last);
    this.#deliveries.pass((report) => core.send({ t: 'ledger', report }));
  }

  /** So many edges wait that they are told later. */
  #isStorm(edges: number): boolean {
    if (edges <= STORM_EDGES || edges >= MOST_HELD_BACK) return false;
    return performance.now() - this.#observedSince < STORM_MS;
  }

  async #reply(core: Channel<ToCore, ToWorker>, id: number, question: WorkerQuestion): Promise<void> {
    core.send({ t: 'answer', id, body: await this.#answer(question) });
  }

  #answer(question: WorkerQuestion): unknown {
    switch (question.what) {
      case 'proxies':
        return this.#server.sessions();
      case 'resources':
        return this.#server.resourcesOf(question.node);
      case 'held':
        return this.#held.rows(this.#server.openSessions(), question.node);
      case 'holders':
        return this.#server.holdersOf(question.services);
      case 'counters':
        return {
          ...this.#server.counters(),
          worker: this.#options.worker,
          observedDropped: this.#observed.dropped,
          needsIgnored: this.#source.needsIgnored,
          ledgerDropped: this.#deliveries.dropped,
          loopLag: this.#lag.read(),
          use: this.#use.counters,
        };
      case 'presence':
        return this.#use.holders(this.#server, question.elsewhere);
      case 'reporting':
        return this.#use.reporting();
    }
  }

  /** Ends all streams (GOAWAY, staggered), tells the core the last of it, closes. */
  async stop(): Promise<void> {
    await this.#server.drain();
    this.#report(true);
    clearInterval(this.#timer);
    this.#lag.close();
    this.#stop.abort();
    this.#core?.close();
    await this.#server.close();
    await this.#model.close();
  }
}
