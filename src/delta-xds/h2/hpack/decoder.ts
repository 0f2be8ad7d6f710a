/**
 * Decodes the header blocks of one connection, in the order in which they came. Source: RFC 7541; RFC 9113, section 4.3.
 *
 * Invariants (test/delta-xds/h2/hpack.test.ts cites them):
 *  1. The table never counts more than the limit in force: 4,096 bytes until the client has acknowledged our settings (it may have
 *     written its first requests before it saw them), `maxTableBytes` from then on.
 *  2. The fields given out count `maxListBytes` at most, whatever the block refers to.
 *  3. Whatever the bytes are, nothing but HpackError is thrown.
 *  4. A block's fields change the table also where they are too many to be kept: the next block refers to them.
 *
 * What a name may be is not judged here (an empty or upper-case one is a malformed request, RFC 9113 section 8.2.1: an error of the
 * stream, while all errors here are of the connection).
 */
import { BlockReader } from './block-reader.ts';
import { DynamicTable, fieldBytes } from './dynamic-table.ts';
import { HpackError } from './hpack-error.ts';
import { type HeaderField, STATIC_TABLE } from './static-table.ts';

export interface HpackDecoderOptions {
  /** SETTINGS_HEADER_TABLE_SIZE that we announce, bytes; 0: no table once the client has acknowledged it. */
  readonly maxTableBytes: number;
  /** SETTINGS_MAX_HEADER_LIST_SIZE that we hold to, bytes: names, values and 32 for each field. */
  readonly maxListBytes: number;
}

export interface HeaderList {
  /** In the order sent; those before the bound was met if `tooLarge`. */
  readonly headers: HeaderField[];
  /** The block has more than `maxListBytes`. */
  readonly tooLarge: boolean;
}

/** SETTINGS_HEADER_TABLE_SIZE before any settings. Source: RFC 9113, section 6.5.2. */
const INITIAL_TABLE_BYTES = 4_096;

export class HpackDecoder {
  readonly #maxTableBytes: number;
  readonly #maxListBytes: number;
  /** What a size update may ask for. */
  #limit = INITIAL_TABLE_BYTES;
  /** What the client has asked for last. */
  #tableBytes = INITIAL_TABLE_BYTES;
  /** Made for the first field that goes into it: most connections send one block. */
  #table: DynamicTable | undefined;

  constructor(options: HpackDecoderOptions) {
    this.#maxTableBytes = options.maxTableBytes;
    this.#maxListBytes = options.maxListBytes;
  }

  /** Bytes that the dynamic table counts now (invariant 1). */
  get tableBytes(): number {
    return this.#table?.bytes ?? 0;
  }

  /**
   * The client has acknowledged our settings: `maxTableBytes` holds from here on. What exceeds it goes at once, as the size update
   * that the client owes us with its next block would make it go. One that never used the table, and forgets the update, is forgiven.
   */
  settingsAcknowledged(): void {
    this.#limit = this.#maxTableBytes;
    if (this.#tableBytes > this.#limit) this.#resize(this.#limit);
  }

  /**
   * One header block, whole (HEADERS and its CONTINUATIONs joined, without padding).
   *
   * Throws HpackError: close the connection with COMPRESSION_ERROR, and decode no further block of it.
   */
  decode(block: Uint8Array): HeaderList {
    const reader = new BlockReader(block);
    this.#sizeUpdates(reader);
    const headers: HeaderField[] = [];
    let bytes = 0;
    while (!reader.ended) {
      const field = this.#field(reader);
      bytes += fieldBytes(field);
      if (bytes <= this.#maxListBytes) headers.push(field);
    }
    return { headers, tooLarge: bytes > this.#maxListBytes };
  }

  #sizeUpdates(reader: BlockReader): void {
    while (!reader.ended && reader.peek() >> 5 === 0b001) {
      const bytes = reader.integer(5);
      if (bytes > this.#limit) throw new HpackError('a header table larger than what the settings allow');
      this.#resize(bytes);
    }
  }

  #field(reader: BlockReader): HeaderField {
    const kind = reader.peek();
    if (kind >= 0b1000_0000) return this.#at(reader.integer(7));
    if (kind >= 0b0100_0000) {
      const field = this.#literal(reader, 6);
      // One that is larger than the table empties it; without a table nothing happens.
      this.#table ??= this.#tableBytes === 0 ? undefined : new DynamicTable();
      this.#table?.add(field, this.#tableBytes);
      return field;
    }
    if (kind >= 0b0010_0000) throw new HpackError('an update of the header table after a field');
    // Without indexing, or never to be indexed: the same to one who forwards nothing.
    return this.#literal(reader, 4);
  }

  #literal(reader: BlockReader, prefixBits: number): HeaderField {
    const index = reader.integer(prefixBits);
    const name = index === 0 ? reader.string() : this.#at(index)[0];
    return [name, reader.string()];
  }

  #at(index: number): HeaderField {
    const field =
      index <= STATIC_TABLE.length ? STATIC_TABLE[index - 1] : this.#table?.at(index - STATIC_TABLE.length - 1);
    if (field === undefined) throw new HpackError('an index that is in no header table');
    return field;
  }

  #resize(bytes: number): void {
    this.#tableBytes = bytes;
    if (bytes === 0) this.#table = undefined;
    else this.#table?.evict(bytes);
  }
}
