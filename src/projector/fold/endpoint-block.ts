/** A run of endpoints of one service: immutable, but for the forms in which it is kept. */
import type { EndpointBlock, EndpointView } from '../../compile/index.ts';
import { decodeBlock, encodeBlock, peekBlock } from './endpoint-codec.ts';
import { patchBlock } from './endpoint-patch.ts';
import type { EndpointRecord } from './endpoint-record.ts';

/** What compile sees of a block. Outlives versions of the block that differ only in what is not served. */
class BlockView implements EndpointBlock {
  /** The newest version. */
  block: Block;

  constructor(block: Block) {
    this.block = block;
  }

  get size(): number {
    return this.block.size;
  }

  endpoints(): readonly EndpointView[] {
    return this.block.peek().map((record) => record.view);
  }
}

/** The block that was decoded last for somebody who passed by; blocks are immutable, so it is never out of date. */
let passed: { readonly block: Block; readonly records: readonly EndpointRecord[] } | undefined;

export class Block {
  readonly number: number;
  readonly size: number;
  /** Smallest id. */
  readonly first: string;
  private decoded: readonly EndpointRecord[] | undefined;
  private packed: Uint8Array | undefined;
  private shown: BlockView | undefined;

  private constructor(
    number: number,
    size: number,
    first: string,
    decoded: readonly EndpointRecord[] | undefined,
    packed: Uint8Array | undefined,
  ) {
    this.number = number;
    this.size = size;
    this.first = first;
    this.decoded = decoded;
    this.packed = packed;
    this.shown = undefined;
  }

  static of(number: number, records: readonly EndpointRecord[]): Block {
    return new Block(number, records.length, records[0]?.id ?? '', records, undefined);
  }

  /** Keeps the bytes; decodes them when somebody looks. */
  static packed(number: number, bytes: Uint8Array): Block {
    const { size, first } = peekBlock(bytes);
    return new Block(number, size, first, undefined, bytes);
  }

  /** The next version of this block, with records that serve the same content. */
  unchanged(records: readonly EndpointRecord[]): Block {
    const block = new Block(this.number, this.size, this.first, records, undefined);
    block.shown = this.shown;
    if (block.shown !== undefined) block.shown.block = block;
    return block;
  }

  /** Made when somebody looks first: most versions between two drains nobody sees. */
  get view(): EndpointBlock {
    this.shown ??= new BlockView(this);
    return this.shown;
  }

  records(): readonly EndpointRecord[] {
    this.decoded ??= this.peek();
    return this.decoded;
  }

  /** As `records`, but what had to be decoded is not kept: for readers that pass by. (The last one is, for they ask for one id after the other.) */
  peek(): readonly EndpointRecord[] {
    if (this.decoded !== undefined) return this.decoded;
    if (this.packed === undefined) throw new Error('endpoint block without content');
    if (passed?.block !== this) passed = { block: this, records: decodeBlock(this.packed) };
    return passed.records;
  }

  get isDecoded(): boolean {
    return this.decoded !== undefined;
  }

  /**
   * The packed form; it is kept.
   * @param before the version at the last drain, if its bytes can be of use
   */
  bytes(before?: Block): Uint8Array {
    this.packed ??= this.patched(before) ?? encodeBlock(this.records());
    return this.packed;
  }

  /** Frees the decoded form. */
  pack(): void {
    this.bytes();
    this.decoded = undefined;
  }

  private patched(before: Block | undefined): Uint8Array | undefined {
    if (before?.packed === undefined || before.decoded === undefined) return undefined;
    return patchBlock(before.packed, before.decoded, this.records());
  }
}
