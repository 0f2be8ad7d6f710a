/** The xDS client's own words about itself (envoy.config.core.v3.Node), without the 61 KB list of its extensions. */
import type { IStruct, IValue } from './messages.ts';
import { BYTES, FIXED64, malformed, overLimit, VARINT, type WireLimits, type WireReader } from './wire-reader.ts';
import { delimitedSize, textLength, WireWriter } from './wire-writer.ts';

export type JsonValue = null | boolean | number | string | JsonObject | readonly JsonValue[];

/** Has no prototype: a key such as `__proto__` or `constructor` is data like any other. */
export interface JsonObject {
  readonly [key: string]: JsonValue;
}

export interface ProtoNode {
  readonly id: string;
  readonly cluster: string;
  readonly metadata: JsonObject;
  readonly locality: { readonly region: string; readonly zone: string; readonly subzone: string };
  readonly userAgentName: string;
  readonly clientFeatures: readonly string[];
}

/** Lists and structs inside one another. */
const MAX_METADATA_DEPTH = 32;

type Draft<T> = { -readonly [K in keyof T]: T[K] };
export type NodeDraft = Omit<Draft<ProtoNode>, 'locality' | 'clientFeatures'> & {
  locality: Draft<ProtoNode['locality']>;
  clientFeatures: string[];
};

export function emptyNode(): NodeDraft {
  const metadata: JsonObject = Object.create(null);
  return {
    id: '',
    cluster: '',
    metadata,
    locality: { region: '', zone: '', subzone: '' },
    userAgentName: '',
    clientFeatures: [],
  };
}

/** Reads the fields of one embedded Node into `node` (a field repeated on the wire merges, as protobuf asks). */
export function readNode(reader: WireReader, node: NodeDraft, limits: WireLimits): void {
  const outer = reader.enter();
  const budget = { left: limits.maxMetadataValues, all: limits.maxMetadataValues };
  while (reader.at < reader.end) {
    const tag = reader.tag();
    if (tag === ((1 << 3) | BYTES)) node.id = reader.text('node id', limits.maxNameBytes);
    else if (tag === ((2 << 3) | BYTES)) node.cluster = reader.text('node cluster', limits.maxNameBytes);
    else if (tag === ((3 << 3) | BYTES)) readStruct(reader, node.metadata as { [key: string]: JsonValue }, budget, 1);
    else if (tag === ((4 << 3) | BYTES)) readLocality(reader, node.locality, limits);
    else if (tag === ((6 << 3) | BYTES)) node.userAgentName = reader.text('user agent', limits.maxNameBytes);
    else if (tag === ((10 << 3) | BYTES)) {
      if (node.clientFeatures.length >= 256) throw overLimit('client features', 256);
      node.clientFeatures.push(reader.text('client feature', limits.maxNameBytes));
    } else reader.skip(tag); // 9 = extensions: passed over without looking
  }
  reader.leave(outer);
}

function readLocality(reader: WireReader, locality: NodeDraft['locality'], limits: WireLimits): void {
  const outer = reader.enter();
  while (reader.at < reader.end) {
    const tag = reader.tag();
    if (tag === ((1 << 3) | BYTES)) locality.region = reader.text('region', limits.maxNameBytes);
    else if (tag === ((2 << 3) | BYTES)) locality.zone = reader.text('zone', limits.maxNameBytes);
    else if (tag === ((3 << 3) | BYTES)) locality.subzone = reader.text('subzone', limits.maxNameBytes);
    else reader.skip(tag);
  }
  reader.leave(outer);
}

interface Budget {
  left: number;
  readonly all: number;
}

function readStruct(reader: WireReader, into: { [key: string]: JsonValue }, budget: Budget, depth: number): void {
  if (depth > MAX_METADATA_DEPTH) throw overLimit('metadata depth', MAX_METADATA_DEPTH);
  const outer = reader.enter();
  while (reader.at < reader.end) {
    const tag = reader.tag();
    if (tag !== ((1 << 3) | BYTES)) {
      reader.skip(tag);
      continue;
    }
    const afterEntry = reader.enter();
    let key = '';
    let value: JsonValue = null;
    while (reader.at < reader.end) {
      const part = reader.tag();
      if (part === ((1 << 3) | BYTES)) key = reader.text('metadata key');
      else if (part === ((2 << 3) | BYTES)) value = readValue(reader, budget, depth);
      else reader.skip(part);
    }
    reader.leave(afterEntry);
    into[key] = value; // `into` has no prototype, so no key is special
  }
  reader.leave(outer);
}

function readValue(reader: WireReader, budget: Budget, depth: number): JsonValue {
  budget.left -= 1;
  if (budget.left < 0) throw overLimit('metadata values', budget.all);
  const outer = reader.enter();
  let value: JsonValue = null;
  while (reader.at < reader.end) {
    const tag = reader.tag();
    if (tag === ((1 << 3) | VARINT)) {
      reader.varint();
      value = null;
    } else if (tag === ((2 << 3) | FIXED64)) value = reader.double();
    else if (tag === ((3 << 3) | BYTES)) value = reader.text('metadata text');
    else if (tag === ((4 << 3) | VARINT)) value = reader.varint() !== 0;
    else if (tag === ((5 << 3) | BYTES)) {
      const struct: { [key: string]: JsonValue } = Object.create(null);
      readStruct(reader, struct, budget, depth + 1);
      value = struct;
    } else if (tag === ((6 << 3) | BYTES)) value = readList(reader, budget, depth + 1);
    else reader.skip(tag);
  }
  reader.leave(outer);
  return value;
}

