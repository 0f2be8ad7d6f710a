/** The other side of `ByteWriter`. */

/** Reads what `ByteWriter` wrote; throws RangeError when the bytes end early. */
export class ByteReader {
  private readonly bytes: Buffer;
  private at = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  number(): number {
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = this.bytes[this.at++];
      if (byte === undefined) throw new RangeError('the bytes are cut off');
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 0x80;
    }
  }

  text(): string {
    const length = this.number();
    const end = this.at + length;
    if (end > this.bytes.length) throw new RangeError('the bytes are cut off');
    const text = this.bytes.toString('utf8', this.at, end);
    this.at = end;
    return text;
  }

  skip(bytes: number): void {
    this.at += bytes;
  }

  texts(): string[] {
    return Array.from({ length: this.number() }, () => this.text());
  }
}
