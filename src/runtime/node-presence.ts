/**
 * Which nodes came back with what they held after they had been away: for that time nobody knows what they used.
 *
 * A node that changes workers, or whose control plane was restarted, was not away: departures of all workers are remembered for `AWAY_MS`,
 * and in the first `AWAY_MS` after a start that followed a short gap nobody counts as away. A node of which neither is known counts.
 */
import type { HolderRow } from '../dependency-graph/index.ts';
import type { HolderRow as WorkerRow } from './messages.ts';

/** Away for less: nothing that counts was missed. */
export const AWAY_MS = 10 * 60_000;
/** Departures remembered; those beyond are forgotten, and count as away when they come back. */
const MAX_DEPARTED = 50_000;

export class NodePresence {
  /** Node -> when it was told that it left, oldest first. */
  readonly #departed = new Map<string, number>();
  readonly #trustedUntil: number;

  /** @param trustedUntil ms: until then whoever comes has not been away */
  constructor(trustedUntil: number) {
    this.#trustedUntil = trustedUntil;
  }

  /** Answers of the workers to one question, together. */
  rows(answers: readonly WorkerRow[], now: number): HolderRow[] {
    for (const { departed } of answers)
      for (const node of departed) {
        this.#departed.delete(node);
        this.#departed.set(node, now);
      }
    const rows = answers.map(({ caller, nodes, silent, arrived }) => ({
      caller,
      nodes,
      silent,
      returned: now < this.#trustedUntil ? 0 : arrived.filter((node) => !this.#departed.has(node)).length,
    }));
    for (const [node, at] of this.#departed) {
      if (now - at <= AWAY_MS && this.#departed.size <= MAX_DEPARTED) break;
      this.#departed.delete(node);
    }
    return rows;
  }
}