function readList(reader: WireReader, budget: Budget, depth: number): JsonValue[] {
  if (depth > MAX_METADATA_DEPTH) throw overLimit('metadata depth', MAX_METADATA_DEPTH);
  const outer = reader.enter();
  const list: JsonValue[] = [];
  while (reader.at < reader.end) {
    const tag = reader.tag();
    if (tag === ((1 << 3) | BYTES)) list.push(readValue(reader, budget, depth));
    else reader.skip(tag);
  }
  reader.leave(outer);
  return list;
}

/** Plain JSON as `google.protobuf.Struct`. Throws `XDS_MALFORMED` for what JSON cannot hold, or above a depth of 32. */
export function toStruct(json: JsonObject, depth = 1): IStruct {
  if (depth > MAX_METADATA_DEPTH) throw overLimit('metadata depth', MAX_METADATA_DEPTH);
  const fields: { [key: string]: IValue } = Object.create(null);
  for (const key of Object.keys(json)) fields[key] = toValue(json[key] ?? null, depth);
  return { fields };
}

function toValue(value: JsonValue, depth: number): IValue {
  if (value === null) return { nullValue: 0 };
  if (typeof value === 'boolean') return { boolValue: value };
  if (typeof value === 'number') return { numberValue: value };
  if (typeof value === 'string') return { stringValue: value };
  if (typeof value !== 'object') throw malformed(`metadata holds a ${typeof value}`);
  if (isList(value)) {
    if (depth + 1 > MAX_METADATA_DEPTH) throw overLimit('metadata depth', MAX_METADATA_DEPTH);
    return { listValue: { values: value.map((item) => toValue(item, depth + 1)) } };
  }
  return { structValue: toStruct(value, depth + 1) };
}

function isList(value: JsonObject | readonly JsonValue[]): value is readonly JsonValue[] {
  return Array.isArray(value);
}

/** A delimited field of its own. */
function delimited(field: number, content: Uint8Array): Uint8Array {
  const writer = new WireWriter(delimitedSize(content.length));
  writer.bytes(field, content);
  return writer.finish();
}

function textField(field: number, text: string): Uint8Array {
  const length = textLength(text);
  const writer = new WireWriter(delimitedSize(length));
  writer.text(field, text, length);
  return writer.finish();
}

/** Bytes of a `Struct`, keys sorted: equal metadata gives equal bytes. */
function structBytes(json: JsonObject, depth: number): Buffer {
  if (depth > MAX_METADATA_DEPTH) throw overLimit('metadata depth', MAX_METADATA_DEPTH);
  const entries = Object.keys(json)
    .sort()
    .map((key) => delimited(1, Buffer.concat([textField(1, key), delimited(2, valueBytes(json[key] ?? null, depth))])));
  return Buffer.concat(entries);
}

/** Bytes of a `Value`. A zero is written too: its kind would be lost. */
function valueBytes(value: JsonValue, depth: number): Uint8Array {
  if (value === null) return Uint8Array.of((1 << 3) | VARINT, 0);
  if (typeof value === 'boolean') return Uint8Array.of((4 << 3) | VARINT, value ? 1 : 0);
  if (typeof value === 'string') return textField(3, value);
  if (typeof value === 'number') {
    const bytes = Buffer.alloc(9);
    bytes[0] = (2 << 3) | FIXED64;
    bytes.writeDoubleLE(value, 1);
    return bytes;
  }
  if (typeof value !== 'object') throw malformed(`metadata holds a ${typeof value}`);
  if (!isList(value)) return delimited(5, structBytes(value, depth + 1));
  if (depth + 1 > MAX_METADATA_DEPTH) throw overLimit('metadata depth', MAX_METADATA_DEPTH);
  return delimited(6, Buffer.concat(value.map((item) => delimited(1, valueBytes(item, depth + 1)))));
}

/** Bytes of a Node message; empty fields are left out. */
export function encodeNode(node: ProtoNode): Uint8Array {
  const { region, zone, subzone } = node.locality;
  const text = (field: number, value: string): readonly Uint8Array[] => (value === '' ? [] : [textField(field, value)]);
  const locality = [...text(1, region), ...text(2, zone), ...text(3, subzone)];
  return Buffer.concat([
    ...text(1, node.id),
    ...text(2, node.cluster),
    ...(Object.keys(node.metadata).length === 0 ? [] : [delimited(3, structBytes(node.metadata, 1))]),
    ...(locality.length === 0 ? [] : [delimited(4, Buffer.concat(locality))]),
    ...text(6, node.userAgentName),
    ...node.clientFeatures.map((feature) => textField(10, feature)),
  ]);
}
