/**
 * Proto3 JSON -> protobuf bytes, by descriptor (protobuf.dev, "ProtoJSON Format").
 *
 * Invariants
 * 1. Pure: the same JSON and type give the same bytes in every process: fields by number, map entries by key (texts in UTF-16 order), proto3
 *    defaults left out where a field has no presence.
 * 2. Nothing is guessed: an unknown field, a field given twice (in both spellings), two members of a oneof, or a value of another
 *    type is an error with its path.
 */
import { isObject } from '../../model/basics.ts';
import { type FieldType, fullNameOf, type MessageType, messageType } from './api-types.ts';
import { ByteSink } from './byte-sink.ts';
import { fieldsIn } from './given-fields.ts';
import { plainOf } from './plain-types.ts';
import { ProtoJsonError, show } from './proto-json-error.ts';
import { parseBytes, type Scalar } from './scalars.ts';
import { formOf, MAX_DEPTH } from './well-known.ts';
import { checkWire } from './wire-check.ts';

type Path = readonly (string | number)[];

const ANY = 'google.protobuf.Any';

const bad = (path: Path, value: unknown, allowed: string): ProtoJsonError =>
  new ProtoJsonError('E102', path, `found ${show(value)}; allowed is ${allowed}`);

const requireType = (fullName: string, path: Path): MessageType => {
  const type = messageType(fullName);
  if (type !== undefined) return type;
  throw new ProtoJsonError(
    'E102',
    path,
    `${fullName} is not among the messages that this version can encode from JSON`,
    'give its bytes: {"@type": …, "value": "<base64>"}',
  );
};

const writeOne = (sink: ByteSink, field: FieldType, value: unknown, path: Path, depth: number): void => {
  const plain = plainOf(field.type);
  if (plain === undefined) {
    sink.tag(field.id, 2);
    sink.delimited(encodeValue(field.type, value, path, depth + 1));
    return;
  }
  const parsed = plain.parse(value, path);
  if (field.oneof === undefined && plain.isDefault(parsed)) return;
  sink.tag(field.id, plain.wireType);
  plain.write(sink, parsed);
};

const writeList = (sink: ByteSink, field: FieldType, value: unknown, path: Path, depth: number): void => {
  if (!Array.isArray(value)) throw bad(path, value, 'an array');
  const plain = plainOf(field.type);
  if (plain === undefined || plain.wireType === 2) {
    for (const [index, item] of value.entries()) {
      sink.tag(field.id, 2);
      if (plain === undefined) sink.delimited(encodeValue(field.type, item, [...path, index], depth + 1));
      else plain.write(sink, plain.parse(item, [...path, index]));
    }
    return;
  }
  if (value.length === 0) return;
  const packed = new ByteSink();
  for (const [index, item] of value.entries()) plain.write(packed, plain.parse(item, [...path, index]));
  sink.tag(field.id, 2);
  sink.delimited(packed.finish());
};

type MapKey = string | bigint | boolean;

/** JSON has only texts for keys. */
const mapKey = (keyType: string, scalar: Scalar, text: string, path: Path): MapKey => {
  if (keyType !== 'bool') return scalar.parse(text, path) as MapKey;
  if (text !== 'true' && text !== 'false') throw bad(path, text, 'true or false as a key');
  return text === 'true';
};

/** Keys in order of their values, texts in UTF-16 order. */
const mapKeys = (keyType: string, scalar: Scalar, json: object, path: Path): readonly (readonly [MapKey, string])[] => {
  const keys = Object.keys(json).map((text) => [mapKey(keyType, scalar, text, [...path, text]), text] as const);
  keys.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  for (const [at, [key, text]] of keys.entries())
    if (keys[at + 1]?.[0] === key)
      throw new ProtoJsonError('E102', [...path, text], `the key ${String(key)} is given twice`, 'leave one of them');
  return keys;
};

const writeMap = (sink: ByteSink, field: FieldType, value: unknown, path: Path, depth: number): void => {
  if (!isObject(value)) throw bad(path, value, 'an object');
  const keyType = field.keyType ?? 'string';
  const keyScalar = plainOf(keyType);
  if (keyScalar === undefined) throw new TypeError(`${keyType} is no type of a key`);
  const plain = plainOf(field.type);
  for (const [key, text] of mapKeys(keyType, keyScalar, value, path)) {
    const at = [...path, text];
    // Key and value are written also when they are defaults.
    const entry = new ByteSink();
    entry.tag(1, keyScalar.wireType);
    keyScalar.write(entry, key);
    entry.tag(2, plain?.wireType ?? 2);
    if (plain === undefined) entry.delimited(encodeValue(field.type, value[text], at, depth + 1));
    else plain.write(entry, plain.parse(value[text], at));
    sink.tag(field.id, 2);
    sink.delimited(entry.finish());
  }
};

