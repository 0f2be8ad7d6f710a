/** Text to documents: places of findings, YAML traps, hostile text. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keyOf, MAX_TEXT_LENGTH, parseDocuments } from '../../src/model/index.ts';
import { codesOf, only } from './support.ts';

const HEAD = 'apiVersion: tendril.dev/v1\nkind: Route\nmetadata: {name: checkout, namespace: shop}\n';
const parse = (text: string) => parseDocuments(text, { file: 'shop/checkout.yaml' });
const codes = (text: string): string[] => codesOf(parse(text).findings);

test('several documents, with their lines', () => {
  const { documents, findings, refused } = parse(
    `# first\n${HEAD}spec: {}\n---\n${HEAD.replace('checkout', 'cart')}spec:\n  timeout: 2s\n---\n# nothing\n`,
  );
  assert.deepEqual(findings, []);
  assert.deepEqual(refused, []);
  assert.deepEqual(
    documents.map(({ document, line, file }) => [keyOf(document), line, file]),
    [
      ['Route/shop/checkout', 2, 'shop/checkout.yaml'],
      ['Route/shop/cart', 7, 'shop/checkout.yaml'],
    ],
  );
  assert.deepEqual(documents[1]?.locate('/spec/timeout'), { line: 11, column: 12 });
  assert.deepEqual(documents[1]?.locate('/spec/to/v1'), { line: 11, column: 3 }, 'the nearest place that exists');
});

test('findings have file, line, column and pointer', () => {
  const { findings, documents, refused } = parse(`${HEAD}spec:\n  tiemout: 2s\n  to:\n    v1: {weight: "80"}\n`);
  assert.deepEqual(documents, []);
  assert.deepEqual(refused, [{ key: 'Route/shop/checkout', line: 1 }]);
  const unknown = only(findings, 'E101');
  assert.deepEqual(
    [unknown.file, unknown.line, unknown.column, unknown.pointer],
    ['shop/checkout.yaml', 5, 3, '/spec/tiemout'],
  );
  const wrong = only(findings, 'E102');
  assert.deepEqual([wrong.line, wrong.column, wrong.pointer], [7, 18, '/spec/to/v1/weight']);
});

test('a missing field points at what surrounds it', () => {
  const finding = only(
    parse('apiVersion: tendril.dev/v1\nkind: Service\nmetadata: {name: a}\nspec:\n  labels: {}\n').findings,
    'E103',
  );
  assert.deepEqual([finding.pointer, finding.line], ['/spec/ports', 5]);
});

test('JSON: one document, or a list; tabs are fine', () => {
  const one = { apiVersion: 'tendril.dev/v1', kind: 'Route', metadata: { name: 'a' }, spec: { timeout: '1s' } };
  assert.equal(parse(JSON.stringify(one)).documents.length, 1);
  const list = parse(JSON.stringify([one, { ...one, metadata: { name: 'b' } }], undefined, '\t'));
  assert.deepEqual(list.findings, []);
  assert.deepEqual(
    list.documents.map(({ document }) => keyOf(document)),
    ['Route/default/a', 'Route/default/b'],
  );
});

test('E105: YAML made a number or boolean of a text', () => {
  const finding = only(
    parse(`${HEAD}spec:\n  rules:\n    a: {match: {headers: {x-beta: 1.10, x-on: true}}}\n`.replace(', x-on: true', ''))
      .findings,
    'E105',
  );
  assert.deepEqual([finding.line, finding.column], [6, 35]);
  assert.deepEqual(codes(`${HEAD.replace('checkout', '123')}spec: {}`), ['E105']);
});

test('YAML 1.1 words are plain texts', () => {
  const { documents, findings } = parse(`${HEAD}spec: {rules: {a: {match: {headers: {on: yes, n: no}}}}}`);
  assert.deepEqual(findings, []);
  assert.deepEqual(Object(documents[0]?.document.spec).rules.a.match.headers, { on: 'yes', n: 'no' });
});

test('number-like keys keep their writing', () => {
  const text =
    'apiVersion: tendril.dev/v1\nkind: Service\nmetadata: {name: a}\nspec:\n  ports: [{port: 80, protocol: http}]\n  endpoints: [{id: x, address: 10.0.0.1, ports: {80: 8080}}]\n';
  assert.deepEqual(parse(text).findings, []);
  assert.match(only(parse(`${HEAD}spec: {rules: {1.10: {}}}`).findings, 'E104').message, /"1.10"/);
});

test('E100: not YAML, a key twice, tags, other YAML versions, aliases without anchors', () => {
  assert.deepEqual(codes(`${HEAD}spec: {to: [`), ['E100', 'E100']);
  assert.match(
    only(parse(`${HEAD}spec:\n  timeout: 1s\n  timeout: 2s\n`).findings, 'E100').message,
    /"timeout" is given twice/,
  );
  assert.equal(only(parse(`${HEAD}spec:\n  timeout: 1s\n  timeout: 2s\n`).findings, 'E100').line, 6);
  assert.ok(codes(`${HEAD}spec: !!js/function 'x'`).every((code) => code === 'E100'));
  assert.ok(codes(`${HEAD}spec: !!binary aGVsbG8=`).includes('E100'));
  assert.ok(codes(`${HEAD}spec: {rules: *nobody}`).includes('E100'));
  assert.ok(codes(`${HEAD}spec: &a {rules: *a}`).includes('E100'), 'an anchor inside itself');
  assert.deepEqual(codes(`%YAML 1.1\n---\n${HEAD}spec: {}`), ['E100']);
  assert.deepEqual(codes(`${HEAD}\tspec: {}`).at(0), 'E100');
  assert.deepEqual(codes(`${HEAD}spec: {? [a]: b}`), ['E100']);
});

test('E100: invalid UTF-8 shows as U+FFFD and refuses the whole text', () => {
  const { documents, refused, findings } = parse(`${HEAD}spec: {}\n# caf\ufffd\n`);
  assert.equal(only(findings, 'E100').line, 5);
  assert.deepEqual([documents.length, refused.length], [0, 1]);
});

test('one bad document does not hide the others', () => {
  const { documents, refused } = parse(
    `${HEAD}spec: {x: 1}\n---\n${HEAD.replace('checkout', 'cart')}spec: {}\n---\n${HEAD}spec: {to: {v1: {}\n`,
  );
  assert.deepEqual(
    documents.map(({ document }) => keyOf(document)),
    ['Route/shop/cart'],
  );
  assert.equal(refused.length, 2);
});

test('aliases are shared values; merge keys are not merged', () => {
  const { documents, findings } = parse(`${HEAD}spec:\n  to: &t {v1: {}}\n  rules: {a: {match: {port: 80}, to: *t}}\n`);
  assert.deepEqual(findings, []);
  assert.deepEqual(Object(documents[0]?.document.spec).rules.a.to, { v1: {} });
  assert.match(only(parse(`${HEAD}spec: &t\n  <<: {timeout: 1s}\n`).findings, 'E101').message, /"<<"/);
});

test('E106: alias bombs, deep nesting, long texts', () => {
  const bomb = [
    'a: &a [x, x, x, x, x, x, x, x]',
    ...'bcdefghij'
      .split('')
      .map((name, index) => `${name}: &${name} [${Array(8).fill(`*${'abcdefghij'[index]}`).join(', ')}]`),
  ];
  assert.deepEqual(codes(`${HEAD}spec:\n  ${bomb.join('\n  ')}\n`), ['E106']);
  assert.deepEqual(codes('['.repeat(100_000)), ['E106']);
  assert.deepEqual(codes('{"a":'.repeat(100_000)), ['E106']);
  assert.deepEqual(codes('- '.repeat(10_000)), ['E106']);
  const steps = Array.from({ length: 1_000 }, (_, level) => `${' '.repeat(level)}a:`).join('\n');
  assert.deepEqual(codes(steps), ['E106']);
  assert.deepEqual(codes(' '.repeat(MAX_TEXT_LENGTH + 1)), ['E106']);
});

test('keys that reach into prototypes are refused and change nothing', () => {
  assert.equal(only(parse(`${HEAD}spec: {rules: {__proto__: {timeout: 1s}}}`).findings, 'E101').line, 4);
  assert.ok(codes('__proto__: {polluted: true}').includes('E101'));
  assert.equal(Reflect.get({}, 'polluted'), undefined);
  assert.equal(Reflect.get({}, 'timeout'), undefined);
});

test('nothing at all is no document', () => {
  for (const text of ['', '   \n', '# only a comment\n', '---\n', '---\n---\n', '\ufeff']) {
    assert.deepEqual(parse(text), { documents: [], refused: [], findings: [] }, JSON.stringify(text));
  }
});
