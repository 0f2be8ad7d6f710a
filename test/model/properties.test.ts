/** What holds for all documents: order of application, identity, patches, and that nothing throws or pollutes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  applyPatch,
  checkDocument,
  conflicts,
  effective,
  type JsonObject,
  KINDS,
  type LayerDocument,
  type LayeredKind,
  leavesAndUnits,
  type PolicyDocument,
  parseDocuments,
  readDocument,
  resolveDependency,
  resolveRoute,
  resolveUpstream,
} from '../../src/model/index.ts';
import { envelope } from './support.ts';

const orNull = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: null, freq: 8 });
const fields = (shape: Record<string, fc.Arbitrary<unknown>>) =>
  fc.record(shape, { requiredKeys: [], noNullPrototype: true });
const name = fc.constantFrom('a', 'b', 'v1', 'v2');
const mapOf = (item: fc.Arbitrary<unknown>, key: fc.Arbitrary<string> = name) =>
  fc.dictionary(key, item, { maxKeys: 4, noNullPrototype: true });
const duration = fc.constantFrom('0s', '1s', '300ms', '2m');

const retry = fields({
  attempts: orNull(fc.integer({ min: 0, max: 10 })),
  when: orNull(
    fields({
      reset: orNull(fc.boolean()),
      gateway: fc.boolean(),
      status: fc.uniqueArray(fc.integer({ min: 500, max: 504 })),
    }),
  ),
});
const to = fc.dictionary(
  fc.constantFrom('v1', 'v2', '*', 'x.y:80/v1'),
  fields({ weight: fc.integer({ min: 1, max: 100 }) }),
  { minKeys: 1, maxKeys: 3, noNullPrototype: true },
);
const common = { to: orNull(to), timeout: orNull(duration), idleTimeout: orNull(duration), retry: orNull(retry) };
const rule = fields({
  ...common,
  order: orNull(fc.integer({ min: -2, max: 2 })),
  match: fields({ method: fc.constantFrom('GET', 'PUT'), path: fc.constant({ prefix: '/a' }) }),
});
const routeSpec = fields({ ...common, rules: orNull(mapOf(orNull(rule))) });

const settings = {
  lb: orNull(fc.constantFrom<object>({ random: {} }, { leastRequest: { choices: 3 } }, { ringHash: {} })),
  panicPercent: orNull(fc.integer({ min: 0, max: 100 })),
  limits: orNull(fields({ requests: orNull(fc.integer({ min: 1, max: 9 })), retryPercent: fc.constantFrom(0, 12.5) })),
  outlier: orNull(
    fields({ ejectTime: fc.constantFrom('15m', '1s'), maxPercent: orNull(fc.integer({ min: 1, max: 100 })) }),
  ),
};
const subset = fields({ ...settings, labels: fc.constantFrom({ version: 'v1' }, { track: 'canary' }) });
const upstreamSpec = fields({ ...settings, subsets: orNull(mapOf(orNull(subset))) });

const edge = fields({ pin: orNull(fc.boolean()), deny: orNull(fc.boolean()) });
const dependencySpec = fields({
  to: orNull(mapOf(orNull(edge), fc.constantFrom('a.b', 'c.d:80', '*.b'))),
  learn: orNull(fc.boolean()),
});

const SCOPES = ['mesh', 'ns:default', 'svc:web.default', 'svc:web.default:80'] as const;
const layers = (spec: fc.Arbitrary<unknown>): fc.Arbitrary<LayerDocument[]> =>
  fc
    .array(fc.tuple(fc.constantFrom(...SCOPES), spec), { maxLength: 5 })
    .map((list) =>
      list.map(([scope, value], index) => ({ document: `Kind/default/d${index}`, scope, spec: value as JsonObject })),
    );

const PORT = { service: 'web.default', port: 80, protocol: 'http' } as const;
const resolve = (kind: LayeredKind, list: readonly LayerDocument[]): unknown => {
  if (kind === 'Route') return resolveRoute(effective('Route', list), PORT);
  return kind === 'Upstream'
    ? resolveUpstream(effective('Upstream', list))
    : resolveDependency(effective('Dependency', list));
};
const ORIGINS: readonly string[] = ['document', 'documents', 'provenance'];
/** Without the names of documents. */
const resolveWithoutOrigin = (kind: LayeredKind, list: readonly LayerDocument[]): unknown =>
  JSON.parse(JSON.stringify(resolve(kind, list), (field, value) => (ORIGINS.includes(field) ? undefined : value)));

/** Deals the fields of a spec, and those of its rules or subsets, out to two specs. */
const split = (spec: Record<string, unknown>, coins: readonly boolean[]): [object, object] => {
  const parts: [Record<string, unknown>, Record<string, unknown>] = [{}, {}];
  let next = 0;
  const deal = (): Record<string, unknown> => (coins[next++ % coins.length] === true ? parts[0] : parts[1]);
  for (const [field, value] of Object.entries(spec)) {
    if ((field !== 'rules' && field !== 'subsets') || value === null) {
      deal()[field] = value;
      continue;
    }
    for (const [name, entry] of Object.entries(Object(value))) {
      if (entry === null) {
        const part = deal();
        part[field] = { ...Object(part[field]), [name]: null };
        continue;
      }
      for (const [inner, leaf] of Object.entries(Object(entry))) {
        const part = deal();
        const map = Object(part[field]);
        part[field] = { ...map, [name]: { ...Object(map[name]), [inner]: leaf } };
      }
      const part = deal();
      const map = Object(part[field]);
      part[field] = { ...map, [name]: { ...Object(map[name]) } };
    }
  }
  return parts;
};

