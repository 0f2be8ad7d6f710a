import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { EntityTerms, IMAGE_EVERY } from '../../src/projector/entity-terms.ts';
import { digestToLanes, entityTerm, LANES, StateHash } from '../../src/projector/state-hash.ts';

const MODULUS = 2n ** 256n;
const asNumber = (digest: Uint8Array): bigint => BigInt(`0x${Buffer.from(digest).toString('hex')}`);
const asHex = (number: bigint): string => number.toString(16).padStart(64, '0');
const digests = fc.uint8Array({ minLength: 32, maxLength: 32 });
// Carries run through whole words only when these are full.
const extremes = fc.oneof(
  digests,
  fc.constantFrom(
    new Uint8Array(32).fill(255),
    new Uint8Array(32),
    Uint8Array.from({ length: 32 }, (_, at) => (at === 31 ? 1 : 0)),
  ),
);

test('the sum is that of the numbers, modulo 2^256', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(extremes, fc.boolean())), (steps) => {
      const hash = new StateHash();
      const lanes = new Uint32Array(LANES);
      let expected = 0n;
      for (const [digest, isAdded] of steps) {
        digestToLanes(digest, lanes, 0);
        if (isAdded) hash.add(lanes);
        else hash.subtract(lanes);
        expected = (expected + (isAdded ? asNumber(digest) : MODULUS - asNumber(digest))) % MODULUS;
      }
      assert.equal(hash.hex(), asHex(expected));
    }),
  );
});

test('a term is the SHA-256 of key and value', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.uint8Array({ maxLength: 20_000 }), (key, value) => {
      assert.deepEqual(entityTerm(key, value), createHash('sha256').update(key).update(value).digest());
    }),
  );
});

test('terms of changed and removed entities leave the sum, in whatever order', () => {
  const step = fc.record({
    key: fc.constantFrom('a', 'b', 'c', 'd'),
    value: fc.option(fc.uint8Array({ maxLength: 8 }), { nil: undefined }),
  });
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const terms = new EntityTerms();
      const model = new Map<string, Uint8Array>();
      for (const { key, value } of steps) {
        if (value === undefined) {
          assert.equal(terms.remove(key), model.delete(key));
        } else {
          terms.set(key, entityTerm(key, value));
          model.set(key, value);
        }
      }
      const sum = [...model].reduce((total, [key, value]) => (total + asNumber(entityTerm(key, value))) % MODULUS, 0n);
      assert.equal(terms.hash.hex(), asHex(sum));
      assert.deepEqual([...terms.keys()].sort(), [...model.keys()].sort());
      for (const [key, value] of model) assert.ok(terms.matches(key, entityTerm(key, value)));
    }),
  );
});

test('an image is due after at most so many changes, and not after each', () => {
  const terms = new EntityTerms();
  for (let key = 0; key < 3000; key++) terms.set(`k${key}`, entityTerm(`k${key}`, new Uint8Array(1)));
  let since = 0;
  let images = 0;
  for (let change = 0; change < 10 * IMAGE_EVERY; change++) {
    since++;
    if (!terms.set('k2047', entityTerm('k2047', Uint8Array.of(change)))) continue;
    assert.ok(since <= IMAGE_EVERY);
    since = 0;
    images++;
  }
  assert.equal(images, 10);
});
