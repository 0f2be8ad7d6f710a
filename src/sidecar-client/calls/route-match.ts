/** `RouteMatch` of Envoy -> a function (policies.md section 3). A condition it does not know makes the virtual host unusable. */
import type { RouteMatch } from '../../proto/index.ts';
import { unusable } from './refusal.ts';
import { headerTest, lower, type MatchFacts, queryTest, regexTest, type TextTest } from './text-matcher.ts';
import type { CallFacts } from './types.ts';

const GRPC = /^application\/grpc(?:\+|$)/;

/** Takes path and query apart. */
export const matchFacts = (facts: CallFacts): MatchFacts => {
  const { path } = facts;
  const fragment = path.indexOf('#');
  const whole = fragment < 0 ? path : path.slice(0, fragment);
  const mark = whole.indexOf('?');
  let parameters: Map<string, string> | undefined;
  return {
    ...facts,
    header: (name) => facts.header(name),
    plainPath: mark < 0 ? whole : whole.slice(0, mark),
    query: (name) => {
      if (parameters === undefined) {
        parameters = new Map();
        for (const part of mark < 0 ? [] : whole.slice(mark + 1).split('&')) {
          const equals = part.indexOf('=');
          const key = equals < 0 ? part : part.slice(0, equals);
          if (!parameters.has(key)) parameters.set(key, equals < 0 ? '' : part.slice(equals + 1));
        }
      }
      return parameters.get(name);
    },
  };
};

const pathTest = (match: RouteMatch, place: string): TextTest => {
  const { path, prefix, pathSeparatedPrefix, safeRegex } = match;
  if (safeRegex) return regexTest(safeRegex.regex ?? '', `${place}.safe_regex`);
  const cased = match.caseSensitive?.value ?? true;
  const given = path ?? pathSeparatedPrefix ?? prefix;
  if (typeof given !== 'string') throw unusable(place, 'a kind of path match that this client does not know');
  const wanted = cased ? given : lower(given);
  const seen = (text: string): string => (cased ? text : lower(text));
  if (typeof path === 'string') return (text) => seen(text) === wanted;
  if (typeof prefix === 'string') return (text) => seen(text).startsWith(wanted);
  return (text) => seen(text).startsWith(wanted) && (text.length === wanted.length || text[wanted.length] === '/');
};

/** Whether a route takes a call. Throws `CALLS_UNUSABLE`. */
export const routeTest = (match: RouteMatch, place: string): ((facts: MatchFacts) => boolean) => {
  if (match.runtimeFraction || match.tlsContext || match.dynamicMetadata.length + match.filterState.length > 0)
    throw unusable(place, 'a condition on runtime, TLS, metadata or filter state');
  if (match.cookies.length > 0) throw unusable(`${place}.cookies`, 'a condition on cookies');
  const path = pathTest(match, place);
  const rest = [
    ...match.headers.map((header, index) => headerTest(header, `${place}.headers[${index}]`)),
    ...match.queryParameters.map((query, index) => queryTest(query, `${place}.query_parameters[${index}]`)),
  ];
  if (match.grpc) rest.push(({ header }) => GRPC.test(header('content-type') ?? ''));
  return (facts) => path(facts.plainPath) && rest.every((test) => test(facts));
};
