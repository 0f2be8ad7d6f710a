/**
 * Bare ACKs that arrive while a broadcast is under way. They ask nothing, and a third of the work of a broadcast is theirs: done as they
 * come, the first sidecars' ACKs keep the last sidecars waiting for the change itself.
 *
 * Bound: `MAX_OF_ONE` of one stream, beyond which they are taken at once; all of them when the oldest is `MAX_AGE_MS` old.
 */
import type { XdsRequest } from './stream-session.ts';

const MAX_OF_ONE = 8;
const MAX_AGE_MS = 50;

/** Whose ACKs wait. */
export interface AckOwner {
  /** In the order they came. */
  acks: XdsRequest[] | undefined;
}

export class AckLine<T extends AckOwner> {
  #owners: T[] = [];
  #at = 0;
  /** When the oldest came, ms. */
  #since = 0;
  /** Counter. */
  deferred = 0;

  get size(): number {
    return this.#owners.length - this.#at;
  }

  /** False: it has to be taken at once. */
  put(owner: T, request: XdsRequest, now: number): boolean {
    if (owner.acks !== undefined && owner.acks.length >= MAX_OF_ONE) return false;
    this.deferred++;
    if (owner.acks !== undefined) {
      owner.acks.push(request);
      return true;
    }
    if (this.size === 0) this.#since = now;
    owner.acks = [request];
    this.#owners.push(owner);
    return true;
  }

  /** They have waited long enough, whatever else is under way. */
  isDue(now: number): boolean {
    return this.size > 0 && now - this.#since > MAX_AGE_MS;
  }

  /** The next one in line; its ACKs may have been taken meanwhile. */
  next(): T | undefined {
    const owner = this.#owners[this.#at++];
    if (this.#at >= this.#owners.length) {
      this.#owners = [];
      this.#at = 0;
    }
    return owner;
  }
}
