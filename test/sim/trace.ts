/** What happened in a run: the last lines to be read, and a hash over all of them that tells two runs apart. */
import { createHash, type Hash } from 'node:crypto';

const KEPT = 400;

export class Trace {
  readonly #hash: Hash = createHash('sha256');
  readonly #last: string[] = [];
  lines = 0;

  add(now: number, text: string): void {
    const line = `${now.toFixed(3)} ${text}`;
    this.#hash.update(line).update('\n');
    this.lines++;
    this.#last.push(line);
    if (this.#last.length > 2 * KEPT) this.#last.splice(0, KEPT);
  }

  /** The last lines, oldest first. */
  tail(count: number): readonly string[] {
    return this.#last.slice(-count);
  }

  /** Over all lines so far; to be called once. */
  digest(): string {
    return this.#hash.digest('hex');
  }
}
