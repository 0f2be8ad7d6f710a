/** The gateway's check and the fold agree: what is taken in is never a poison event; whatever is sent, nothing throws. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { rawProblem } from '../../src/compile/index.ts';
import { checkEvent, PUBLIC_EVENT_TYPES, toEnvelope } from '../../src/ingest/event-check.ts';
import { DEFAULT_LIMITS, limitFinding } from '../../src/ingest/input-limits.ts';
import { schemaFindings } from '../../src/ingest/schema-findings.ts';
import { type EventEnvelope, eventSchemas } from '../../src/model/index.ts';
import { createFoldState } from '../../src/projector/index.ts';

const CONTEXT = { limits: DEFAULT_LIMITS, internal: false, rawCheck: rawProblem };

let ids = 0;
const stamp = () => ({ mesh: 'default', caller: 'local', time: '2026-01-01T00:00:00Z', newId: () => `id-${++ids}` });

/** Folds one event as the log would hand it over: through JSON. */
const fold = (envelope: EventEnvelope) => {
  const state = createFoldState({ mesh: 'default' });
  const event = {
    ...(JSON.parse(JSON.stringify(envelope)) as EventEnvelope),
    offset: 1,
    recordedAt: 1_700_000_000_000,
  };
  return state.apply({ offset: 1, recordedAt: event.recordedAt, event, bytes: new Uint8Array() })[0];
};

/** Mostly good: an event with many fields shall be good as a whole now and then. */
const mostly = <T, U>(good: fc.Arbitrary<T>, bad: fc.Arbitrary<U>) =>
  fc.oneof({ arbitrary: good, weight: 15 }, { arbitrary: bad, weight: 1 });
const label = mostly(
  fc.constantFrom('shop', 'cart', 'a', '0', 'a-b'),
  fc.oneof(fc.constantFrom('-a', 'A', 'a.b', '', 'x'.repeat(64), 'é'), fc.string({ maxLength: 5 })),
);
const port = mostly(fc.constantFrom(80, 8080, 1, 65535), fc.constantFrom(0, 65536, -1, 1.5, '80', null));
const text = fc.oneof(
  { arbitrary: fc.constantFrom('a', 'web-1', '10.0.0.1', '::1', 'web.shop', 'cart.shop:80'), weight: 8 },
  fc.string({ maxLength: 12 }),
  fc.constantFrom(
    '\u0000',
    'a\u0085b',
    'tab\t',
    '😀',
    '__proto__',
    '10.0.0.1',
    'fe80::1%eth0',
    '::1',
    '1.2.3',
    'web.shop',
    'cart.shop:80',
    'cart.shop:0',
    'cart.shop:99999',
  ),
);
const labels = fc.dictionary(text, mostly(text, fc.integer()), { maxKeys: 3 });
const maybe = <T>(arb: fc.Arbitrary<T>) => fc.option(arb, { nil: undefined });
const clean = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

const service = fc.record({
  namespace: label,
  name: label,
  ports: mostly(
    fc.array(
      fc.record({
        port,
        protocol: mostly(fc.constantFrom('http', 'tcp', 'grpc'), fc.constant('udp')),
        name: maybe(label),
      }),
      { minLength: 1, maxLength: 3 },
    ),
    text,
  ),
  labels: maybe(labels),
  external: maybe(
    fc.record({
      hosts: fc.array(fc.oneof(text, fc.constantFrom('www.example.com', 'WWW.example.com', '*.x.com', 'a..b')), {
        maxLength: 2,
      }),
    }),
  ),
  visibility: maybe(fc.oneof(fc.constantFrom('mesh', 'namespace', 'world'), fc.array(label, { maxLength: 2 }))),
  interfaces: maybe(
    fc.array(fc.record({ name: text, methods: maybe(fc.array(text, { maxLength: 2 })), port: maybe(port) }), {
      maxLength: 2,
    }),
  ),
});
const endpoint = fc.record({
  namespace: label,
  service: label,
  id: text,
  address: mostly(fc.oneof(fc.ipV4(), fc.ipV6()), text),
  ports: maybe(
    fc.dictionary(mostly(fc.constantFrom('80', '8080'), fc.constantFrom('08', '70000', 'x')), port, { maxKeys: 2 }),
  ),
  inbound: maybe(fc.dictionary(mostly(fc.constant('80'), fc.constant('x')), port, { maxKeys: 2 })),
  labels: maybe(labels),
  locality: maybe(mostly(fc.record({ region: maybe(text), zone: maybe(text) }), fc.record({ extra: text }))),
  weight: maybe(mostly(fc.integer({ min: 0, max: 65535 }), fc.double())),
  health: maybe(mostly(fc.constantFrom('healthy', 'draining'), fc.constant('sick'))),
  serviceAccount: maybe(label),
});
const edge = fc.record({
  from: mostly(fc.constantFrom('web.shop', 'a.b'), text),
  to: mostly(fc.constantFrom('cart.shop', 'cart.shop:80'), text),
});
const reference = fc.record({
  namespace: label,
  service: label,
  id: text,
  health: maybe(fc.constantFrom('healthy', 'x')),
});
const document = fc.record({
  apiVersion: fc.constantFrom('tendril.dev/v1', 'v1'),
  kind: fc.constantFrom('Route', 'Upstream', 'Service', 'Dependency', 'Access', 'Rote'),
  metadata: fc.record({ name: label, namespace: maybe(label), labels: maybe(labels) }),
  spec: fc.oneof(
    fc.constant({}),
    fc.constantFrom<object>(
      { timeout: '1s' },
      { timeout: 1 },
      { tiemout: '1s' },
      { to: { '*': {} } },
      { ports: [{ port: 80, protocol: 'http' }] },
    ),
    fc.object({ maxDepth: 2 }),
  ),
});
const policy = fc.record({
  kind: fc.constantFrom('Route', 'Nope'),
  namespace: label,
  name: label,
  patch: maybe(
    fc.array(
      fc.record({
        op: fc.constantFrom('add', 'test', 'x'),
        path: fc.constantFrom('/spec/timeout', 'spec', '/a/__proto__'),
        value: maybe(fc.jsonValue()),
      }),
      { maxLength: 2 },
    ),
  ),
});

