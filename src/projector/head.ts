/** The record that says what the state is: written with every commit, last word on offset and epoch. */
import { TendrilError } from '../model/index.ts';
import type { FoldBase } from './types.ts';

export interface Head {
  /** Number of commits; 0: nothing was ever published. */
  readonly epoch: number;
  /** Offset up to which the log is folded in. */
  readonly offset: number;
  /** Of that record. */
  readonly recordedAt: number;
  /** State hash and hash chain at `offset`, hexadecimal. */
  readonly hash: string;
  readonly chain: string;
  /** SHA-256 of the log's record at `offset`, hexadecimal; '' at offset 0: a foreign log is found without reading all of it. */
  readonly tail: string;
  readonly foldVersion: number;
  /** See `StateProof.base`. */
  readonly base?: FoldBase;
  /** What the resources were compiled with; another one: all are derived again. */
  readonly derivation: string;
  /** Bytes of all shared resources. */
  readonly sharedBytes: number;
}

/** What readers look at on every turn stands in front, as doubles. */
const FRONT_BYTES = 16;

export const encodeHead = (head: Head): Buffer => {
  const rest = JSON.stringify(head);
  const bytes = Buffer.allocUnsafe(FRONT_BYTES + Buffer.byteLength(rest));
  bytes.writeDoubleLE(head.epoch, 0);
  bytes.writeDoubleLE(head.offset, 8);
  bytes.write(rest, FRONT_BYTES);
  return bytes;
};

export const epochIn = (bytes: Buffer): number => bytes.readDoubleLE(0);
export const offsetIn = (bytes: Buffer): number => bytes.readDoubleLE(8);

export const decodeHead = (bytes: Buffer): Head => {
  const head: unknown = JSON.parse(bytes.toString('utf8', FRONT_BYTES, bytes.length));
  if (typeof head !== 'object' || head === null) {
    throw new TendrilError('CORRUPT_RECORD', 'the head of the state cannot be read');
  }
  return head as Head;
};

/** Written while the state is made anew from the log; found at a start, it is begun again. */
export interface RebuildMark {
  readonly why: string;
}
