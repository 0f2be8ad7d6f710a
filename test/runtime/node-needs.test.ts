/** What a node may say it needs (docs/protocol.md, "Callers of everything"): what does not fit is no wish, and says why. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ProtoNode } from '../../src/proto/index.ts';
import { identify } from '../../src/runtime/node-identity.ts';
import { fits, type Needs, readNeeds } from '../../src/runtime/node-needs.ts';

const needsOf = (value: unknown): Needs => {
  const word = readNeeds(value);
  assert.ok('needs' in word && word.needs !== undefined, JSON.stringify(word));
  return word.needs;
};

test('"all" is any service; labels and namespaces must all fit', () => {
  const cart = { namespace: 'shop', labels: { tier: 'public', team: 'a' } };
  const fitsCart = (value: unknown): boolean => fits(needsOf(value), cart);
  assert.equal(fitsCart('all'), true);
  assert.equal(fitsCart({ labels: { tier: 'public' } }), true);
  assert.equal(fitsCart({ labels: { tier: 'public', team: 'b' } }), false);
  assert.equal(fitsCart({ namespaces: ['billing', 'shop'] }), true);
  assert.equal(fitsCart({ namespaces: ['billing'], labels: { tier: 'public' } }), false);
  assert.equal(fitsCart({ labels: { toString: 'x' } }), false, 'what an object inherits is no label');
});

test('equal wishes are equal, whatever the order they are written in', () => {
  assert.deepEqual(
    needsOf({ labels: { b: '2', a: '1' }, namespaces: ['y', 'x', 'x'] }),
    needsOf({ namespaces: ['x', 'y'], labels: { a: '1', b: '2' } }),
  );
});

test('what does not fit is no wish', () => {
  const many = Object.fromEntries(Array.from({ length: 17 }, (_, index) => [`l${index}`, 'x']));
  for (const value of [
    'everything',
    true,
    null,
    [],
    {},
    { labels: {} },
    { labels: { a: 1 } },
    { labels: { a: 'x'.repeat(257) } },
    { labels: { ['a'.repeat(64)]: 'x' } },
    { labels: ['a'] },
    { namespaces: 'shop' },
    { namespaces: ['Shop'] },
    { namespaces: Array.from({ length: 65 }, (_, index) => `n${index}`) },
    { labels: many },
    { label: { a: 'x' } },
  ])
    assert.ok('problem' in readNeeds(value), JSON.stringify(value));
});

test('a node without a wish has none, and a bad one costs it nothing but the wish', () => {
  const node = (needs: unknown): ProtoNode =>
    ({ id: 'n', cluster: 'web.shop', metadata: needs === undefined ? {} : { needs } }) as unknown as ProtoNode;
  assert.equal(identify(node(undefined)).needs, undefined);
  assert.equal(identify(node(undefined)).needsProblem, undefined);
  assert.deepEqual([identify(node(undefined)).facts.needs, identify(node('all')).facts.needs], [undefined, true]);
  const bad = identify(node('some'));
  assert.equal(bad.facts.needs, undefined);
  assert.equal(bad.facts.caller, 'web.shop');
  assert.equal(bad.needs, undefined);
  assert.match(bad.needsProblem ?? '', /allowed: "all"/);
});
