/**
 * Adds up, for all streams of a process, who used what: from access logs and load reports to sums by edge.
 *
 * Invariants:
 * U1 An edge begins at the caller of the stream that reported it, whatever its entries say.
 * U2 An edge leads to a service port that its caller may use as of the period in which it was reported (`Reporter`).
 * U3 Requests are counted when they end; what goes on only renews the last use.
 * U4 The first use of an edge is not lost to sampling, while the budget allows a look at the entries that are left out.
 * U5 Edges, callers, texts and nodes are bounded; whatever is beyond is dropped and counted.
 */
import {
  type AccessLogEntry,
  type AccessLogMessage,
  type ClusterLoad,
  EDGE_LOG_PERIOD_MS,
  emptyEntry,
} from '../proto/index.ts';
import { Budget, type BudgetLimits, DEFAULT_BUDGET, type NodeBudget } from './budget.ts';
import type { UsedEdge } from './caller-use.ts';
import { type UseCounters, zeroUseCounters } from './counters.ts';
import { DEFAULT_EDGE_LIMITS, type EdgeLimits, EdgeTable } from './edge-table.ts';
import { isEnd, isError, isOfAttempt } from './entry.ts';
import { LongStreams } from './long-streams.ts';
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
/** After this time every stream that was open at the start has been logged. */
const SETTLED_MS = 3 * EDGE_LOG_PERIOD_MS;
/** A warning at most this often, whatever happens. */
const WARN_MS = 60_000;

/** What all streams of one node share. */
export interface NodeUse {
  readonly id: string;
  readonly budget: NodeBudget;
  readonly long: LongStreams;
  streams: number;
  /** Of them load reports that were answered: they report use. */
  loadStreams: number;
}

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
  readonly #nodes = new Map<string, NodeUse>();
  readonly #edges: EdgeTable;
  readonly #entry = emptyEntry();
  readonly counters: UseCounters = zeroUseCounters();
  readonly outbox: UseOutbox;
  readonly #startedAt: number;
  #rotatedAt: number;
  #warnedAt = Number.NEGATIVE_INFINITY;
  #leftOutSince = 0;

  constructor(options: UseCollectorOptions) {
    this.#options = options;
    this.#limits = { ...DEFAULT_USE_LIMITS, ...options.limits };
    const now = options.clock();
    this.#budget = new Budget(this.#limits, now, options.random);
    this.#startedAt = now;
    this.#rotatedAt = now;
    this.#edges = new EdgeTable(this.#limits, this.counters);
    this.outbox = new UseOutbox(this.#limits.edgesPerReport);
  }

  /** A stream of this node begins; `close` ends it. */
  open(id: string): NodeUse {
    let node = this.#nodes.get(id);
    if (node === undefined) {
      node = {
        id,
        budget: this.#budget.node(this.#options.clock()),
        long: new LongStreams(),
        streams: 0,
        loadStreams: 0,
      };
      this.#nodes.set(id, node);
    }
    node.streams++;
    return node;
  }

  close(node: NodeUse): void {
    node.streams--;
  }

  /** The node has an open stream of load reports that got its answer. */
  sendsLoad(id: string): boolean {
    return (this.#nodes.get(id)?.loadStreams ?? 0) > 0;
  }

  /**
   * For how long its oldest open stream or connection has been open, ms; those younger than `EDGE_LOG_PERIOD_MS` are not known. 0: none.
   * Infinity: it cannot be told, because entries were left out, or because this process has not listened for long enough.
   */
  longestStreamMs(id: string): number {
    const now = this.#options.clock();
    if (now - this.#startedAt < SETTLED_MS) return Number.POSITIVE_INFINITY;
    return this.#nodes.get(id)?.long.longest(now) ?? 0;
  }

  /** Nodes of which `longestStreamMs` is not 0, and what it is; undefined: it cannot be told of any. */
  longStreams(): ReadonlyMap<string, number> | undefined {
    const now = this.#options.clock();
    if (now - this.#startedAt < SETTLED_MS) return undefined;
    const found = new Map<string, number>();
    for (const [id, { long }] of this.#nodes) {
      const longest = long.longest(now);
      if (longest > 0) found.set(id, longest);
    }
    return found;
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
    while (message.next()) {
      const weight = this.#budget.next(node.budget, every);
      if (weight > 0) {
        message.read(entry);
        this.#takeEntry(entry, weight, this.#edges.find(entry, caller, reporter), node, now, wall);
        continue;
      }
      leftOut++;
      if (!this.#budget.mayLook(now)) continue;
      message.read(entry);
      const targets = this.#edges.find(entry, caller, reporter);
      if (!targets.some(({ lastMs }) => lastMs === 0)) continue;
      this.#budget.recall(node.budget);
      leftOut--;
      this.#takeEntry(entry, 1, targets, node, now, wall);
    }
    if (leftOut > 0) this.#sampled(node, leftOut, every, now);
  }

  /** Takes one report of load; it is left out as a whole above the budget. */
  takeLoad(clusters: readonly ClusterLoad[], node: NodeUse, reporter: Reporter): void {
    const now = this.#options.clock();
    this.counters.loadReports++;
    if (clusters.length === 0) return;
    if (!this.#budget.takeWhole(node.budget, clusters.length, now)) {
      this.counters.loadLeftOut++;
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
  }

  /**
   * To be called between reports, some seconds apart: what callers may use is looked up anew from here on, and what was not used for
   * long is forgotten.
   */
  turn(): void {
    this.#edges.turn();
    const now = this.#options.clock();
    for (const [id, { streams, budget, long }] of this.#nodes)
      if (streams <= 0 && budget.bucket.isFull(now) && long.longest(now) === 0) this.#nodes.delete(id);
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
    // A periodic entry may have been among them.
    node.long.blind(now);
    if (now - this.#warnedAt < WARN_MS) return;
    this.#warnedAt = now;
    this.#options.warn(
      { node: node.id, leftOut: this.#leftOutSince, every },
      'more access log entries than are taken: some stand for the others',
    );
    this.#leftOutSince = 0;
  }
}
