/** Reads single fields out of encoded messages, without decoding the rest. The bytes have been checked before. */
import { BYTES, VARINT, WireReader } from '../wire-reader.ts';

const NO_LIMIT = Number.MAX_SAFE_INTEGER;

const walk = (reader: WireReader, path: readonly number[], at: number, found: string[]): void => {
  while (reader.at < reader.end) {
    const tag = reader.tag();
    if (tag >>> 3 !== path[at] || (tag & 7) !== BYTES) reader.skip(tag);
    else if (at === path.length - 1) found.push(reader.text('text', NO_LIMIT));
    else {
      const outer = reader.enter();
      walk(reader, path, at + 1, found);
      reader.leave(outer);
    }
  }
};

/** All texts at a path of field numbers, in order; lists on the way give one for each item. */
export const textsAt = (bytes: Uint8Array, path: readonly number[]): string[] => {
  const found: string[] = [];
  walk(new WireReader(bytes), path, 0, found);
  return found;
};

/** The last text of a field, as decoders take it; '' where there is none. */
export const textOf = (bytes: Uint8Array, field: number): string => textsAt(bytes, [field]).at(-1) ?? '';

/** The number of the last of these fields on the wire, and its value if it is a varint: members of a oneof replace each other. */
export const lastOf = (
  bytes: Uint8Array,
  fields: readonly number[],
): { readonly field: number; readonly value: number } | undefined => {
  let last: { field: number; value: number } | undefined;
  const reader = new WireReader(bytes);
  while (reader.at < reader.end) {
    const tag = reader.tag();
    const field = tag >>> 3;
    if (!fields.includes(field)) reader.skip(tag);
    else if ((tag & 7) === VARINT) last = { field, value: reader.varint() };
    else {
      reader.skip(tag);
      last = { field, value: 0 };
    }
  }
  return last;
};

/** The message without a field, at its top level. */
export const withoutField = (bytes: Uint8Array, field: number): Uint8Array => {
  const kept: Uint8Array[] = [];
  const reader = new WireReader(bytes);
  while (reader.at < reader.end) {
    const start = reader.at;
    const tag = reader.tag();
    reader.skip(tag);
    if (tag >>> 3 !== field) kept.push(bytes.subarray(start, reader.at));
  }
  return Uint8Array.from(Buffer.concat(kept));
};
