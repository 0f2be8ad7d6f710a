/** Comparison of replicas: R1 to R3 of src/runtime/replicas/compare.ts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compareReplicas, type Proof } from '../../../src/runtime/replicas/index.ts';

const proof = (offset: number, hash = 'a', chain = 'c', foldVersion = 4): Proof => ({
  offset,
  hash,
  chain,
  foldVersion,
});
const says = (id: string, ...proofs: Proof[]) => ({ id, proofs });

test('nobody to compare with: alone', () => {
  assert.deepEqual(compareReplicas(says('a', proof(1)), []), { verdict: 'alone' });
  assert.deepEqual(compareReplicas(says('a', proof(1)), [says('b', proof(2, 'x'))]), { verdict: 'alone' });
});

test('equal proofs agree, at the newest offset both know', () => {
  const verdict = compareReplicas(says('a', proof(3), proof(5)), [says('b', proof(5), proof(3)), says('c', proof(3))]);
  assert.deepEqual(verdict, { verdict: 'agree', offset: 5, with: ['b'] });
});

test('R1: proofs of another version of the fold are not compared', () => {
  assert.deepEqual(compareReplicas(says('a', proof(5)), [says('b', proof(5, 'x', 'c', 3))]), { verdict: 'alone' });
});

test('R2: the larger half decides who is odd', () => {
  const odd = says('a', proof(5, 'x'));
  const [b, c] = [says('b', proof(5)), says('c', proof(5))];
  assert.deepEqual(compareReplicas(odd, [b, c]), { verdict: 'odd', offset: 5, what: 'state', from: ['b', 'c'] });
  assert.deepEqual(compareReplicas(b, [odd, c]), { verdict: 'others', offset: 5, what: 'state', odd: ['a'] });
});

test('R2: two alone cannot decide, and another log is named as the cause', () => {
  const verdict = compareReplicas(says('a', proof(5, 'x', 'other')), [says('b', proof(5))]);
  assert.deepEqual(verdict, { verdict: 'tied', offset: 5, what: 'log', with: ['b'] });
});

test('R3: an older agreement does not take a difference back, nor does a newer one', () => {
  const [b, c] = [says('b', proof(3), proof(5), proof(7)), says('c', proof(3), proof(5))];
  assert.equal(compareReplicas(says('a', proof(3), proof(5, 'x'), proof(7)), [b, c]).verdict, 'odd');
  // At 7 two differ and nobody decides; at 5 a larger half does.
  assert.equal(compareReplicas(says('a', proof(5, 'x'), proof(7, 'x')), [b, c]).verdict, 'odd');
});

test('R2: whatever replicas say, at most one verdict fits all of them', () => {
  const hashes = fc.array(fc.constantFrom('x', 'y', 'z'), { minLength: 2, maxLength: 7 });
  fc.assert(
    fc.property(hashes, (values) => {
      const all = values.map((hash, at) => says(`r${at}`, proof(9, hash)));
      const verdicts = all.map(
        (self) =>
          compareReplicas(
            self,
            all.filter((other) => other !== self),
          ).verdict,
      );
      const most = values.find((hash) => values.filter((other) => other === hash).length * 2 > values.length);
      values.forEach((hash, at) => {
        const uniform = values.every((other) => other === hash);
        const expected = uniform ? 'agree' : most === undefined ? 'tied' : hash === most ? 'others' : 'odd';
        assert.equal(verdicts[at], expected);
      });
    }),
  );
});
