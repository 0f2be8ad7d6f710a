/** Packs a changed block from the bytes of the block before (layout: endpoint-codec.ts). */
import { byteWriter as writer } from './byte-writer.ts';
import { LENGTH_BYTES, writeWord } from './endpoint-codec.ts';
import type { EndpointRecord } from './endpoint-record.ts';

/** True when the record needs the same entries of the dictionaries as before, in the same order. */
const hasSameReferences = (before: EndpointRecord, after: EndpointRecord): boolean => {
  if (before.id !== after.id || before.facets.length !== after.facets.length) return false;
  for (let at = 0; at < before.facets.length; at += 1) {
    const old = before.facets[at];
    const now = after.facets[at];
    if (old?.source !== now?.source || old?.rank !== now?.rank || old?.template !== now?.template) return false;
  }
  return true;
};

const skipNumber = (bytes: Uint8Array, from: number): number => {
  let at = from;
  while ((bytes[at] ?? 0) > 0x7f) at += 1;
  return at + 1;
};

const skipText = (bytes: Uint8Array, from: number): number => {
  const first = bytes[from] ?? 0;
  if (first < 0x80) return from + 1 + first;
  const end = skipNumber(bytes, from);
  let length = 0;
  for (let at = end - 1; at >= from; at -= 1) length = length * 0x80 + ((bytes[at] ?? 0) & 0x7f);
  return end + length;
};

const skipDictionary = (bytes: Uint8Array, from: number): number => {
  const end = skipNumber(bytes, from);
  let count = 0;
  for (let at = end - 1; at >= from; at -= 1) count = count * 0x80 + ((bytes[at] ?? 0) & 0x7f);
  let at = end;
  for (; count > 0; count -= 1) at = skipText(bytes, at);
  return at;
};

/**
 * The same as `encodeBlock(after)`, made from the bytes of the block before: only records that changed are looked at, the
 * others are copied as they stand. Undefined when more than offsets, addresses, weights and health changed: encode anew then.
 */
export const patchBlock = (
  old: Uint8Array,
  before: readonly EndpointRecord[],
  after: readonly EndpointRecord[],
): Uint8Array | undefined => {
  if (before.length !== after.length) return undefined;
  for (let index = 0; index < after.length; index += 1) {
    const was = before[index];
    const is = after[index];
    if (was !== is && (was === undefined || is === undefined || !hasSameReferences(was, is))) return undefined;
  }
  const lengthsAt = skipDictionary(old, skipDictionary(old, skipText(old, skipNumber(old, skipNumber(old, 0)))));
  const recordsAt = lengthsAt + after.length * LENGTH_BYTES;
  writer.start();
  writer.reserve(old.length);
  writer.copy(old, 0, recordsAt);
  let copied = recordsAt;
  let begin = recordsAt;
  for (let index = 0; index < after.length; index += 1) {
    const lengthAt = lengthsAt + index * LENGTH_BYTES;
    const end = begin + readShort(old, lengthAt);
    const record = after[index];
    if (record !== undefined && record !== before[index]) {
      writer.reserve(old.length - copied);
      writer.copy(old, copied, begin);
      const written = writer.length;
      patchRecord(old, begin, record);
      writer.shortAt(lengthAt, writer.length - written);
      copied = end;
    }
    begin = end;
  }
  writer.reserve(old.length - copied);
  writer.copy(old, copied, old.length);
  return writer.finish();
};

const readShort = (bytes: Uint8Array, at: number): number =>
  (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16);

/** Writes a record whose id and references into the dictionaries stand at `begin` of the old bytes. */
const patchRecord = (old: Uint8Array, begin: number, record: EndpointRecord): void => {
  const offsetAt = skipText(old, begin);
  const countAt = skipNumber(old, offsetAt);
  let at = skipNumber(old, countAt);
  writer.reserve(offsetAt - begin + 24);
  writer.copy(old, begin, offsetAt);
  writer.number(record.offset);
  writer.copy(old, countAt, at);
  for (const { view, first } of record.facets) {
    const addressAt = skipNumber(old, skipNumber(old, skipNumber(old, at)));
    writer.reserve(addressAt - at + view.address.length * 3 + 32);
    writer.copy(old, at, addressAt);
    writeWord(view, first);
    at = skipNumber(old, skipNumber(old, skipText(old, addressAt)) + 1);
  }
};
