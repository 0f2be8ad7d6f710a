/**
 * Who waits for the state to hold an offset. In order of offset, so a commit looks only at those it serves.
 *
 * Bound: 100,000 waiters; above it `add` refuses (`STATE_BUSY`), because each stands for an open request.
 */
import { TendrilError } from '../model/index.ts';
import type { Notice } from './types.ts';

const MAX_WAITERS = 100_000;

interface Waiter {
  readonly offset: number;
  readonly resolve: (notice: Notice) => void;
  readonly reject: (error: unknown) => void;
}

export class Waiters {
  #waiting: Waiter[] = [];

  get size(): number {
    return this.#waiting.length;
  }

  /** Resolves with the first commit that holds `offset`; rejects with the signal's reason. */
  add(offset: number, signal?: AbortSignal): Promise<Notice> {
    if (this.#waiting.length >= MAX_WAITERS) {
      const remedy = 'ask again later, or do not wait for the result';
      return Promise.reject(
        new TendrilError('STATE_BUSY', `${MAX_WAITERS} requests wait for the state already`, { remedy }),
      );
    }
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(signal.reason);
        return;
      }
      const leave = (): void => {
        this.#waiting = this.#waiting.filter((candidate) => candidate !== waiter);
        reject(signal?.reason);
      };
      const waiter: Waiter = {
        offset,
        resolve: (notice) => {
          signal?.removeEventListener('abort', leave);
          resolve(notice);
        },
        reject: (error) => {
          signal?.removeEventListener('abort', leave);
          reject(error);
        },
      };
      signal?.addEventListener('abort', leave, { once: true });
      this.#insert(waiter);
    });
  }

  /** A commit is visible. */
  settle(notice: Notice): void {
    const served = this.#upperBound(notice.offset);
    for (const { resolve } of this.#waiting.splice(0, served)) resolve(notice);
  }

  /** Nothing will be committed any more. */
  fail(error: unknown): void {
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }

  #insert(waiter: Waiter): void {
    this.#waiting.splice(this.#upperBound(waiter.offset), 0, waiter);
  }

  /** Number of waiters at or below an offset. */
  #upperBound(offset: number): number {
    let low = 0;
    let high = this.#waiting.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#waiting[middle]?.offset ?? 0) <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
