/**
 * Access logs and load reports on the xDS port of one worker: streams to the collector, its sums to the core, and which of the connected
 * nodes report use at all.
 */
import type {
  AdsServer,
  NodeFacts,
  Routes,
  StreamHandler,
  StreamWatcher,
  TransportStream,
} from '../delta-xds/index.ts';
import { ACCESS_LOGS_RESPONSE, EDGE_LOG_PERIOD_MS, GRPC_PATHS, type ProtoNode } from '../proto/index.ts';
import {
  AccessLogStream,
  ConnectionCallers,
  LoadReportStream,
  type Reporter,
  type UseAnswer,
  UseCollector,
  type UseCounters,
} from '../telemetry/index.ts';
import type { Channel } from './channel.ts';
import { LongElsewhere, STATE_MS, statementOf } from './long-elsewhere.ts';
import type { MeshSource } from './mesh-source.ts';
import type { HolderRow, LongStatement, Reporting, ToCore, ToWorker } from './messages.ts';
import { ANONYMOUS } from './node-identity.ts';

/** Uses are told this often, ms; Envoy gathers as long. */
const TELL_MS = 5_000;
/** Not confirmed by then: told again, ms. */
const RETELL_MS = 15_000;
/** Departures told of with one answer; of more it is not known that they left just now. */
const MAX_DEPARTED = 20_000;
const NOTHING_ELSEWHERE: Reporting = { lost: [], loads: [] };
/** The listener that has the access log. */
const LISTENER = 'outbound';

const nothing = (): void => undefined;

export interface UseServiceOptions {
  readonly source: Pick<MeshSource, 'attach' | 'logsUse' | 'hasRawListeners'>;
  /** ms, monotonic; the xDS server's. */
  readonly clock: () => number;
  /** Wall clock, ms since the epoch. */
  readonly now: () => number;
  /** [0, 1) */
  readonly random: () => number;
  readonly warn: (facts: Readonly<Record<string, unknown>>, message: string) => void;
  /** xDS workers of this server: the access logs of one node may arrive at several. */
  readonly workers: number;
}

interface OpenStream {
  readonly session: AccessLogStream | LoadReportStream;
  readonly stream: TransportStream;
}

export class UseService implements StreamWatcher {
  readonly #options: UseServiceOptions;
  readonly #collector: UseCollector;
  readonly #callers = new ConnectionCallers();
  /** Streams of use, by connection. */
  readonly #open = new Map<string, Set<OpenStream>>();
  readonly routes: Routes;
  readonly #elsewhere: LongElsewhere;
  #statedAt = Number.NEGATIVE_INFINITY;
  #toldAt: number;
  /** Edges of this turn that did not fit into the report. */
  #left = 0;
  /** Connected nodes: since when, and with how many streams. */
  readonly #joined = new Map<string, { readonly at: number; streams: number }>();
  /** Nodes that left since then, and their callers. */
  readonly #departed = new Map<string, string>();
  /** Connections refused when it was last asked. */
  #refused = 0;
  /** When `holders` was last asked, on the clock. */
  #askedAt = Number.NEGATIVE_INFINITY;

  constructor(options: UseServiceOptions) {
    this.#options = options;
    const { clock, now, random, warn } = options;
    this.#toldAt = clock();
    this.#elsewhere = new LongElsewhere(Math.max(0, options.workers - 1));
    this.#collector = new UseCollector({ clock, now, random, warn });
    const part = {
      collector: this.#collector,
      callers: this.#callers,
      identify: (node: ProtoNode) => this.#identify(node),
    };
    this.routes = new Map([
      [GRPC_PATHS.accessLogs, this.#handler((peer) => new AccessLogStream({ ...part, peer }), ACCESS_LOGS_RESPONSE)],
      [GRPC_PATHS.loadStats, this.#handler((peer) => new LoadReportStream({ ...part, peer }), undefined)],
    ]);
  }

  get counters(): UseCounters {
    return this.#collector.counters;
  }

  #identify(node: ProtoNode): Reporter | undefined {
    const view = this.#options.source.attach(node, 'delta');
    const { id, caller } = view.facts;
    // Nodes that do not say who they are share nothing, also no evidence (docs/decisions/002).
    if (caller === ANONYMOUS) return undefined;
    return {
      node: id,
      caller,
      byHost: (authority) => view.resolveHost(authority),
      byName: (name) => view.servicePortOf(name),
    };
  }

  /** `last`: answered when the client has finished. */
  #handler(make: (peer: string) => AccessLogStream | LoadReportStream, last: Uint8Array | undefined): StreamHandler {
    return (stream) => {
      const open: OpenStream = { session: make(stream.peer), stream };
      const beside = this.#open.get(stream.peer);
      if (beside === undefined) this.#open.set(stream.peer, new Set([open]));
      else beside.add(open);
      return {
        onMessage: (message) => execute(open, open.session.onMessage(message)),
        onHalfClose: () => {
          if (last !== undefined) stream.write(last, nothing);
          stream.end(0, '');
        },
        onClose: () => {
          open.session.close();
          const left = this.#open.get(stream.peer);
          left?.delete(open);
          if (left?.size === 0) this.#open.delete(stream.peer);
        },
      };
    };
  }

