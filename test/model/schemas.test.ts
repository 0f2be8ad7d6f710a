/** Published JSON Schemas, and the list of fields. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Check } from 'typebox/value';
import { COMPILED_KINDS, checkDocument, fieldsOf, jsonSchemaOf, KINDS } from '../../src/model/index.ts';
import { envelope } from './support.ts';

/** The example of each section of policies.md. */
const EXAMPLES: Record<string, object> = {
  Service: { ports: [{ port: 443, protocol: 'http' }], external: { hosts: ['www.googleapis.com'] } },
  Route: {
    timeout: '2s',
    to: { v1: { weight: 90 }, v2: { weight: 10 } },
    rules: { beta: { match: { headers: { 'x-beta': '1' } }, to: { v2: {} } } },
  },
  Upstream: {
    subsets: { v1: { labels: { version: 'v1' } } },
    limits: { requests: 200 },
    outlier: { consecutive5xx: 5, ejectTime: '15m' },
  },
  Access: {
    allow: {
      readers: {
        from: { services: ['productpage.default'] },
        match: { method: ['GET', 'HEAD'], path: { prefix: '/reviews' } },
      },
    },
  },
  Dependency: {
    to: { 'productcatalogservice.default': {}, 'redis-cart.default:6379': { localPort: 16379, pin: true } },
  },
  RateLimit: { limits: { 'per-tenant': { requests: 10, per: '1m', keys: [{ header: 'x-tenant' }] } } },
  Telemetry: {
    scope: { mesh: true },
    logs: {
      errors: {
        file: { path: '/dev/stdout' },
        percent: 1,
        match: { status: { min: 500 } },
        redact: ['authorization', 'cookie'],
      },
    },
    tracing: { percent: 1.5, otlp: { service: 'otel.infra:4317' } },
  },
  Extension: {
    scope: { namespace: true },
    filters: { geo: { lua: { code: "function envoy_on_request(h) h:headers():add('x-geo', 'eu') end" } } },
  },
};

for (const kind of KINDS) {
  test(`${kind}: the example is good, for our check and for the published schema`, () => {
    const document = envelope(kind, 'example', EXAMPLES[kind]);
    assert.deepEqual(checkDocument(document, { inert: true }), []);
    assert.ok(Check(jsonSchemaOf(kind), document));
    assert.ok(!Check(jsonSchemaOf(kind), { ...document, kind: 'Other' }));
    assert.ok(!Check(jsonSchemaOf(kind), envelope(kind, 'example', { ...EXAMPLES[kind], unknown: 1 })));
    assert.deepEqual(JSON.parse(JSON.stringify(jsonSchemaOf(kind))).title, kind);
  });
}

/** Section 14 of policies.md, and Dependency `ttl`, which edges that expire need. */
const NOW: Record<string, readonly string[]> = {
  Service: ['ports', 'labels', 'interfaces', 'endpoints', 'external', 'visibility'],
  Route: ['to', 'rules', 'timeout', 'retry', 'idleTimeout', 'scope'],
  Upstream: ['subsets', 'lb', 'hash', 'locality', 'panicPercent', 'limits', 'outlier', 'scope'],
  Dependency: ['to', 'select', 'learn', 'ttl', 'scope'],
};

test('version 1 compiles the fields of section 14 and no others', () => {
  assert.deepEqual([...COMPILED_KINDS].sort(), Object.keys(NOW).sort());
  for (const kind of KINDS) {
    const top = fieldsOf(kind)
      .filter(({ path, compiled }) => compiled && /^[A-Za-z]+$/.test(path))
      .map(({ path }) => path);
    assert.deepEqual(top.sort(), [...(NOW[kind] ?? [])].sort(), kind);
  }
  const compiled = (kind: 'Route' | 'Upstream' | 'Dependency', path: string) =>
    fieldsOf(kind).find((field) => field.path === path)?.compiled;
  for (const [path, now] of Object.entries({
    'rules.<name>.order': true,
    'rules.<name>.match.grpc.service': true,
    'rules.<name>.match.cookies': false,
    'rules.<name>.match.from': false,
    'retry.when.status': true,
    'retry.methods': false,
    'retry.backoff': false,
    'to.<name>.headers': false,
    rollout: false,
    streamTimeout: false,
  })) {
    assert.equal(compiled('Route', path), now, path);
  }
  for (const [path, now] of Object.entries({
    'locality.zoneAware': true,
    'locality.failover': false,
    'outlier.failures': false,
    'subsets.<name>.lb': true,
    tls: false,
  })) {
    assert.equal(compiled('Upstream', path), now, path);
  }
  assert.equal(compiled('Dependency', 'to.<name>.ttl'), false);
  assert.equal(compiled('Dependency', 'to.<name>.localPort'), true);
});

test('fields have defaults and descriptions to explain', () => {
  const ejectTime = fieldsOf('Upstream').find(({ path }) => path === 'outlier.ejectTime');
  assert.equal(ejectTime?.default, '30s');
  assert.match(fieldsOf('Route').find(({ path }) => path === 'timeout')?.description ?? '', /Whole request/);
});
