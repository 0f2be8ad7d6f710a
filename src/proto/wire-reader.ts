/**
 * Reads protobuf wire format by hand from bytes that a stranger sent: every length is checked, every list bounded, and whatever is
 * wrong becomes a `TendrilError` (`XDS_MALFORMED`, `XDS_LIMIT`). Source: protobuf.dev, "Encoding".
 */
import { TendrilError } from '../model/basics.ts';

/** Bounds of a decoded discovery message. */
export interface WireLimits {
  /** Names in one message: subscribed, unsubscribed and held ones together; resources and removed names of a response. */
  readonly maxNames: number;
  /** Bytes of one name, version, nonce or type URL. */
  readonly maxNameBytes: number;
  /** Values in the metadata of a node, at any depth. */
  readonly maxMetadataValues: number;
}

export const DEFAULT_WIRE_LIMITS: WireLimits = { maxNames: 200_000, maxNameBytes: 4096, maxMetadataValues: 4096 };

/** Bytes of free text (metadata strings, error texts). */
const MAX_TEXT_BYTES = 65_536;

export function malformed(what: string): TendrilError {
  return new TendrilError('XDS_MALFORMED', `discovery message is malformed: ${what}`, {
    remedy: 'check that the sender speaks xDS version 3 over gRPC',
  });
}

export function overLimit(what: string, limit: number): TendrilError {
  return new TendrilError('XDS_LIMIT', `discovery message has ${what} above the limit of ${limit}`, {
    remedy: 'ask for fewer or shorter names in one message',
  });
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const REPLACEMENT = '\uFFFD';

export const VARINT = 0;
export const FIXED64 = 1;
export const BYTES = 2;
export const FIXED32 = 5;

/** A position in a buffer and an end that it never passes. */
export class WireReader {
  readonly buffer: Buffer;
  /** Next byte to read. */
  at: number;
  /** First byte not to read; moved by `enter` and `leave`. */
  end: number;

  constructor(bytes: Uint8Array) {
    this.buffer = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = 0;
    this.end = bytes.length;
  }

  /** Field number shifted by 3, with the wire type in the low bits. */
  tag(): number {
    const tag = this.varint();
    if (tag < 8) throw malformed('field number 0');
    if (tag > 0xffffffff) throw malformed('field number too large');
    return tag;
  }

  /** A varint as a number; exact up to 2^53, more is only good for being skipped. */
  varint(): number {
    // Nearly all tags, lengths and flags.
    const first = this.at < this.end ? this.buffer[this.at] : undefined;
    if (first !== undefined && first < 0x80) {
      this.at++;
      return first;
    }
    let value = 0;
    let scale = 1;
    for (let count = 0; count < 10; count++) {
      if (this.at >= this.end) throw malformed('it ends inside a number');
      const byte = this.buffer[this.at++] ?? 0;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 128;
    }
    throw malformed('a number is longer than 10 bytes');
  }

  /** A varint as int32: the low 32 bits, signed. */
  int32(): number {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.at >= this.end) throw malformed('it ends inside a number');
      const byte = this.buffer[this.at++] ?? 0;
      if (shift < 32) value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw malformed('a number is longer than 10 bytes');
  }

  /** A varint as int64; exact up to 2^53. */
  int64(): number {
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.at >= this.end) throw malformed('it ends inside a number');
      const byte = this.buffer[this.at++] ?? 0;
      const bits = byte & 0x7f;
      if (shift < 32) low |= bits << shift;
      if (shift >= 32) high |= bits << (shift - 32);
      else if (shift > 25) high |= bits >>> (32 - shift);
      if (byte < 0x80) return high * 2 ** 32 + (low >>> 0);
    }
    throw malformed('a number is longer than 10 bytes');
  }

  double(): number {
    if (this.end - this.at < 8) throw malformed('it ends inside a number');
    this.at += 8;
    return this.buffer.readDoubleLE(this.at - 8);
  }

  /** Length of a delimited field, checked against what is left. */
  length(): number {
    const length = this.varint();
    if (length > this.end - this.at) throw malformed('a field is longer than the message');
    return length;
  }

  /** Goes into an embedded message: returns the end to hand to `leave`. */
  enter(): number {
    const length = this.length();
    const outer = this.end;
    this.end = this.at + length;
    return outer;
  }

  leave(outer: number): void {
    this.end = outer;
  }

  /** A view into the buffer, not a copy. */
  bytes(): Uint8Array {
    const length = this.length();
    this.at += length;
    return this.buffer.subarray(this.at - length, this.at);
  }

  text(what: string, maxBytes: number = MAX_TEXT_BYTES): string {
    const length = this.length();
    if (length > maxBytes) throw overLimit(`${what} of ${length} bytes,`, maxBytes);
    const start = this.at;
    this.at += length;
    const text = this.buffer.toString('utf8', start, this.at);
    if (!text.includes(REPLACEMENT)) return text;
    // It is in the text, or stands for bytes that are none.
    try {
      return utf8.decode(this.buffer.subarray(start, this.at));
    } catch {
      throw malformed(`${what} is not UTF-8`);
    }
  }

  /** A text of at most `maxBytes` ASCII characters; undefined: it is longer or has others. It is passed over in any case. */
  ascii(maxBytes: number): string | undefined {
    const length = this.length();
    const start = this.at;
    this.at += length;
    if (length > maxBytes) return undefined;
    const { buffer, at } = this;
    for (let i = start; i < at; i++) if ((buffer[i] ?? 0) >= 0x80) return undefined;
    return buffer.toString('latin1', start, at);
  }

  /** Passes over a field that nobody here reads. */
  skip(tag: number): void {
    const wireType = tag & 7;
    if (wireType === VARINT) this.varint();
    else if (wireType === BYTES) {
      const length = this.length(); // moves `at` itself
      this.at += length;
    } else if (wireType === FIXED64 || wireType === FIXED32) {
      this.at += wireType === FIXED64 ? 8 : 4;
      if (this.at > this.end) throw malformed('it ends inside a number');
    } else throw malformed(`wire type ${wireType}`);
  }
}
