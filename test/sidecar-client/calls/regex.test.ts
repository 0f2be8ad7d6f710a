/** RE2 expressions against JavaScript's engine where both mean the same, and what JavaScript has not. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Regex } from '../../../src/sidecar-client/calls/regex.ts';

const atom = fc.constantFrom('a', 'b', 'c', '.', '[ab]', '[^a]', '[a-c-]', '\\d', '\\w', '\\.', '-', '^', '$', '\\b');
const { regex } = fc.letrec<{ regex: string; piece: string }>((tie) => ({
  regex: fc
    .array(
      fc.array(tie('piece'), { maxLength: 3 }).map((pieces) => pieces.join('')),
      { minLength: 1, maxLength: 3 },
    )
    .map((choices) => choices.join('|')),
  piece: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    atom,
    fc
      .tuple(fc.constantFrom('a', 'b', '[ab]', '\\w'), fc.constantFrom('*', '+', '?', '{2}', '{1,}', '{0,2}', '*?'))
      .map((parts) => parts.join('')),
    tie('regex').map((inner) => `(?:${inner})`),
    fc.tuple(tie('regex'), fc.constantFrom('*', '+', '?', '{1,2}')).map(([inner, sign]) => `(${inner})${sign}`),
  ),
}));

test('takes the same whole texts as JavaScript does', () => {
  fc.assert(
    fc.property(
      regex,
      fc.array(fc.string({ unit: fc.constantFrom('a', 'b', 'c', '-', '.', '1'), maxLength: 6 }), {
        minLength: 5,
        maxLength: 10,
      }),
      (source, texts) => {
        const made = new Regex(source);
        const expected = new RegExp(`^(?:${source})$`);
        for (const text of texts) assert.equal(made.test(text), expected.test(text), `${source} on ${text}`);
      },
    ),
    { numRuns: 400 },
  );
});

test('what only RE2 has', () => {
  const takes: readonly (readonly [source: string, texts: readonly string[], not: readonly string[]])[] = [
    ['(?i)straße', ['STRAßE', 'straße'], ['strasse']],
    ['a(?i:b)c', ['abc', 'aBc'], ['Abc', 'abC']],
    ['(?i)a(?-i)b', ['Ab', 'ab'], ['aB']],
    ['(?i)[^a]', ['b'], ['a', 'A']],
    ['[[:alpha:]_]+', ['aB_'], ['a1']],
    ['[[:^digit:]]', ['a'], ['1']],
    ['\\pL\\p{Greek}', ['aβ'], ['ab', '1β']],
    ['\\PL', ['1'], ['a']],
    ['\\Qa.b*\\E+', ['a.b*', 'a.b**'], ['aab', 'a.b']],
    ['\\Aa\\z', ['a'], ['a\n']],
    ['a.b', ['a-b', 'a😀b'], ['a\nb']],
    ['(?s)a.b', ['a\nb'], ['ab']],
    ['a\\Cb', ['a\nb'], ['ab']],
    ['(?m)a$\\n^b', ['a\nb'], ['ab']],
    ['(?P<name>a)(?<other>b)', ['ab'], ['a']],
    ['\\x41\\x{1F600}\\101', ['A😀A'], ['A']],
    ['[]a]', [']', 'a'], ['b']],
    ['a{,2}', ['a{,2}'], ['aa']],
    ['\\s', [' ', '\t'], ['\u00a0', '\v']],
  ];
  for (const [source, texts, not] of takes) {
    const made = new Regex(source);
    for (const text of texts) assert.ok(made.test(text), `${source} takes ${JSON.stringify(text)}`);
    for (const text of not) assert.ok(!made.test(text), `${source} leaves ${JSON.stringify(text)}`);
  }
});

test('what RE2 does not take is refused', () => {
  for (const source of [
    '(?=a)',
    '(?<!a)',
    '\\1',
    '(a',
    'a)',
    '[a',
    '*',
    'a**',
    'a{2,1}',
    'a{1001}',
    '\\k',
    '[b-a]',
    '[[:foo:]]',
    '\\',
    '(?>a)',
  ])
    assert.throws(() => new Regex(source), SyntaxError, source);
});

test('an expression that JavaScript would take for ever on, and one with too many states', () => {
  assert.equal(new Regex('(a*)*b').test('a'.repeat(3_000)), false);
  assert.equal(new Regex('(a|a)*(a|a)*').test('a'.repeat(3_000)), true);
  assert.throws(() => new Regex('((a{100}){100}){100}'), /more than 10000 states/);
  assert.throws(() => new Regex('(((){1000}){1000}){1000}'), /multiply/);
  assert.throws(() => new Regex('('.repeat(100_000)));
});
