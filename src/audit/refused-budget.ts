/**
 * Which refused writes are kept one by one. Pure: the caller gives the time.
 *
 * Invariants
 * B1 Of one remote address and code at most `perSecond` a second are kept; the others are counted.
 * B2 Nothing is lost by counting: kept plus `more` is what was refused.
 * B3 At most `maxKeys` pairs are told apart; all further ones share a pair of their own.
 */

interface Row {
  readonly from: string;
  readonly code: string;
  kept: number;
  more: number;
}

export interface Surplus {
  readonly from: string;
  readonly code: string;
  readonly count: number;
}

const SECOND_MS = 1_000;
const OTHERS = 'others';

export class RefusedBudget {
  readonly #perSecond: number;
  readonly #maxKeys: number;
  readonly #rows = new Map<string, Row>();
  #since = Number.NEGATIVE_INFINITY;

  constructor(perSecond = 100, maxKeys = 1_000) {
    this.#perSecond = perSecond;
    this.#maxKeys = maxKeys;
  }

  /** True: keep this one. `from`: address without its port. To be called behind `surplus` of the same moment. */
  take(from: string, code: string): boolean {
    const row = this.#row(from, code);
    if (row.kept < this.#perSecond) {
      row.kept++;
      return true;
    }
    row.more++;
    return false;
  }

  /** What was counted in the second that has passed; empty while it lasts. `now` in ms, of any clock. `end`: it ends now. */
  surplus(now: number, end = false): readonly Surplus[] {
    if (!end && now - this.#since < SECOND_MS && now >= this.#since) return [];
    this.#since = now;
    const rows = [...this.#rows.values()].filter(({ more }) => more > 0);
    this.#rows.clear();
    return rows.map(({ from, code, more }) => ({ from, code, count: more }));
  }

  #row(from: string, code: string): Row {
    const key = `${from} ${code}`;
    const known = this.#rows.get(key);
    if (known !== undefined) return known;
    if (this.#rows.size >= this.#maxKeys && from !== OTHERS) return this.#row(OTHERS, OTHERS);
    const row = { from, code, kept: 0, more: 0 };
    this.#rows.set(key, row);
    return row;
  }
}