const encodeFields = (type: MessageType, json: Record<string, unknown>, path: Path, depth: number): Uint8Array => {
  const sink = new ByteSink();
  const given = [...fieldsIn(type, json, path)].sort(([a], [b]) => a.id - b.id);
  for (const [field, key] of given) {
    const at = [...path, key];
    if (field.keyType !== undefined) writeMap(sink, field, json[key], at, depth);
    else if (field.isRepeated) writeList(sink, field, json[key], at, depth);
    else writeOne(sink, field, json[key], at, depth);
  }
  return sink.finish();
};

const withoutType = (json: Record<string, unknown>): Record<string, unknown> => {
  const { '@type': _type, ...rest } = json;
  return rest;
};

/**
 * Bytes of the message inside an `Any`: its fields beside `@type`; `value` for messages with a JSON form of their own; and, as an
 * extension, `value` in base64 where the message has no such field or is unknown.
 */
const encodeInside = (typeUrl: string, json: Record<string, unknown>, path: Path, depth: number): Uint8Array => {
  const fullName = fullNameOf(typeUrl);
  const form = formOf(fullName);
  const rest = withoutType(json);
  const keys = Object.keys(rest);
  if (form !== undefined || fullName === ANY) {
    const other = keys.find((key) => key !== 'value');
    if (other !== undefined)
      throw new ProtoJsonError(
        'E101',
        [...path, other],
        `unknown field "${other.slice(0, 80)}" beside @type ${fullName}`,
        'its content goes into "value"',
      );
    return encodeValue(fullName, rest.value, [...path, 'value'], depth);
  }
  const type = messageType(fullName);
  if (keys.length === 1 && typeof rest.value === 'string' && type?.byName.get('value') === undefined) {
    const bytes = parseBytes(rest.value, [...path, 'value']);
    checkWire(fullName, bytes, [...path, 'value']);
    return bytes;
  }
  return encodeFields(requireType(fullName, [...path, '@type']), rest, path, depth);
};

const encodeAny = (json: unknown, path: Path, depth: number): Uint8Array => {
  if (!isObject(json)) throw bad(path, json, 'an object with "@type"');
  if (Object.keys(json).length === 0) return new Uint8Array();
  const typeUrl = json['@type'];
  if (typeof typeUrl !== 'string' || !typeUrl.includes('/'))
    throw new ProtoJsonError(
      typeUrl === undefined ? 'E103' : 'E102',
      typeUrl === undefined ? path : [...path, '@type'],
      typeUrl === undefined
        ? '"@type" is missing'
        : `@type is ${show(typeUrl)}; allowed is a type URL such as type.googleapis.com/envoy.config.core.v3.Address`,
      'say which message it is',
    );
  const value = encodeInside(typeUrl, json, path, depth);
  const sink = new ByteSink();
  sink.tag(1, 2);
  sink.text(typeUrl);
  if (value.length > 0) {
    sink.tag(2, 2);
    sink.delimited(value);
  }
  return sink.finish();
};

const encodeValue = (fullName: string, json: unknown, path: Path, depth: number): Uint8Array => {
  if (depth > MAX_DEPTH)
    throw new ProtoJsonError('E106', path, `nested deeper than ${MAX_DEPTH} levels`, 'write it flatter');
  if (fullName === ANY) return encodeAny(json, path, depth);
  const form = formOf(fullName);
  if (form !== undefined) return form(json, path);
  if (!isObject(json)) throw bad(path, json, `an object with the fields of ${fullName}`);
  return encodeFields(requireType(fullName, path), json, path, depth);
};

/**
 * Bytes of a message given in proto3 JSON.
 * @param fullName such as `envoy.config.cluster.v3.Cluster`
 * @throws ProtoJsonError
 */
export const encodeJson = (fullName: string, json: unknown): Uint8Array => encodeValue(fullName, json, [], 0);

/**
 * Value of the `Any` that `{"@type": URL, …proto3 JSON…}` or `{"@type": URL, "value": base64}` means. Bytes of a message that is
 * unknown here are taken as they are.
 * @throws ProtoJsonError
 */
export const encodeResourceJson = (typeUrl: string, json: Record<string, unknown>): Uint8Array => {
  const rest = withoutType(json);
  const fullName = fullNameOf(typeUrl);
  if (Object.keys(rest).length === 1 && typeof rest.value === 'string' && formOf(fullName) === undefined) {
    const bytes = parseBytes(rest.value, ['value']);
    checkWire(fullName, bytes, ['value']);
    return bytes;
  }
  return encodeInside(typeUrl, json, [], 0);
};
