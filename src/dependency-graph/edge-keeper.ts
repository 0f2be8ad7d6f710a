/**
 * The edge keeper decides when an edge is renewed and when it expires. It is the one who owns that clock; what it decides goes through
 * the log, fenced by its term. Pure: time comes by argument, effects go out as data.
 *
 * Use is proven by access logs and load reports. Envoy asks for a service once and never again, so silence is evidence only where use
 * would have been reported: time in which somebody who holds an edge did not report, or in which nobody listened, does not count.
 *
 * Invariants (cited by the tests as K1, K2, …):
 *  K1  An edge is renewed at most once in an eighth of its TTL, and only after a use that the log does not have. One round gives at most
 *      `MAX_RENEWALS` edges; the rest comes with the next.
 *  K2  An edge expires only when it stands on evidence alone, no use is known that the log does not have, and `expiresAfter` of its life
 *      has passed since the latest of: its last use; the last moment at which a connected node of its caller did not report use, or came back with what
 *      it held after it was away; the last moment at which not every worker answered; the beginning of the keeper's watch.
 *  K3  Nothing expires before the first complete round of answers.
 *  K4  An expiry names the last event of the edge that the keeper knew: the fold rejects it when there was a later one.
 *  K5  At most `MAX_EXPIRIES` edges expire in one round; uses are remembered of at most `MAX_USES` edges, the longest unused are
 *      forgotten first, counted (a renewal may be lost; an edge in use is reported again).
 *  K6  A reported use of an edge that the graph does not have, or not as observed, is an observation: at once, in three rounds, and then
 *      once an hour while it goes on (a caller may have as many edges as it may). So is that of a second node, while the edge has one witness.
 */
import type { EdgeList } from './edge-list.ts';
import { canExpire, LEAST_LIFE, lifeOf, RENEWAL_SHARE, usedAt } from './life.ts';
import { MAX_EDGES } from './limits.ts';
import type { EdgeRecord } from './types.ts';

/** Edges that one round renews. */
export const MAX_RENEWALS = 10_000;
export const MAX_EXPIRIES = 500;
export const MAX_USES = 500_000;

/** Rates are averages over about this long. */
const RATE_MS = 60_000;
const FORGET_MS = 10 * RATE_MS;
/** A use that the graph does not take is offered so often, and then once an hour. */
const MAX_OFFERS = 3;
const OFFER_AGAIN_MS = 3_600_000;
const MAX_BLIND = 20_000;
/** Longer than the longest life of an edge (8760 h of TTL, eight times, and grace): nothing older matters. */
const MEMORY_MS = 8_760 * 3_600_000 * 8 * 1.25;

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

/** What one worker says of the nodes of one caller that are connected to it. */
export interface HolderRow {
  readonly caller: string;
  /** Connected nodes. */
  readonly nodes: number;
  /** Those that do not report use. */
  readonly silent: number;
  /** Nodes that came since the last answer, with resources from an earlier stream, after they had been away. */
  readonly returned: number;
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

export interface Expiry extends EdgeRef {
  /** Offset of the last event on the edge that the keeper knew. */
  readonly seen: number;
}

/** An edge to be written as observed by this node. */
export interface Sighting extends EdgeRef {
  readonly node: string;
}

export interface KeeperRound {
  readonly observe: readonly Sighting[];
  readonly renew: readonly EdgeRef[];
  readonly expire: readonly Expiry[];
}

/** Last moments at which silence proved nothing, ms: for everybody, and for single callers. */
export interface Blindness {
  readonly all: number;
  readonly callers: readonly (readonly [caller: string, at: number])[];
}

/** Requests and errors per second, as of the last minutes. */
export interface UseRate {
  readonly perSecond: number;
  /** 0 to 1. */
  readonly errors: number;
  /** ms since the epoch. */
  readonly lastMs: number;
}

const keyOf = (from: string, to: string): string => `${from}|${to}`;

export class EdgeKeeper {
  readonly #graph: KeeperGraph;
  /** Longest unused first. */
  readonly #uses = new Map<string, Use>();
  /** Caller -> last moment at which its silence proved nothing. */
  readonly #blind = new Map<string, number>();
  /** The same for everybody. */
  #blindAll: number;
  #answered = false;
  readonly counters = { renewed: 0, expired: 0, forgotten: 0, rounds: 0, incomplete: 0 };

