/** Builders of the field schemas that several kinds share (policies.md section 1, "Grammar"). */
import { type TNull, type TOptional, type TSchema, type TUnion, Type } from 'typebox';
import { MARKS, type Marks, marks, marksOf, type TextFormat } from './marks.ts';

/** Entries per named map (policies.md section 1, envelope). */
export const MAX_MAP_ENTRIES = 256;
export const MAX_LIST_ITEMS = 256;
/** 8760 hours, the longest duration, in ms. */
export const MAX_DURATION_MS = 8760 * 3_600_000;
const MAX_UINT32 = 4_294_967_295;

const closed = { additionalProperties: false } as const;

/** Adds marks to a schema just made. */
const mark = <T extends TSchema>(schema: T, value: Marks): T =>
  Object.assign(schema, { [MARKS]: { ...marksOf(schema), ...value } });

/** A field of a layer: may be absent, and may be null ("forget the wider scopes, take the built-in default"). */
export const field = <T extends TSchema>(schema: T): TOptional<TUnion<[T, TNull]>> =>
  Type.Optional(Type.Union([schema, Type.Null()]));

/** Has its shape now, is compiled by a later version. */
export const later = <T extends TSchema>(schema: T): T => mark(schema, { later: true });

/** Replaced whole when layers are merged. */
export const unit = <T extends TSchema>(schema: T): T => mark(schema, { unit: true });

/** Once true in a wider layer, true for good. */
export const sticky = <T extends TSchema>(schema: T): T => mark(schema, { sticky: true });

/** Exactly one of these fields (E103). */
export const exactlyOne = <T extends TSchema>(schema: T, fields: readonly string[]): T =>
  mark(schema, { exactlyOne: fields });

/** At most one of these fields within one level; a narrower level's one replaces the wider one. */
export const atMostOne = <T extends TSchema>(schema: T, fields: readonly string[], code = 'E103'): T =>
  mark(schema, { atMostOne: [...(marksOf(schema).atMostOne ?? []), { fields, code }] });

export const additive = <T extends TSchema>(schema: T): T => mark(schema, { additive: true });

/** Another code than E102 for an empty map. */
export const emptyCode = <T extends TSchema>(schema: T, code: string): T => mark(schema, { emptyCode: code });

export const object = <P extends Record<string, TSchema>>(properties: P, description?: string) =>
  Type.Object(properties, description === undefined ? closed : { ...closed, description });

/** Map of named things. */
export const map = <T extends TSchema>(
  key: TextFormat,
  item: T,
  options: { min?: number; description?: string } = {},
) =>
  Type.Record(Type.String(), item, {
    maxProperties: MAX_MAP_ENTRIES,
    ...(options.min === undefined ? {} : { minProperties: options.min }),
    ...(options.description === undefined ? {} : { description: options.description }),
    ...marks({ key }),
  });

export const list = <T extends TSchema>(item: T, options: { min?: number; max?: number; description?: string } = {}) =>
  Type.Array(item, {
    minItems: options.min ?? 0,
    maxItems: options.max ?? MAX_LIST_ITEMS,
    ...(options.description === undefined ? {} : { description: options.description }),
  });

export const text = (format: TextFormat, description?: string, maxLength = 256) =>
  Type.String({
    minLength: 1,
    maxLength,
    ...(description === undefined ? {} : { description }),
    ...marks({ text: format }),
  });

export const anyText = (maxLength: number, description?: string) =>
  Type.String({ maxLength, ...(description === undefined ? {} : { description }) });

/**
 * Number and unit, e.g. `1.5s`, in whole milliseconds. Without bounds: 1ms..8760h. `off`: `0s` switches off.
 */
export const duration = (
  options: { minMs?: number; maxMs?: number; off?: boolean; default?: string; description?: string } = {},
) =>
  Type.String({
    pattern: '^[0-9]+(\\.[0-9]+)?(ms|s|m|h)$',
    maxLength: 32,
    ...(options.default === undefined ? {} : { default: options.default }),
    ...(options.description === undefined ? {} : { description: options.description }),
    ...marks({
      text: 'duration',
      minMs: options.minMs ?? 1,
      maxMs: options.maxMs ?? MAX_DURATION_MS,
      off: options.off ?? false,
    }),
  });

/** 0..100, up to 4 decimals. */
export const percent = (options: { default?: number; description?: string } = {}) =>
  Type.Number({ minimum: 0, maximum: 100, ...options, ...marks({ percent: true }) });

export const integer = (
  minimum: number,
  maximum: number = MAX_UINT32,
  options: { default?: number; description?: string } = {},
) => Type.Integer({ minimum, maximum, ...options });

export const number = (minimum: number, maximum: number, options: { default?: number; description?: string } = {}) =>
  Type.Number({ minimum, maximum, ...options });

export const bool = (options: { default?: boolean; description?: string } = {}) => Type.Boolean(options);

/** `key: true`: the only value is true. */
export const yes = (description?: string) => Type.Literal(true, description === undefined ? {} : { description });

export const optional = Type.Optional;

/** One of a few words. */
export const word = <const W extends readonly string[]>(...words: W) =>
  Type.Unsafe<W[number]>({ type: 'string', enum: [...words] });

export const labels = (min?: number) =>
  Type.Record(Type.String(), Type.String({ maxLength: 256 }), {
    maxProperties: 64,
    ...(min === undefined ? {} : { minProperties: min }),
    ...marks({ key: 'labelKey' }),
  });

export const port = (description?: string) => integer(1, 65535, description === undefined ? {} : { description });
export const weight = () =>
  integer(0, 1_000_000, { default: 1, description: 'Relative share; the sum need not be 100.' });
