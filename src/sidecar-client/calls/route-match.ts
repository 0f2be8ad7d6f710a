/** `RouteMatch` of Envoy -> a function (policies.md section 3). A condition it does not know makes the virtual host unusable. */
import type { RouteMatch } from './messages.ts';
import { unusable } from './refusal.ts';
import { headerTest, lower, type MatchFacts, queryTest, regexTest, type TextTest } from './text-matcher.ts';
import type { CallFacts } from './types.ts';

const GRPC = /^application\/grpc(?:\+|$)/;

/** A call with its path taken apart; the query only when a route asks for it. */
class TakenApart implements MatchFacts {
  readonly #facts: CallFacts;
  readonly plainPath: string;
  readonly #query: string;
  #parameters: Map<string, string> | undefined;

  constructor(facts: CallFacts) {
    this.#facts = facts;
    const { path } = facts;
    const fragment = path.indexOf('#');
    const whole = fragment < 0 ? path : path.slice(0, fragment);
    const mark = whole.indexOf('?');
    this.plainPath = mark < 0 ? whole : whole.slice(0, mark);
    this.#query = mark < 0 ? '' : whole.slice(mark + 1);
  }

  get authority(): string {
    return this.#facts.authority;
  }
  get method(): string {
    return this.#facts.method;
  }
  get path(): string {
    return this.#facts.path;
  }

  header(name: string): string | undefined {
    return this.#facts.header(name);
  }

  query(name: string): string | undefined {
    this.#parameters ??= parametersOf(this.#query);
    return this.#parameters.get(name);
  }
}

const parametersOf = (query: string): Map<string, string> => {
  const parameters = new Map<string, string>();
  for (const part of query === '' ? [] : query.split('&')) {
    const equals = part.indexOf('=');
    const name = equals < 0 ? part : part.slice(0, equals);
    if (!parameters.has(name)) parameters.set(name, equals < 0 ? '' : part.slice(equals + 1));
  }
  return parameters;
};

export const matchFacts = (facts: CallFacts): MatchFacts => new TakenApart(facts);

const pathTest = (match: RouteMatch, place: string): TextTest => {
  const { path, prefix, pathSeparatedPrefix, safeRegex } = match;
  if (safeRegex) return regexTest(safeRegex.regex, `${place}.safe_regex`);
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
  if (match.grpc) rest.push((facts) => GRPC.test(facts.header('content-type') ?? ''));
  return (facts) => path(facts.plainPath) && rest.every((test) => test(facts));
};
