/**
 * Uses on their way to the core. They are sums: what is not confirmed is added to what came since, and goes to the next core.
 *
 * Invariants:
 * O1 The sums of what was confirmed, what is on its way and what waits are the sums of what was noted.
 * O2 At most one report is on its way; it names each edge once, and at most `maxEdges` of them.
 *
 * Bound: the edges that its owner keeps.
 */
import type { UsedEdge } from './caller-use.ts';
import type { EdgeUse, UseReport } from './edge-use.ts';

export class UseOutbox {
  readonly #maxEdges: number;
  /** Used since they were last reported. */
  readonly #waiting = new Set<UsedEdge>();
  #onTheWay: { readonly edges: readonly UsedEdge[]; readonly uses: readonly EdgeUse[] } | undefined;
  /** Number of the report on its way, or of the last one. */
  #number = 0;

  constructor(maxEdges: number) {
    this.#maxEdges = maxEdges;
  }

  /** Edges that wait. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** A report is on its way. */
  get isBusy(): boolean {
    return this.#onTheWay !== undefined;
  }

  note(edge: UsedEdge): void {
    this.#waiting.add(edge);
  }

  /** The next report, with the number to confirm it by; undefined: none, or the last one is not confirmed. */
  next(): { readonly upTo: number; readonly report: UseReport } | undefined {
    if (this.#onTheWay !== undefined || this.#waiting.size === 0) return undefined;
    const edges: UsedEdge[] = [];
    for (const edge of this.#waiting) {
      if (edges.length >= this.#maxEdges) break;
      edges.push(edge);
      this.#waiting.delete(edge);
    }
    const uses = edges.map((edge): EdgeUse => {
      const { from, to, node, requests, errors, lastMs } = edge;
      edge.requests = 0;
      edge.errors = 0;
      edge.toldNode = node;
      return { from, to, node, requests, errors, lastMs };
    });
    this.#onTheWay = { edges, uses };
    return { upTo: ++this.#number, report: { uses } };
  }

  /** True when it was the report on its way. */
  confirmed(upTo: number): boolean {
    if (this.#onTheWay === undefined || upTo !== this.#number) return false;
    this.#onTheWay = undefined;
    return true;
  }

  /** It did not arrive, or its receiver is gone. */
  takeBack(): void {
    const back = this.#onTheWay;
    this.#onTheWay = undefined;
    for (const [at, edge] of (back?.edges ?? []).entries()) {
      edge.requests += back?.uses[at]?.requests ?? 0;
      edge.errors += back?.uses[at]?.errors ?? 0;
      this.#waiting.add(edge);
    }
  }
}
