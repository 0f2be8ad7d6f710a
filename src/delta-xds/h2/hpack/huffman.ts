/**
 * The Huffman code of header strings. Source: RFC 7541, section 5.2 and appendix B.
 *
 * The code is canonical: codes of one length follow each other in the order of their symbols, and the next length goes on where
 * the last one ended. So the lengths say all. It is read by four bits at a time (no code is shorter than five, so four bits end one
 * symbol at most) in a table of 16 KB, made at the first use and shared by all connections.
 */
import { HpackError } from './hpack-error.ts';

/** Bits of each byte's code; the last is EOS, which may not be sent. */
// biome-ignore format: a table of 16 columns
const LENGTHS = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
  28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
  6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
  5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
  7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
  15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
  6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
  20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
  24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
  22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
  21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
  19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
  20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
  26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
  30,
];
const EOS = 256;
/** A prefix code of 257 symbols that leaves nothing out has 256 inner nodes: these are the states. */
const STATES = 256;
const BRANCHES = 16;
/** Padding is shorter than a byte. */
const MAX_PADDING = 7;

/** Room for strings of this length, which nearly all are. */
const SCRATCH_BYTES = 4_096;

/** Of `next`: a symbol ends here; bits 8 to 15 are it, bits 0 to 7 the state that follows. */
const EMIT = 1 << 16;
/** Of `next`: EOS was read. */
const REFUSED = -1;

interface Table {
  /** By state and four bits. */
  readonly next: Int32Array;
  /** 1: what was read since the last symbol is padding (ones only, seven at most). */
  readonly padding: Uint8Array;
  /** Where strings are put together; larger ones get a buffer of their own. */
  readonly scratch: Buffer;
}

/** Children of the inner nodes: another node, or -1 - symbol. Node 0 is the root. */
const makeTree = (): Int16Array => {
  const tree = new Int16Array(2 * STATES);
  const symbols = [...LENGTHS.keys()].sort((a, b) => (LENGTHS[a] ?? 0) - (LENGTHS[b] ?? 0) || a - b);
  let nodes = 1;
  let code = 0;
  let length = 0;
  for (const symbol of symbols) {
    code <<= (LENGTHS[symbol] ?? 0) - length;
    length = LENGTHS[symbol] ?? 0;
    let node = 0;
    for (let bit = length - 1; bit > 0; bit--) {
      const at = 2 * node + ((code >> bit) & 1);
      if (tree[at] === 0) tree[at] = nodes++;
      node = tree[at] ?? 0;
    }
    tree[2 * node + (code & 1)] = -1 - symbol;
    code++;
  }
  return tree;
};

const makeTable = (): Table => {
  const tree = makeTree();
  const next = new Int32Array(STATES * BRANCHES);
  for (let state = 0; state < STATES; state++)
    for (let bits = 0; bits < BRANCHES; bits++) {
      let node = state;
      let emitted = 0;
      for (let bit = 3; bit >= 0 && emitted !== REFUSED; bit--) {
        node = tree[2 * node + ((bits >> bit) & 1)] ?? 0;
        if (node >= 0) continue;
        const symbol = -1 - node;
        emitted = symbol === EOS ? REFUSED : EMIT | (symbol << 8);
        node = 0;
      }
      next[state * BRANCHES + bits] = emitted === REFUSED ? REFUSED : emitted | node;
    }
  const padding = new Uint8Array(STATES);
  let node = 0;
  for (let ones = 0; ones <= MAX_PADDING; ones++) {
    padding[node] = 1;
    node = tree[2 * node + 1] ?? 0;
  }
  return { next, padding, scratch: Buffer.allocUnsafeSlow(SCRATCH_BYTES) };
};

let table: Table | undefined;

/** The string whose code is `bytes[start]` to `bytes[end - 1]`. Throws HpackError: EOS, or padding that is too long or not of ones. */
export const decodeHuffman = (bytes: Uint8Array, start: number, end: number): string => {
  table ??= makeTable();
  const { next, padding, scratch } = table;
  const most = Math.ceil(((end - start) * 8) / 5);
  const into = most <= SCRATCH_BYTES ? scratch : Buffer.allocUnsafe(most);
  let length = 0;
  let state = 0;
  for (let at = start; at < end; at++) {
    const byte = bytes[at] ?? 0;
    for (let shift = 4; shift >= 0; shift -= 4) {
      const step = next[state * BRANCHES + ((byte >> shift) & 15)] ?? REFUSED;
      if (step === REFUSED) throw new HpackError('a Huffman string holds EOS');
      if ((step & EMIT) !== 0) into[length++] = (step >> 8) & 255;
      state = step & 255;
    }
  }
  if (padding[state] !== 1) throw new HpackError('the padding of a Huffman string is too long, or not of ones');
  return into.toString('latin1', 0, length);
};
