/** One test per code that a document alone can get (policies.md section 1 and the lists below each kind). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkDocument, KINDS } from '../../src/model/index.ts';
import { codesOf, envelope, only } from './support.ts';

const route = (spec: unknown) => checkDocument(envelope('Route', 'reviews', spec));
const upstream = (spec: unknown) => checkDocument(envelope('Upstream', 'reviews', spec));
const dependency = (spec: unknown) => checkDocument(envelope('Dependency', 'web', spec));
const serviceOf = (spec: unknown) => checkDocument(envelope('Service', 'web', spec));
const inert = (kind: string, spec: unknown) => checkDocument(envelope(kind, 'x', spec), { inert: true });

test('a good document has no finding', () => {
  assert.deepEqual(
    route({
      timeout: '2s',
      idleTimeout: '0s',
      to: { v1: { weight: 90 }, v2: { weight: 10 }, 'details.default:9080/v1': {}, '*': { weight: 0 } },
      retry: { attempts: 2, when: { connect: true, grpc: ['unavailable'] } },
      rules: {
        beta: {
          order: -3,
          match: {
            path: { prefix: '/v2' },
            method: ['GET', 'HEAD'],
            headers: { 'x-beta': '1', 'x-n': { range: [1, 5] }, ':authority': { suffix: '.example' } },
            query: { q: { in: ['a', 'b'], not: true } },
            port: 80,
          },
          to: { v2: {} },
        },
        gone: null,
      },
    }),
    [],
  );
});

test('E101: unknown field, with the nearest known one', () => {
  const finding = only(route({ tiemout: '2s' }), 'E101');
  assert.equal(finding.message, 'Unknown field "tiemout" (did you mean timeout?).');
  assert.equal(finding.pointer, '/spec/tiemout');
  assert.equal(finding.document, 'Route/default/reviews');
});

test('E101: unknown fields of envelope and metadata', () => {
  const document = { ...envelope('Route', 'a', {}), spce: 1 };
  assert.match(only(checkDocument(document), 'E101').message, /did you mean spec/);
  const labelled = { ...envelope('Route', 'a', {}), metadata: { name: 'a', nmespace: 'x' } };
  assert.match(only(checkDocument(labelled), 'E101').message, /did you mean namespace/);
});

test('E101: keys that reach into prototypes, at any depth', () => {
  for (const key of ['__proto__', 'constructor', 'prototype']) {
    const spec: unknown = JSON.parse(`{"rules": {"${key}": {"timeout": "1s"}}}`);
    assert.match(only(route(spec), 'E101').message, new RegExp(`"${key}" is not allowed`));
    const labels: unknown = JSON.parse(`{"subsets": {"v1": {"labels": {"${key}": "x", "a": "b"}}}}`);
    assert.equal(only(upstream(labels), 'E101').pointer, `/spec/subsets/v1/labels/${key}`);
  }
  assert.equal(Reflect.get({}, 'timeout'), undefined);
});

test('E102: wrong type or out of bounds, both printed', () => {
  assert.match(
    only(route({ retry: { attempts: 11 } }), 'E102').message,
    /"attempts" is 11, allowed is a whole number 0\.\.10/,
  );
  assert.match(only(route({ retry: [] }), 'E102').message, /"retry" is a list of 0, allowed is an object/);
  assert.match(only(route({ to: { v1: { weight: 1.5 } } }), 'E102').message, /1\.5.*whole number 0\.\.1000000/);
  assert.equal(only(route({ to: { v1: { weight: '80' } } }), 'E102').pointer, '/spec/to/v1/weight');
  assert.match(only(route({ to: {} }), 'E102').message, /empty/);
  assert.match(
    only(route({ rules: { a: { match: null } } }).concat(route({ to: { v1: null } })), 'E102').message,
    /"v1" is null/,
  );
});

test('E102: weights that are no integers, NaN, Infinity', () => {
  for (const weight of [Number.NaN, Number.POSITIVE_INFINITY, -1, 1_000_001, 0.5]) {
    assert.deepEqual(codesOf(route({ to: { v1: { weight } } })), ['E102'], String(weight));
  }
});

test('E102: unknown kind lists the kinds; wrong apiVersion', () => {
  const finding = only(checkDocument(envelope('Rout', 'a', {})), 'E102');
  assert.match(finding.message, /did you mean Route/);
  for (const kind of KINDS) assert.ok(finding.message.includes(kind));
  assert.equal(only(checkDocument({ ...envelope('Route', 'a', {}), apiVersion: 'v1' }), 'E102').pointer, '/apiVersion');
});

test('E102: not an object at all', () => {
  for (const value of [null, 1, 'x', [], true, undefined]) assert.deepEqual(codesOf(checkDocument(value)), ['E102']);
});

test('E102: per-try time-out not below the time-out, also inherited', () => {
  assert.equal(only(route({ timeout: '1s', retry: { timeout: '1s' } }), 'E102').pointer, '/spec/retry/timeout');
  const inherited = route({ retry: { timeout: '2s' }, rules: { a: { match: { method: 'GET' }, timeout: '1s' } } });
  assert.equal(only(inherited, 'E102').pointer, '/spec/rules/a/timeout');
});

test('E102: ring sizes, maglev table, ranges, equal header names', () => {
  assert.equal(
    only(upstream({ lb: { ringHash: { min: 9, max: 8 } }, hash: [{ ip: true }] }), 'E102').pointer,
    '/spec/lb/ringHash/min',
  );
  assert.match(only(upstream({ lb: { maglev: { table: 65536 } }, hash: [{ ip: true }] }), 'E102').message, /prime/);
  assert.match(
    only(upstream({ outlier: { ejectTime: '15m', maxEjectTime: '1m' } }), 'E102').message,
    /at least ejectTime/,
  );
  const match = { headers: { 'X-A': 'b', 'x-a': 'c' } };
  assert.match(only(route({ rules: { a: { match } } }), 'E102').message, /no case/);
  assert.match(
    only(route({ rules: { a: { match: { headers: { n: { range: [5, 5] } } } } } }), 'E102').message,
    /below the second/,
  );
});

test('E102: Service: ports, names, ids given twice; ports that are none', () => {
  assert.match(
    only(
      serviceOf({
        ports: [
          { port: 80, protocol: 'http' },
          { port: 80, protocol: 'tcp' },
        ],
      }),
      'E102',
    ).message,
    /Port 80 is given twice/,
  );
  const ports = [{ port: 80, protocol: 'http' }];
  assert.equal(
    only(serviceOf({ ports, interfaces: [{ name: 'a.B', port: 81 }] }), 'E102').pointer,
    '/spec/interfaces/0/port',
  );
  const endpoints = [
    { id: 'a', address: '10.0.0.1' },
    { id: 'a', address: '::1', ports: { 81: 8081 } },
  ];
  assert.deepEqual(codesOf(serviceOf({ ports, endpoints })), ['E102', 'E102']);
  assert.match(only(serviceOf({ ports: [{ port: 80, protocol: 'htpt' }] }), 'E102').message, /did you mean http/);
});

test('E102: localPort for a glob', () => {
  assert.match(only(dependency({ to: { '*.billing': { localPort: 2000 } } }), 'E102').message, /stands for several/);
});

test('E103: missing, or not exactly one of', () => {
  assert.deepEqual(codesOf(checkDocument({ apiVersion: 'tendril.dev/v1', kind: 'Route' })), ['E103', 'E103']);
  assert.equal(only(checkDocument(envelope('Service', 'a', {})), 'E103').pointer, '/spec/ports');
  assert.match(
    only(upstream({ lb: {} }), 'E103').message,
    /exactly one of roundRobin, leastRequest, random, ringHash, maglev; found none/,
  );
  assert.match(only(upstream({ lb: { random: {}, roundRobin: {} } }), 'E103').message, /found "roundRobin", "random"/);
  assert.match(
    only(route({ scope: { mesh: true, namespace: true } }), 'E103').message,
    /exactly one of service, namespace, mesh/,
  );
  assert.equal(only(route({ scope: { mesh: true, port: 80 } }), 'E103').pointer, '/spec/scope/port');
  const match = { path: { exact: '/a' }, grpc: { service: 'a.B' } };
  assert.match(only(route({ rules: { a: { match } } }), 'E103').message, /path and grpc/);
  assert.match(
    only(checkDocument(envelope('Extension', 'a', {}), { inert: true }), 'E103').message,
    /"scope" is missing/,
  );
});

test('E104: bad duration, percent, name, target, host, address', () => {
  for (const timeout of ['2', '2 s', '-5s', 'abc', '1d', '0.1ms', '8761h', 2, -5]) {
    assert.deepEqual(codesOf(route({ timeout })), ['E104'], String(timeout));
  }
  assert.deepEqual(codesOf(route({ retry: { timeout: '0s' } })), ['E104'], 'a field that cannot be switched off');
  assert.deepEqual(codesOf(upstream({ outlier: { ejectTime: '25h' } })), ['E104']);
  for (const panicPercent of [-1, 100.5, 0.00001, '5%']) {
    assert.deepEqual(codesOf(upstream({ panicPercent })), ['E104'], String(panicPercent));
  }
  assert.deepEqual(codesOf(route({ to: { 'v1.': {} } })), ['E104']);
  assert.deepEqual(codesOf(route({ to: { 'a.b:0': {} } })), ['E104']);
  assert.deepEqual(codesOf(route({ rules: { Jason: {} } })), ['E104']);
  assert.deepEqual(codesOf(dependency({ to: { cart: {} } })), ['E104']);
  assert.deepEqual(codesOf(dependency({ to: { 'c*.default': {} } })), ['E104']);
  assert.deepEqual(codesOf(checkDocument(envelope('Route', 'A', {}))), ['E104']);
  assert.deepEqual(codesOf(checkDocument(envelope('Route', 'a'.repeat(64), {}))), ['E104']);
  const ports = [{ port: 443, protocol: 'http' }];
  assert.deepEqual(codesOf(serviceOf({ ports, external: { hosts: ['*.google.com'] } })), ['E104']);
  assert.deepEqual(codesOf(serviceOf({ ports, endpoints: [{ id: 'a', address: '10.0.0.256' }] })), ['E104']);
  assert.deepEqual(codesOf(inert('Access', { allow: { a: { ips: { direct: ['10.0.0.0/33'] } } } })), ['E104']);
});

test('E104: a service in scope is written without its namespace', () => {
  assert.equal(
    only(checkDocument(envelope('Route', 'a', { scope: { service: 'web.shop' } }, 'shop')), 'E104').hint,
    'service: web',
  );
});

test('E105: a number or boolean where text is due', () => {
  const subset = upstream({ subsets: { v1: { labels: { version: 1.1 } } } });
  assert.equal(only(subset, 'E105').hint, '"1.1"');
  assert.equal(
    only(route({ rules: { a: { match: { headers: { 'x-beta': 1 } } } } }), 'E105').pointer,
    '/spec/rules/a/match/headers/x-beta',
  );
  assert.equal(
    only(route({ rules: { a: { match: { query: { q: { in: [true] } } } } } }), 'E105').pointer,
    '/spec/rules/a/match/query/q/in/0',
  );
});

test('E106: too many entries, too large, too deep', () => {
  const rules = Object.fromEntries(Array.from({ length: 257 }, (_, index) => [`r${index}`, {}]));
  assert.match(only(route({ rules }), 'E106').message, /257 entries, 256 are allowed/);
  const labels = Object.fromEntries(Array.from({ length: 60 }, (_, index) => [`l${index}`, 'x'.repeat(256)]));
  const subsets = Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`v${index}`, { labels }]));
  assert.match(only(upstream({ subsets }), 'E106').message, /262144 bytes/);
  let deep: unknown = {};
  for (let level = 0; level < 10_000; level++) deep = { a: deep };
  assert.match(only(route(deep), 'E106').message, /nested deeper/);
  const loop: Record<string, unknown> = {};
  loop.loop = loop;
  assert.match(only(route(loop), 'E106').message, /nested deeper/);
});

test('E106: findings themselves are bounded', () => {
  const spec = Object.fromEntries(Array.from({ length: 300 }, (_, index) => [`unknown${index}`, 1]));
  const findings = route(spec);
  assert.equal(findings.length, 101);
  assert.match(findings.at(-1)?.message ?? '', /200 more findings/);
});

test('E107: kinds and fields of later versions, unless stored as inert', () => {
  for (const kind of ['Access', 'RateLimit', 'Telemetry']) {
    assert.deepEqual(codesOf(checkDocument(envelope(kind, 'a', {}))), ['E107'], kind);
    assert.deepEqual(codesOf(inert(kind, {})), [], kind);
  }
  for (const spec of [
    { fault: { delay: { percent: 100, time: '7s' } } },
    { to: { v1: { headers: { request: { set: { a: 'b' } } } } } },
    { rules: { a: { match: { cookies: { k: 'v' } } } } },
    { retry: { methods: ['GET'] } },
    { rollout: { from: 'v1', to: 'v2' } },
  ]) {
    assert.deepEqual(codesOf(route(spec)), ['E107'], JSON.stringify(spec));
    assert.deepEqual(codesOf(inert('Route', spec)), [], JSON.stringify(spec));
  }
  assert.deepEqual(codesOf(upstream({ tls: { mode: 'strict' } })), ['E107']);
  assert.deepEqual(codesOf(upstream({ locality: { failover: [['region'], []] } })), ['E107']);
  assert.deepEqual(codesOf(dependency({ passthrough: true })), ['E107']);
  assert.deepEqual(codesOf(serviceOf({ ports: [{ port: 1, protocol: 'tcp' }], serviceAccounts: ['a'] })), ['E107']);
});

test('E107 does not hide what else is wrong', () => {
  assert.deepEqual(codesOf(checkDocument(envelope('Access', 'a', { alow: {} }))), ['E107', 'E101']);
});

test('E202: scope names a service of another namespace', () => {
  const finding = only(checkDocument(envelope('Route', 'a', { scope: { service: 'web.shop' } }, 'default')), 'E202');
  assert.match(finding.message, /namespace shop.*namespace default/);
});

test('E203: not RE2', () => {
  for (const regex of ['(?=a)', '(?<!a)b', '(a)\\1', 'a++', '(?>a)', '[a', '(a', 'a{1001}', 'x'.repeat(1025)]) {
    assert.deepEqual(codesOf(route({ rules: { a: { match: { path: { regex } } } } })), ['E203'], regex);
  }
});

test('E302: all weights 0', () => {
  assert.equal(only(route({ to: { v1: { weight: 0 }, v2: { weight: 0 } } }), 'E302').pointer, '/spec/to');
  assert.equal(only(route({ rules: { a: { to: { v1: { weight: 0 } } } } }), 'E302').pointer, '/spec/rules/a/to');
});

test('E303: two rules with the same match and order', () => {
  const match = { headers: { a: '1', b: '2' } };
  const same = { headers: { b: '2', a: '1' } };
  const finding = only(route({ rules: { b: { match: same }, a: { match } } }), 'E303');
  assert.match(finding.message, /a and b .*: b can never match/);
  assert.deepEqual(codesOf(route({ rules: { a: { match }, b: { match: same, order: 1 } } })), []);
});

test('E304: body too long, in bytes', () => {
  assert.match(
    only(inert('Route', { respond: { status: 200, body: 'é'.repeat(2500) } }), 'E304').message,
    /5000 bytes, 4096/,
  );
  assert.equal(
    only(inert('Route', { fallback: { status: 503, body: 'x'.repeat(4097) } }), 'E304').pointer,
    '/spec/fallback/body',
  );
});

test('E305: headers that may not be changed', () => {
  assert.deepEqual(
    codesOf(inert('Route', { headers: { request: { set: { Host: 'a', ':path': '/' }, remove: ['host'] } } })),
    ['E305', 'E305', 'E305'],
  );
});

test('E306: rollout and to', () => {
  assert.equal(
    only(inert('Route', { to: { v1: {} }, rollout: { from: 'v1', to: 'v2' } }), 'E306').pointer,
    '/spec/rollout',
  );
});

test('E310, E311: rollout', () => {
  assert.equal(only(inert('Route', { rollout: { from: 'v1', to: 'v1' } }), 'E310').pointer, '/spec/rollout/to');
  assert.equal(
    only(inert('Route', { rollout: { from: 'v1', to: 'v2', steps: [5, 5] } }), 'E311').pointer,
    '/spec/rollout/steps',
  );
});

test('E401: subset with an empty list of labels', () => {
  assert.equal(only(upstream({ subsets: { v1: { labels: {} } } }), 'E401').pointer, '/spec/subsets/v1/labels');
});

test('E402: hash without ringHash or maglev, or the reverse', () => {
  assert.equal(only(upstream({ lb: { random: {} }, hash: [{ ip: true }] }), 'E402').pointer, '/spec/hash');
  assert.equal(only(upstream({ lb: { ringHash: {} }, hash: null }), 'E402').pointer, '/spec/hash');
  assert.deepEqual(
    codesOf(upstream({ lb: { maglev: {} }, hash: [{ header: 'x-user' }, { cookie: { name: 'c', ttl: '0s' } }] })),
    [],
  );
});

test('E403: failover beside zoneAware', () => {
  const locality = { zoneAware: true, failover: [['region'], []] };
  assert.equal(only(inert('Upstream', { locality }), 'E403').pointer, '/spec/locality/failover');
});

test('E501, E701-E703, E801, E901: kinds of later versions, stored as inert', () => {
  assert.equal(only(inert('Access', { allow: { a: { shadow: true } } }), 'E501').pointer, '/spec/allow/a');
  assert.equal(
    only(inert('RateLimit', { limits: { a: { requests: 10, per: '1s', burst: 5 } } }), 'E701').pointer,
    '/spec/limits/a/burst',
  );
  assert.equal(only(inert('RateLimit', { limits: { a: { fair: {} } } }), 'E702').pointer, '/spec/limits/a/fair');
  assert.equal(
    only(inert('RateLimit', { limits: { a: { share: true, global: true } } }), 'E703').pointer,
    '/spec/limits/a/share',
  );
  assert.equal(only(inert('Telemetry', { logs: { a: { percent: 1 } } }), 'E801').pointer, '/spec/logs/a');
  const filters = { a: { wasm: { file: 'a.wasm' } } };
  assert.equal(only(inert('Extension', { scope: { mesh: true }, filters }), 'E901').pointer, '/spec/filters/a/wasm');
});

test('W901, W902: filters of an Extension', () => {
  const lua = { code: 'function envoy_on_request(h) end' };
  assert.equal(
    only(inert('Extension', { scope: { mesh: true }, filters: { a: { lua }, b: { lua } } }), 'W901').severity,
    'warning',
  );
  const extAuthz = { service: 'authz.infra:9000' };
  assert.equal(
    only(inert('Extension', { scope: { mesh: true }, filters: { a: { extAuthz, failOpen: true } } }), 'W902').code,
    'W902',
  );
});

test('E601: one localPort for two targets', () => {
  const finding = only(
    dependency({ to: { 'b.default:2': { localPort: 2000 }, 'a.default:1': { localPort: 2000 } } }),
    'E601',
  );
  assert.match(finding.message, /"b.default:2" is taken by the edge to "a.default:1"/);
});

test('E603: pin and deny together', () => {
  assert.equal(
    only(dependency({ to: { 'a.default': { pin: true, deny: true } } }), 'E603').pointer,
    '/spec/to/a.default/deny',
  );
  assert.equal(
    only(dependency({ select: { s: { labels: { a: 'b' }, pin: true, deny: true } } }), 'E603').pointer,
    '/spec/select/s/deny',
  );
});

test('W301: tries together exceed the time-out', () => {
  const finding = only(route({ timeout: '1s', retry: { attempts: 2, timeout: '400ms' } }), 'W301');
  assert.equal(finding.severity, 'warning');
  assert.match(finding.message, /400ms × 3 tries exceeds timeout 1s/);
  assert.deepEqual(codesOf(route({ timeout: '2s', retry: { attempts: 2, timeout: '400ms' } })), []);
});

test('W303: regex beside prefix, cleared by order', () => {
  const rules = (order: number) => ({
    rules: { a: { match: { path: { regex: '/api/v[0-9]+' } } }, b: { order, match: { path: { prefix: '/api' } } } },
  });
  assert.match(only(route(rules(0)), 'W303').message, /regex of rule a overlaps the prefix of rule b/);
  assert.deepEqual(codesOf(route(rules(1))), []);
  const apart = { a: { match: { path: { regex: '/x/.*' } } }, b: { match: { path: { prefix: '/api' } } } };
  assert.deepEqual(codesOf(route({ rules: apart })), []);
});

test('W305: retries on status for unsafe methods', () => {
  const retry = { when: { status: [503] } };
  assert.equal(only(route({ retry }), 'W305').pointer, '/spec/retry/when');
  assert.deepEqual(codesOf(route({ rules: { a: { match: { method: ['GET', 'HEAD'] }, retry } } })), []);
  assert.deepEqual(codesOf(route({ retry: { attempts: 0, ...retry } })), []);
});

test('W407: subsets with the same labels', () => {
  const labels = { version: 'v1' };
  assert.equal(only(upstream({ subsets: { a: { labels }, b: { labels } } }), 'W407').pointer, '/spec/subsets/b/labels');
});
