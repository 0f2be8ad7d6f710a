/** Headers as undici's callers give them, in one form: names and values in turn. */
import { stringify } from 'node:querystring';
import type { Dispatcher } from 'undici';
import { startTrace, type TraceRules } from '../trace-context.ts';

type Given = Dispatcher.DispatchOptions['headers'];

const add = (flat: string[], name: string, value: unknown): void => {
  if (value === undefined || value === null) return;
  if (Array.isArray(value)) for (const one of value) flat.push(name, String(one));
  else flat.push(name, String(value));
};

export const flatHeaders = (given: Given): string[] => {
  const flat: string[] = [];
  if (given === undefined || given === null) return flat;
  if (Array.isArray(given) && !given.some(Array.isArray)) {
    for (let index = 0; index + 1 < given.length; index += 2) add(flat, String(given[index]), given[index + 1]);
    return flat;
  }
  const pairs = Symbol.iterator in given ? (given as Iterable<[string, unknown]>) : Object.entries(given);
  for (const [name, value] of pairs) add(flat, name, value);
  return flat;
};

/** Several values are joined with `,`. `name`: lower case. */
export const headerOf = (flat: readonly string[], name: string): string | undefined => {
  let found: string | undefined;
  for (let index = 0; index < flat.length; index += 2)
    if (flat[index]?.toLowerCase() === name) {
      const value = flat[index + 1] ?? '';
      found = found === undefined ? value : `${found},${value}`;
    }
  return found;
};

const withoutHeader = (flat: readonly string[], name: string): string[] =>
  flat.filter((_, index) => flat[index - (index % 2)]?.toLowerCase() !== name);

/** As sent in the mesh: with the trace that is begun here, if one is, and a `host`. */
export const meshHeaders = (flat: readonly string[], authority: string, rules: TraceRules): string[] => {
  const traceparent = startTrace(headerOf(flat, 'traceparent'), rules);
  const sent =
    traceparent === undefined
      ? [...flat]
      : [...withoutHeader(withoutHeader(flat, 'tracestate'), 'traceparent'), 'traceparent', traceparent];
  if (headerOf(sent, 'host') === undefined) sent.push('host', authority);
  return sent;
};

/** With `query` in its path, where routes look for it. */
export const withQuery = (options: Dispatcher.DispatchOptions): Dispatcher.DispatchOptions => {
  const { query, ...rest } = options;
  const text = query === undefined || query === null ? '' : stringify(query as Record<string, string>);
  return text === '' ? rest : { ...rest, path: `${rest.path}${rest.path.includes('?') ? '&' : '?'}${text}` };
};
