/**
 * The keyword `x-tendril` in our JSON Schemas: what plain JSON Schema cannot say. Checking, merging, conflicts and "what does
 * this version compile" all read these marks, so a field is described in one place.
 */

/** Grammar of a text; `text-format.ts` holds the parsers. */
export type TextFormat =
  | 'duration'
  | 'dnsLabel'
  | 'scopeService'
  | 'labelKey'
  | 'routeTarget'
  | 'dependencyTarget'
  | 'service'
  | 'serviceTarget'
  | 'account'
  | 'cidr'
  | 'ip'
  | 'portNumber'
  | 'host'
  | 'regex'
  | 'path'
  | 'headerName'
  | 'method'
  | 'grpcService'
  | 'grpcMethod'
  | 'sha256'
  | 'token';

export interface FieldGroup {
  readonly fields: readonly string[];
  /** Code when several are given. */
  readonly code: string;
}

export interface Marks {
  readonly text?: TextFormat;
  /** Grammar of the keys of a map. */
  readonly key?: TextFormat;
  /** Duration bounds in ms (both inclusive); `off`: `0s` is allowed besides and switches off. */
  readonly minMs?: number;
  readonly maxMs?: number;
  readonly off?: boolean;
  /** A number 0..100 with up to 4 decimals. */
  readonly percent?: boolean;
  /** Replaced whole when merged, and conflicts as a whole. Lists are units without this mark. */
  readonly unit?: boolean;
  /** Has its shape, not compiled in this version: E107. */
  readonly later?: boolean;
  /** Entries of all layers add up (Access allow, deny); null forgets nothing. */
  readonly additive?: boolean;
  /** True in any wider layer stays true. */
  readonly sticky?: boolean;
  /** Fields of which exactly one must be given. */
  readonly exactlyOne?: readonly string[];
  /** Groups of fields of which at most one may be given within one level; a narrower level's one replaces the wider one. */
  readonly atMostOne?: readonly FieldGroup[];
  /** Code for an empty map where one entry is due; default E102. */
  readonly emptyCode?: string;
}

export const MARKS = 'x-tendril';

export const marks = (value: Marks): { readonly [MARKS]: Marks } => ({ [MARKS]: value });

export const marksOf = (schema: object): Marks => {
  const found: unknown = Reflect.get(schema, MARKS);
  return typeof found === 'object' && found !== null ? found : {};
};
