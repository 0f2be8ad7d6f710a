/** When a keeper last looked, kept in a file: the log of a quiet mesh does not tell for how long nobody did. */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const NAME = 'edge-keeper.last';

export class KeeperHeartbeat {
  readonly #path: string;

  constructor(dir: string) {
    this.#path = join(dir, NAME);
  }

  /** ms since the epoch; 0: never, or it cannot be read. */
  read(): number {
    try {
      const at = Number(readFileSync(this.#path, 'utf8'));
      return Number.isSafeInteger(at) && at > 0 ? at : 0;
    } catch {
      return 0;
    }
  }

  /** Best effort: without it the next start only waits longer before edges expire. */
  write(now: number): void {
    try {
      writeFileSync(`${this.#path}.new`, String(now), { mode: 0o600 });
      renameSync(`${this.#path}.new`, this.#path);
    } catch {
      // A full disk is the disk guard's matter.
    }
  }
}
