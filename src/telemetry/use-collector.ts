/**
 * Adds up, for all streams of a process, who used what: from access logs and load reports to sums by edge.
 *
 * Invariants:
 * U1 An edge begins at the caller of the stream that reported it, whatever its entries say.
 * U2 An edge leads to a service port that its caller may use as of the period in which it was reported (`Reporter`).
 * U3 Requests are counted when they end; what goes on only renews the last use.
 * U4 That an edge is in use is not lost to sampling, while the budget allows a look at the entries that are left out: its first use is
 *    counted, later ones renew it. When something is dropped unread its node is known to have lost something.
 * U5 Edges, callers, texts and nodes are bounded; whatever is beyond is dropped and counted.
 */
import { type AccessLogEntry, type AccessLogMessage, type ClusterLoad, emptyEntry } from '../proto/index.ts';
import { Budget, type BudgetLimits, DEFAULT_BUDGET } from './budget.ts';
import type { UsedEdge } from './caller-use.ts';
import { type UseCounters, zeroUseCounters } from './counters.ts';
import { DEFAULT_EDGE_LIMITS, type EdgeLimits, EdgeTable } from './edge-table.ts';
import { isEnd, isError, isOfAttempt } from './entry.ts';
import { NodeTable, type NodeUse } from './node-table.ts';
import type { Reporter } from './reporter.ts';
import { UseOutbox } from './use-outbox.ts';

export interface UseLimits extends BudgetLimits, EdgeLimits {
  /** Edges of one report to the core. */
  readonly edgesPerReport: number;
}

export const DEFAULT_USE_LIMITS: UseLimits = {
  ...DEFAULT_BUDGET,
  ...DEFAULT_EDGE_LIMITS,
  edgesPerReport: 5_000,
};

/** What is not used for one to two of these is forgotten; the core remembers it. */
const ROTATE_MS = 300_000;
/** A warning at most this often, whatever happens. */
const WARN_MS = 60_000;

export interface UseCollectorOptions {
  /** ms, monotonic. */
  readonly clock: () => number;
  /** Wall clock, ms since the epoch. */
  readonly now: () => number;
  /** [0, 1) */
  readonly random: () => number;
  readonly warn: (facts: Readonly<Record<string, unknown>>, message: string) => void;
  readonly limits?: Partial<UseLimits>;
}

export class UseCollector {
  readonly #options: UseCollectorOptions;
  readonly #limits: UseLimits;
  readonly #budget: Budget;
  readonly #nodes: NodeTable;
  readonly #edges: EdgeTable;
  readonly #entry = emptyEntry();
  readonly counters: UseCounters = zeroUseCounters();
  readonly outbox: UseOutbox;
  #rotatedAt: number;
  #warnedAt = Number.NEGATIVE_INFINITY;
  #leftOutSince = 0;

