/**
 * Earliest deadline first: hosts take turns by weight, evenly mixed, in O(log n) for each turn (Envoy's EDF scheduler). After k turns a
 * host of weight w has had k * w / W of them, give or take 1 + n * w / W. Hosts that stay keep their place when others come and go.
 */
import type { Host } from './host.ts';

export class Schedule {
  #hosts: readonly Host[] = [];
  /** Indexes of hosts; the first has the earliest deadline. */
  #heap = new Int32Array(0);
  #deadlines = new Float64Array(0);
  #now = 0;

  /** `random`: new hosts begin somewhere in their first turn, or all callers would begin with the same one. */
  update(hosts: readonly Host[], random: () => number): void {
    const before = new Map(this.#hosts.map((host, index) => [host, (this.#deadlines[index] ?? 0) - this.#now]));
    this.#hosts = hosts;
    this.#now = 0;
    this.#deadlines = Float64Array.from(hosts, (host) => before.get(host) ?? random() / host.endpoint.weight);
    this.#heap = Int32Array.from(hosts.keys());
    for (let at = (hosts.length >> 1) - 1; at >= 0; at--) this.#sink(at);
  }

  /** `weightOf`: weight until the host's next turn; above 0. */
  next(weightOf: (host: Host) => number): Host | undefined {
    const index = this.#heap[0];
    const host = index === undefined ? undefined : this.#hosts[index];
    if (index === undefined || host === undefined) return undefined;
    this.#now = this.#deadlines[index] ?? 0;
    this.#deadlines[index] = this.#now + 1 / weightOf(host);
    this.#sink(0);
    return host;
  }

  /** By deadline, then by place in the list. */
  #before(a: number, b: number): boolean {
    const left = this.#deadlines[a] ?? 0;
    const right = this.#deadlines[b] ?? 0;
    return left < right || (left === right && a < b);
  }

  #sink(from: number): void {
    const heap = this.#heap;
    const moved = heap[from] ?? 0;
    let at = from;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && this.#before(heap[child + 1] ?? 0, heap[child] ?? 0)) child += 1;
      const index = heap[child] ?? 0;
      if (!this.#before(index, moved)) break;
      heap[at] = index;
      at = child;
    }
    heap[at] = moved;
  }
}