const CDS = 'type.googleapis.com/envoy.config.cluster.v3.Cluster';
const rawName = mostly(fc.constantFrom('a', 'b|/c', 'ü'), text);
const raw = fc
  .record({
    node: maybe(mostly(fc.constantFrom('n1', 'a/b c'), text)),
    typeUrl: mostly(fc.constant(CDS), text),
    name: rawName,
    version: maybe(text),
    fields: mostly(
      fc.record({
        type: maybe(mostly(fc.constantFrom('EDS', 3), text)),
        connectTimeout: maybe(mostly(fc.constant('1.5s'), fc.jsonValue())),
        metadata: maybe(fc.record({ filterMetadata: fc.dictionary(text, fc.object({ maxDepth: 2 }), { maxKeys: 2 }) })),
      }),
      fc.object({ maxDepth: 2 }),
    ),
    other: maybe(mostly(fc.constant(undefined), text)),
    bytes: fc.boolean(),
  })
  .map(({ fields, other, bytes, ...ref }) => {
    const named = { name: other ?? ref.name, ...fields };
    const content = bytes ? { value: Buffer.from(`\n${'\u0001'}a`).toString('base64') } : named;
    return { ...ref, resource: { '@type': ref.typeUrl, ...content } };
  });

const data = fc.oneof(service, endpoint, edge, reference, policy, fc.record({ document }), fc.jsonValue());
/** Mostly data of the right type. */
const event = fc.oneof(
  service.map((value) => ({ type: 'service.registered', data: value })),
  endpoint.map((value) => ({ type: 'endpoint.registered', data: value })),
  reference.map((value) => ({ type: 'endpoint.health-changed', data: value })),
  reference.map(({ health: _health, ...value }) => ({ type: 'endpoint.deregistered', data: value })),
  edge.map((value) => ({ type: 'dependency.declared', data: value })),
  edge.map((value) => ({ type: 'dependency.denied', data: value })),
  policy.map((value) => ({ type: 'policy.patched', data: value })),
  policy.map(({ patch: _patch, ...value }) => ({ type: 'policy.deleted', data: value })),
  document.map((value) => ({ type: 'policy.applied', data: { document: value } })),
  raw.map((value) => ({ type: 'resource.put', data: value })),
  raw.map((value) => ({ type: 'resource.put', ...value })),
  raw.map(({ resource: _resource, ...value }) => ({ type: 'resource.delete', ...value })),
  raw.map(({ node }) => ({ type: 'resource.clear', node })),
  fc.record({
    type: fc.constantFrom(...PUBLIC_EVENT_TYPES, 'resource.put', 'mesh.configured', 'x'),
    data,
    id: maybe(text),
    source: maybe(text),
    time: maybe(text),
    expect: maybe(fc.integer({ min: -1, max: 3 })),
    reason: maybe(text),
  }),
);

