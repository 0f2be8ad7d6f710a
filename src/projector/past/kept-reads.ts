/**
 * The last moments of one kind that were read: pages of one answer, and both ends of a diff, come from what is read already.
 *
 * Bounds: one is read at a time, `MAX_WAITING` questions wait for their turn, more are refused (`STATE_BUSY`); `MAX_KEPT` are kept, each
 * for `KEEP_MS` after its last use. All are counted.
 */
import { Turns } from './past-turns.ts';

export const MAX_WAITING = 8;
const MAX_KEPT = 2;
export const KEEP_MS = 30_000;

export interface ReadCounters {
  /** Moments read, questions answered from one that was kept, questions refused at the bound. */
  read: number;
  reused: number;
  refused: number;
}

export class KeptReads<T> {
  readonly #read: (at: number) => Promise<T>;
  readonly #counters: ReadCounters;
  readonly #onIdle: () => void;
  readonly #kept = new Map<number, { readonly moment: T; readonly timer: NodeJS.Timeout }>();
  readonly #turns: Turns;

  /** @param onIdle nothing is kept or read any more */
  constructor(read: (at: number) => Promise<T>, counters: ReadCounters, onIdle: () => void) {
    this.#read = read;
    this.#counters = counters;
    this.#onIdle = onIdle;
    this.#turns = new Turns(MAX_WAITING, 'questions about earlier states', () => counters.refused++);
  }

  get isIdle(): boolean {
    return this.#kept.size === 0 && this.#turns.size === 0;
  }

  async at(at: number): Promise<T> {
    const known = this.#kept.get(at);
    if (known !== undefined) return this.#keep(at, known.moment, true);
    try {
      return await this.#turns.take(async () => {
        const meanwhile = this.#kept.get(at);
        if (meanwhile !== undefined) return this.#keep(at, meanwhile.moment, true);
        this.#counters.read++;
        return this.#keep(at, await this.#read(at), false);
      });
    } catch (error) {
      this.#onIdle();
      throw error;
    }
  }

  clear(): void {
    for (const { timer } of this.#kept.values()) clearTimeout(timer);
    this.#kept.clear();
  }

  #keep(at: number, moment: T, reused: boolean): T {
    if (reused) this.#counters.reused++;
    this.#drop(at);
    for (const oldest of [...this.#kept.keys()].slice(0, Math.max(0, this.#kept.size + 1 - MAX_KEPT)))
      this.#drop(oldest);
    const timer = setTimeout(() => {
      this.#drop(at);
      this.#onIdle();
    }, KEEP_MS);
    this.#kept.set(at, { moment, timer: timer.unref() });
    return moment;
  }

  #drop(at: number): void {
    clearTimeout(this.#kept.get(at)?.timer);
    this.#kept.delete(at);
  }
}
