/** Matchers: texts, paths, callers, and the match of a request (policies.md section 1 and 3). */
import { Type } from 'typebox';
import {
  anyText,
  bool,
  exactlyOne,
  field,
  integer,
  later,
  list,
  map,
  object,
  optional,
  port,
  text,
  unit,
} from './fields.ts';

const MAX_VALUE = 4096;
const MAX_REGEX = 1024;

const textConditions = {
  exact: optional(anyText(MAX_VALUE)),
  prefix: optional(Type.String({ minLength: 1, maxLength: MAX_VALUE })),
  suffix: optional(Type.String({ minLength: 1, maxLength: MAX_VALUE })),
  contains: optional(Type.String({ minLength: 1, maxLength: MAX_VALUE })),
  regex: optional(text('regex', 'RE2, matches the whole value.', MAX_REGEX)),
  in: optional(list(anyText(MAX_VALUE), { min: 1 })),
  present: optional(bool()),
};
const textFlags = { ignoreCase: optional(bool({ default: false })), not: optional(bool({ default: false })) };
const textWords = Object.keys(textConditions);

/** Matcher M: a text (exact), or exactly one condition with its flags. */
export const textMatcher = () =>
  Type.Union([anyText(MAX_VALUE), exactlyOne(object({ ...textConditions, ...textFlags }), textWords)]);

/** M, or `range: [from, to)` over whole numbers. */
export const headerMatcher = () =>
  Type.Union([
    anyText(MAX_VALUE),
    exactlyOne(
      object({
        ...textConditions,
        range: optional(
          list(integer(Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER), {
            min: 2,
            max: 2,
            description: '[from, to): whole numbers, `to` is not included.',
          }),
        ),
        ...textFlags,
      }),
      [...textWords, 'range'],
    ),
  ]);

/** Path: exactly one of exact, prefix (whole segments), regex, in (exact alternatives). */
export const pathMatcher = () =>
  exactlyOne(
    object({
      exact: optional(text('path', undefined, MAX_VALUE)),
      prefix: optional(text('path', 'Whole segments: /v2 takes /v2 and /v2/x, not /v20.', MAX_VALUE)),
      regex: optional(text('regex', 'RE2, matches the whole path.', MAX_REGEX)),
      in: optional(list(text('path', undefined, MAX_VALUE), { min: 1 })),
      ignoreCase: optional(bool({ default: false })),
    }),
    ['exact', 'prefix', 'regex', 'in'],
  );

/** F: callers; the entries are alternatives. */
export const fromCallers = () =>
  object({
    services: optional(list(text('service'))),
    namespaces: optional(list(text('dnsLabel'))),
    accounts: optional(list(text('account', '<namespace>/<serviceAccount>'))),
    any: optional(Type.Literal(true)),
  });

const method = () => Type.Union([text('method', undefined, 32), list(text('method', undefined, 32), { min: 1 })]);

const grpcMatch = () => object({ service: text('grpcService'), method: optional(text('grpcMethod')) });

/** `match` of a Route rule: a unit. */
export const routeMatch = () =>
  unit(
    object(
      {
        path: optional(pathMatcher()),
        method: optional(method()),
        headers: optional(map('headerName', headerMatcher())),
        query: optional(map('token', textMatcher())),
        cookies: optional(later(map('token', textMatcher()))),
        grpc: optional(grpcMatch()),
        port: optional(port('Only on this port of the service.')),
        from: optional(later(fromCallers())),
      },
      'All conditions must hold.',
    ),
  );

/** `match` of Access and Extension: no query, no cookies, no caller. */
export const accessMatch = () =>
  unit(
    object({
      path: optional(pathMatcher()),
      method: optional(method()),
      headers: optional(map('headerName', headerMatcher())),
      grpc: optional(grpcMatch()),
      port: optional(port()),
    }),
  );

/** `match` of a RateLimit: as Access, and by caller. */
export const limitMatch = () =>
  unit(
    object({
      path: optional(pathMatcher()),
      method: optional(method()),
      headers: optional(map('headerName', headerMatcher())),
      grpc: optional(grpcMatch()),
      port: optional(port()),
      from: optional(fromCallers()),
    }),
  );

/** Header mutations: values by name. */
export const headerMutation = () => {
  const side = () =>
    object({
      set: field(map('headerName', anyText(MAX_VALUE))),
      add: field(map('headerName', anyText(MAX_VALUE))),
      remove: field(list(text('headerName'))),
    });
  return object({ request: field(side()), response: field(side()) });
};
