/**
 * Matcher **M** of policies.md section 1 -> Envoy's string, header and query parameter matchers.
 *
 * Envoy has no "one of" and no case-insensitive regex flag, so `in` and `ignoreCase` on a regex become RE2 text; long lists are
 * split, into alternatives, or with `not` into conditions that all hold. With `not`, Envoy sees an absent header as an empty text.
 */
import type { HeaderMatch, TextMatch } from '../model/index.ts';
import type { IHeaderMatcher, IQueryParameterMatcher, IStringMatcher } from '../proto/index.ts';
import { missingParameter } from './missing-parameter.ts';
import { anyOfTexts, chunksOf, type ValueMatch } from './regex-text.ts';

/** A list of texts as matchers of which one holds. */
export const listMatchers = (
  texts: readonly string[],
  ignoreCase: boolean,
  budget: number,
): readonly IStringMatcher[] =>
  chunksOf(texts, budget).map((chunk) => {
    const [only] = chunk;
    if (chunk.length === 1 && only !== undefined) return { exact: only, ignoreCase };
    return { safeRegex: { regex: `${ignoreCase ? '(?i)' : ''}${anyOfTexts(chunk)}` } };
  });

/** Matchers of which one holds. */
const stringMatchers = (match: ValueMatch, budget: number): readonly IStringMatcher[] => {
  const { ignoreCase } = match;
  switch (match.kind) {
    case 'in':
      return listMatchers(match.values, ignoreCase, budget);
    case 'regex':
      return [{ safeRegex: { regex: `${ignoreCase ? '(?i)' : ''}${match.value}` } }];
    case 'exact':
      return [{ exact: match.value, ignoreCase }];
    case 'prefix':
      return [{ prefix: match.value, ignoreCase }];
    case 'suffix':
      return [{ suffix: match.value, ignoreCase }];
    case 'contains':
      return [{ contains: match.value, ignoreCase }];
  }
};

/** Part of a `RouteMatch`. */
export interface Condition {
  readonly headers: readonly IHeaderMatcher[];
  readonly queryParameters: readonly IQueryParameterMatcher[];
}

/** The condition holds when one of these does. */
export type Alternatives = readonly Condition[];

export const onHeaders = (...headers: IHeaderMatcher[]): Condition => ({ headers, queryParameters: [] });

/** `name` in lower case. */
export const headerCondition = (name: string, match: HeaderMatch, budget: number): Alternatives => {
  if (match.kind === 'present') return [onHeaders({ name, presentMatch: match.present !== match.not })];
  const inverted = { invertMatch: true, treatMissingHeaderAsEmpty: true };
  if (match.kind === 'range') {
    const range = { name, rangeMatch: { start: match.from, end: match.to } };
    return [onHeaders(match.not ? { ...range, ...inverted } : range)];
  }
  const matchers = stringMatchers(match, budget);
  return match.not
    ? [onHeaders(...matchers.map((stringMatch) => ({ name, stringMatch, ...inverted })))]
    : matchers.map((stringMatch) => onHeaders({ name, stringMatch }));
};

/** Envoy has no inverted query matcher: such a condition is put on `:path`, which holds the query as it was sent. */
export const queryCondition = (name: string, match: TextMatch, budget: number): Alternatives => {
  const on = (matcher: IQueryParameterMatcher): Condition => ({ headers: [], queryParameters: [matcher] });
  if (match.kind === 'present') {
    if (match.present !== match.not) return [on({ name, presentMatch: true })];
    return [onHeaders(...missingParameter(name, undefined, budget))];
  }
  if (match.not) return [onHeaders(...missingParameter(name, match, budget))];
  return stringMatchers(match, budget).map((stringMatch) => on({ name, stringMatch }));
};
