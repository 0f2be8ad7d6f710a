/** Integers and strings of a header block. Source: RFC 7541, section 5. */

import { HpackError } from './hpack-error.ts';
import { decodeHuffman } from './huffman.ts';

/** Bytes of an integer after its first: 28 bits. More are refused, zeros too. */
const MAX_CONTINUATIONS = 4;
const HUFFMAN = 0x80;

export class BlockReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(block: Uint8Array) {
    this.#bytes = Buffer.isBuffer(block) ? block : Buffer.from(block.buffer, block.byteOffset, block.byteLength);
  }

  get ended(): boolean {
    return this.#at >= this.#bytes.length;
  }

  /** The next byte, which is not consumed. */
  peek(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) throw new HpackError('a header block ends within a field');
    return byte;
  }

  /** An integer that begins in the low `prefixBits` of the next byte. */
  integer(prefixBits: number): number {
    const most = (1 << prefixBits) - 1;
    let value = this.peek() & most;
    this.#at++;
    if (value < most) return value;
    for (let shift = 0; shift < 7 * MAX_CONTINUATIONS; shift += 7) {
      const byte = this.peek();
      this.#at++;
      value += (byte & 127) << shift;
      if (byte < 128) return value;
    }
    throw new HpackError('an integer of a header block is too long');
  }

  string(): string {
    const huffman = (this.peek() & HUFFMAN) !== 0;
    const length = this.integer(7);
    const start = this.#at;
    const end = start + length;
    if (end > this.#bytes.length) throw new HpackError('a string is longer than its header block');
    this.#at = end;
    return huffman ? decodeHuffman(this.#bytes, start, end) : this.#bytes.toString('latin1', start, end);
  }
}
