/**
 * Does a regular expression of RE2 match the empty text? Asked for headers that a call does not have: Envoy takes them for empty
 * ones, gRPC clients do not (`headers.ts`).
 *
 * Answered by the engine at hand: on the empty text only the shape counts, so what RE2 writes otherwise is put in a form of the same
 * shape first. Source: https://github.com/google/re2/wiki/Syntax
 */

/** RE2's own syntax and what stands for it. What takes a character becomes `a`; what takes none, nothing. */
const AS_JAVASCRIPT: readonly (readonly [RegExp, string])[] = [
  // A flag for what follows; a group with flags, or with a name.
  [/^\(\?[imsU-]+\)/, ''],
  [/^\(\?(?:[imsU-]+:|P?<\w+>)/, '(?:'],
  // Begin and end of the text.
  [/^\\[Az]/, ''],
  [/^\\(?:[pP](?:\{\^?\w+\}|\w)|x\{[0-9A-Fa-f]+\}|[0-7]{3}|C)/, 'a'],
  // A class: `]` first in it is itself, and so is all of `[:name:]`.
  [/^\[\^?\]?(?:\[:\^?\w+:\]|\\[\s\S]|[^\]\\])*\]/, 'a'],
  // Any other escape, and any other character.
  [/^\\[\s\S]/, '$&'],
  [/^[\s\S]/, '$&'],
];

const asJavaScript = (regex: string): string => {
  let rest = regex;
  let made = '';
  while (rest !== '') {
    for (const [pattern, form] of AS_JAVASCRIPT) {
      const found = pattern.exec(rest)?.[0];
      if (found === undefined) continue;
      made += form === '$&' ? found : form;
      rest = rest.slice(found.length);
      break;
    }
  }
  return made;
};

/** The whole text, as Envoy and gRPC match. Without `\Q…\E` (`grpcRegex` has taken it out). False if it cannot be told. */
export const matchesEmptyText = (regex: string): boolean => {
  try {
    return new RegExp(`^(?:${asJavaScript(regex)})$`).test('');
  } catch {
    return false;
  }
};
