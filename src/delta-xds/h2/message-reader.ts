/**
 * Puts the messages of one gRPC stream together again, from DATA frames of any size. Source: the gRPC protocol over HTTP/2,
 * "Length-Prefixed-Message".
 */

/** One byte of flags and four of length before each message. */
export const MESSAGE_HEAD = 5;

/** What must be kept begins with this much room, which doubles: what is announced and never sent takes no memory. */
const FIRST_ROOM = 4_096;
/** Up to this size the room is made at once: the first message of an Envoy has some 60 KB, and ten thousand come together. */
const AT_ONCE = 128 * 1024;

/** Why a stream cannot go on: a message above the bound, a compressed one, an unknown flag. */
export type MessageFault = 'large' | 'compressed' | 'malformed';

const NOTHING = Buffer.alloc(0);

export class MessageReader {
  readonly #maxBytes: number;
  /** What came last and was not kept yet: a view. Only while nothing is kept. */
  #chunk: Buffer = NOTHING;
  /** Copies of what came before and has not been given out: from `#from` to `#to`. */
  #kept: Buffer = NOTHING;
  #from = 0;
  #to = 0;
  fault: MessageFault | undefined;

  /** `maxBytes`: of one message. A larger one is a fault as soon as its length is known. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes that have not been given out. */
  get pending(): number {
    return this.#chunk.length + this.#to - this.#from;
  }

  /** The chunk is viewed until `next` has said undefined, or the next `push`: then what is left of it has been copied. */
  push(chunk: Buffer): void {
    if (this.pending === 0) {
      this.#chunk = chunk;
      return;
    }
    this.#keepChunk();
    this.#keep(chunk);
  }

  /**
   * The next message, complete; undefined: none yet, or `fault`. A view into what was pushed where it came in one piece; a small one
   * never holds the room of a large one that came before it.
   */
  next(): Buffer | undefined {
    if (this.fault !== undefined) return undefined;
    const isKept = this.#to > this.#from;
    const room = this.#kept.length;
    const source = isKept ? this.#kept.subarray(this.#from, this.#to) : this.#chunk;
    const end = this.#endIn(source);
    if (end === undefined || source.length < end) {
      this.#keepChunk(end);
      this.#shrink();
      return undefined;
    }
    if (source === this.#chunk) this.#chunk = source.length === end ? NOTHING : source.subarray(end);
    else this.#from += end;
    if (this.#from === this.#to) this.#release();
    const message = source.subarray(MESSAGE_HEAD, end);
    return isKept && 2 * message.length < room ? Buffer.from(message) : message;
  }

  /** Where the first message ends; undefined: its head is not complete, or not acceptable. */
  #endIn(bytes: Buffer): number | undefined {
    if (bytes.length < MESSAGE_HEAD) return undefined;
    const length = bytes.readUInt32BE(1);
    if ((bytes[0] ?? 0) > 1) this.fault = 'malformed';
    else if (length > this.#maxBytes) this.fault = 'large';
    else if (bytes[0] === 1) this.fault = 'compressed';
    else return MESSAGE_HEAD + length;
    this.clear();
    return undefined;
  }

  #keepChunk(expected = 0): void {
    const chunk = this.#chunk;
    this.#chunk = NOTHING;
    if (chunk.length > 0) this.#keep(chunk, expected);
  }

  /** `expected`: bytes of the message that has begun, with its head; 0: not known. */
  #keep(bytes: Buffer, expected = 0): void {
    const held = this.#to - this.#from;
    if (this.#kept.length < this.#to + bytes.length) {
      const whole = expected <= AT_ONCE ? expected : 0;
      // Never moved in place: messages that were given out may be views of it.
      const room = Buffer.allocUnsafeSlow(Math.max(held + bytes.length, 2 * held, whole, FIRST_ROOM));
      this.#kept.copy(room, 0, this.#from, this.#to);
      this.#kept = room;
      this.#from = 0;
      this.#to = held;
    }
    this.#to += bytes.copy(this.#kept, this.#to);
  }

  /** What is left behind messages that were given out takes no more than twice its room. */
  #shrink(): void {
    const held = this.#to - this.#from;
    if (this.#from === 0 || this.#kept.length <= Math.max(FIRST_ROOM, 2 * held)) return;
    const rest = this.#kept.subarray(this.#from, this.#to);
    this.#release();
    this.#keep(rest);
  }

  #release(): void {
    this.#kept = NOTHING;
    this.#from = 0;
    this.#to = 0;
  }

  clear(): void {
    this.#chunk = NOTHING;
    this.#release();
  }
}