const SPECS = [
  ['Route', routeSpec],
  ['Upstream', upstreamSpec],
  ['Dependency', dependencySpec],
] as const;

for (const [kind, spec] of SPECS) {
  test(`${kind}: the order of application never matters`, () => {
    fc.assert(
      fc.property(
        layers(spec).chain((list) =>
          fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length })),
        ),
        ([list, shuffled]) => {
          assert.deepEqual(resolve(kind, shuffled), resolve(kind, list));
        },
      ),
      { numRuns: 300 },
    );
  });

  test(`${kind}: a document may be split over two of one scope, and their names do not matter`, () => {
    fc.assert(
      fc.property(spec, fc.array(fc.boolean(), { minLength: 40, maxLength: 40 }), (value, coins) => {
        const [first, second] = split(Object(value), coins);
        assert.deepEqual(conflicts(kind, first, second), []);
        const pair = (a: object, b: object) => [
          { document: 'K/default/a', scope: 'mesh', spec: a as JsonObject },
          { document: 'K/default/b', scope: 'mesh', spec: b as JsonObject },
        ];
        const whole = resolveWithoutOrigin(kind, [{ document: 'K/default/a', scope: 'mesh', spec: Object(value) }]);
        assert.deepEqual(resolveWithoutOrigin(kind, pair(first, second)), whole);
        assert.deepEqual(resolveWithoutOrigin(kind, pair(second, first)), whole);
      }),
      { numRuns: 300 },
    );
  });

  test(`${kind}: one layer gives back what it says`, () => {
    const leafAt = (value: unknown, pointer: string): unknown =>
      pointer
        .split('/')
        .slice(2)
        .reduce<unknown>((inner, key) => Object(inner)[key.replaceAll('~1', '/')], value);
    fc.assert(
      fc.property(spec, (value) => {
        const merged = effective(kind, [{ document: 'K/default/a', scope: 'mesh', spec: value as JsonObject }], {
          builtIn: {},
        });
        for (const pointer of leavesAndUnits(kind, value as object)) {
          assert.deepEqual(leafAt(merged.value, pointer), leafAt(value, pointer) ?? undefined, pointer);
          assert.equal(merged.provenance.get(pointer)?.document, 'K/default/a', pointer);
        }
      }),
      { numRuns: 300 },
    );
  });

  test(`${kind}: an empty layer changes nothing, and inputs are never changed`, () => {
    fc.assert(
      fc.property(layers(spec), fc.constantFrom(...SCOPES), (list, scope) => {
        const before = JSON.stringify(list);
        const more = [...list, { document: 'Kind/default/z', scope, spec: {} }];
        assert.deepEqual(effective(kind, more).value, effective(kind, list).value);
        assert.equal(JSON.stringify(list), before);
      }),
      { numRuns: 200 },
    );
  });

  test(`${kind}: generated documents are good ones`, () => {
    let good = 0;
    fc.assert(
      fc.property(spec, (value) => {
        const errors = checkDocument(envelope(kind, 'web', value)).filter(({ severity }) => severity === 'error');
        if (errors.length === 0) good++;
        // Rules with one match, and pin with deny, may come up by chance; the shape must always be right.
        for (const { code } of errors) assert.ok(['E303', 'E603'].includes(code), code);
      }),
      { numRuns: 200 },
    );
    assert.ok(good > 50);
  });
}

test('a deny of any layer holds, whatever the others say', () => {
  fc.assert(
    fc.property(layers(dependencySpec), (list) => {
      const denied = new Set<string>();
      for (const { spec } of list)
        for (const [key, entry] of Object.entries(Object(spec.to))) if (Object(entry).deny === true) denied.add(key);
      const found = resolveDependency(effective('Dependency', list))
        .to.filter(({ deny }) => deny)
        .map(({ key }) => key);
      assert.deepEqual(new Set(found), denied);
    }),
  );
});

test('a patch gives what checking the patched value gives', () => {
  const operation = fc.oneof(
    fc.record({
      op: fc.constantFrom('add', 'replace', 'test'),
      path: fc.constantFrom(
        '/spec/timeout',
        '/spec/to',
        '/spec/to/v1/weight',
        '/spec/rules/a',
        '/spec/rules/a/order',
        '/spec/x',
      ),
      value: fc.constantFrom<unknown>('1s', 5, null, {}, { v1: {} }, { weight: 3 }),
    }),
    fc.record({ op: fc.constant('remove'), path: fc.constantFrom('/spec/timeout', '/spec/to/v1', '/spec/rules/a') }),
  );
  fc.assert(
    fc.property(routeSpec, fc.array(operation, { minLength: 1, maxLength: 4 }), (spec, operations) => {
      const start = readDocument(envelope('Route', 'web', spec));
      fc.pre(start.ok);
      const before = JSON.stringify(start.document);
      const result = applyPatch(start.document, operations);
      assert.equal(JSON.stringify(start.document), before);
      if (result.ok) assert.deepEqual(checkDocument(result.document), result.findings);
      else assert.ok(result.findings.some(({ severity }) => severity === 'error'));
    }),
    { numRuns: 500 },
  );
});

