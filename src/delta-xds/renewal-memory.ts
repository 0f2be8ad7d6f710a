/** When which node was renewed, for all streams of a process: "once a day" is a word about nodes, and nodes reconnect. */

const MAX_NODES = 20_000;

export class RenewalMemory {
  readonly #max: number;
  /** Node id -> ms of the caller's clock, latest last. */
  readonly #times = new Map<string, number>();

  /** `max`: nodes remembered; beyond, those renewed longest ago are forgotten, and wait from the begin of their stream (R2). */
  constructor(max = MAX_NODES) {
    this.#max = max;
  }

  get size(): number {
    return this.#times.size;
  }

  note(node: string, at: number): void {
    this.#times.delete(node);
    if (this.#times.size >= this.#max) {
      const [oldest] = this.#times.keys();
      if (oldest !== undefined) this.#times.delete(oldest);
    }
    this.#times.set(node, at);
  }

  /** Undefined: not that this process knows. */
  last(node: string): number | undefined {
    return this.#times.get(node);
  }
}

/** What a renewal needs to know of a node beyond its stream. */
export interface RenewalWitness {
  readonly memory: RenewalMemory;
  /** Age of the node's longest running stream, ms; undefined: nothing is known of its streams. */
  readonly longStream: (nodeId: string) => number | undefined;
}
