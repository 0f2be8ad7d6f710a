/**
 * Puts the messages of one gRPC stream together again, from DATA frames of any size. Source: the gRPC protocol over HTTP/2,
 * "Length-Prefixed-Message".
 */

/** One byte of flags and four of length before each message. */
export const FRAME_HEADER = 5;

/** Why a stream cannot go on: a message above the bound, a compressed one, an unknown flag. */
export type FrameFault = 'large' | 'compressed' | 'malformed';

export class FrameReader {
  readonly #maxBytes: number;
  /** What came and has not been given out, in order. */
  #chunks: Buffer[] = [];
  #bytes = 0;
  /** Bytes of the frame that is being read, with its header; 0: the header is not complete. */
  #wanted = 0;
  fault: FrameFault | undefined;

  /** `maxBytes`: of one message. A larger one is a fault as soon as its length is known. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes kept for a message that is not complete. */
  get pending(): number {
    return this.#bytes;
  }

  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
  }

  /** The next message, complete; undefined: none yet, or `fault`. A view into what was pushed where it came in one piece. */
  next(): Buffer | undefined {
    if (this.#wanted === 0 && !this.#begin()) return undefined;
    if (this.#bytes < this.#wanted) return undefined;
    const wanted = this.#wanted;
    const all = this.#joined(wanted);
    this.#wanted = 0;
    this.#bytes -= wanted;
    if (all.length > wanted) this.#chunks[0] = all.subarray(wanted);
    else this.#chunks.shift();
    return all.subarray(FRAME_HEADER, wanted);
  }

  /** Reads a header; false: not there yet, or not acceptable. */
  #begin(): boolean {
    if (this.fault !== undefined || this.#bytes < FRAME_HEADER) return false;
    const head = this.#joined(FRAME_HEADER);
    const length = head.readUInt32BE(1);
    if ((head[0] ?? 0) > 1) this.fault = 'malformed';
    else if (length > this.#maxBytes) this.fault = 'large';
    else if (head[0] === 1) this.fault = 'compressed';
    else this.#wanted = FRAME_HEADER + length;
    if (this.fault === undefined) return true;
    this.clear();
    return false;
  }

  /** The first chunk, which holds `bytes` at least: joined with those after it if need be. */
  #joined(bytes: number): Buffer {
    let [first] = this.#chunks;
    if (first === undefined || first.length < bytes) {
      first = Buffer.concat(this.#chunks, this.#bytes);
      this.#chunks = [first];
    }
    return first;
  }

  clear(): void {
    this.#chunks = [];
    this.#bytes = 0;
    this.#wanted = 0;
  }
}
