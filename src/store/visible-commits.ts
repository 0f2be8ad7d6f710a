/**
 * Commits that resolve when readers see them, before the disk has them.
 *
 * lmdb-js 3.5.6 has no promise for that moment: with `overlappingSync` both `put` and `flushed` resolve after fdatasync (52 ms
 * with an fdatasync slowed down to 50 ms, while readers see the data after 0.7 ms). But its write thread reports the moment to
 * the function that lmdb-js hands to the native `startWriting`, so this is where it is taken from. If a later lmdb-js has no such
 * function, commits resolve when they are on disk: later, never wrong.
 */
import type { LmdbRoot } from './lmdb-root.ts';

type StartWriting = (address: number, report: (status: number) => unknown) => unknown;

/** The transaction is visible; 0 would be: it has ended. */
const VISIBLE = 1;

/** One commit at a time is on its way to being visible; the flushes of earlier ones may still be going on. */
export class VisibleCommits {
  #last: Promise<unknown> = Promise.resolve();
  #seen: (() => void) | undefined;

  constructor(root: LmdbRoot) {
    const { env } = root as unknown as { readonly env?: { readonly startWriting?: StartWriting } };
    const startWriting = env?.startWriting;
    if (env === undefined || typeof startWriting !== 'function') return;
    const report = (status: number): void => {
      if (status !== VISIBLE) return;
      root.resetReadTxn();
      this.#seen?.();
    };
    Object.defineProperty(env, 'startWriting', {
      value: (address: number, done: (status: number) => unknown): unknown =>
        startWriting.call(env, address, (status) => {
          const result = done(status);
          report(status);
          return result;
        }),
    });
  }

  /** Submits in order of calls. `submit` gives the promise of the disk; the result resolves when readers see it. */
  inTurn(submit: () => Promise<void>): Promise<void> {
    const mine = this.#last.then(() => {
      const seen = new Promise<void>((resolve) => {
        this.#seen = resolve;
      });
      return Promise.race([seen, submit()]);
    });
    this.#last = mine.catch(() => undefined);
    return mine;
  }

  /** Resolves when everything submitted so far is visible. */
  async idle(): Promise<void> {
    await this.#last;
  }
}
