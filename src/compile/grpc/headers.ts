/**
 * Header conditions of Envoy -> those of gRPC clients, which differ among themselves. All of them get the same answer here:
 *
 * - A header that the call does not have: under `invert_match` it matches in grpc-js and C++, and does not in Go and Java. So
 *   "absent" is written as an alternative of its own.
 * - `present_match: false` means "present" to grpc-js: it is written as inverted presence.
 * - grpc-js puts `^` and `$` around a regular expression without a group, and misreads a slash within `\Q…\E`; Go's engine does
 *   not know `\C`.
 * - A call has method POST and never a query. Pseudo-headers cannot be matched, and keys that gRPC metadata cannot hold (or may
 *   not match: `-bin`) are always absent.
 */
import type { HeaderMatcher, IHeaderMatcher, IStringMatcher, StringMatcher } from '../../proto/index.ts';
import { quote } from '../regex-text.ts';
import { matchesEmptyText } from './empty-match.ts';

/** Conditions of which all hold, in alternatives: none means never, an empty one means always. */
export type HeaderAlternatives = readonly (readonly IHeaderMatcher[])[];

const NEVER: HeaderAlternatives = [];
const ALWAYS: HeaderAlternatives = [[]];

/** Keys that the metadata of a call can hold (grpc-js throws on others). */
const METADATA_KEY = /^[0-9a-z_.-]+$/;

/** In lower case; binary keys are not matched, and not hashed. */
export const isTextKey = (name: string): boolean => METADATA_KEY.test(name) && !name.endsWith('-bin');

/** The regular expression in a group of its own; undefined: not every gRPC client takes it. */
export const grpcRegex = (regex: string): string | undefined => {
  let made = '';
  for (let at = 0; at < regex.length; at++) {
    const char = regex[at] ?? '';
    const next = regex[at + 1];
    if (char !== '\\') made += char;
    else if (next === 'C') return undefined;
    else if (next === 'Q') {
      const end = regex.indexOf('\\E', at);
      made += quote(regex.slice(at + 2, end < 0 ? undefined : end));
      if (end < 0) break;
      at = end + 1;
    } else {
      made += char + (next ?? '');
      at++;
    }
  }
  return `(?:${made})`;
};

type Test =
  | { readonly kind: 'present' }
  | { readonly kind: 'range'; readonly range: NonNullable<IHeaderMatcher['rangeMatch']> }
  | { readonly kind: 'text'; readonly text: IStringMatcher; readonly matchesEmpty: boolean };

const PRESENT: Test = { kind: 'present' };

const textTest = (text: IStringMatcher, matchesEmpty = false): Test => ({ kind: 'text', text, matchesEmpty });

const regexTest = (regex: string): Test | undefined => {
  const grouped = grpcRegex(regex);
  return grouped === undefined ? undefined : textTest({ safeRegex: { regex: grouped } }, matchesEmptyText(grouped));
};

const stringTest = (matcher: StringMatcher): Test | undefined => {
  const { ignoreCase } = matcher;
  switch (matcher.matchPattern) {
    case 'exact':
      return textTest({ exact: matcher.exact, ignoreCase }, matcher.exact === '');
    case 'prefix':
      return matcher.prefix === '' ? PRESENT : textTest({ prefix: matcher.prefix, ignoreCase });
    case 'suffix':
      return matcher.suffix === '' ? PRESENT : textTest({ suffix: matcher.suffix, ignoreCase });
    case 'contains':
      return matcher.contains === '' ? PRESENT : textTest({ contains: matcher.contains, ignoreCase });
    case 'safeRegex':
      return regexTest(matcher.safeRegex?.regex ?? '');
    default:
      return undefined;
  }
};

/** What is asked of the header's value, without inversion; undefined: gRPC cannot ask it. */
const testOf = (header: HeaderMatcher): Test | undefined => {
  switch (header.headerMatchSpecifier) {
    case 'stringMatch':
      return header.stringMatch === null ? undefined : stringTest(header.stringMatch);
    case 'rangeMatch':
      return header.rangeMatch === null ? undefined : { kind: 'range', range: header.rangeMatch };
    case 'presentMatch':
      return PRESENT;
    default:
      return undefined; // deprecated forms, which compile does not write
  }
};

/** `:method` against POST. Compile writes exact texts and lists of them, as one regex. */
const takesPost = ({ stringMatch, invertMatch }: HeaderMatcher): boolean => {
  const listed = stringMatch?.safeRegex?.regex.split('|').includes(quote('POST')) ?? false;
  return (stringMatch?.exact === 'POST' || listed) !== invertMatch;
};

const matcherOf = (name: string, test: Test): IHeaderMatcher => {
  switch (test.kind) {
    case 'present':
      return { name, presentMatch: true };
    case 'range':
      return { name, rangeMatch: test.range };
    case 'text':
      return { name, stringMatch: test.text };
  }
};

const presence = (name: string, isPresent: boolean): HeaderAlternatives => [
  [isPresent ? { name, presentMatch: true } : { name, presentMatch: true, invertMatch: true }],
];

/** The condition for calls that every gRPC client can decide. What none can decide never holds: the route is left out. */
export const headerAlternatives = (header: HeaderMatcher): HeaderAlternatives => {
  const name = header.name.toLowerCase();
  if (name === ':method') return takesPost(header) ? ALWAYS : NEVER;
  // Compile says of `:path` only that the query lacks a parameter.
  if (name === ':path' && header.invertMatch) return ALWAYS;
  const test = testOf(header);
  if (name.startsWith(':') || name === 'host' || test === undefined) return NEVER;

  const inverted = header.invertMatch;
  const isKey = isTextKey(name);
  if (header.headerMatchSpecifier === 'presentMatch') {
    const wanted = header.presentMatch !== inverted;
    if (!isKey) return wanted ? NEVER : ALWAYS;
    return presence(name, wanted);
  }
  const holdsWhenAbsent =
    inverted &&
    header.treatMissingHeaderAsEmpty &&
    test.kind !== 'present' &&
    !(test.kind === 'text' && test.matchesEmpty);
  if (!isKey) return holdsWhenAbsent ? ALWAYS : NEVER;
  if (!inverted) return [[matcherOf(name, test)]];
  if (test.kind === 'present') return NEVER; // "does not begin with the empty text"
  const otherValue: IHeaderMatcher = { ...matcherOf(name, test), invertMatch: true };
  return holdsWhenAbsent ? [[otherValue], ...presence(name, false)] : [[{ name, presentMatch: true }, otherValue]];
};
