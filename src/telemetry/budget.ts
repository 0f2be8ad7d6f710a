/**
 * How many entries are taken: so many a second of each node, and of all. Above it every k-th is taken and counts k times.
 *
 * Invariants:
 * B1 The weights of a node's entries taken so far and those pending add up to the entries that came: no request is counted twice.
 * B2 In a second no more are taken than the rate allows, of a node and in all, after a burst of the capacity.
 * B3 A node that is within its own rate is not sampled because another one is above its own, as long as all of them together stay
 *    within the rate of the process.
 */
import { TokenBucket } from './token-bucket.ts';

export interface BudgetLimits {
  /** Entries a second of one node; at once: five seconds' worth, for Envoy sends what has gathered in five. */
  readonly perNode: number;
  /** Entries a second of all nodes; at once: one second's worth. */
  readonly inAll: number;
}

export const DEFAULT_BUDGET: BudgetLimits = { perNode: 1_000, inAll: 20_000 };

const BURST_SECONDS = 5;

/** The budget of one node. */
export class NodeBudget {
  readonly bucket: TokenBucket;
  /** Entries that came and that no taken one stands for. */
  pending = 0;
  /** When an entry was last left out, ms monotonic; undefined: never. */
  sampledAt: number | undefined;

  constructor({ perNode }: BudgetLimits, now: number) {
    this.bucket = new TokenBucket(perNode, perNode * BURST_SECONDS, now);
  }
}

export class Budget {
  readonly limits: BudgetLimits;
  readonly #all: TokenBucket;
  /** For a look at entries that are not taken: is it a first use? As many as are taken, so both together stay bounded. */
  readonly #looks: TokenBucket;

  constructor(limits: BudgetLimits, now: number) {
    this.limits = limits;
    this.#all = new TokenBucket(limits.inAll, limits.inAll, now);
    this.#looks = new TokenBucket(limits.inAll, limits.inAll, now);
  }

  node(now: number): NodeBudget {
    return new NodeBudget(this.limits, now);
  }

  /** Of the next `count` entries of a node: each k-th is to be taken, with weight k; 0: none. */
  plan(node: NodeBudget, count: number, now: number): number {
    const tokens = Math.min(node.bucket.available(now), this.#all.available(now), count);
    return tokens === 0 ? 0 : Math.ceil((node.pending + count) / tokens);
  }

  /** One more entry has come; its weight, 0: it is left out. `every`: what `plan` said. */
  next(node: NodeBudget, every: number, now: number): number {
    node.pending++;
    if (every === 0 || node.pending < every) {
      node.sampledAt = now;
      return 0;
    }
    node.pending -= every;
    this.charge(node, 1);
    return every;
  }

  /** An entry that was left out is taken after all, with weight 1. */
  recall(node: NodeBudget): void {
    if (node.pending > 0) node.pending--;
    this.charge(node, 1);
  }

  charge(node: NodeBudget, count: number): void {
    node.bucket.take(count);
    this.#all.take(count);
  }

  /** All or none, for reports that cannot be sampled. */
  takeWhole(node: NodeBudget, count: number, now: number): boolean {
    if (Math.min(node.bucket.available(now), this.#all.available(now)) === 0) return false;
    this.charge(node, count);
    return true;
  }

  /** May an entry that was left out be looked at? */
  mayLook(now: number): boolean {
    if (this.#looks.available(now) === 0) return false;
    this.#looks.take(1);
    return true;
  }
}
