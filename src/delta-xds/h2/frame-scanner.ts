/** Cuts what the other side sends into frames. Nothing is kept but the one frame that has begun. */
import { CODE, ConnectionFault, FRAME_BYTES, FRAME_HEAD, PREFACE } from './frames.ts';

/** `payload` is a view: valid until the call returns, unless it is kept together with what it is a view of. */
export type FrameSink = (type: number, flags: number, stream: number, payload: Buffer) => void;

/** The methods of HTTP/1: such a client is told where it is. */
const HTTP1 = /^(?:GET|POST|PUT|HEAD|DELETE|OPTIONS|PATCH|CONNECT|TRACE) /;

/** A client that speaks HTTP/1. */
export class Http1Fault extends ConnectionFault {}

const payloadLength = (bytes: Buffer, at: number): number =>
  ((bytes[at] ?? 0) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);

export class FrameScanner {
  readonly #sink: FrameSink;
  /** Bytes of the preface that have been seen. */
  #preface = 0;
  /** The frame that has begun: its head, or all of it once its length is known. */
  #begun: Buffer | undefined;
  #filled = 0;

  /** `hasPreface`: what a client sends; a server begins with frames. */
  constructor(sink: FrameSink, hasPreface = true) {
    this.#sink = sink;
    if (!hasPreface) this.#preface = PREFACE.length;
  }

  /** Calls the sink for each frame that is complete. Throws `ConnectionFault`: the connection cannot go on; what the sink throws goes through. */
  scan(chunk: Buffer): void {
    let at = this.#preface < PREFACE.length ? this.#scanPreface(chunk) : 0;
    while (at < chunk.length) at = this.#begun === undefined ? this.#next(chunk, at) : this.#continue(chunk, at);
  }

  #scanPreface(chunk: Buffer): number {
    const length = Math.min(PREFACE.length - this.#preface, chunk.length);
    if (PREFACE.compare(chunk, 0, length, this.#preface, this.#preface + length) !== 0) {
      const isHttp1 = this.#preface === 0 && HTTP1.test(chunk.toString('latin1', 0, 8));
      throw new (isHttp1 ? Http1Fault : ConnectionFault)(CODE.PROTOCOL_ERROR, 'this is not HTTP/2');
    }
    this.#preface += length;
    return length;
  }

  /** A frame begins at `at`. Returns where the next one does. */
  #next(chunk: Buffer, at: number): number {
    const left = chunk.length - at;
    if (left < FRAME_HEAD) {
      this.#begun = Buffer.allocUnsafeSlow(FRAME_HEAD);
      this.#filled = chunk.copy(this.#begun, 0, at);
      return chunk.length;
    }
    const length = this.#checked(payloadLength(chunk, at));
    const end = at + FRAME_HEAD + length;
    if (end <= chunk.length) {
      this.#give(chunk, at, length);
      return end;
    }
    this.#begun = Buffer.allocUnsafeSlow(FRAME_HEAD + length);
    this.#filled = chunk.copy(this.#begun, 0, at);
    return chunk.length;
  }

  /** More of the frame that has begun. */
  #continue(chunk: Buffer, from: number): number {
    let begun = this.#begun;
    if (begun === undefined) return from;
    let at = from;
    if (begun.length === FRAME_HEAD) {
      const taken = chunk.copy(begun, this.#filled, at);
      this.#filled += taken;
      at += taken;
      if (this.#filled < FRAME_HEAD) return at;
      const length = this.#checked(payloadLength(begun, 0));
      if (length > 0) {
        const whole = Buffer.allocUnsafeSlow(FRAME_HEAD + length);
        begun.copy(whole);
        begun = whole;
        this.#begun = whole;
      }
    }
    const taken = chunk.copy(begun, this.#filled, at);
    this.#filled += taken;
    if (this.#filled === begun.length) {
      this.#begun = undefined;
      this.#give(begun, 0, begun.length - FRAME_HEAD);
    }
    return at + taken;
  }

  #checked(length: number): number {
    if (length > FRAME_BYTES)
      throw new ConnectionFault(CODE.FRAME_SIZE_ERROR, `a frame of ${length} bytes; ${FRAME_BYTES} are taken`);
    return length;
  }

  #give(bytes: Buffer, at: number, length: number): void {
    const payload = bytes.subarray(at + FRAME_HEAD, at + FRAME_HEAD + length);
    this.#sink(bytes[at + 3] ?? 0, bytes[at + 4] ?? 0, bytes.readUInt32BE(at + 5) & 0x7fffffff, payload);
  }
}
