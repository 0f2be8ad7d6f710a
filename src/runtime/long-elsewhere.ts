/**
 * What the other xDS workers say of long streams: a sidecar's access logs arrive at any of them, one connection for each of its threads,
 * while its xDS stream is at one.
 *
 * A statement holds for `HOLDS_MS`. While one of the other workers has made none, or a void one, nothing is known of any node.
 */
import type { LongStatement } from './messages.ts';

/** Workers make one statement in this time, ms. */
export const STATE_MS = 30_000;
const HOLDS_MS = 3 * STATE_MS;
/** Nodes of one statement; beyond it is void. */
const MAX_NODES = 20_000;
/** JSON has no Infinity. */
const NOT_KNOWN = -1;

/** @param longest of `UseCollector.longStreams` */
export const statementOf = (longest: ReadonlyMap<string, number> | undefined): LongStatement => {
  if (longest === undefined || longest.size > MAX_NODES) return { nodes: undefined };
  return { nodes: [...longest].map(([node, ms]) => [node, Number.isFinite(ms) ? Math.round(ms) : NOT_KNOWN]) };
};

export class LongElsewhere {
  readonly #others: number;
  readonly #statements = new Map<number, { readonly at: number; readonly nodes: ReadonlyMap<string, number> }>();

  /** @param others how many other workers there are */
  constructor(others: number) {
    this.#others = others;
  }

  note(worker: number, { nodes }: LongStatement, now: number): void {
    if (nodes === undefined) this.#statements.delete(worker);
    else this.#statements.set(worker, { at: now, nodes: new Map(nodes) });
  }

  /** ms; 0: none; Infinity: not known. */
  longest(node: string, now: number): number {
    let heard = 0;
    let longest = 0;
    for (const { at, nodes } of this.#statements.values()) {
      if (now - at > HOLDS_MS) continue;
      heard += 1;
      const ms = nodes.get(node) ?? 0;
      longest = Math.max(longest, ms === NOT_KNOWN ? Number.POSITIVE_INFINITY : ms + (ms > 0 ? now - at : 0));
    }
    return heard < this.#others ? Number.POSITIVE_INFINITY : longest;
  }
}
