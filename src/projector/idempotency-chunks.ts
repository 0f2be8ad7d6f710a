/** Packed idempotency entries of the fold, stored in tiers and thrown away once the fold has forgotten them. */
import type { Table } from '../store/index.ts';
import { concatenate, FINAL_LEVEL, type PackKey, type PackWriter, Tiers } from './tiers.ts';

export class IdempotencyChunks {
  readonly #tiers = new Tiers(concatenate);
  /** Last offsets of the final packs, oldest first. */
  #final: number[] = [];

  /** Reads the table and gives the entries in order of offset. */
  *load(table: Table<PackKey>): Generator<Uint8Array> {
    const keys = [...table.keys()];
    for (const key of keys.sort((a, b) => a[1] - b[1])) {
      const body = table.get(key);
      if (body === undefined) continue;
      this.#tiers.load(key, body);
      if (key[0] === FINAL_LEVEL) this.#final.push(key[1]);
      yield new Uint8Array(body.buffer, body.byteOffset, body.length);
    }
  }

  /**
   * Adds the entries of the events up to `last`.
   * @param rememberedFrom packs that end before this offset go
   */
  add(last: number, entries: readonly Uint8Array[], rememberedFrom: number, writer: PackWriter): void {
    if (entries.length > 0) {
      this.#tiers.add(last, concatenate(entries), {
        put: (key, bytes) => {
          if (key[0] === FINAL_LEVEL) this.#final.push(key[1]);
          writer.put(key, bytes);
        },
        remove: (key) => writer.remove(key),
      });
    }
    for (let oldest = this.#final[0]; oldest !== undefined && oldest < rememberedFrom; oldest = this.#final[0]) {
      writer.remove([FINAL_LEVEL, oldest]);
      this.#final.shift();
    }
  }

  clear(): void {
    this.#tiers.clear();
    this.#final = [];
  }
}
