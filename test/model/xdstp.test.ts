/** Names of the xdstp scheme. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  canonicalName,
  isCollection,
  type RawRef,
  rawKey,
  rawOfSubject,
  rawSubject,
  spellings,
} from '../../src/model/index.ts';

const BASE = 'xdstp://mesh.example/envoy.config.cluster.v3.Cluster/shop/a';

test('the order of context parameters makes no difference, everything else does', () => {
  const word = fc.stringMatching(/^[a-z0-9%._-]{1,8}$/);
  fc.assert(
    fc.property(fc.dictionary(word, word, { maxKeys: 6 }), fc.constantFrom('', '#entry=x'), (parameters, tail) => {
      const pairs = Object.entries(parameters).map(([key, value]) => `${key}=${value}`);
      const spell = (list: readonly string[]): string =>
        (list.length === 0 ? BASE : `${BASE}?${list.join('&')}`) + tail;
      const canonical = canonicalName(spell(pairs));
      assert.equal(canonicalName(spell([...pairs].reverse())), canonical);
      assert.equal(canonicalName(canonical), canonical);
      assert.equal(canonical.length, spell(pairs).length);
      assert.notEqual(canonicalName(spell([...pairs, 'extra=1'])), canonical);
    }),
  );
  assert.equal(canonicalName(`${BASE}?b=2&a=1#x&c`), `${BASE}?a=1&b=2#x&c`);
  assert.equal(canonicalName(`${BASE}#d?b=2&a=1`), `${BASE}#d?b=2&a=1`);
});

test('names of other schemes are opaque', () => {
  for (const name of ['a.shop:80', 'outbound/a?b=2&a=1', 'http://x/?b=2&a=1', '', '*', 'xdstp'])
    assert.equal(canonicalName(name), name);
});

test('a collection ends in /* before its parameters', () => {
  for (const name of [`${BASE}/*`, `${BASE}/*?b=2&a=1`, `${BASE}/*#x`]) assert.equal(isCollection(name), true, name);
  for (const name of [BASE, `${BASE}/*/b`, `${BASE}?x=/*`, `${BASE}*`, `${BASE}/x#/*`, '/*', 'outbound/*', '*'])
    assert.equal(isCollection(name), false, name);
});

test('all spellings of a name among those asked for', () => {
  const asked = [`${BASE}?b=2&a=1`, `${BASE}?a=1&b=2`, `${BASE}?a=1`, 'x'];
  assert.deepEqual(spellings(`${BASE}?a=1&b=2`, asked), [`${BASE}?a=1&b=2`, `${BASE}?b=2&a=1`]);
  assert.deepEqual(spellings(`${BASE}?c=3`, asked), [`${BASE}?c=3`]);
  assert.deepEqual(spellings('x', asked), ['x']);
});

test('a raw resource is one, whatever the order of its context parameters', () => {
  const ref = { typeUrl: 'type.googleapis.com/envoy.config.cluster.v3.Cluster' };
  const [one, other] = [`${BASE}?a=1&b=2`, `${BASE}?b=2&a=1`].map((name) => ({ ...ref, name })) as [RawRef, RawRef];
  assert.equal(rawKey(one), rawKey(other));
  assert.equal(rawSubject(one), rawSubject(other));
  assert.deepEqual(rawOfSubject(rawSubject(other)), { key: rawKey(one) });
});
