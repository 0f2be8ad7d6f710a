/** `StringMatcher`, `HeaderMatcher` and `QueryParameterMatcher` of Envoy -> functions (policies.md section 1, matcher M). */
import type { HeaderMatcher, QueryParameterMatcher, StringMatcher } from './messages.ts';
import { unusable } from './refusal.ts';
import { Regex } from './regex.ts';
import type { CallFacts } from './types.ts';

export type TextTest = (text: string) => boolean;

/** What a route is chosen by, with the path taken apart once. */
export interface MatchFacts extends Omit<CallFacts, 'header'> {
  header(name: string): string | undefined;
  /** Path without query and fragment. */
  readonly plainPath: string;
  /** First value of a query parameter as it was sent; without `=`: empty. Undefined: absent. */
  query(name: string): string | undefined;
}

/** A test of whole texts. */
export const regexTest = (regex: string, place: string): TextTest => {
  try {
    const compiled = new Regex(regex);
    return (text) => compiled.test(text);
  } catch (error) {
    throw unusable(
      place,
      `regex ${JSON.stringify(regex.slice(0, 200))}: ${error instanceof Error ? error.message : ''}`,
    );
  }
};

/** ASCII only, as Envoy compares without case. */
export const lower = (text: string): string => text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());

export const textTest = (matcher: StringMatcher, place: string): TextTest => {
  const { exact, prefix, suffix, contains, safeRegex, ignoreCase } = matcher;
  // Envoy ignores `ignore_case` with a regex.
  if (safeRegex) return regexTest(safeRegex.regex, place);
  const cased = (value: string, test: (text: string, value: string) => boolean): TextTest => {
    if (!ignoreCase) return (text) => test(text, value);
    const small = lower(value);
    return (text) => test(lower(text), small);
  };
  if (typeof exact === 'string') return cased(exact, (text, value) => text === value);
  if (typeof prefix === 'string') return cased(prefix, (text, value) => text.startsWith(value));
  if (typeof suffix === 'string') return cased(suffix, (text, value) => text.endsWith(value));
  if (typeof contains === 'string') return cased(contains, (text, value) => text.includes(value));
  throw unusable(place, 'a kind of text match that this client does not know');
};

const headerOf = (facts: MatchFacts, name: string): string | undefined => {
  switch (name) {
    case ':method':
      return facts.method;
    case ':path':
      return facts.path;
    case ':authority':
    case 'host':
      return facts.authority;
    case ':scheme':
      return 'http';
    default:
      return facts.header(name);
  }
};

const hasValueMatch = (matcher: HeaderMatcher): boolean =>
  [
    matcher.stringMatch,
    matcher.rangeMatch,
    matcher.exactMatch,
    matcher.prefixMatch,
    matcher.suffixMatch,
    matcher.containsMatch,
    matcher.safeRegexMatch,
  ].some((match) => match !== null);

const valueTest = (matcher: HeaderMatcher, place: string): TextTest => {
  const { stringMatch, rangeMatch, exactMatch, prefixMatch, suffixMatch, containsMatch, safeRegexMatch } = matcher;
  if (stringMatch) return textTest(stringMatch, place);
  if (rangeMatch) {
    const start = rangeMatch.start;
    const end = rangeMatch.end;
    return (text) => /^[+-]?\d+$/.test(text.trim()) && Number(text) >= start && Number(text) < end;
  }
  if (typeof exactMatch === 'string') return (text) => text === exactMatch;
  if (typeof prefixMatch === 'string') return (text) => text.startsWith(prefixMatch);
  if (typeof suffixMatch === 'string') return (text) => text.endsWith(suffixMatch);
  if (typeof containsMatch === 'string') return (text) => text.includes(containsMatch);
  if (safeRegexMatch) return regexTest(safeRegexMatch.regex, place);
  throw unusable(place, 'a kind of header match that this client does not know');
};

/** Like Envoy: an absent header matches nothing, inverted or not, unless it is to be seen as empty. */
export const headerTest = (matcher: HeaderMatcher, place: string): ((facts: MatchFacts) => boolean) => {
  const { invertMatch, treatMissingHeaderAsEmpty, presentMatch } = matcher;
  const name = matcher.name.toLowerCase();
  if (typeof presentMatch === 'boolean' || !hasValueMatch(matcher)) {
    const wanted = (presentMatch ?? true) !== invertMatch;
    return (facts) => (headerOf(facts, name) !== undefined || treatMissingHeaderAsEmpty) === wanted;
  }
  const test = valueTest(matcher, place);
  return (facts) => {
    const value = headerOf(facts, name) ?? (treatMissingHeaderAsEmpty ? '' : undefined);
    return value !== undefined && test(value) !== invertMatch;
  };
};

export const queryTest = (matcher: QueryParameterMatcher, place: string): ((facts: MatchFacts) => boolean) => {
  const { name, stringMatch, presentMatch } = matcher;
  if (!stringMatch) {
    const wanted = presentMatch ?? true;
    return (facts) => (facts.query(name) !== undefined) === wanted;
  }
  const test = textTest(stringMatch, place);
  return (facts) => {
    const value = facts.query(name);
    return value !== undefined && test(value);
  };
};
