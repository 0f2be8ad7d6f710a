/** JSON Patch of documents (policies.md section 1): E110, and the result is checked as if it had been applied. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { applyPatch } from '../../src/model/index.ts';
import { codesOf, document, only } from './support.ts';

const checkout = document('Route', 'checkout', {
  to: { v1: { weight: 90 }, v2: { weight: 10 }, 'cart.shop:80/v1': { weight: 0 } },
  rules: { jason: { match: { headers: { 'end-user': 'jason' } }, timeout: '1s' } },
});
const patched = (...operations: object[]) => applyPatch(checkout, operations);
const refused = (...operations: unknown[]) => {
  const result = applyPatch(checkout, operations);
  assert.equal(result.ok, false);
  return result.findings;
};

test('pointers of named things', () => {
  const result = patched(
    { op: 'test', path: '/spec/to/v2/weight', value: 10 },
    { op: 'replace', path: '/spec/to/v2/weight', value: 20 },
    { op: 'replace', path: '/spec/to/cart.shop:80~1v1/weight', value: 3 },
    { op: 'replace', path: '/spec/rules/jason/timeout', value: '2s' },
    { op: 'add', path: '/spec/rules/beta', value: { match: { method: 'GET' } } },
    { op: 'remove', path: '/spec/to/v1' },
  );
  assert.ok(result.ok);
  assert.deepEqual(result.document.spec, {
    to: { v2: { weight: 20 }, 'cart.shop:80/v1': { weight: 3 } },
    rules: {
      jason: { match: { headers: { 'end-user': 'jason' } }, timeout: '2s' },
      beta: { match: { method: 'GET' } },
    },
  });
  assert.equal(Object(checkout.spec).to.v2.weight, 10, 'the given document is not changed');
});

test('E110: a missing path or a failed test, nothing half applied', () => {
  const missing = only(refused({ op: 'replace', path: '/spec/timeout', value: '1s' }), 'E110');
  assert.deepEqual([missing.pointer, missing.document], ['/spec/timeout', 'Route/default/checkout']);
  assert.match(missing.message, /Operation 0 \(replace \/spec\/timeout\) does not fit/);
  assert.deepEqual(codesOf(refused({ op: 'remove', path: '/spec/rules/nobody' })), ['E110']);
  assert.deepEqual(codesOf(refused({ op: 'add', path: '/spec/mirror/v3/percent', value: 1 })), ['E110']);
  const failed = refused({ op: 'remove', path: '/spec/to/v1' }, { op: 'test', path: '/spec/to/v2/weight', value: 11 });
  assert.match(only(failed, 'E110').message, /Operation 1 \(test/);
  assert.deepEqual(codesOf(refused({ op: 'test', path: '/spec/nothing', value: 1 })), ['E110']);
});

test('E110: no patch at all', () => {
  for (const operations of [undefined, null, {}, [], 'x', Array(257).fill({ op: 'remove', path: '/spec/to' })]) {
    assert.deepEqual(codesOf(applyPatch(checkout, operations).findings), ['E110']);
  }
  for (const operation of [
    1,
    {},
    { op: 'exec', path: '/spec' },
    { op: '_get', path: '/spec' },
    { op: 'add', path: 'spec', value: 1 },
    { op: 'add', path: '/spec/x' },
    { op: 'move', path: '/spec/a' },
    { op: 'remove', path: '/a~2' },
  ]) {
    assert.deepEqual(codesOf(refused(operation)), ['E110'], JSON.stringify(operation));
  }
});

test('E110: the identity of a document cannot be patched', () => {
  assert.match(
    only(refused({ op: 'replace', path: '/metadata/name', value: 'other' }), 'E110').message,
    /cannot make Route\/default\/checkout into Route\/default\/other/,
  );
  assert.deepEqual(codesOf(refused({ op: 'add', path: '/metadata/namespace', value: 'shop' })), ['E110']);
  assert.ok(patched({ op: 'add', path: '/metadata/namespace', value: 'default' }).ok);
});

test('the whole result is checked', () => {
  assert.equal(
    only(refused({ op: 'replace', path: '/spec/to/v2/weight', value: -1 }), 'E102').pointer,
    '/spec/to/v2/weight',
  );
  assert.deepEqual(codesOf(refused({ op: 'add', path: '/spec/to', value: { v1: { weight: 0 } } })), ['E302']);
  assert.deepEqual(codesOf(refused({ op: 'add', path: '/spec/fault', value: {} })), ['E107']);
  assert.ok(applyPatch(checkout, [{ op: 'add', path: '/spec/fault', value: {} }], { inert: true }).ok);
  assert.deepEqual(codesOf(refused({ op: 'remove', path: '/spec' })), ['E103']);
  assert.deepEqual(codesOf(refused({ op: 'replace', path: '', value: null })), ['E102']);
});

test('prototypes are out of reach', () => {
  for (const path of ['/spec/__proto__/polluted', '/constructor/prototype/polluted', '/spec/rules/prototype']) {
    assert.deepEqual(codesOf(refused({ op: 'add', path, value: true })), ['E110'], path);
  }
  const value: unknown = JSON.parse('{"__proto__": {"timeout": "1s"}}');
  assert.ok(codesOf(refused({ op: 'add', path: '/spec/rules', value })).includes('E101'));
  assert.deepEqual(codesOf(refused({ op: 'copy', from: '/__proto__', path: '/spec/rules' })), ['E110']);
  assert.equal(Reflect.get({}, 'polluted'), undefined);
});

test('deep or large patches are refused before anything walks them', () => {
  let value: unknown = 1;
  for (let level = 0; level < 10_000; level++) value = [value];
  assert.deepEqual(codesOf(refused({ op: 'add', path: '/spec/rules', value })), ['E106']);
  assert.deepEqual(codesOf(refused({ op: 'add', path: '/spec/rules', value: 'x'.repeat(300_000) })), ['E106']);
});

test('E106: copies that double the document end it at its bound, not the process', () => {
  const doubling = Array.from({ length: 256 }, (_, index) => ({ op: 'copy', from: '/spec', path: `/spec/x${index}` }));
  const finding = only(refused(...doubling), 'E106');
  assert.match(finding.message, /operation \d+: The document/);
  assert.equal(JSON.stringify(checkout).includes('x0'), false, 'the given document is not changed');
});

test('neither the patch nor its values change, whatever later operations do to them', () => {
  const operations = [
    { op: 'add', path: '/spec/rules/beta', value: { match: { method: 'GET' } } },
    { op: 'add', path: '/spec/rules/beta/timeout', value: '3s' },
  ];
  const before = structuredClone(operations);
  assert.ok(patched(...operations).ok);
  assert.deepEqual(operations, before);
});
