/**
 * Matcher **M** of policies.md section 1 -> Envoy's string, header and query parameter matchers.
 *
 * Envoy has no "one of" and no case-insensitive regex flag, so `in` and `ignoreCase` on a regex become RE2 text. It has no
 * inverted query matcher either: such a condition is put on `:path`, which holds the query as it was sent.
 * With `not`, Envoy sees an absent header as an empty text.
 */
import type { HeaderMatch, TextMatch } from '../model/index.ts';
import type { IHeaderMatcher, IQueryParameterMatcher, IStringMatcher } from '../proto/index.ts';

type ValueMatch = Exclude<TextMatch, { readonly kind: 'present' }>;

const quote = (text: string): string => text.replace(/[\\^$.|?*+()[\]{}/-]/g, (char) => `\\${char}`);

/** RE2 text that matches the whole value exactly when one of the texts is equal to it. */
export const anyOfTexts = (texts: readonly string[]): string => texts.map(quote).join('|');

const withCase = (regex: string, ignoreCase: boolean): string => (ignoreCase ? `(?i)${regex}` : regex);

/** Same meaning as `stringMatcher`, as RE2 text for the whole value. `rest`: what a value consists of. */
const valueRegex = (match: ValueMatch, rest: string): string => {
  switch (match.kind) {
    case 'exact':
      return quote(match.value);
    case 'prefix':
      return `${quote(match.value)}${rest}*`;
    case 'suffix':
      return `${rest}*${quote(match.value)}`;
    case 'contains':
      return `${rest}*${quote(match.value)}${rest}*`;
    case 'regex':
      return `(?:${match.value})`;
    case 'in':
      return `(?:${anyOfTexts(match.values)})`;
  }
};

const stringMatcher = (match: ValueMatch): IStringMatcher => {
  const { ignoreCase } = match;
  switch (match.kind) {
    case 'regex':
      return { safeRegex: { regex: withCase(match.value, ignoreCase) } };
    case 'in':
      return { safeRegex: { regex: withCase(anyOfTexts(match.values), ignoreCase) } };
    case 'exact':
      return { exact: match.value, ignoreCase };
    case 'prefix':
      return { prefix: match.value, ignoreCase };
    case 'suffix':
      return { suffix: match.value, ignoreCase };
    case 'contains':
      return { contains: match.value, ignoreCase };
  }
};

/** `name` in lower case. */
export const headerMatcher = (name: string, match: HeaderMatch): IHeaderMatcher => {
  if (match.kind === 'present') return { name, presentMatch: match.present !== match.not };
  const inverted = match.not ? { invertMatch: true, treatMissingHeaderAsEmpty: true } : {};
  return match.kind === 'range'
    ? { name, rangeMatch: { start: match.from, end: match.to }, ...inverted }
    : { name, stringMatch: stringMatcher(match), ...inverted };
};

export interface QueryMatchers {
  readonly queryParameters: readonly IQueryParameterMatcher[];
  /** Conditions that only a header matcher on `:path` can say. */
  readonly headers: readonly IHeaderMatcher[];
}

/** The path has no query parameter of this name with such a value (undefined: no such parameter at all). */
const noParameter = (name: string, match: ValueMatch | undefined): IHeaderMatcher => {
  const value = match === undefined ? '(?:=[^&]*)?' : `=${withCase(valueRegex(match, '[^&]'), match.ignoreCase)}`;
  return {
    name: ':path',
    stringMatch: { safeRegex: { regex: `[^?]*\\?(?:[^&]*&)*${quote(name)}(?:${value})(?:&.*)?` } },
    invertMatch: true,
  };
};

export const queryMatchers = (
  conditions: readonly { readonly name: string; readonly match: TextMatch }[],
): QueryMatchers => {
  const queryParameters: IQueryParameterMatcher[] = [];
  const headers: IHeaderMatcher[] = [];
  for (const { name, match } of conditions) {
    if (match.kind === 'present') {
      if (match.present !== match.not) queryParameters.push({ name, presentMatch: true });
      else headers.push(noParameter(name, undefined));
    } else if (match.not) headers.push(noParameter(name, match));
    else queryParameters.push({ name, stringMatch: stringMatcher(match) });
  }
  return { queryParameters, headers };
};
