/**
 * From an event to the sidecars: which change was posted when, and who should get it.
 *
 * P1 A pair (change, sidecar) that did not arrive is coalesced when a later change of the same endpoint was posted; else it never arrived.
 */
import { percentilesOf } from './percentiles.ts';
import type { Percentiles, PropagationFigures } from './result.ts';

interface Change {
  readonly at: number;
  readonly expected: number;
  arrived: number;
  last: number;
  /** A later change of the same endpoint was posted. */
  isOvertaken: boolean;
}

/** Pairs that need not arrive any more (P1). */
const coalescedOf = ({ expected, arrived, isOvertaken }: Change): number =>
  isOvertaken ? Math.max(0, expected - arrived) : 0;

export class Propagation {
  readonly #changes = new Map<number, Change>();
  readonly #times: number[] = [];
  #recent: number[] = [];

  posted(change: number, at: number, expected: number): void {
    this.#changes.set(change, { at, expected, arrived: 0, last: 0, isOvertaken: false });
  }

  /** A later change of its endpoint was posted, perhaps by another part of the run. */
  overtaken(change: number): void {
    const known = this.#changes.get(change);
    if (known !== undefined) known.isOvertaken = true;
  }

  /** False: not one of these changes. */
  arrived(change: number, at: number): boolean {
    const known = this.#changes.get(change);
    if (known === undefined) return false;
    const ms = at - known.at;
    known.arrived++;
    known.last = Math.max(known.last, ms);
    this.#times.push(ms);
    this.#recent.push(ms);
    return true;
  }

  /** Of arrivals since the last call. */
  second(): Percentiles | undefined {
    if (this.#recent.length === 0) return undefined;
    const recent = percentilesOf(this.#recent);
    this.#recent = [];
    return recent;
  }

  /** Coalesced deliveries of the changes posted within [from, to) (monotonic ms). */
  coalescedBetween(from: number, to: number): number {
    let sum = 0;
    for (const change of this.#changes.values()) if (change.at >= from && change.at < to) sum += coalescedOf(change);
    return sum;
  }

  /** Undefined: nothing was changed. */
  figures(): PropagationFigures | undefined {
    const changes = [...this.#changes.values()];
    if (changes.length === 0) return undefined;
    const expected = changes.reduce((sum, change) => sum + change.expected, 0);
    return {
      changes: changes.length,
      expected,
      arrived: this.#times.length,
      coalesced: changes.reduce((sum, change) => sum + coalescedOf(change), 0),
      each: percentilesOf(this.#times),
      last: percentilesOf(changes.filter(({ arrived }) => arrived > 0).map(({ last }) => last)),
    };
  }
}
