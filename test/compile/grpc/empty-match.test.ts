/** Which regular expressions match the empty text: as RE2 itself says. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SafeRegexValueMatcher } from '@grpc/grpc-js-xds/build/src/matcher.js';
import { matchesEmptyText } from '../../../src/compile/grpc/empty-match.ts';

const CASES = {
  '': true,
  a: false,
  '|a': true,
  'a||b': true,
  'a\\|\\|b': false,
  '[||]': false,
  '(?i)| ': true,
  '(?i)a': false,
  '(?i:a?)': true,
  '(?P<n>a*)': true,
  '(?P<n>a)': false,
  '[[:alpha:]]*': true,
  '[[:alpha:]]': false,
  '[^]a]*': true,
  '[]|]': false,
  '\\A\\z': true,
  '\\pN': false,
  '\\p{Greek}{0}': true,
  '\\x{10FFFF}?': true,
  '\\101': false,
  '\\b': false,
  '(?:(?:a*)*)*': true,
  '(?s).*': true,
  '(?U)a+': false,
};

test('a regular expression matches the empty text where RE2 says so', () => {
  for (const [regex, expected] of Object.entries(CASES)) {
    assert.equal(matchesEmptyText(regex), expected, regex);
    assert.equal(new SafeRegexValueMatcher(`(?:${regex})`).apply(''), expected, `RE2: ${regex}`);
  }
});
