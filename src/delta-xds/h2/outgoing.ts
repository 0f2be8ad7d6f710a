/** A message on its way: in line with its call, then in DATA frames, then with the system. Source: RFC 9113 section 6.1. */
import { FRAME, FRAME_HEAD, writeHead } from './frames.ts';
import { MESSAGE_HEAD } from './message-reader.ts';
import type { Batch } from './outbox.ts';

/** Up to this size a message is copied behind its heads; of a larger one the socket gets a view. */
const COPY_BYTES = 16 * 1024;

export class Outgoing {
  readonly #message: Uint8Array;
  /** It has been taken by the system. */
  readonly taken: () => void;
  /** Bytes of it, its head included, that have been put in frames. */
  #offset = 0;

  constructor(message: Uint8Array, taken: () => void) {
    this.#message = message;
    this.taken = taken;
  }

  /** Bytes that are in no frame yet. */
  get left(): number {
    return MESSAGE_HEAD + this.#message.length - this.#offset;
  }

  /** One DATA frame with its next `bytes`. */
  addFrame(batch: Batch, stream: number, bytes: number): void {
    const message = this.#message;
    const offset = this.#offset;
    this.#offset += bytes;
    const ofHead = Math.max(0, Math.min(MESSAGE_HEAD - offset, bytes));
    const ofMessage = bytes - ofHead;
    const isCopied = ofMessage <= COPY_BYTES;
    const piece = Buffer.allocUnsafe(FRAME_HEAD + ofHead + (isCopied ? ofMessage : 0));
    writeHead(piece, 0, bytes, FRAME.DATA, 0, stream);
    for (let at = 0; at < ofHead; at++) piece[FRAME_HEAD + at] = headByte(message.length, offset + at);
    const from = Math.max(0, offset - MESSAGE_HEAD);
    const part = ofMessage === message.length ? message : message.subarray(from, from + ofMessage);
    if (isCopied) piece.set(part, FRAME_HEAD + ofHead);
    batch.add(piece);
    if (!isCopied) batch.add(part);
  }
}

/** Byte `at` of a message's head: not compressed, then the length. */
const headByte = (length: number, at: number): number => (at === 0 ? 0 : (length >>> (8 * (4 - at))) & 0xff);
