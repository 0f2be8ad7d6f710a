/**
 * Fingerprints in order of offset, in chunks of flat arrays: 32 bytes each, laid out as they are packed for storage.
 * Entries have ascending numbers; the front can be cut off.
 */
import type { Fingerprint } from './idempotency-key.ts';

/** Bytes of one packed entry: 16 fingerprint, 8 offset, 8 recordedAt (doubles, little endian). Packs may be joined. */
export const PACKED_ENTRY = 32;

const CHUNK_BITS = 14;
const CHUNK = 1 << CHUNK_BITS;
const WORDS = PACKED_ENTRY / 4;
const DOUBLES = PACKED_ENTRY / 8;
const OFFSET_AT = 2;
const TIME_AT = 3;

/** One piece of memory, seen as bytes, words and doubles. */
interface Chunk {
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  readonly doubles: Float64Array;
}

const newChunk = (): Chunk => {
  const buffer = new ArrayBuffer(CHUNK * PACKED_ENTRY);
  return { bytes: new Uint8Array(buffer), words: new Uint32Array(buffer), doubles: new Float64Array(buffer) };
};

export class IdempotencyEntries {
  /** Number of the next entry. */
  next = 0;
  private readonly chunks: Chunk[] = [];
  /** Number of the first entry of `chunks[0]`, a multiple of CHUNK. */
  private base = 0;
  private lastOffset = 0;

  append(key: Fingerprint, offset: number, recordedAt: number): number {
    this.checkOrder(offset);
    const number = this.next;
    const inside = number & (CHUNK - 1);
    if (inside === 0) this.chunks.push(newChunk());
    this.next = number + 1;
    const { words, doubles } = this.chunkOf(number);
    const at = inside * WORDS;
    words[at] = key[0] ?? 0;
    words[at + 1] = key[1] ?? 0;
    words[at + 2] = key[2] ?? 0;
    words[at + 3] = key[3] ?? 0;
    doubles[inside * DOUBLES + OFFSET_AT] = offset;
    doubles[inside * DOUBLES + TIME_AT] = recordedAt;
    return number;
  }

  /** Appends packed entries; throws when their offsets do not ascend or the pack is cut off. */
  load(packed: Uint8Array): void {
    if (packed.length % PACKED_ENTRY !== 0) throw new Error(`idempotency pack of ${packed.length} bytes is cut off`);
    for (let done = 0; done < packed.length; ) {
      const inside = this.next & (CHUNK - 1);
      if (inside === 0) this.chunks.push(newChunk());
      const chunk = this.chunkOf(this.next);
      const count = Math.min(CHUNK - inside, (packed.length - done) / PACKED_ENTRY);
      chunk.bytes.set(packed.subarray(done, done + count * PACKED_ENTRY), inside * PACKED_ENTRY);
      for (let at = inside; at < inside + count; at += 1) this.checkOrder(chunk.doubles[at * DOUBLES + OFFSET_AT] ?? 0);
      this.next += count;
      done += count * PACKED_ENTRY;
    }
  }

  /** Entries from this number on, packed. */
  pack(from: number): Uint8Array {
    const packed = new Uint8Array((this.next - from) * PACKED_ENTRY);
    for (let number = from; number < this.next; ) {
      const inside = number & (CHUNK - 1);
      const count = Math.min(CHUNK - inside, this.next - number);
      const { bytes } = this.chunkOf(number);
      packed.set(
        bytes.subarray(inside * PACKED_ENTRY, (inside + count) * PACKED_ENTRY),
        (number - from) * PACKED_ENTRY,
      );
      number += count;
    }
    return packed;
  }

  /** Frees whole chunks before this number. */
  dropBefore(number: number): void {
    while (number - this.base >= CHUNK) {
      this.chunks.shift();
      this.base += CHUNK;
    }
  }

  /** Counts from 0 again; gives what is to be taken off every number. */
  renumber(): number {
    const shift = this.base;
    this.base = 0;
    this.next -= shift;
    return shift;
  }

  offsetOf(number: number): number {
    return this.chunkOf(number).doubles[(number & (CHUNK - 1)) * DOUBLES + OFFSET_AT] ?? 0;
  }

  recordedAtOf(number: number): number {
    return this.chunkOf(number).doubles[(number & (CHUNK - 1)) * DOUBLES + TIME_AT] ?? 0;
  }

  /** Word 0..3 of the fingerprint. */
  wordOf(number: number, word: number): number {
    return this.chunkOf(number).words[(number & (CHUNK - 1)) * WORDS + word] ?? 0;
  }

  isAt(number: number, key: Fingerprint): boolean {
    const { words } = this.chunkOf(number);
    const at = (number & (CHUNK - 1)) * WORDS;
    return words[at] === key[0] && words[at + 1] === key[1] && words[at + 2] === key[2] && words[at + 3] === key[3];
  }

  /** Visits entries from this number on, with the first two words of each. */
  each(from: number, visit: (number: number, first: number, second: number) => void): void {
    for (let number = from; number < this.next; ) {
      const { words } = this.chunkOf(number);
      const end = Math.min(this.next, number - (number & (CHUNK - 1)) + CHUNK);
      for (; number < end; number += 1) {
        const at = (number & (CHUNK - 1)) * WORDS;
        visit(number, words[at] ?? 0, words[at + 1] ?? 0);
      }
    }
  }

  private checkOrder(offset: number): void {
    if (offset <= this.lastOffset) throw new Error(`idempotency entry of offset ${offset} after ${this.lastOffset}`);
    this.lastOffset = offset;
  }

  private chunkOf(number: number): Chunk {
    const chunk = this.chunks[(number - this.base) >> CHUNK_BITS];
    if (chunk === undefined) throw new Error(`idempotency entry ${number} is not there`);
    return chunk;
  }
}
