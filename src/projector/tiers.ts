/**
 * Append-only packs in a table, joined from time to time, so that neither one commit a second nor a thousand leave a million
 * small records behind. Used for the history index and for idempotency entries.
 *
 * Key `[level, last offset]`. New packs have level 0; `FAN_IN` packs of one level, or `FINAL_BYTES` of them, become one pack of
 * the next. What reaches `FINAL_BYTES` becomes final and is never written again. So an entry is written about log16(n) times.
 *
 * Invariants
 * T1 Packs cover disjoint ranges of offsets: in order of their last offsets they hold everything in the order of its adding.
 * T2 All packs that are not final are held in memory too: joining reads nothing.
 */
export type PackKey = [level: number, last: number];

export interface PackWriter {
  put(key: PackKey, bytes: Uint8Array): void;
  remove(key: PackKey): void;
}

export interface Pack {
  readonly last: number;
  readonly bytes: Uint8Array;
}

const FAN_IN = 16;
const FINAL_BYTES = 512 * 1024;
export const FINAL_LEVEL = 15;

export class Tiers {
  readonly #join: (parts: readonly Uint8Array[]) => Uint8Array;
  readonly #levels: Pack[][] = Array.from({ length: FINAL_LEVEL }, () => []);

  /** `join` makes one pack of several, given in ascending order of offsets. */
  constructor(join: (parts: readonly Uint8Array[]) => Uint8Array) {
    this.#join = join;
  }

  /** Takes in a stored pack, at start, in order of keys; final ones are not held. */
  load(key: PackKey, bytes: Uint8Array): void {
    const [level, last] = key;
    this.#levels[level]?.push({ last, bytes });
  }

  /** Adds a pack of entries up to offset `last`, above all before. */
  add(last: number, bytes: Uint8Array, writer: PackWriter): void {
    let added = bytes;
    for (let level = 0; level < FINAL_LEVEL; level++) {
      const packs = this.#packs(level);
      const size = packs.reduce((sum, pack) => sum + pack.bytes.length, added.length);
      if (packs.length + 1 < FAN_IN && size < FINAL_BYTES) {
        packs.push({ last, bytes: added });
        writer.put([level, last], added);
        return;
      }
      const older = this.#takeAll(level, writer);
      added = this.#join([...older, added]);
      if (added.length >= FINAL_BYTES || level === FINAL_LEVEL - 1) {
        this.#finish(level, last, added, writer);
        return;
      }
    }
  }

  /** Packs that are not final, newest first. */
  *pending(): Iterable<Pack> {
    for (const packs of this.#levels) yield* packs.toReversed();
  }

  /**
   * Takes packs that end at `last` or before out; of the next one `keep` gives what is left. Here nothing changes before the function
   * returned is called: for when it has been written. Nothing may be added meanwhile.
   */
  cut(last: number, keep: (bytes: Uint8Array) => Uint8Array, writer: PackWriter): () => void {
    const [straddling] = [...this.pending()].filter((pack) => pack.last > last).sort((a, b) => a.last - b.last);
    const levels = this.#levels.map((packs, level) => {
      const kept = packs.filter((pack) => pack.last > last);
      for (const pack of packs) if (pack.last <= last) writer.remove([level, pack.last]);
      return kept.map((pack) => {
        if (pack !== straddling) return pack;
        const bytes = keep(pack.bytes);
        writer.put([level, pack.last], bytes);
        return { last: pack.last, bytes };
      });
    });
    return () => {
      for (const [level, packs] of levels.entries()) this.#levels[level] = packs;
    };
  }

  clear(): void {
    for (const packs of this.#levels) packs.length = 0;
  }

  #packs(level: number): Pack[] {
    return this.#levels[level] ?? [];
  }

  #takeAll(level: number, writer: PackWriter): readonly Uint8Array[] {
    const packs = this.#packs(level).splice(0);
    for (const { last } of packs) writer.remove([level, last]);
    return packs.map((pack) => pack.bytes);
  }

  /** T1: whatever higher levels hold is older and goes first. */
  #finish(level: number, last: number, bytes: Uint8Array, writer: PackWriter): void {
    const parts = [bytes];
    for (let higher = level + 1; higher < FINAL_LEVEL; higher++) parts.unshift(...this.#takeAll(higher, writer));
    writer.put([FINAL_LEVEL, last], parts.length === 1 ? bytes : this.#join(parts));
  }
}

/** For packs that may simply be written one behind the other. */
export const concatenate = (parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> => {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
};
