/** What a route is: its address, parameters, body and answers as data (OpenAPI is made from it), and its handler. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { TSchema } from 'typebox';
import { parseDuration } from '../model/index.ts';
import type { AdminLogger, AdminPorts } from './ports.ts';
import { refusal } from './problem.ts';

/** One query parameter: how it is read, and how OpenAPI shows it. */
export interface Param<T> {
  readonly description: string;
  readonly schema: Readonly<Record<string, unknown>>;
  /** `text` undefined: not given. Throws E102 or E104. */
  parse(text: string | undefined, name: string): T;
}

export type Params = Readonly<Record<string, Param<unknown>>>;
export type Parsed<P extends Params> = { readonly [K in keyof P]: P[K] extends Param<infer T> ? T : never };

const wrong = (name: string, text: string, allowed: string, code = 'E102') =>
  refusal(code, `${name} is "${text.slice(0, 80)}"; allowed is ${allowed}`, { pointer: `?${name}` });

const MAX_TEXT = 1024;

export const textParam = (description: string): Param<string | undefined> => ({
  description,
  schema: { type: 'string', maxLength: MAX_TEXT },
  parse: (text, name) => {
    if (text !== undefined && (text.length > MAX_TEXT || text.length === 0))
      throw wrong(name, text, `a text of 1..${MAX_TEXT} characters`);
    return text;
  },
});

export const integerParam = <D extends number | undefined>(
  description: string,
  options: { readonly min: number; readonly max: number; readonly default: D },
): Param<number | D> => ({
  description,
  schema: {
    type: 'integer',
    minimum: options.min,
    maximum: options.max,
    ...(options.default === undefined ? {} : { default: options.default }),
  },
  parse: (text, name) => {
    if (text === undefined) return options.default;
    const value = /^-?[0-9]{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= options.min && value <= options.max))
      throw wrong(name, text, `a whole number ${options.min}..${options.max}`);
    return value;
  },
});

/** `1`, `true` or nothing after the `=`: yes. */
export const flagParam = (description: string): Param<boolean> => ({
  description,
  schema: { type: 'boolean', default: false },
  parse: (text, name) => {
    if (text === undefined || text === '0' || text === 'false') return false;
    if (text === '' || text === '1' || text === 'true') return true;
    throw wrong(name, text, '1 or 0');
  },
});

export const wordParam = <const W extends readonly string[]>(
  description: string,
  words: W,
): Param<W[number] | undefined> => ({
  description,
  schema: { type: 'string', enum: [...words] },
  parse: (text, name) => {
    if (text !== undefined && !words.includes(text)) throw wrong(name, text, words.join(', '));
    return text;
  },
});

const MAX_WAIT_MS = 300_000;

/** `5s`, `300ms`; a bare number is seconds. In ms. */
export const durationParam = (description: string): Param<number | undefined> => ({
  description,
  schema: { type: 'string', default: '5s' },
  parse: (text, name) => {
    if (text === undefined) return undefined;
    const ms = parseDuration(/^[0-9.]+$/.test(text) ? `${text}s` : text);
    if (ms === undefined || ms > MAX_WAIT_MS) throw wrong(name, text, '0s..300s, such as 5s or 500ms', 'E104');
    return ms;
  },
});

export type BodyKind = 'json' | 'ndjson' | 'yaml' | 'json-patch';

const TYPES: Readonly<Record<BodyKind, readonly string[]>> = {
  json: ['application/json'],
  ndjson: ['application/x-ndjson', 'application/ndjson', 'application/jsonl', 'application/json-lines'],
  yaml: ['application/yaml', 'application/x-yaml', 'text/yaml', 'text/x-yaml'],
  'json-patch': ['application/json-patch+json'],
};

/** The first name is the one that documentation shows. */
export const mediaTypesOf = (kind: BodyKind): readonly string[] => TYPES[kind];

/** Throws `TYPE_UNSUPPORTED` when the content type is none of these kinds. */
export const bodyKindOf = (contentType: string | undefined, allowed: readonly BodyKind[]): BodyKind => {
  const name = (contentType ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
  const charset = /;\s*charset\s*=\s*"?([^";]+)/i
    .exec(contentType ?? '')?.[1]
    ?.trim()
    .toLowerCase();
  const kind = allowed.find((candidate) => TYPES[candidate].includes(name));
  const names = allowed.map((candidate) => TYPES[candidate][0]).join(', ');
  if (kind === undefined)
    throw refusal(
      'TYPE_UNSUPPORTED',
      `the content type is ${name === '' ? 'missing' : `"${name}"`}; allowed here: ${names}`,
      {
        remedy: `add the header content-type: ${TYPES[allowed[0] ?? 'json'][0]}`,
      },
    );
  if (charset !== undefined && charset !== 'utf-8' && charset !== 'utf8' && charset !== 'us-ascii')
    throw refusal('TYPE_UNSUPPORTED', `the charset is "${charset}"; allowed is utf-8`, { remedy: 'send UTF-8' });
  return kind;
};

export interface RequestContext<P extends Params = Params> {
  /** Parts of the address, decoded. */
  readonly path: Readonly<Record<string, string>>;
  readonly query: Parsed<P>;
  readonly headers: IncomingMessage['headers'];
  readonly body: { readonly kind: BodyKind; readonly bytes: Buffer } | undefined;
  /** Who calls; `local` as long as there is no authentication. */
  readonly caller: string;
  readonly requestId: string;
  readonly ports: AdminPorts;
  readonly logger: AdminLogger;
  /** Aborted when the client is gone or the server stops. */
  readonly signal: AbortSignal;
  readonly limits: RouteLimits;
}

export interface RouteLimits {
  readonly batchEvents: number;
  /** How long the reader of a stream may take nothing, ms. */
  readonly stallMs: number;
}

export interface Answer {
  /** Default 200. */
  readonly status?: number;
  /** JSON value, or text when `type` says so. */
  readonly body: unknown;
  readonly type?: string;
  /** Offset for the ETag header. */
  readonly etag?: number;
}

export interface Route<P extends Params = Params> {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** With `{name}` for parts. */
  readonly path: string;
  readonly summary: string;
  readonly query: P;
  readonly body?: {
    readonly kinds: readonly BodyKind[];
    readonly description: string;
    readonly optional?: boolean;
    readonly schema?: TSchema;
  };
  /** Status -> what it means. */
  readonly answers: Readonly<Record<number, string>>;
  /** Takes If-Match and gives ETag. */
  readonly versioned?: boolean;
  readonly handle?: (context: RequestContext<P>) => Promise<Answer> | Answer;
  /** Instead of `handle`: writes to the response itself until the signal ends it. */
  readonly stream?: (context: RequestContext<P>, response: ServerResponse) => Promise<void>;
}

/** A route of any parameters, as the server keeps them. */
export type AnyRoute = Route<Params>;

/** Keeps the handler's types; the server checks parameters before it calls the handler. */
export const route = <P extends Params>(definition: Route<P>): AnyRoute => definition as unknown as AnyRoute;
