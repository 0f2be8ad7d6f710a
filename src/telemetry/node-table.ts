/** What is known of each node that reports use, over all its streams. */
import { EDGE_LOG_PERIOD_MS } from '../proto/index.ts';
import type { Budget, NodeBudget } from './budget.ts';
import { LongStreams } from './long-streams.ts';

/** What all streams of one node share. */
export interface NodeUse {
  readonly id: string;
  readonly budget: NodeBudget;
  readonly long: LongStreams;
  streams: number;
  /** Of them load reports that were answered: they report use. */
  loadStreams: number;
  /** When something that it reported was last dropped unread, ms monotonic. */
  lostAt: number;
}

/** For so long after a loss the silence of a node means nothing, ms. */
const LOST_MS = 600_000;
/** After this time every stream that was open at the start has been logged. */
const SETTLED_MS = 3 * EDGE_LOG_PERIOD_MS;
/** Nodes without a stream that are remembered. */
const MAX_AWAY = 50_000;

export class NodeTable {
  readonly #budget: Budget;
  readonly #startedAt: number;
  readonly #nodes = new Map<string, NodeUse>();
  /** Nodes without a stream. */
  #away = 0;

  /** `now`: ms, monotonic. */
  constructor(budget: Budget, now: number) {
    this.#budget = budget;
    this.#startedAt = now;
  }

  #node(id: string, now: number): NodeUse {
    let node = this.#nodes.get(id);
    if (node === undefined) {
      node = {
        id,
        budget: this.#budget.node(now),
        long: new LongStreams(),
        streams: 0,
        loadStreams: 0,
        lostAt: Number.NEGATIVE_INFINITY,
      };
      this.#nodes.set(id, node);
      this.#away++;
    }
    return node;
  }

  /** A stream of this node begins; `close` ends it. */
  open(id: string, now: number): NodeUse {
    const node = this.#node(id, now);
    if (node.streams++ === 0) this.#away--;
    return node;
  }

  close(node: NodeUse): void {
    if (--node.streams === 0) this.#away++;
  }

  /** Something of this node was dropped; it need not have a stream. */
  lose(id: string, now: number): void {
    if (this.#nodes.has(id) || this.#away < MAX_AWAY) this.#node(id, now).lostAt = now;
  }

  hasLost(id: string, now: number): boolean {
    return now - (this.#nodes.get(id)?.lostAt ?? Number.NEGATIVE_INFINITY) < LOST_MS;
  }

  sendsLoad(id: string): boolean {
    return (this.#nodes.get(id)?.loadStreams ?? 0) > 0;
  }

  /** Nodes of which something was dropped unread lately, and nodes with an answered stream of load reports. */
  reporting(now: number): { readonly lost: readonly string[]; readonly loads: readonly string[] } {
    const lost: string[] = [];
    const loads: string[] = [];
    for (const [id, { loadStreams }] of this.#nodes) {
      if (this.hasLost(id, now)) lost.push(id);
      if (loadStreams > 0) loads.push(id);
    }
    return { lost, loads };
  }

  longest(id: string, now: number): number {
    // What was dropped unread may have told of a stream.
    if (now - this.#startedAt < SETTLED_MS || this.hasLost(id, now)) return Number.POSITIVE_INFINITY;
    return this.#nodes.get(id)?.long.longest(now) ?? 0;
  }

  /** Nodes of which `longest` is not 0, and what it is; undefined: it cannot be told of any. */
  long(now: number): ReadonlyMap<string, number> | undefined {
    if (now - this.#startedAt < SETTLED_MS) return undefined;
    const found = new Map<string, number>();
    for (const id of this.#nodes.keys()) {
      const longest = this.longest(id, now);
      if (longest > 0) found.set(id, longest);
    }
    return found;
  }

  /** Forgets nodes of which there is nothing to remember. */
  turn(now: number): void {
    for (const [id, { streams, budget, long }] of this.#nodes) {
      if (streams > 0 || this.hasLost(id, now) || !budget.bucket.isFull(now) || long.longest(now) > 0) continue;
      this.#nodes.delete(id);
      this.#away--;
    }
  }
}
