/**
 * Steps of deliveries that wait to be written: resource -> node -> latest steps, oldest first. Of one resource on one node only so many
 * are kept as a ring holds. What is being written is told of until it can be read where it was written, and waits again when that failed.
 * Bound: `max` steps; beyond it the resources that wait longest go, counted in `dropped`.
 */
import { type LedgerStep, RING_STEPS } from './ledger-ring.ts';

export interface WaitingSteps {
  readonly node: string;
  readonly type: string;
  readonly name: string;
  readonly steps: readonly LedgerStep[];
}

interface Resource {
  readonly type: string;
  readonly name: string;
  readonly nodes: Map<string, LedgerStep[]>;
}

export class LedgerWaiting {
  readonly #max: number;
  #resources = new Map<string, Resource>();
  /** Being written. */
  #taken = new Map<string, Resource>();
  #steps = 0;
  dropped = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#steps;
  }

  /** Where the steps of one resource are added. */
  of(type: string, name: string): Resource {
    const key = `${type}\n${name}`;
    let resource = this.#resources.get(key);
    if (resource === undefined) {
      resource = { type, name, nodes: new Map() };
      this.#resources.set(key, resource);
    }
    return resource;
  }

  add({ nodes }: Resource, node: string, step: LedgerStep): void {
    const steps = nodes.get(node);
    if (steps === undefined) nodes.set(node, [step]);
    else {
      // Reports are grouped by event: their steps come nearly in order of time.
      let at = steps.length;
      for (let before = steps[at - 1]; before !== undefined && before.at > step.at; before = steps[at - 1]) at--;
      if (at === steps.length) steps.push(step);
      else steps.splice(at, 0, step);
      if (steps.length > RING_STEPS) {
        steps.shift();
        return;
      }
    }
    this.#steps++;
  }

  /** Brings the number of steps below the bound. */
  trim(): void {
    for (const [key, { nodes }] of this.#resources) {
      for (const [node, { length }] of nodes) {
        if (this.#steps <= this.#max) return;
        nodes.delete(node);
        this.#steps -= length;
        this.dropped += length;
      }
      this.#resources.delete(key);
    }
  }

  get(node: string, type: string, name: string): readonly LedgerStep[] {
    const key = `${type}\n${name}`;
    const taken = this.#taken.get(key)?.nodes.get(node);
    const steps = this.#resources.get(key)?.nodes.get(node) ?? [];
    return taken === undefined ? steps : [...taken, ...steps];
  }

  /** Everything that waits for one node, what is being written first. */
  *ofNode(node: string): Iterable<WaitingSteps> {
    for (const resources of [this.#taken, this.#resources])
      for (const { type, name, nodes } of resources.values()) {
        const steps = nodes.get(node);
        if (steps !== undefined) yield { node, type, name, steps };
      }
  }

  /** Takes everything out, to be written; then `landed` or `putBack` says what became of it. */
  take(): WaitingSteps[] {
    const list: WaitingSteps[] = [];
    for (const { type, name, nodes } of this.#resources.values())
      for (const [node, steps] of nodes) list.push({ node, type, name, steps });
    this.#taken = this.#resources;
    this.#resources = new Map();
    this.#steps = 0;
    return list;
  }

  /** These are written, and readers see it. */
  landed(list: readonly WaitingSteps[]): void {
    for (const { node, type, name } of list) this.#taken.get(`${type}\n${name}`)?.nodes.delete(node);
  }

  /** What was taken and has not landed waits again. */
  putBack(): void {
    for (const { type, name, nodes } of this.#taken.values()) {
      const resource = this.of(type, name);
      for (const [node, steps] of nodes) {
        const later = resource.nodes.get(node) ?? [];
        const all = [...steps, ...later].slice(-RING_STEPS);
        resource.nodes.set(node, all);
        this.#steps += all.length - later.length;
      }
    }
    this.#taken = new Map();
    this.trim();
  }
}
