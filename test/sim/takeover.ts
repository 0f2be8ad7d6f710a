/**
 * While a run lasts, the process's clocks, timers and randomness are the simulation's: whatever the real code asks of them, also what it
 * is not given by argument, comes from the seed. Tests of one file run one after the other, so nobody else is there.
 */
import type { Choices } from './choices.ts';
import type { Scheduler } from './scheduler.ts';

/** Begin of simulated time, ms since the epoch. */
export const EPOCH = 1_800_000_000_000;

/** What `setTimeout` gives: enough of it for those who call it. */
class Timer {
  readonly cancel: () => void;

  constructor(cancel: () => void) {
    this.cancel = cancel;
  }

  unref(): this {
    return this;
  }
}

/** Puts the simulation in place of clocks, timers and randomness; the function returned puts them back. */
export const takeOver = (scheduler: Scheduler, choices: Choices): (() => void) => {
  const plan = (run: (...args: unknown[]) => void, ms = 0, ...args: unknown[]): Timer =>
    new Timer(scheduler.after(ms, scheduler.current, () => run(...args)));
  const every = (run: () => void, ms: number): Timer => {
    let cancel = (): void => undefined;
    const owner = scheduler.current;
    const again = (): void => {
      cancel = scheduler.after(ms, owner, () => {
        again();
        run();
      });
    };
    again();
    return new Timer(() => cancel());
  };
  const clear = (timer: Timer | undefined): void => timer?.cancel();
  const places: readonly (readonly [object, string, unknown])[] = [
    [globalThis, 'setTimeout', plan],
    [globalThis, 'setInterval', every],
    [globalThis, 'clearTimeout', clear],
    [globalThis, 'clearInterval', clear],
    [globalThis, 'setImmediate', (run: () => void) => scheduler.immediate(run)],
    [Date, 'now', () => EPOCH + Math.floor(scheduler.now)],
    [performance, 'now', () => scheduler.now],
    [Math, 'random', () => choices.fraction()],
  ];
  const before = places.map(([holder, name]) => Object.getOwnPropertyDescriptor(holder, name));
  for (const [holder, name, value] of places)
    Object.defineProperty(holder, name, { value, configurable: true, writable: true });
  return () => {
    for (const [at, [holder, name]] of places.entries()) {
      const descriptor = before[at];
      if (descriptor === undefined) Reflect.deleteProperty(holder, name);
      else Object.defineProperty(holder, name, descriptor);
    }
  };
};
