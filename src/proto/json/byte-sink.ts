/** Collects protobuf wire format, growing as needed. */

const MASK_64 = (1n << 64n) - 1n;

export class ByteSink {
  #buffer = Buffer.allocUnsafe(64);
  #at = 0;

  get length(): number {
    return this.#at;
  }

  /** @param wireType 0 varint, 1 eight bytes, 2 delimited, 5 four bytes */
  tag(field: number, wireType: number): void {
    this.varint(field * 8 + wireType);
  }

  /** Whole, 0..2^53-1. */
  varint(value: number): void {
    this.#reserve(10);
    let rest = value;
    while (rest >= 0x80) {
      this.#buffer[this.#at++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#buffer[this.#at++] = rest;
  }

  /** Any 64-bit number; a negative one takes ten bytes. */
  varint64(value: bigint): void {
    if (value >= 0n && value <= 0x1fffffffffffffn) {
      this.varint(Number(value));
      return;
    }
    this.#reserve(10);
    let rest = value & MASK_64;
    while (rest >= 0x80n) {
      this.#buffer[this.#at++] = Number(rest & 0x7fn) | 0x80;
      rest >>= 7n;
    }
    this.#buffer[this.#at++] = Number(rest);
  }

  fixed32(value: number): void {
    this.#reserve(4);
    this.#at = this.#buffer.writeInt32LE(value | 0, this.#at);
  }

  fixed64(value: bigint): void {
    this.#reserve(8);
    this.#at = this.#buffer.writeBigUInt64LE(value & MASK_64, this.#at);
  }

  float(value: number): void {
    this.#reserve(4);
    this.#at = this.#buffer.writeFloatLE(value, this.#at);
  }

  double(value: number): void {
    this.#reserve(8);
    this.#at = this.#buffer.writeDoubleLE(value, this.#at);
  }

  /** Length, then content. */
  delimited(content: Uint8Array): void {
    this.varint(content.length);
    this.raw(content);
  }

  text(text: string): void {
    this.delimited(Buffer.from(text, 'utf8'));
  }

  raw(content: Uint8Array): void {
    this.#reserve(content.length);
    this.#buffer.set(content, this.#at);
    this.#at += content.length;
  }

  /** What was written, in memory of its own. */
  finish(): Uint8Array {
    const bytes = new Uint8Array(this.#at);
    bytes.set(this.#buffer.subarray(0, this.#at));
    return bytes;
  }

  #reserve(more: number): void {
    if (this.#at + more <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(2 * this.#buffer.length, this.#at + more));
    this.#buffer.copy(larger, 0, 0, this.#at);
    this.#buffer = larger;
  }
}