test('what the gateway takes is never quarantined by the fold', () => {
  let taken = 0;
  fc.assert(
    fc.property(event, (given) => {
      const raw = clean(given);
      const checked = checkEvent(raw, CONTEXT);
      if (!checked.ok) {
        assert.ok(
          checked.findings.length > 0 &&
            checked.findings.every(({ code, message }) => /^E[0-9]{3}$/.test(code) && message.length > 10),
        );
        return;
      }
      taken++;
      const outcome = fold(toEnvelope(checked.event, stamp(), undefined));
      assert.notEqual(outcome?.status, 'quarantined', JSON.stringify(outcome));
    }),
    { numRuns: 3_000 },
  );
  assert.ok(taken > 200, `only ${taken} events were good ones`);
});

test('nothing that is JSON makes the check throw', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 5 }), (value) => void checkEvent(value, CONTEXT)),
    { numRuns: 1_000 },
  );
  fc.assert(
    fc.property(
      fc.constantFrom(...Object.keys(eventSchemas)),
      fc.jsonValue({ maxDepth: 4 }),
      (type, value) => void checkEvent({ type, data: value }, { ...CONTEXT, internal: true }),
    ),
    { numRuns: 2_000 },
  );
});

test('fields of raw events beside type make the same event as in data, and only there', () => {
  const fields = { node: 'n', typeUrl: CDS, name: 'a', version: '1', resource: { '@type': CDS, name: 'a' } };
  const flat = checkEvent({ type: 'resource.put', id: 'i', reason: 'r', ...fields }, CONTEXT);
  const nested = checkEvent({ type: 'resource.put', id: 'i', reason: 'r', data: fields }, CONTEXT);
  assert.ok(flat.ok && nested.ok);
  assert.deepEqual(flat.event, nested.event);
  const envelope = toEnvelope(flat.event, stamp(), undefined);
  assert.equal(envelope.schemaVersion, 2);
  assert.equal(envelope.subject, `resource/n/${CDS}/a`);
  const codesOf = (value: object): readonly string[] => {
    const checked = checkEvent(value, CONTEXT);
    return checked.ok ? [] : checked.findings.map(({ code, pointer }) => `${code} ${pointer}`);
  };
  assert.deepEqual(codesOf({ type: 'resource.put', name: 'b', data: fields }), ['E101 /name']);
  assert.deepEqual(codesOf({ type: 'resource.delete', resource: {}, typeUrl: CDS, name: 'a' }), ['E101 /resource']);
  assert.deepEqual(codesOf({ type: 'service.deregistered', namespace: 'a', name: 'b' }), [
    'E103 ',
    'E101 /namespace',
    'E101 /name',
  ]);
});

test('only resource.put may be large and deep', () => {
  const nested = (levels: number) =>
    Array.from({ length: levels }).reduce<object>((inner) => ({ a: inner }), { '@type': 'a/b' });
  const codeOf = (value: object): string | undefined => {
    const checked = checkEvent(value, { ...CONTEXT, rawCheck: () => undefined });
    return checked.ok ? undefined : checked.findings[0]?.code;
  };
  const put = (resource: object) => ({ type: 'resource.put', typeUrl: 'a/b', name: 'n', resource });
  assert.equal(codeOf(put(nested(190))), undefined);
  assert.equal(codeOf(put(nested(200))), 'E106');
  assert.equal(codeOf(put({ value: 'x'.repeat(2_000_000) })), undefined);
  assert.equal(codeOf(put({ value: 'x'.repeat(2_100_000) })), 'E106');
  assert.equal(codeOf({ type: 'resource.delete', typeUrl: 'a/b', name: 'x'.repeat(300_000) }), 'E106');
});

describe('findings', () => {
  test('the compiled check and the words agree: a finding exactly when it does not fit', async () => {
    const { Compile } = await import('typebox/compile');
    const checkers = Object.fromEntries(Object.entries(eventSchemas).map(([type, schema]) => [type, Compile(schema)]));
    fc.assert(
      fc.property(
        fc.constantFrom(...(Object.keys(eventSchemas) as (keyof typeof eventSchemas)[])),
        data,
        (type, given) => {
          const value = clean(given);
          assert.equal(
            schemaFindings(eventSchemas[type], value).length === 0,
            checkers[type]?.Check(value),
            JSON.stringify([type, value]),
          );
        },
      ),
      { numRuns: 3_000 },
    );
  });

  test('limits: size is that of the JSON, within what escapes can add', () => {
    const limits = { ...DEFAULT_LIMITS, eventBytes: 200 };
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
        const found = limitFinding(value, limits);
        const bytes = Buffer.byteLength(JSON.stringify(value));
        if (found?.code === 'E106' && found.message.includes('bytes')) assert.ok(bytes > limits.eventBytes);
        if (bytes > limits.eventBytes) assert.notEqual(found, undefined);
      }),
      { numRuns: 2_000 },
    );
  });
});
