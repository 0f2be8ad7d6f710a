/** Timers of all sessions on one wheel and one timer of the process, which is set for the earliest of them. */
import { TimerWheel } from './timer-wheel.ts';

export interface AlarmOptions<T> {
  /** ms, monotonic. */
  readonly clock: () => number;
  /** Runs a function after so many ms; returns how to call it off. */
  readonly after: (ms: number, run: () => void) => () => void;
  /** Called for each item that is due. */
  readonly ring: (item: T, now: number) => void;
}

export class Alarm<T> {
  readonly #options: AlarmOptions<T>;
  readonly #wheel = new TimerWheel<T>();
  #callOff: (() => void) | undefined;
  #setFor = 0;

  constructor(options: AlarmOptions<T>) {
    this.#options = options;
  }

  /** Sets or replaces the item's timer. */
  schedule(item: T, at: number): void {
    this.#wheel.schedule(item, at);
    this.#set();
  }

  cancel(item: T): void {
    this.#wheel.cancel(item);
  }

  #set(): void {
    const { clock, after, ring } = this.#options;
    const next = this.#wheel.next();
    if (next === undefined || (this.#callOff !== undefined && this.#setFor <= next)) return;
    this.#callOff?.();
    this.#setFor = next;
    this.#callOff = after(Math.max(0, next - clock()), () => {
      this.#callOff = undefined;
      const now = clock();
      for (const item of this.#wheel.due(now)) ring(item, now);
      this.#set();
    });
  }

  close(): void {
    this.#callOff?.();
    this.#callOff = undefined;
  }
}
