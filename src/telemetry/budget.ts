/**
 * How many entries are taken: so many a second of each node, and of all. Above it one of each k is taken and counts k times. Which of
 * them is left to chance: traffic has periods, and every k-th of it might always be the same.
 *
 * Invariants:
 * B1 The weights of a node's entries taken so far and those pending add up to the entries that came, but for the group of k that has
 *    begun.
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
  /** Entries that came and that no complete group holds. */
  pending = 0;
  /** Size of the present group; 0: none has begun. */
  group = 0;
  /** Which entry of the group is taken, from 1; 0: it has been. */
  mark = 0;

  constructor({ perNode }: BudgetLimits, now: number) {
    this.bucket = new TokenBucket(perNode, perNode * BURST_SECONDS, now);
  }
}

export class Budget {
  readonly limits: BudgetLimits;
  readonly #random: () => number;
  readonly #all: TokenBucket;
  /** For a look at entries that are not taken: is it a first use? As many as are taken, so both together stay bounded. */
  readonly #looks: TokenBucket;

  /** `now`: ms, monotonic. `random`: [0, 1). */
  constructor(limits: BudgetLimits, now: number, random: () => number) {
    this.limits = limits;
    this.#random = random;
    this.#all = new TokenBucket(limits.inAll, limits.inAll, now);
    this.#looks = new TokenBucket(limits.inAll, limits.inAll, now);
  }

  node(now: number): NodeBudget {
    return new NodeBudget(this.limits, now);
  }

  /** Of the next `count` entries of a node one in so many is to be taken; 0: none. */
  plan(node: NodeBudget, count: number, now: number): number {
    const tokens = Math.min(node.bucket.available(now), this.#all.available(now), count);
    return tokens === 0 ? 0 : Math.max(1, Math.ceil((node.pending + count) / tokens));
  }

  /** One more entry has come; its weight, 0: it is left out. `every`: what `plan` said. */
  next(node: NodeBudget, every: number): number {
    node.pending++;
    if (node.group === 0 && every > 0) {
      node.group = every;
      node.mark = 1 + Math.floor(this.#random() * every);
      // Now, not when it is taken: others may have used the budget up by then.
      this.charge(node, 1);
    }
    const { group } = node;
    const taken = group > 0 && node.mark > 0 && node.pending >= node.mark;
    if (taken) node.mark = 0;
    if (group > 0 && node.pending >= group) {
      node.pending -= group;
      node.group = 0;
    }
    return taken ? group : 0;
  }

  /** An entry that was left out is taken after all, with weight 1. What stands for its group counts it once more: it is rare. */
  recall(node: NodeBudget): void {
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
