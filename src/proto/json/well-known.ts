/**
 * Messages with a JSON form of their own: Duration, Timestamp, FieldMask, wrappers, Struct, Value, ListValue, Empty (protobuf.dev,
 * "ProtoJSON Format"). `Any` is in message-encoder.ts.
 */
import { isObject } from '../../model/basics.ts';
import { ByteSink } from './byte-sink.ts';
import { ProtoJsonError, show } from './proto-json-error.ts';
import { scalarOf } from './scalars.ts';

type Path = readonly (string | number)[];
type Form = (value: unknown, path: Path) => Uint8Array;

/** Levels of messages, and of JSON inside a Struct: what protobuf's own parsers take. */
export const MAX_DEPTH = 100;

const bad = (path: Path, value: unknown, allowed: string): ProtoJsonError =>
  new ProtoJsonError('E102', path, `found ${show(value)}; allowed is ${allowed}`);

const secondsAndNanos = (seconds: number, nanos: number): Uint8Array => {
  const sink = new ByteSink();
  if (seconds !== 0) {
    sink.tag(1, 0);
    sink.varint64(BigInt(seconds));
  }
  if (nanos !== 0) {
    sink.tag(2, 0);
    sink.varint64(BigInt(nanos));
  }
  return sink.finish();
};

const nanosOf = (digits: string | undefined): number => Number((digits ?? '').padEnd(9, '0'));

const DURATION = /^(-?)([0-9]{1,12})(?:\.([0-9]{1,9}))?s$/;
const MAX_DURATION_SECONDS = 315_576_000_000;

const duration: Form = (value, path) => {
  const [, sign, whole, fraction] = (typeof value === 'string' ? DURATION.exec(value) : null) ?? [];
  const seconds = Number(whole);
  const nanos = nanosOf(fraction);
  const fits = seconds < MAX_DURATION_SECONDS || (seconds === MAX_DURATION_SECONDS && nanos === 0);
  if (whole === undefined || !fits) throw bad(path, value, 'a duration in seconds such as "1.5s"');
  return sign === '-' ? secondsAndNanos(-seconds, -nanos) : secondsAndNanos(seconds, nanos);
};

const TIMESTAMP =
  /^([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))?(?:Z|([+-])([0-9]{2}):([0-9]{2}))$/;
const MIN_TIMESTAMP = -62_135_596_800;
const MAX_TIMESTAMP = 253_402_300_799;

const timestamp: Form = (value, path) => {
  const allowed = 'a time of the years 1 to 9999 as in RFC 3339, such as "2026-01-31T12:00:00.5Z"';
  const match = typeof value === 'string' ? TIMESTAMP.exec(value) : null;
  if (match === null) throw bad(path, value, allowed);
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match.slice(1, 7).map(Number);
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  date.setUTCHours(hour, minute, second);
  const isReal =
    date.getUTCMonth() === month - 1 && date.getUTCDate() === day && hour < 24 && minute < 60 && second < 60;
  const [, , , , , , , fraction, sign, offsetHours = '0', offsetMinutes = '0'] = match;
  if (!isReal || Number(offsetHours) > 23 || Number(offsetMinutes) > 59) throw bad(path, value, allowed);
  const shift = (Number(offsetHours) * 60 + Number(offsetMinutes)) * (sign === '-' ? 60 : -60);
  const seconds = date.getTime() / 1000 + shift;
  if (seconds < MIN_TIMESTAMP || seconds > MAX_TIMESTAMP) throw bad(path, value, allowed);
  return secondsAndNanos(seconds, nanosOf(fraction));
};

const MASK_PATH = /^[A-Za-z0-9]+(?:\.[A-Za-z0-9]+)*$/;

