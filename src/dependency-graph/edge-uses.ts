/**
 * Uses of edges as the keeper remembers them: what workers reported and sidecars asked for, compared with what the log has. Part of the
 * edge keeper, whose invariants K1, K5 and K6 are kept here.
 */
import type { EdgeList } from './edge-list.ts';
import { usedAt } from './life.ts';
import { MAX_EDGES } from './limits.ts';
import type { EdgeRecord } from './types.ts';

/** Edges that one round renews. */
export const MAX_RENEWALS = 10_000;
/** Edges whose use is remembered. */
export const MAX_USES = 500_000;

/** Rates are averages over about this long. */
const RATE_MS = 60_000;
const FORGET_MS = 10 * RATE_MS;
/** A use that the graph does not take is offered so often, and then once an hour. */
const MAX_OFFERS = 3;
const OFFER_AGAIN_MS = 3_600_000;

export interface KeeperGraph {
  callersWithEdges(): Iterable<string>;
  edges(caller: string): EdgeList;
  /** TTL of the caller's learned edges, ms. */
  ttlMs(caller: string): number;
}

/** Use of one edge, as an xDS worker summed it up. */
export interface ReportedUse {
  readonly from: string;
  /** `<service>.<namespace>:<port>` */
  readonly to: string;
  readonly requests: number;
  readonly errors: number;
  /** Last use, ms since the epoch. */
  readonly lastMs: number;
  /** A node that used it. */
  readonly node: string;
}

interface Use {
  lastMs: number;
  /** Decaying sums. */
  requests: number;
  errors: number;
  /** When the sums were brought up to date. */
  at: number;
  /** The last one that reported it; '': it was only asked for. */
  node: string;
  /** Not to be looked up in the graph before, ms. */
  dueAt: number;
  /** How often it was offered as an observation. */
  offers: number;
  /** A second node has used it: that has been told, or need not be. */
  shared: boolean;
}

export interface EdgeRef {
  readonly from: string;
  readonly to: string;
}

/** An edge to be written as observed by this node. */
export interface Sighting extends EdgeRef {
  readonly node: string;
}

/** Requests and errors per second, as of the last minutes. */
export interface UseRate {
  readonly perSecond: number;
  /** 0 to 1. */
  readonly errors: number;
  /** ms since the epoch. */
  readonly lastMs: number;
}

/** What is to be written. */
export interface Unwritten {
  readonly observe: readonly Sighting[];
  readonly renew: readonly EdgeRef[];
}

const keyOf = (from: string, to: string): string => `${from}|${to}`;

export class EdgeUses {
  readonly #graph: KeeperGraph;
  /** Longest unused first. */
  readonly #uses = new Map<string, Use>();
  /** Counter: forgotten at the bound. */
  forgotten = 0;

  constructor(graph: KeeperGraph) {
    this.#graph = graph;
  }

  get size(): number {
    return this.#uses.size;
  }

  /** Last use that is remembered, ms; 0: none. */
  last(from: string, to: string): number {
    return this.#uses.get(keyOf(from, to))?.lastMs ?? 0;
  }

  /** A worker's report. True: the edge has to be observed (K6). */
  used({ from, to, node, requests, errors, lastMs }: ReportedUse, now: number): boolean {
    // A worker's clock that runs ahead must not keep an edge alive.
    const use = this.#use(from, to, Math.min(lastMs, now), now);
    decay(use, now);
    use.requests += requests;
    use.errors += errors;
    const before = use.node;
    use.node = node;
    if (before === '') return this.#isNews(from, to);
    // Two nodes that use it make it worth having for their siblings.
    if (before === node || use.shared) return false;
    use.shared = true;
    return (this.#graph.edges(from).find(to)?.witnesses.length ?? 0) < 2;
  }

  /** The graph does not have it as observed, and has room for it. */
  #isNews(from: string, to: string): boolean {
    const edges = this.#graph.edges(from);
    const edge = edges.find(to);
    return !isObserved(edge) && (edge !== undefined || edges.size < MAX_EDGES);
  }

  /** A question on a stream: a use too, though it is no observation. */
  asked(from: string, to: string, now: number): void {
    this.#use(from, to, now, now);
  }

  #use(from: string, to: string, lastMs: number, now: number): Use {
    const key = keyOf(from, to);
    const known = this.#uses.get(key);
    if (known === undefined && this.#uses.size >= MAX_USES) {
      const [oldest] = this.#uses.keys();
      if (oldest !== undefined) this.#uses.delete(oldest);
      this.forgotten += 1;
    }
    const use = known ?? { lastMs, requests: 0, errors: 0, at: now, node: '', dueAt: 0, offers: 0, shared: false };
    use.lastMs = Math.max(use.lastMs, lastMs);
    this.#uses.delete(key);
    this.#uses.set(key, use);
    return use;
  }

  /** Undefined: no use was reported lately. */
  rate(from: string, to: string, now: number): UseRate | undefined {
    const use = this.#uses.get(keyOf(from, to));
    if (use === undefined || use.node === '') return undefined;
    decay(use, now);
    return {
      perSecond: use.requests / (RATE_MS / 1_000),
      errors: use.requests < Number.EPSILON ? 0 : Math.min(1, use.errors / use.requests),
      lastMs: use.lastMs,
    };
  }

  /** All are compared again, whatever was found out before. */
  allDue(): void {
    for (const use of this.#uses.values()) use.dueAt = 0;
  }

  /** Compares uses with what the log has. `share`: of a TTL, between renewals. */
  unwritten(now: number, share: number, max = MAX_RENEWALS): Unwritten {
    const observe: Sighting[] = [];
    const renew: EdgeRef[] = [];
    for (const [key, use] of this.#uses) {
      if (now < use.dueAt) continue;
      const bar = key.indexOf('|');
      const from = key.slice(0, bar);
      const to = key.slice(bar + 1);
      const edge = this.#graph.edges(from).find(to);
      // Nothing new: it is remembered for as long as its rate says something.
      const isOld = now - use.lastMs > FORGET_MS;
      if (use.node !== '' && !isObserved(edge)) {
        if (isOld) this.#uses.delete(key);
        else if (edge === undefined && this.#graph.edges(from).size >= MAX_EDGES) use.dueAt = now + OFFER_AGAIN_MS;
        else if (observe.length < max) {
          observe.push({ from, to, node: use.node });
          use.offers += 1;
          if (use.offers >= MAX_OFFERS) use.dueAt = now + OFFER_AGAIN_MS;
        }
      } else if (edge === undefined || use.lastMs <= usedAt(edge)) {
        if (isOld) this.#uses.delete(key);
      } else {
        use.offers = 0;
        use.dueAt = usedAt(edge) + this.#graph.ttlMs(from) * share;
        if (now < use.dueAt) continue;
        if (renew.length >= max) use.dueAt = now;
        else renew.push({ from, to });
      }
    }
    return { observe, renew };
  }
}

const isObserved = (edge: EdgeRecord | undefined): edge is EdgeRecord =>
  edge !== undefined && edge.expired !== true && edge.evidence.includes('observed');

const decay = (use: Use, now: number): void => {
  const elapsed = now - use.at;
  if (elapsed <= 0) return;
  const left = Math.exp(-elapsed / RATE_MS);
  use.requests *= left;
  use.errors *= left;
  use.at = now;
};
