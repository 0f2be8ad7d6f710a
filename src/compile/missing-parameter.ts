/**
 * "No query parameter of this name with such a value", said of `:path`: inverted matchers that all hold. Like Envoy's own query
 * matchers they compare the query as it was sent, without decoding.
 */
import type { IHeaderMatcher, IStringMatcher } from '../proto/index.ts';
import { anyOfTexts, chunksOf, quote, type ValueMatch } from './regex-text.ts';

/** Instructions that the regex below costs besides name and values. */
const OVERHEAD = 20;

/** The path up to a parameter's name; `\C` is any byte, in one instruction. */
const BEFORE = '[^?]*\\?(?:\\C*&)?';
/** End of the value. */
const AFTER = '(?:&\\C*)?';

const parameter = (name: string, value: string, ignoreCase: boolean): IStringMatcher => ({
  safeRegex: { regex: `${BEFORE}${quote(name)}=${ignoreCase ? `(?i:${value})` : value}` },
});

/** A value that no query can hold: `&` ends it. */
const isPossible = (value: string): boolean => !value.includes('&');

/** One of the texts; texts too long for a regex are looked for as they stand, which takes a second `?` for the first. */
const equalTo = (name: string, texts: readonly string[], ignoreCase: boolean, budget: number): IStringMatcher[] =>
  chunksOf(texts.filter(isPossible), budget).flatMap((chunk) => {
    const [only] = chunk;
    if (only === undefined || Buffer.byteLength(only) < budget) {
      return [parameter(name, `(?:${anyOfTexts(chunk)})${AFTER}`, ignoreCase)];
    }
    return ['?', '&'].flatMap((before) => {
      const text = `${before}${name}=${only}`;
      return [
        { contains: `${text}&`, ignoreCase },
        { suffix: text, ignoreCase },
      ];
    });
  });

const beginningWith = (name: string, text: string, ignoreCase: boolean, budget: number): IStringMatcher[] =>
  Buffer.byteLength(text) < budget
    ? [parameter(name, `${quote(text)}\\C*`, ignoreCase)]
    : ['?', '&'].map((before) => ({ contains: `${before}${name}=${text}`, ignoreCase }));

/** Matchers of `:path` of which one holds when there is such a parameter. */
const presentMatchers = (name: string, match: ValueMatch, budget: number): IStringMatcher[] => {
  const { kind, ignoreCase } = match;
  if (kind === 'in') return equalTo(name, match.values, ignoreCase, budget);
  if (kind === 'regex') return [parameter(name, `(?:${match.value})${AFTER}`, ignoreCase)];
  const { value } = match;
  if (!isPossible(value)) return [];
  switch (kind) {
    case 'exact':
      return equalTo(name, [value], ignoreCase, budget);
    case 'prefix':
      return beginningWith(name, value, ignoreCase, budget);
    case 'suffix':
      return [parameter(name, `[^&]*${quote(value)}${AFTER}`, ignoreCase)];
    case 'contains':
      return [parameter(name, `[^&]*${quote(value)}\\C*`, ignoreCase)];
  }
};

/** `match` undefined: no such parameter at all. `budget`: bytes of literal text in one regex. */
export const missingParameter = (
  name: string,
  match: ValueMatch | undefined,
  budget: number,
): readonly IHeaderMatcher[] => {
  const rest = budget - OVERHEAD - Buffer.byteLength(name);
  const matchers =
    match === undefined
      ? [{ safeRegex: { regex: `${BEFORE}${quote(name)}(?:[=&]\\C*)?` } }]
      : presentMatchers(name, match, rest);
  return matchers.map((stringMatch) => ({ name: ':path', stringMatch, invertMatch: true }));
};
