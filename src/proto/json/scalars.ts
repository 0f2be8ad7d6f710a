/** Scalars of proto3: how JSON says them, and how the wire does (protobuf.dev, "ProtoJSON Format" and "Encoding"). */
import type { ByteSink } from './byte-sink.ts';
import { ProtoJsonError, show } from './proto-json-error.ts';

type Path = readonly (string | number)[];

export interface Scalar<V = unknown> {
  readonly wireType: 0 | 1 | 2 | 5;
  /** @throws ProtoJsonError */
  parse(value: unknown, path: Path): V;
  /** Left out where a field has no presence. */
  isDefault(value: V): boolean;
  write(sink: ByteSink, value: V): void;
}

const bad = (path: Path, value: unknown, allowed: string, hint?: string): ProtoJsonError =>
  new ProtoJsonError('E102', path, `found ${show(value)}; allowed is ${allowed}`, hint);

const WHOLE = /^-?(?:0|[1-9][0-9]*)$/;
const NUMBER = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$/;

const parseWhole = (value: unknown, path: Path, low: bigint, high: bigint): bigint => {
  const allowed = `a whole number ${low}..${high}`;
  let whole: bigint;
  if (typeof value === 'string' && value.length <= 64 && WHOLE.test(value)) whole = BigInt(value);
  else {
    const number = typeof value === 'string' && value.length <= 64 && NUMBER.test(value) ? Number(value) : value;
    if (typeof number !== 'number' || !Number.isInteger(number)) throw bad(path, value, allowed);
    if (!Number.isSafeInteger(number))
      throw bad(path, value, `${allowed}; above 2^53 it must be a text to be exact`, 'put the number in quotes');
    whole = BigInt(number);
  }
  if (whole < low || whole > high) throw bad(path, value, allowed);
  return whole;
};

const integer = (
  low: bigint,
  high: bigint,
  wireType: 0 | 1 | 5,
  write: (sink: ByteSink, value: bigint) => void,
): Scalar<bigint> => ({
  wireType,
  parse: (value, path) => parseWhole(value, path, low, high),
  isDefault: (value) => value === 0n,
  write,
});

const zigzag = (value: bigint): bigint => (value >= 0n ? value * 2n : -value * 2n - 1n);

const LOW_32 = -(2n ** 31n);
const HIGH_32 = 2n ** 31n - 1n;
const TOP_32 = 2n ** 32n - 1n;
const LOW_64 = -(2n ** 63n);
const HIGH_64 = 2n ** 63n - 1n;
const TOP_64 = 2n ** 64n - 1n;

const WORDS: Readonly<Record<string, number>> = {
  NaN: Number.NaN,
  Infinity: Number.POSITIVE_INFINITY,
  '-Infinity': Number.NEGATIVE_INFINITY,
};

const floating = (
  wireType: 1 | 5,
  round: (value: number) => number,
  write: (sink: ByteSink, value: number) => void,
): Scalar<number> => ({
  wireType,
  parse: (value, path) => {
    const allowed = 'a number in range, or "NaN", "Infinity", "-Infinity"';
    if (typeof value === 'string' && Object.hasOwn(WORDS, value)) return WORDS[value] ?? 0;
    const number = typeof value === 'string' && NUMBER.test(value) ? Number(value) : value;
    if (typeof number !== 'number') throw bad(path, value, allowed);
    const rounded = round(number);
    if (!Number.isFinite(rounded)) throw bad(path, value, allowed);
    return rounded;
  },
  // Minus zero has a bit of its own.
  isDefault: (value) => Object.is(value, 0),
  write,
});

const isBroken = (text: string): boolean => !(text as string & { isWellFormed(): boolean }).isWellFormed();

const string: Scalar<string> = {
  wireType: 2,
  parse: (value, path) => {
    if (typeof value !== 'string') throw bad(path, value, 'a text');
    if (isBroken(value)) throw bad(path, value, 'text that UTF-8 can carry, without half surrogate pairs');
    return value;
  },
  isDefault: (value) => value === '',
  write: (sink, value) => sink.text(value),
};

const BASE64 = /^[A-Za-z0-9+/_-]*={0,2}$/;

/** Base64 with or without padding, in the usual or the URL alphabet. @throws ProtoJsonError */
export const parseBytes = (value: unknown, path: Path): Uint8Array => {
  const digits = typeof value === 'string' && BASE64.test(value) ? value.replace(/=+$/, '') : undefined;
  if (typeof value !== 'string' || digits === undefined || digits.length % 4 === 1)
    throw bad(path, value, 'bytes in base64');
  if (digits.length !== value.length && value.length % 4 !== 0)
    throw bad(path, value, 'bytes in base64, padded or not');
  return Buffer.from(digits, 'base64');
};

const bytes: Scalar<Uint8Array> = {
  wireType: 2,
  parse: parseBytes,
  isDefault: (value) => value.length === 0,
  write: (sink, value) => sink.delimited(value),
};

const bool: Scalar<boolean> = {
  wireType: 0,
  parse: (value, path) => {
    if (typeof value !== 'boolean') throw bad(path, value, 'true or false');
    return value;
  },
  isDefault: (value) => !value,
  write: (sink, value) => sink.varint(value ? 1 : 0),
};

const varint = (sink: ByteSink, value: bigint): void => sink.varint64(value);

const SCALARS = {
  double: floating(
    1,
    (value) => value,
    (sink, value) => sink.double(value),
  ),
  float: floating(5, Math.fround, (sink, value) => sink.float(value)),
  int32: integer(LOW_32, HIGH_32, 0, varint),
  int64: integer(LOW_64, HIGH_64, 0, varint),
  uint32: integer(0n, TOP_32, 0, varint),
  uint64: integer(0n, TOP_64, 0, varint),
  sint32: integer(LOW_32, HIGH_32, 0, (sink, value) => sink.varint64(zigzag(value))),
  sint64: integer(LOW_64, HIGH_64, 0, (sink, value) => sink.varint64(zigzag(value))),
  fixed32: integer(0n, TOP_32, 5, (sink, value) => sink.fixed32(Number(value))),
  sfixed32: integer(LOW_32, HIGH_32, 5, (sink, value) => sink.fixed32(Number(value))),
  fixed64: integer(0n, TOP_64, 1, (sink, value) => sink.fixed64(value)),
  sfixed64: integer(LOW_64, HIGH_64, 1, (sink, value) => sink.fixed64(value)),
  bool,
  string,
  bytes,
};

/** Undefined: no scalar, so a message or an enum. */
export const scalarOf = (type: string): Scalar | undefined =>
  Object.hasOwn(SCALARS, type) ? (SCALARS[type as keyof typeof SCALARS] as Scalar) : undefined;