  /** @param blindness that of an earlier keeper which this one follows without a gap, or of a moment: nothing before it counts */
  constructor(graph: KeeperGraph, blindness: Blindness) {
    this.#graph = graph;
    this.#blindAll = blindness.all;
    for (const [caller, at] of blindness.callers) this.#blind.set(caller, at);
  }

  /** What a keeper that follows has to know. */
  blindness(now: number): Blindness {
    this.#pruneBlind(now);
    return { all: this.#blindAll, callers: [...this.#blind] };
  }

  /** Of more than `MAX_BLIND` callers those seen blind longest ago count as everybody. */
  #pruneBlind(now: number): void {
    for (const [caller, at] of this.#blind) {
      const isOver = this.#blind.size > MAX_BLIND;
      if (isOver) this.#blindAll = Math.max(this.#blindAll, at);
      if (isOver || at <= this.#blindAll || now - at > MEMORY_MS) this.#blind.delete(caller);
    }
  }

  /** Edges whose use is remembered. */
  get size(): number {
    return this.#uses.size;
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
      this.counters.forgotten += 1;
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

  /** Answers of the workers; `complete`: all that there should be have answered. */
  holders(rows: Iterable<HolderRow>, complete: boolean, now: number): void {
    if (complete) this.#answered = true;
    else {
      this.counters.incomplete += 1;
      this.#blindAll = now;
    }
    for (const { caller, silent, returned } of rows) {
      if (silent === 0 && returned === 0) continue;
      this.#blind.delete(caller);
      this.#blind.set(caller, now);
    }
    if (this.#blind.size > MAX_BLIND) this.#pruneBlind(now);
  }

  /** What is due, about once a minute. */
  round(now: number): KeeperRound {
    this.counters.rounds += 1;
    const { observe, renew } = this.#written(now, RENEWAL_SHARE);
    const expire = this.#answered ? this.#expiries(now) : [];
    this.counters.renewed += renew.length;
    this.counters.expired += expire.length;
    return { observe, renew, expire };
  }

  /** Uses that the log does not have yet, whatever their age: before an orderly end. */
  flush(now: number): readonly EdgeRef[] {
    for (const use of this.#uses.values()) use.dueAt = 0;
    return this.#written(now, 0, Number.POSITIVE_INFINITY).renew;
  }

  /** Compares uses with what the log has. `share`: of a TTL, between renewals. */
  #written(
    now: number,
    share: number,
    max = MAX_RENEWALS,
  ): { readonly observe: Sighting[]; readonly renew: EdgeRef[] } {
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

  #expiries(now: number): readonly Expiry[] {
    const due: Expiry[] = [];
    for (const from of this.#graph.callersWithEdges()) {
      const ttlMs = this.#graph.ttlMs(from);
      const blind = Math.max(this.#blindAll, this.#blind.get(from) ?? 0);
      const edges = this.#graph.edges(from);
      // Nothing of this caller is old enough: nearly all callers, in every round.
      if (now - Math.max(edges.leastUsed, blind) < ttlMs * LEAST_LIFE) continue;
      for (const edge of edges) {
        if (!canExpire(edge)) continue;
        const reported = this.#uses.get(keyOf(from, edge.to))?.lastMs ?? 0;
        // A use that the log does not have is written first.
        if (reported > usedAt(edge)) continue;
        if (now - Math.max(usedAt(edge), blind) < lifeOf(edge, ttlMs).expiresAfter) continue;
        due.push({ from, to: edge.to, seen: edge.lastOffset });
        if (due.length >= MAX_EXPIRIES) return due;
      }
    }
    return due;
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