const fieldMask: Form = (value, path) => {
  const allowed = 'paths in camelCase, with commas between them, such as "user.displayName,photo"';
  if (typeof value !== 'string') throw bad(path, value, allowed);
  const sink = new ByteSink();
  for (const part of value === '' ? [] : value.split(',')) {
    if (!MASK_PATH.test(part)) throw bad(path, value, allowed);
    sink.tag(1, 2);
    sink.text(part.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`));
  }
  return sink.finish();
};

const wrapper = (type: string): Form => {
  const scalar = scalarOf(type);
  return (value, path) => {
    const sink = new ByteSink();
    const parsed = scalar?.parse(value, path);
    if (scalar !== undefined && !scalar.isDefault(parsed)) {
      sink.tag(1, scalar.wireType);
      scalar.write(sink, parsed);
    }
    return sink.finish();
  };
};

const requireDepth = (path: Path, depth: number): void => {
  if (depth > MAX_DEPTH)
    throw new ProtoJsonError('E106', path, `nested deeper than ${MAX_DEPTH} levels`, 'write it flatter');
};

/** The members of `Value.kind` have presence: what is set is written, also when it is empty. */
const jsonValue = (value: unknown, path: Path, depth: number): Uint8Array => {
  const sink = new ByteSink();
  if (value === null) {
    sink.tag(1, 0);
    sink.varint(0);
  } else if (typeof value === 'number') {
    sink.tag(2, 1);
    sink.double(value);
  } else if (typeof value === 'string') {
    sink.tag(3, 2);
    scalarOf('string')?.write(sink, scalarOf('string')?.parse(value, path));
  } else if (typeof value === 'boolean') {
    sink.tag(4, 0);
    sink.varint(value ? 1 : 0);
  } else if (isObject(value)) {
    sink.tag(5, 2);
    sink.delimited(jsonStruct(value, path, depth + 1));
  } else if (Array.isArray(value)) {
    sink.tag(6, 2);
    sink.delimited(jsonList(value, path, depth + 1));
  } else throw bad(path, value, 'a JSON value');
  return sink.finish();
};

const jsonStruct = (value: unknown, path: Path, depth = 0): Uint8Array => {
  requireDepth(path, depth);
  if (!isObject(value)) throw bad(path, value, 'an object');
  const sink = new ByteSink();
  for (const key of Object.keys(value).sort()) {
    const entry = new ByteSink();
    entry.tag(1, 2);
    entry.text(key);
    entry.tag(2, 2);
    entry.delimited(jsonValue(value[key], [...path, key], depth));
    sink.tag(1, 2);
    sink.delimited(entry.finish());
  }
  return sink.finish();
};

const jsonList = (value: unknown, path: Path, depth = 0): Uint8Array => {
  requireDepth(path, depth);
  if (!Array.isArray(value)) throw bad(path, value, 'an array');
  const sink = new ByteSink();
  for (const [index, item] of value.entries()) {
    sink.tag(1, 2);
    sink.delimited(jsonValue(item, [...path, index], depth));
  }
  return sink.finish();
};

const empty: Form = (value, path) => {
  if (!isObject(value) || Object.keys(value).length > 0) throw bad(path, value, '{}');
  return new Uint8Array();
};

const FORMS: Readonly<Record<string, Form>> = {
  Duration: duration,
  Timestamp: timestamp,
  FieldMask: fieldMask,
  DoubleValue: wrapper('double'),
  FloatValue: wrapper('float'),
  Int64Value: wrapper('int64'),
  UInt64Value: wrapper('uint64'),
  Int32Value: wrapper('int32'),
  UInt32Value: wrapper('uint32'),
  BoolValue: wrapper('bool'),
  StringValue: wrapper('string'),
  BytesValue: wrapper('bytes'),
  Struct: (value, path) => jsonStruct(value, path),
  Value: (value, path) => jsonValue(value, path, 0),
  ListValue: (value, path) => jsonList(value, path),
  Empty: empty,
};

const PACKAGE = 'google.protobuf.';

/** How JSON says this message, where it has a form of its own. */
export const formOf = (fullName: string): Form | undefined => {
  const name = fullName.startsWith(PACKAGE) ? fullName.slice(PACKAGE.length) : '';
  return Object.hasOwn(FORMS, name) ? FORMS[name] : undefined;
};
