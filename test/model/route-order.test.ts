/** Evaluation order of rules (policies.md section 3), and matchers in normal form. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { effective, resolveRoute } from '../../src/model/index.ts';
import { document, layer } from './support.ts';

const PORT = { service: 'web.default', port: 80, protocol: 'http' } as const;
const resolve = (rules: object, port = PORT) =>
  resolveRoute(effective('Route', [layer(document('Route', 'web', { rules }))]), port);
const orderOf = (rules: object) => resolve(rules).rules.map(({ name }) => name);

/** Each step of the written rule alone: the first is tried before the second. */
const STEPS: readonly (readonly [why: string, first: object, second: object])[] = [
  ['lower order', { order: -1, match: {} }, { match: { path: { exact: '/a' } } }],
  ['exact before regex', { match: { path: { exact: '/a' } } }, { match: { path: { regex: '/a' }, method: 'GET' } }],
  ['in counts as exact', { match: { path: { in: ['/a', '/b'] } } }, { match: { path: { regex: '/a' } } }],
  ['regex before prefix', { match: { path: { regex: '/a' } } }, { match: { path: { prefix: '/a/long' } } }],
  ['longer prefix', { match: { path: { prefix: '/a/long' } } }, { match: { path: { prefix: '/a' }, method: 'GET' } }],
  ['prefix before none', { match: { path: { prefix: '/' } } }, { match: { method: 'GET', headers: { a: 'b' } } }],
  [
    'grpc method counts as exact',
    { match: { grpc: { service: 'a.B', method: 'C' } } },
    { match: { path: { regex: '/x' } } },
  ],
  ['grpc service counts as prefix', { match: { path: { regex: '/x' } } }, { match: { grpc: { service: 'a.B' } } }],
  ['method given', { match: { method: ['GET'] } }, { match: { headers: { a: 'b', c: 'd' } } }],
  ['more conditions', { match: { headers: { a: 'b' }, query: { q: '1' } } }, { match: { headers: { a: 'b' } } }],
  ['name', { match: { headers: { a: '1' } } }, { match: { headers: { a: '2' } } }],
];

for (const [why, first, second] of STEPS) {
  test(`order: ${why}`, () => {
    // Names speak for the second one, so only the step itself can put the first in front.
    const [a, b] = why === 'name' ? ['a', 'b'] : ['z', 'y'];
    assert.deepEqual(orderOf({ [a]: first, [b]: second }), [a, b]);
    assert.deepEqual(orderOf({ [b]: second, [a]: first }), [a, b]);
  });
}

test('order does not depend on the order of keys', () => {
  const entries = STEPS.flatMap(([, first, second], index) => [
    [`a${index}`, first] as const,
    [`b${index}`, second] as const,
  ]);
  const expected = orderOf(Object.fromEntries(entries));
  fc.assert(
    fc.property(fc.shuffledSubarray(entries, { minLength: entries.length }), (shuffled) => {
      assert.deepEqual(orderOf(Object.fromEntries(shuffled)), expected);
    }),
    { numRuns: 50 },
  );
});

test('rules of another port are left out', () => {
  const rules = { a: { match: { port: 80 } }, b: { match: { port: 81 } }, c: { match: {} } };
  assert.deepEqual(
    resolve(rules).rules.map(({ name }) => name),
    ['a', 'c'],
  );
});

test('matchers in normal form', () => {
  const match = {
    path: { in: ['/b', '/a', '/a'], ignoreCase: true },
    method: ['POST', 'GET'],
    headers: {
      'X-Z': { present: false },
      'x-a': { range: [1, 9], not: true },
      'x-b': { contains: 'q', ignoreCase: true },
    },
    query: { q: { in: ['2', '1'] }, p: 'x' },
  };
  assert.deepEqual(resolve({ a: { match } }).rules[0]?.match, {
    paths: [
      { kind: 'exact', value: '/a', ignoreCase: true },
      { kind: 'exact', value: '/b', ignoreCase: true },
    ],
    methods: ['GET', 'POST'],
    headers: [
      { name: 'x-a', match: { kind: 'range', from: 1, to: 9, ignoreCase: false, not: true } },
      { name: 'x-b', match: { kind: 'contains', value: 'q', ignoreCase: true, not: false } },
      { name: 'x-z', match: { kind: 'present', present: false, ignoreCase: false, not: false } },
    ],
    query: [
      { name: 'p', match: { kind: 'exact', value: 'x', ignoreCase: false, not: false } },
      { name: 'q', match: { kind: 'in', values: ['1', '2'], ignoreCase: false, not: false } },
    ],
    grpc: undefined,
  });
});

test('targets in normal form, sorted by key', () => {
  const to = { v2: { weight: 0 }, 'cart.shop:81/v1': { weight: 5 }, 'cart.shop': {}, '*': {} };
  assert.deepEqual(resolveRoute(effective('Route', [layer(document('Route', 'web', { to }))]), PORT).default.targets, [
    { key: '*', service: 'web.default', port: 80, subset: undefined, weight: 1 },
    { key: 'cart.shop', service: 'cart.shop', port: undefined, subset: undefined, weight: 1 },
    { key: 'cart.shop:81/v1', service: 'cart.shop', port: 81, subset: 'v1', weight: 5 },
    { key: 'v2', service: 'web.default', port: 80, subset: 'v2', weight: 0 },
  ]);
});
