/**
 * Writes many small entities one behind the other into slabs: an array buffer of its own for each would cost more than its
 * content. What `finish` gives is a view into a slab, never written again. Slabs are small, because each lives as long as the
 * last entity in it, and packed endpoints are kept.
 */
const SLAB = 4096;

export class ByteWriter {
  private slab: Buffer = Buffer.allocUnsafeSlow(SLAB);
  private begin = 0;
  private at = 0;

  start(): void {
    this.begin = this.at;
  }

  /** Makes room for that many bytes; the calls behind it do not look. */
  reserve(size: number): void {
    if (this.at + size <= this.slab.length) return;
    const written = this.at - this.begin;
    const slab = Buffer.allocUnsafeSlow(Math.max(SLAB, Math.ceil((written + size) * 1.5)));
    this.slab.copy(slab, 0, this.begin, this.at);
    this.slab = slab;
    this.begin = 0;
    this.at = written;
  }

  /** Whole number from 0; needs 8 bytes. */
  number(value: number): void {
    const { slab } = this;
    let { at } = this;
    let rest = value;
    while (rest > 0x7f) {
      slab[at++] = (rest & 0x7f) | 0x80;
      // Bit operations are for 32 bits, offsets may have more.
      rest = rest > 0x7fff_ffff ? Math.floor(rest / 0x80) : rest >>> 7;
    }
    slab[at++] = rest;
    this.at = at;
  }

  /** Bytes written since `start`. */
  get length(): number {
    return this.at - this.begin;
  }

  /** Whole number below 2^24 in three bytes; needs 3 bytes. */
  short(value: number): void {
    this.shortAt(this.length, value);
    this.at += 3;
  }

  /** The same, at a place that was written already. */
  shortAt(place: number, value: number): void {
    const at = this.begin + place;
    this.slab[at] = value & 0xff;
    this.slab[at + 1] = (value >>> 8) & 0xff;
    this.slab[at + 2] = value >>> 16;
  }

  /** Length and UTF-8; needs three times the length and 8 bytes. */
  text(value: string): void {
    const { length } = value;
    const { slab } = this;
    if (length < 0x80) {
      // Short and plain is the common case: one pass, without a call into native code.
      let at = this.at + 1;
      let bits = 0;
      for (let index = 0; index < length; index += 1) {
        const code = value.charCodeAt(index);
        bits |= code;
        slab[at++] = code;
      }
      if (bits < 0x80) {
        slab[this.at] = length;
        this.at = at;
        return;
      }
    }
    this.number(Buffer.byteLength(value));
    this.raw(value);
  }

  /** UTF-8 without length; needs three times the length. */
  raw(value: string): void {
    this.at += this.slab.write(value, this.at);
  }

  /** Bytes `from`..`to` of another array; needs as much room. */
  copy(bytes: Uint8Array, from: number, to: number): void {
    const { slab } = this;
    let { at } = this;
    if (to - from > 256) {
      slab.set(bytes.subarray(from, to), at);
      this.at = at + to - from;
      return;
    }
    for (let index = from; index < to; index += 1) slab[at++] = bytes[index] ?? 0;
    this.at = at;
  }

  /** What was written since `start`. */
  finish(): Uint8Array {
    return new Uint8Array(this.slab.buffer, this.slab.byteOffset + this.begin, this.at - this.begin);
  }
}

/** One for the process: entities are written one after the other. */
export const byteWriter = new ByteWriter();
