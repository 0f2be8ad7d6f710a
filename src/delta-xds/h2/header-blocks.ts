/** Blocks of headers, from HEADERS and CONTINUATION frames. Sources: RFC 9113 sections 4.3, 6.2, 6.10; RFC 7541. */
import { CODE, ConnectionFault, FLAG } from './frames.ts';
import { type HeaderField, HpackDecoder, HpackError } from './hpack/index.ts';

/** Compressed bytes of a block, at least. Beyond: the connection ends. */
const BLOCK_BYTES = 64 * 1024;
/** Frames of a block after its first. Beyond: as above. */
const MORE_FRAMES = 64;

export interface HeaderBlock {
  readonly stream: number;
  /** It ends the stream. */
  readonly isLast: boolean;
  readonly headers: readonly HeaderField[];
  /** More bytes than are kept: the headers are not complete. */
  readonly tooLarge: boolean;
}

export class HeaderBlocks {
  readonly #maxListBytes: number;
  readonly #decoder: HpackDecoder;
  /** Stream whose block is not complete. */
  open: number | undefined;
  #isLast = false;
  #pieces: Buffer[] = [];
  #bytes = 0;

  /** `maxListBytes`: names, values and 32 for each. */
  constructor(maxListBytes: number) {
    this.#maxListBytes = maxListBytes;
    this.#decoder = new HpackDecoder({ maxTableBytes: 0, maxListBytes });
  }

  /** The client has taken our settings: it uses no table from now on. */
  settled(): void {
    this.#decoder.settingsAcknowledged();
  }

  /** A HEADERS frame. Undefined: the block is not complete. */
  begin(flags: number, stream: number, payload: Buffer): HeaderBlock | undefined {
    this.#isLast = (flags & FLAG.END_STREAM) !== 0;
    let from = 0;
    let to = payload.length;
    if ((flags & FLAG.PADDED) !== 0) {
      to -= payload[0] ?? 0;
      from = 1;
    }
    // Deprecated; of no use here.
    if ((flags & FLAG.PRIORITY) !== 0) from += 5;
    if (from > to) throw new ConnectionFault(CODE.PROTOCOL_ERROR, 'padding longer than its frame');
    const block = payload.subarray(from, to);
    if ((flags & FLAG.END_HEADERS) !== 0) return this.#decode(stream, block);
    this.open = stream;
    this.#add(block);
    return undefined;
  }

  /** A CONTINUATION frame. */
  more(flags: number, payload: Buffer): HeaderBlock | undefined {
    const stream = this.open;
    if (stream === undefined) throw new ConnectionFault(CODE.PROTOCOL_ERROR, 'CONTINUATION of nothing');
    this.#add(payload);
    if ((flags & FLAG.END_HEADERS) === 0) return undefined;
    const block = Buffer.concat(this.#pieces, this.#bytes);
    this.open = undefined;
    this.#pieces = [];
    this.#bytes = 0;
    return this.#decode(stream, block);
  }

  #add(piece: Buffer): void {
    this.#bytes += piece.length;
    // Copied: the chunk it came in may be much larger.
    this.#pieces.push(Buffer.from(piece));
    if (this.#bytes > Math.max(BLOCK_BYTES, 2 * this.#maxListBytes) || this.#pieces.length > MORE_FRAMES)
      throw new ConnectionFault(CODE.ENHANCE_YOUR_CALM, 'a block of headers is too large');
  }

  #decode(stream: number, block: Buffer): HeaderBlock {
    try {
      return { stream, isLast: this.#isLast, ...this.#decoder.decode(block) };
    } catch (error) {
      if (error instanceof HpackError) throw new ConnectionFault(CODE.COMPRESSION_ERROR, error.message);
      throw error;
    }
  }
}
