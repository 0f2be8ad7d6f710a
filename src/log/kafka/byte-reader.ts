/** Reads the primitive types of Kafka's protocol from a buffer. Throws `RangeError` when it ends too early. */

export class ByteReader {
  readonly bytes: Buffer;
  at: number;

  constructor(bytes: Buffer, at = 0) {
    this.bytes = bytes;
    this.at = at;
  }

  get left(): number {
    return this.bytes.length - this.at;
  }

  skip(count: number): void {
    this.#take(count);
  }

  int8(): number {
    return this.bytes.readInt8(this.#take(1));
  }

  int16(): number {
    return this.bytes.readInt16BE(this.#take(2));
  }

  int32(): number {
    return this.bytes.readInt32BE(this.#take(4));
  }

  uint32(): number {
    return this.bytes.readUInt32BE(this.#take(4));
  }

  /** As a number: offsets and times stay far below 2^53. */
  int64(): number {
    const at = this.#take(8);
    return this.bytes.readInt32BE(at) * 2 ** 32 + this.bytes.readUInt32BE(at + 4);
  }

  /** Zigzag; up to 53 bits. */
  varint(): number {
    let result = 0;
    let scale = 1;
    for (let index = 0; index < 10; index++) {
      const byte = this.bytes.readUInt8(this.#take(1));
      result += (byte & 0x7f) * scale;
      if (byte < 0x80) return result % 2 === 0 ? result / 2 : -(result + 1) / 2;
      scale *= 128;
    }
    throw new RangeError('a number of variable length does not end');
  }

  /** A view, no copy. */
  slice(length: number): Buffer {
    const at = this.#take(length);
    return this.bytes.subarray(at, at + length);
  }

  /** With a length of variable size before it; -1 is null. */
  varbytes(): Buffer | null {
    const length = this.varint();
    return length < 0 ? null : this.slice(length);
  }

  /** The same as text; null is the empty text. */
  vartext(): string {
    const length = this.varint();
    if (length <= 0) return '';
    const at = this.#take(length);
    return this.bytes.toString('utf8', at, at + length);
  }

  /** With a length of 16 bits before it. */
  string(): string {
    const length = this.int16();
    return length < 0 ? '' : this.slice(length).toString('utf8');
  }

  #take(count: number): number {
    const { at } = this;
    if (count < 0 || !Number.isInteger(count) || at + count > this.bytes.length) {
      throw new RangeError(`${count} bytes wanted at ${at} of ${this.bytes.length}`);
    }
    this.at = at + count;
    return at;
  }
}
