/** Frames of RFC 6455, as far as the toy WebSocket backend and client need them: whole messages of at most 64 KiB, no extensions. */
import { createHash, randomBytes } from 'node:crypto';

export const OPCODE = { text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

export interface Frame {
  readonly opcode: number;
  readonly payload: Buffer;
}

/** `Sec-WebSocket-Accept` for a `Sec-WebSocket-Key` (RFC 6455, section 4.2.2). */
export const acceptOf = (key: string): string =>
  createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');

/** One frame with FIN set; clients must mask. */
export function encodeFrame(opcode: number, payload: Uint8Array, mask: boolean): Buffer {
  if (payload.length > 0xffff) throw new RangeError('toy frames hold at most 64 KiB');
  const short = payload.length < 126;
  const head = Buffer.alloc((short ? 2 : 4) + (mask ? 4 : 0));
  head[0] = 0x80 | opcode;
  head[1] = (mask ? 0x80 : 0) | (short ? payload.length : 126);
  if (!short) head.writeUInt16BE(payload.length, 2);
  const body = Buffer.from(payload);
  if (mask) {
    const key = randomBytes(4);
    key.copy(head, head.length - 4);
    for (let i = 0; i < body.length; i++) body[i] = (body[i] ?? 0) ^ (key[i & 3] ?? 0);
  }
  return Buffer.concat([head, body]);
}

/** Cuts a byte stream into frames. */
export class FrameParser {
  #pending: Buffer = Buffer.alloc(0);

  push(chunk: Uint8Array): Frame[] {
    this.#pending = Buffer.concat([this.#pending, chunk]);
    const frames: Frame[] = [];
    for (let frame = this.#take(); frame !== undefined; frame = this.#take()) frames.push(frame);
    return frames;
  }

  #take(): Frame | undefined {
    const bytes = this.#pending;
    if (bytes.length < 2) return undefined;
    const [first = 0, second = 0] = bytes;
    const masked = (second & 0x80) !== 0;
    const short = second & 0x7f;
    if (short === 127) throw new RangeError('toy frames hold at most 64 KiB');
    const head = (short === 126 ? 4 : 2) + (masked ? 4 : 0);
    if (bytes.length < head) return undefined;
    const length = short === 126 ? bytes.readUInt16BE(2) : short;
    if (bytes.length < head + length) return undefined;
    const payload = Buffer.from(bytes.subarray(head, head + length));
    if (masked) for (let i = 0; i < length; i++) payload[i] = (payload[i] ?? 0) ^ (bytes[head - 4 + (i & 3)] ?? 0);
    this.#pending = bytes.subarray(head + length);
    return { opcode: first & 0x0f, payload };
  }
}