  joined(peer: string, { caller, id }: NodeFacts): void {
    this.#callers.joined(peer, caller);
    const known = this.#joined.get(id);
    if (known === undefined) this.#joined.set(id, { at: this.#options.clock(), streams: 1 });
    else known.streams++;
    for (const open of this.#open.get(peer) ?? []) execute(open, open.session.recheck());
  }

  left(peer: string, { caller, id }: NodeFacts): void {
    this.#callers.left(peer, caller);
    const known = this.#joined.get(id);
    if (known !== undefined && --known.streams === 0) this.#joined.delete(id);
    if (this.#departed.size < MAX_DEPARTED) this.#departed.set(id, caller);
  }

  /** Called every few hundred ms while a core listens: tells it when it is time. `last`: whatever there is. */
  tell(core: Channel<ToCore, ToWorker>, last: boolean): void {
    const now = this.#options.clock();
    this.#state(core, now);
    if (!last && now - this.#toldAt < TELL_MS) return;
    const { outbox } = this.#collector;
    if (last) {
      this.#tellAll(core);
      return;
    }
    if (outbox.isBusy && now - this.#toldAt < RETELL_MS) return;
    outbox.takeBack();
    this.#toldAt = now;
    this.#collector.turn();
    this.#left = outbox.waiting;
    this.#send(core);
  }

  /** This process ends: everything there is, without waiting for an answer. */
  #tellAll(core: Channel<ToCore, ToWorker>): void {
    const { outbox } = this.#collector;
    outbox.takeBack();
    for (let next = outbox.next(); next !== undefined; next = outbox.next()) {
      core.send({ t: 'use', ...next });
      outbox.confirmed(next.upTo);
    }
  }

  #send(core: Channel<ToCore, ToWorker>): void {
    const next = this.#collector.outbox.next();
    if (next === undefined) return;
    this.#left -= next.report.uses.length;
    if (!core.send({ t: 'use', ...next })) this.#collector.outbox.takeBack();
  }

  /** The core has taken a report; what did not fit follows. */
  confirmed(core: Channel<ToCore, ToWorker>, upTo: number): void {
    if (this.#collector.outbox.confirmed(upTo) && this.#left > 0) this.#send(core);
  }

  /** Another core: what the last one did not confirm is told again, and who has arrived as well. */
  again(): void {
    this.#collector.outbox.takeBack();
    this.#askedAt = Number.NEGATIVE_INFINITY;
  }

  /**
   * For how long the oldest open stream or connection of a node has been open, ms; those younger than 30 s are not known. 0: none.
   * Infinity: not known.
   */
  longestStreamMs(node: string): number {
    // What was open when it came has not been logged yet.
    const since = this.#joined.get(node)?.at ?? this.#options.clock();
    if (this.#options.clock() - since < 3 * EDGE_LOG_PERIOD_MS) return Number.POSITIVE_INFINITY;
    const here = this.#collector.longestStreamMs(node);
    return Math.max(here, this.#elsewhere.longest(node, this.#options.clock()));
  }

  /** What another worker says of long streams. */
  elsewhere(worker: number, statement: LongStatement): void {
    this.#elsewhere.note(worker, statement, this.#options.clock());
  }

  /** Tells the others. */
  #state(core: Channel<ToCore, ToWorker>, now: number): void {
    if (this.#options.workers < 2 || now - this.#statedAt < STATE_MS) return;
    this.#statedAt = now;
    core.send({ t: 'long', statement: statementOf(this.#collector.longStreams()) });
  }

  /** Connected nodes by caller. A node reports use when it has taken a listener with our access log, or sends load reports, and nothing of it was dropped lately. */
  holders(
    server: Pick<AdsServer, 'connected' | 'connectionsRefused'>,
    elsewhere: Reporting = NOTHING_ELSEWHERE,
  ): readonly HolderRow[] {
    const [lost, loads] = [new Set(elsewhere.lost), new Set(elsewhere.loads)];
    // Among connections that were refused may have been those of access logs.
    const refused = server.connectionsRefused > this.#refused;
    this.#refused = server.connectionsRefused;
    const since = this.#askedAt;
    this.#askedAt = this.#options.clock();
    const callers = new Map<string, { readonly nodes: Map<string, boolean>; readonly arrived: Set<string> }>();
    const departed = new Map<string, string[]>();
    for (const [id, caller] of this.#departed) {
      const ids = departed.get(caller);
      if (ids === undefined) departed.set(caller, [id]);
      else ids.push(id);
    }
    this.#departed.clear();
    for (const stream of server.connected()) {
      const { facts, broughtAt } = stream;
      if (facts === undefined || facts.caller === ANONYMOUS) continue;
      const { id, caller } = facts;
      let row = callers.get(caller);
      if (row === undefined) {
        row = { nodes: new Map(), arrived: new Set() };
        callers.set(caller, row);
      }
      const { nodes, arrived } = row;
      if (nodes.get(id) !== true)
        nodes.set(
          id,
          !refused && !lost.has(id) && (loads.has(id) || this.#reports(id, stream.takenVersion('lds', LISTENER))),
        );
      if (broughtAt !== undefined && broughtAt >= since) arrived.add(id);
    }
    const rows: HolderRow[] = [];
    for (const [caller, { nodes, arrived }] of callers) {
      let silent = 0;
      for (const reports of nodes.values()) if (!reports) silent++;
      rows.push({ caller, nodes: nodes.size, silent, arrived: [...arrived], departed: departed.get(caller) ?? [] });
      departed.delete(caller);
    }
    for (const [caller, ids] of departed) rows.push({ caller, nodes: 0, silent: 0, arrived: [], departed: ids });
    return rows;
  }

  /** What the streams of use that reach this worker say of nodes. */
  reporting(): Reporting {
    return this.#collector.reporting();
  }

  #reports(id: string, listener: string | undefined): boolean {
    // A listener of an operator's own logs nothing to us.
    if (this.#collector.hasLost(id) || this.#options.source.hasRawListeners(id)) return false;
    return (listener !== undefined && this.#options.source.logsUse(listener)) || this.#collector.sendsLoad(id);
  }
}

const execute = ({ stream }: OpenStream, { reply, end }: UseAnswer): void => {
  if (reply !== undefined) stream.write(reply, nothing);
  if (end !== undefined) stream.end(end.code, end.message);
};