const WORDS = [
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'spec',
  'to',
  'rules',
  'match',
  'headers',
  'labels',
  'timeout',
  'scope',
  'subsets',
  'retry',
  'when',
  'ports',
  'endpoints',
  'external',
  'hosts',
  'select',
  'locality',
];
const key = fc.oneof(fc.constantFrom(...WORDS), fc.string({ maxLength: 6 }));
const anyJson = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.oneof(fc.string({ maxLength: 8 }), fc.double(), fc.integer(), fc.boolean(), fc.constant(null)),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.array(fc.tuple(key, tie('value')), { maxLength: 5 }).map((entries) => {
      const object: Record<string, unknown> = {};
      for (const [property, value] of entries)
        Object.defineProperty(object, property, { value, enumerable: true, configurable: true, writable: true });
      return object;
    }),
  ),
})).value;

const clean = (): void => {
  assert.deepEqual(Object.keys(Object.prototype), []);
  assert.equal(Object.getPrototypeOf({}), Object.prototype);
  assert.deepEqual(Reflect.ownKeys({}), []);
};

test('checkDocument never throws, and prototypes stay as they are', () => {
  fc.assert(
    fc.property(fc.constantFrom(...KINDS), anyJson, anyJson, fc.boolean(), (kind, spec, whole, inert) => {
      checkDocument(whole, { inert });
      const checked = readDocument(envelope(kind, 'web', spec), { inert });
      if (checked.ok && kind !== 'Service') {
        const made: LayerDocument = { document: 'K/default/web', scope: 'svc:web.default', spec: spec as JsonObject };
        effective(kind, [made], { compiledOnly: false });
        leavesAndUnits(kind, made.spec);
      }
      clean();
    }),
    { numRuns: 800 },
  );
});

test('merging never throws on unchecked values, and takes no forbidden key over', () => {
  fc.assert(
    fc.property(anyJson, anyJson, (first, second) => {
      const made = [first, second].map((spec, index) => ({
        document: `K/default/d${index}`,
        scope: 'mesh',
        spec: Object(spec) as JsonObject,
      }));
      for (const kind of ['Route', 'Upstream', 'Dependency', 'Access'] as const) {
        const { value } = effective(kind, made, { compiledOnly: false });
        assert.ok(!Object.keys(value).includes('__proto__'));
      }
      clean();
    }),
    { numRuns: 500 },
  );
});

test('parseDocuments never throws on arbitrary JSON, YAML pieces and text', () => {
  const piece = fc.constantFrom(
    'a: ',
    '- ',
    '[',
    ']',
    '{',
    '}',
    '\n',
    '  ',
    '&a ',
    '*a ',
    '"',
    "'",
    '|',
    '>',
    '? ',
    ': ',
    '---\n',
    '...\n',
    '%YAML 1.1\n',
    '!!str ',
    '<<: ',
    '__proto__: ',
    '\t',
    '#',
    ',',
    'x',
    '1.10',
    'null',
    '\ufffd',
    '😀',
  );
  fc.assert(
    fc.property(
      fc.oneof(
        anyJson.map((value) => JSON.stringify(value) ?? ''),
        fc.array(piece, { maxLength: 30 }).map((list) => list.join('')),
        fc.string({ unit: 'binary', maxLength: 100 }),
      ),
      (text) => {
        const { documents, findings, refused } = parseDocuments(text, { file: 'f' });
        for (const finding of findings) assert.ok((finding.line ?? 0) >= 1 && (finding.column ?? 0) >= 1);
        if (refused.length > 0) assert.ok(findings.some(({ severity }) => severity === 'error'));
        for (const { document } of documents)
          assert.deepEqual(
            checkDocument(document).filter(({ severity }) => severity === 'error'),
            [],
          );
        clean();
      },
    ),
    { numRuns: 600 },
  );
});

test('what checkDocument takes as text, it takes as a value', () => {
  fc.assert(
    fc.property(routeSpec, (spec) => {
      const value = envelope('Route', 'web', spec);
      const { documents, findings } = parseDocuments(JSON.stringify(value));
      const strip = (list: readonly object[]) => list.map((finding) => ({ ...finding, line: 0, column: 0 }));
      assert.deepEqual(strip(findings), strip(checkDocument(value)));
      const [parsed] = documents;
      if (parsed !== undefined) assert.deepEqual(parsed.document, JSON.parse(JSON.stringify(value)) as PolicyDocument);
    }),
    { numRuns: 200 },
  );
});
