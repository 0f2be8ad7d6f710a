/** Grammars of texts: durations, percents, targets, RE2, "did you mean". */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isPercent } from '../../src/model/documents/text/duration.ts';
import { literalPrefix, re2Problem } from '../../src/model/documents/text/re2.ts';
import { editDistance, nearestWord } from '../../src/model/documents/text/suggest.ts';
import {
  formatDuration,
  fractionOf,
  parseDependencyTarget,
  parseDuration,
  parseRouteTarget,
  takesService,
} from '../../src/model/index.ts';

test('durations', () => {
  const good: Record<string, number> = {
    '300ms': 300,
    '1.5s': 1500,
    '15m': 900_000,
    '0s': 0,
    '8760h': 31_536_000_000,
    '0.1s': 100,
    '0.25h': 900_000,
    '1.0ms': 1,
  };
  for (const [text, ms] of Object.entries(good)) assert.equal(parseDuration(text), ms, text);
  for (const text of [
    '',
    's',
    '1',
    '1.s',
    '.5s',
    '-1s',
    '+1s',
    '1e3s',
    '1 s',
    '1S',
    '1d',
    '0.0001s',
    '1.5ms',
    'NaNs',
    '1s ',
  ]) {
    assert.equal(parseDuration(text), undefined, text);
  }
});

test('durations: written form and back', () => {
  fc.assert(fc.property(fc.integer({ min: 0, max: 31_536_000_000 }), (ms) => parseDuration(formatDuration(ms)) === ms));
});

test('percents have up to 4 decimals', () => {
  for (const value of [0, 100, 0.0001, 12.3456, 99.9999, 33.3333]) assert.ok(isPercent(value), String(value));
  for (const value of [-0.0001, 100.0001, 0.00001, 33.33333, Number.NaN]) assert.ok(!isPercent(value), String(value));
  assert.deepEqual(fractionOf(12.3456), { numerator: 123_456, denominator: 'MILLION' });
});

test('every numerator over a million is a percent', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 1_000_000 }), (numerator) => {
      const percent = Number((numerator / 10_000).toFixed(4));
      return isPercent(percent) && fractionOf(percent).numerator === numerator;
    }),
  );
});

test('targets of a route', () => {
  assert.deepEqual(parseRouteTarget('*'), { kind: 'all' });
  assert.deepEqual(parseRouteTarget('v1'), { kind: 'subset', subset: 'v1' });
  assert.deepEqual(parseRouteTarget('a.b:80/v1'), { kind: 'service', service: 'a.b', port: 80, subset: 'v1' });
  for (const text of [
    '',
    'V1',
    'a.b.c',
    'a.b:',
    'a.b:0',
    'a.b:65536',
    'a.b/',
    'a.b/V',
    '/v1',
    'a.b/v1/v2',
    '*.b',
    '-a.b',
  ]) {
    assert.equal(parseRouteTarget(text), undefined, text);
  }
});

test('targets of a dependency', () => {
  assert.deepEqual(parseDependencyTarget('*.b:80'), { name: '*', namespace: 'b', port: 80, glob: true });
  for (const text of ['a', '*', '*a.b', 'a.b.c', 'a.b:99999', 'a.b/v1', '**.b'])
    assert.equal(parseDependencyTarget(text), undefined, text);
  assert.ok(takesService({ name: '*', namespace: 'b' }, 'a', 'b'));
  assert.ok(!takesService({ name: '*', namespace: 'b' }, 'a', 'c'));
});

test('RE2: what it takes', () => {
  for (const regex of [
    '',
    '.*',
    '^a|b$',
    '(a|b)+?c*?',
    '(?i)abc',
    '(?i:a)b',
    '(?P<name>a)',
    '(?<name>a)',
    '(?:a{2,3}){4}',
    '[^a-z\\d_-]',
    '[]a]',
    '[[:alpha:]]',
    '\\pN\\p{Greek}\\P{^Lu}',
    '\\x41\\x{1F600}',
    '\\Q(((\\E',
    'a{,5}',
    '{',
    'a{1000}',
    '\\.\\/\\-',
    '\\123\\0',
    '😀+',
    '^*',
    'x{2}?',
  ]) {
    assert.equal(re2Problem(regex), undefined, regex);
  }
});

