/**
 * Last good configurations of all nodes of a relay, in memory.
 *
 * Bounds: 64 nodes, and bytes of all together. At either, the node whose Envoy came longest ago, of those that have none now, leaves
 * memory (what is on disk stays). When all have one: a further node is refused, and what is new is not kept.
 */
import { TendrilError } from '../../model/basics.ts';
import type { RelayForm } from './effect.ts';
import { keyOf, LastGood, type LastGoodStore } from './last-good.ts';
import { MemoryBudget } from './memory-budget.ts';
import type { RelayOptions } from './options.ts';

/** Nodes at a time. One agent has one Envoy, or a few. */
const MAX_NODES = 64;
/** Bytes of all nodes together. */
const MAX_BYTES = 256 * 2 ** 20;

export interface KeptNodesOptions extends Pick<RelayOptions, 'maxBytes' | 'log'> {
  readonly store: LastGoodStore | undefined;
  /** Unix time, ms. */
  readonly now: () => number;
  /** Those whose Envoy is connected. */
  readonly used: () => ReadonlySet<LastGood | undefined>;
}

export class KeptNodes {
  readonly budget: MemoryBudget;
  /** Nodes that left memory for others. */
  released = 0;
  readonly #options: KeptNodesOptions;
  /** By key; those whose Envoy came last stand last. */
  readonly #nodes = new Map<string, LastGood>();

  constructor(options: KeptNodesOptions) {
    this.#options = options;
    this.budget = new MemoryBudget(options.maxBytes ?? MAX_BYTES, () => this.#release());
  }

  get all(): Iterable<LastGood> {
    return this.#nodes.values();
  }

  /** An Envoy of this node has come. Throws `RELAY_NODES`. */
  of(form: RelayForm, node: string): LastGood {
    const key = keyOf(node, form);
    const known = this.#nodes.get(key);
    this.#nodes.delete(key);
    if (known === undefined && this.#nodes.size >= MAX_NODES && !this.#release())
      throw new TendrilError('RELAY_NODES', `${MAX_NODES} nodes use this relay already`, {
        remedy: 'run a relay for each application, or a few of them',
      });
    const kept = known ?? this.#load(form, node);
    this.#nodes.set(key, kept);
    return kept;
  }

  #load(form: RelayForm, node: string): LastGood {
    const { store, log, now } = this.#options;
    const made = new LastGood(node, { store, form, budget: this.budget });
    made.seen(now(), false);
    const { notKept } = made;
    if (notKept > 0)
      log?.warn(
        { node, notKept, maxBytes: this.budget.maxBytes },
        `no room in memory for ${notKept} resources of the last good configuration of ${node}`,
      );
    return made;
  }

  /** Its copy on disk is gone. */
  forget(key: string): void {
    this.#nodes.get(key)?.release();
    this.#nodes.delete(key);
  }

  /** False: all nodes have an Envoy. */
  #release(): boolean {
    const used = this.#options.used();
    const idle = [...this.#nodes.values()].find((each) => !used.has(each));
    if (idle === undefined) return false;
    this.forget(idle.key);
    this.released++;
    return true;
  }
}
