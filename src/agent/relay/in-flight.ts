/**
 * Responses of one type that Envoy has not answered yet, oldest first.
 *
 * Bounds: their number (the oldest is forgotten and will not be last good), and their bytes through the budget of the relay (without
 * room, names and versions are remembered and the bytes are not: it will not be last good either).
 */
import type { MemoryBudget } from './memory-budget.ts';
import type { RawResource } from './wire.ts';

export interface Unanswered {
  readonly nonce: string;
  readonly resources: readonly RawResource[];
  /** Number of the control plane's stream that it came on; 0: made here, of bytes that are kept anyway. */
  readonly stream: number;
}

/** Responses that wait for Envoy's answer, per type. */
const MAX_IN_FLIGHT = 10_000;
const NOTHING = new Uint8Array(0);

export class InFlight<T extends Unanswered> {
  readonly #budget: MemoryBudget | undefined;
  readonly #rows: { readonly response: T; readonly bytes: number }[] = [];

  constructor(budget: MemoryBudget | undefined) {
    this.#budget = budget;
  }

  get length(): number {
    return this.#rows.length;
  }

  /** Gives how many were forgotten. */
  add(response: T): number {
    let bytes = 0;
    if (response.stream !== 0) for (const { raw } of response.resources) bytes += raw.length;
    if (this.#budget?.take(bytes) ?? true) this.#rows.push({ response, bytes });
    else {
      const resources = response.resources.map((resource) => ({ ...resource, raw: NOTHING }));
      this.#rows.push({ response: { ...response, resources }, bytes: 0 });
    }
    if (this.#rows.length <= MAX_IN_FLIGHT) return 0;
    this.#remove(0);
    return 1;
  }

  /** The oldest response with this nonce: Envoy answers those of one type in order, and two control planes may use one nonce. */
  settle(nonce: string): T | undefined {
    const at = this.#rows.findIndex(({ response }) => response.nonce === nonce);
    return at < 0 ? undefined : this.#remove(at);
  }

  has(name: string): boolean {
    return this.#rows.some(({ response }) => response.resources.some((resource) => resource.name === name));
  }

  clear(): void {
    while (this.#rows.length > 0) this.#remove(0);
  }

  #remove(at: number): T | undefined {
    const [row] = this.#rows.splice(at, 1);
    this.#budget?.give(row?.bytes ?? 0);
    return row?.response;
  }
}
