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
import {
  type EdgeRef,
  EdgeUses,
  type KeeperGraph,
  type ReportedUse,
  type Unwritten,
  type UseRate,
} from './edge-uses.ts';
import { canExpire, LEAST_LIFE, lifeOf, RENEWAL_SHARE, usedAt } from './life.ts';

export const MAX_EXPIRIES = 500;
const MAX_BLIND = 20_000;
/** Longer than the longest life of an edge (8760 h of TTL, eight times, and grace): nothing older matters. */
const MEMORY_MS = 8_760 * 3_600_000 * 8 * 1.25;

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

export interface Expiry extends EdgeRef {
  /** Offset of the last event on the edge that the keeper knew. */
  readonly seen: number;
}

export interface KeeperRound extends Unwritten {
  readonly expire: readonly Expiry[];
}

/** Last moments at which silence proved nothing, ms: for everybody, and for single callers. */
export interface Blindness {
  readonly all: number;
  readonly callers: readonly (readonly [caller: string, at: number])[];
}

export class EdgeKeeper {
  readonly #graph: KeeperGraph;
  readonly #uses: EdgeUses;
  /** Caller -> last moment at which its silence proved nothing. */
  readonly #blind = new Map<string, number>();
  /** The same for everybody. */
  #blindAll: number;
  #answered = false;
  readonly #counters = { renewed: 0, expired: 0, rounds: 0, incomplete: 0 };

  /** @param blindness that of an earlier keeper which this one follows without a gap, or of a moment: nothing before it counts */
  constructor(graph: KeeperGraph, blindness: Blindness) {
    this.#graph = graph;
    this.#uses = new EdgeUses(graph);
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

  get counters() {
    return { ...this.#counters, forgotten: this.#uses.forgotten };
  }

  /** Edges whose use is remembered. */
  get size(): number {
    return this.#uses.size;
  }

  /** A worker's report. True: the edge has to be observed (K6). */
  used(use: ReportedUse, now: number): boolean {
    return this.#uses.used(use, now);
  }

  /** A question on a stream: a use too, though it is no observation. */
  asked(from: string, to: string, now: number): void {
    this.#uses.asked(from, to, now);
  }

  /** Undefined: no use was reported lately. */
  rate(from: string, to: string, now: number): UseRate | undefined {
    return this.#uses.rate(from, to, now);
  }

  /** Answers of the workers; `complete`: all that there should be have answered. */
  holders(rows: Iterable<HolderRow>, complete: boolean, now: number): void {
    if (complete) this.#answered = true;
    else {
      this.#counters.incomplete += 1;
      this.#blindAll = now;
    }
    for (const { caller, silent, returned } of rows) {
      if (silent === 0 && returned === 0) continue;
      this.#blind.delete(caller);
      this.#blind.set(caller, now);
    }
    if (this.#blind.size > MAX_BLIND) this.#pruneBlind(now);
  }

  /** Another replica keeps the edges: what is seen meanwhile is seen by that one. */
  standBy(now: number): void {
    this.#answered = false;
    this.#blindAll = now;
  }

  /** What is due, about once a minute. */
  round(now: number): KeeperRound {
    this.#counters.rounds += 1;
    const { observe, renew } = this.#uses.unwritten(now, RENEWAL_SHARE);
    const expire = this.#answered ? this.#expiries(now) : [];
    this.#counters.renewed += renew.length;
    this.#counters.expired += expire.length;
    return { observe, renew, expire };
  }

  /** Uses that the log does not have yet, whatever their age: before an orderly end. */
  flush(now: number): readonly EdgeRef[] {
    this.#uses.allDue();
    return this.#uses.unwritten(now, 0, Number.POSITIVE_INFINITY).renew;
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
        // A use that the log does not have is written first.
        if (this.#uses.last(from, edge.to) > usedAt(edge)) continue;
        if (now - Math.max(usedAt(edge), blind) < lifeOf(edge, ttlMs).expiresAfter) continue;
        due.push({ from, to: edge.to, seen: edge.lastOffset });
        if (due.length >= MAX_EXPIRIES) return due;
      }
    }
    return due;
  }
}
