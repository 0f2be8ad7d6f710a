/** Writes header blocks that leave the tables of the other end alone, so one block serves all connections. */
import { type HeaderField, STATIC_TABLE } from './static-table.ts';

const INDEXED = 0x80;
const LITERAL = 0x00;

/** `value` in the low `prefixBits` of a byte whose other bits are `kind`, and in bytes after it. Source: RFC 7541, section 5.1. */
const integer = (kind: number, prefixBits: number, value: number): number[] => {
  const most = (1 << prefixBits) - 1;
  if (value < most) return [kind | value];
  const bytes = [kind | most];
  let rest = value - most;
  for (; rest >= 128; rest >>>= 7) bytes.push(128 | (rest & 127));
  bytes.push(rest);
  return bytes;
};

const string = (text: string): Buffer[] => {
  const bytes = Buffer.from(text, 'latin1');
  return [Buffer.from(integer(0, 7, bytes.length)), bytes];
};

const field = ([name, value]: HeaderField): Buffer[] => {
  const whole = STATIC_TABLE.findIndex((known) => known[0] === name && known[1] === value) + 1;
  if (whole > 0) return [Buffer.from(integer(INDEXED, 7, whole))];
  const named = STATIC_TABLE.findIndex((known) => known[0] === name) + 1;
  const head = Buffer.from(integer(LITERAL, 4, named));
  return [head, ...(named > 0 ? [] : string(name)), ...string(value)];
};

/**
 * The header block of `headers`: entries and names of the static table, else literals without indexing and without Huffman. One
 * character is one byte: what is above U+00FF must have been encoded (`grpc-message` is), or its upper bits are lost.
 */
export const encodeHeaders = (headers: readonly HeaderField[]): Buffer => Buffer.concat(headers.flatMap(field));