  constructor(options: UseCollectorOptions) {
    this.#options = options;
    this.#limits = { ...DEFAULT_USE_LIMITS, ...options.limits };
    const now = options.clock();
    this.#budget = new Budget(this.#limits, now, options.random);
    this.#nodes = new NodeTable(this.#budget, now);
    this.#rotatedAt = now;
    this.#edges = new EdgeTable(this.#limits, this.counters);
    this.outbox = new UseOutbox(this.#limits.edgesPerReport);
  }

  /** A stream of this node begins; `close` ends it. */
  open(id: string): NodeUse {
    return this.#nodes.open(id, this.#options.clock());
  }

  close(node: NodeUse): void {
    this.#nodes.close(node);
  }

  /** What this node reported was dropped, or refused. */
  lose(id: string): void {
    this.#nodes.lose(id, this.#options.clock());
  }

  /** Within ten minutes something that it reported was dropped unread: that an edge was not seen in use says nothing. */
  hasLost(id: string): boolean {
    return this.#nodes.hasLost(id, this.#options.clock());
  }

  /** Of all nodes: `hasLost`, and `sendsLoad`. */
  reporting(): { readonly lost: readonly string[]; readonly loads: readonly string[] } {
    return this.#nodes.reporting(this.#options.clock());
  }

  /** The node has an open stream of load reports that got its answer. */
  sendsLoad(id: string): boolean {
    return this.#nodes.sendsLoad(id);
  }

  /**
   * For how long its oldest open stream or connection has been open, ms; those younger than `EDGE_LOG_PERIOD_MS` are not known. 0: none.
   * Infinity: it cannot be told, because entries were dropped, or because this process has not listened for long enough.
   */
  longestStreamMs(id: string): number {
    return this.#nodes.longest(id, this.#options.clock());
  }

  /** Nodes of which `longestStreamMs` is not 0, and what it is; undefined: it cannot be told of any. */
  longStreams(): ReadonlyMap<string, number> | undefined {
    return this.#nodes.long(this.#options.clock());
  }

  /** Takes the entries of one message. Throws as the reader does, after those before the bad one. */
  takeLogs(message: AccessLogMessage, node: NodeUse, reporter: Reporter): void {
    const now = this.#options.clock();
    const wall = this.#options.now();
    const caller = this.#edges.caller(reporter.caller);
    const every = this.#budget.plan(node.budget, message.count, now);
    const entry = this.#entry;
    this.counters.entries += message.count;
    let leftOut = 0;
    let unread = 0;
    while (message.next()) {
      const weight = this.#budget.next(node.budget, every);
      if (weight > 0) {
        message.read(entry);
        this.#takeEntry(entry, weight, this.#edges.find(entry, caller, reporter), node, now, wall);
        continue;
      }
      if (!this.#budget.mayLook(now)) {
        unread++;
        continue;
      }
      message.read(entry);
      const targets = this.#edges.find(entry, caller, reporter);
      const isFirst = targets.some(({ lastMs }) => lastMs === 0);
      if (isFirst) this.#budget.recall(node.budget);
      else leftOut++;
      this.#takeEntry(entry, isFirst ? 1 : 0, targets, node, now, wall);
    }
    if (leftOut + unread > 0) this.#sampled(node, leftOut + unread, every, now);
    // A periodic entry may have been among those unread.
    if (unread > 0) node.long.blind(now);
    if (unread > 0 || caller.dropped) node.lostAt = now;
  }

  /** Takes one report of load; it is left out as a whole above the budget. */
  takeLoad(clusters: readonly ClusterLoad[], node: NodeUse, reporter: Reporter): void {
    const now = this.#options.clock();
    this.counters.loadReports++;
    if (clusters.length === 0) return;
    if (!this.#budget.takeWhole(node.budget, clusters.length, now)) {
      this.counters.loadLeftOut++;
      node.lostAt = now;
      return;
    }
    const wall = this.#options.now();
    const caller = this.#edges.caller(reporter.caller);
    for (const { cluster, issued, succeeded, failed, dropped, inProgress } of clusters) {
      const ended = succeeded + failed + dropped;
      if (ended + issued + inProgress === 0) continue;
      const edge = this.#edges.byName(cluster, caller, reporter);
      if (edge === undefined) this.#noteForeign(cluster);
      else this.#add(edge, ended, failed + dropped, node.id, wall);
    }
    if (caller.dropped) node.lostAt = now;
  }

  /**
   * To be called between reports, some seconds apart: what callers may use is looked up anew from here on, and what was not used for
   * long is forgotten.
   */
  turn(): void {
    this.#edges.turn();
    const now = this.#options.clock();
    this.#nodes.turn(now);
    if (now - this.#rotatedAt < ROTATE_MS) return;
    this.#rotatedAt = now;
    this.#edges.rotate();
  }

  #takeEntry(
    entry: AccessLogEntry,
    weight: number,
    targets: readonly UsedEdge[],
    node: NodeUse,
    now: number,
    wall: number,
  ): void {
    if (isOfAttempt(entry)) return;
    const ended = isEnd(entry);
    if (!ended) node.long.note(entry.streamId, wall - entry.startedMs, now);
    if (targets.length === 0) {
      this.#noteForeign(entry.upstreamCluster);
      return;
    }
    const errors = ended && isError(entry) ? weight : 0;
    for (const edge of targets) this.#add(edge, ended ? weight : 0, errors, node.id, wall);
  }

  #add(edge: UsedEdge, requests: number, errors: number, node: string, wall: number): void {
    edge.requests += requests;
    edge.errors += errors;
    edge.lastMs = wall;
    if (edge.node === edge.toldNode) edge.node = node;
    this.outbox.note(edge);
  }

  /** Its own clusters are no edges, and nothing strange. */
  #noteForeign(cluster: string): void {
    if (!cluster.startsWith('inbound:') && cluster !== 'xds' && cluster !== 'local') this.counters.foreign++;
  }

  #sampled(node: NodeUse, leftOut: number, every: number, now: number): void {
    this.counters.sampledOut += leftOut;
    this.#leftOutSince += leftOut;
    if (now - this.#warnedAt < WARN_MS) return;
    this.#warnedAt = now;
    this.#options.warn(
      { node: node.id, leftOut: this.#leftOutSince, every },
      'more access log entries than are taken: some stand for the others',
    );
    this.#leftOutSince = 0;
  }
}