test('RE2: what it refuses', () => {
  const bad: Record<string, RegExp> = {
    '(?=a)': /look-around/,
    '(?!a)': /look-around/,
    '(?<=a)': /look-around/,
    '(?<!a)': /look-around/,
    '(a)\\1': /back-reference/,
    '(?P=n)': /back-reference/,
    '\\k<n>': /back-reference/,
    '\\8': /back-reference/,
    'a*+': /possessive/,
    'a++': /possessive/,
    'a?+': /possessive/,
    'a{2}+': /possessive/,
    '(?>a)': /atomic/,
    'a**': /bad repetition/,
    '*a': /no argument/,
    '(*)': /no argument/,
    'a|*': /no argument/,
    '(?i)*': /no argument/,
    '(a': /missing \)/,
    'a)': /unexpected \)/,
    '[a': /missing ]/,
    '[z-a]': /range/,
    '[[:foo:]]': /range/,
    'a{1001}': /repetition size/,
    'a{3,2}': /repetition size/,
    '(a{500}){3}': /nested repetitions/,
    '\\': /trailing/,
    '\\Z': /escape/,
    '\\_': /escape/,
    '\\é': /escape/,
    '\\x{110000}': /escape/,
    '(?x)a': /group/,
    '(?#c)': /comment/,
  };
  for (const [regex, problem] of Object.entries(bad)) assert.match(re2Problem(regex) ?? 'taken', problem, regex);
});

test("RE2: what V8 takes without RE2's own or missing features is judged alike", () => {
  // Plain building blocks that mean the same to both engines, combined at random.
  const atom = fc.constantFrom('a', '.', '[a-c]', '[^x]', '\\d', '\\w', '\\.', 'b', '(', ')', '|', '^', '$');
  const piece = fc
    .tuple(atom, fc.constantFrom('', '', '', '*', '+', '?', '{2,3}', '+?'))
    .map(([left, right]) => left + right);
  const valid = (regex: string): boolean => {
    try {
      return new RegExp(regex, 'u') instanceof RegExp;
    } catch {
      return false;
    }
  };
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
      const regex = pieces.join('');
      // RE2 takes repeated assertions, V8 in Unicode mode does not.
      fc.pre(!/[\^$][*+?{]/.test(regex));
      assert.equal(re2Problem(regex) === undefined, valid(regex), regex);
    }),
    { numRuns: 2000 },
  );
});

test('RE2: never throws, never hangs on arbitrary text', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) =>
      ['undefined', 'string'].includes(typeof re2Problem(text)),
    ),
  );
  assert.equal(typeof re2Problem('('.repeat(1024)), 'string');
  assert.equal(re2Problem('(a*)*'.repeat(200)), undefined);
});

test('the literal start of an expression', () => {
  for (const [regex, literal] of [
    ['/api/v[0-9]', '/api/v'],
    ['^/a.b', '/a'],
    ['/ab*', '/a'],
    ['/ab+', '/ab'],
    ['/a|/b', ''],
    ['.*', ''],
    ['/a\\.b', '/a'],
  ] as const) {
    assert.equal(literalPrefix(regex), literal, regex);
  }
});

test('did you mean', () => {
  const words = ['timeout', 'idleTimeout', 'retry', 'rules'];
  assert.equal(nearestWord('tiemout', words), 'timeout');
  assert.equal(nearestWord('Timeout', words), 'timeout');
  assert.equal(nearestWord('rety', words), 'retry');
  assert.equal(nearestWord('mirror', words), undefined);
  assert.equal(nearestWord('x'.repeat(100_000), words), undefined);
  assert.equal(editDistance('ab', 'ba'), 1);
  fc.assert(
    fc.property(
      fc.string(),
      fc.string(),
      (a, b) => editDistance(a, b) === editDistance(b, a) && (editDistance(a, b) === 0) === (a === b),
    ),
  );
});
