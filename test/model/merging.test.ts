/** Section 1 of policies.md: scopes, merging field by field, units, null, what adds up, conflicts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  conflicts,
  effective,
  leavesAndUnits,
  type PolicyDocument,
  parseScopeKey,
  resolveDependency,
  resolveRoute,
  resolveUpstream,
  scopeChain,
  scopeKeyOf,
} from '../../src/model/index.ts';
import { document, layer } from './support.ts';

const PORT = { service: 'reviews.default', port: 80, protocol: 'http' } as const;
const routeOf = (...documents: PolicyDocument[]) => effective('Route', documents.map(layer));
const resolved = (...documents: PolicyDocument[]) => resolveRoute(routeOf(...documents), PORT);
const upstreamOf = (...documents: PolicyDocument[]) => resolveUpstream(effective('Upstream', documents.map(layer)));
const dependencyOf = (...documents: PolicyDocument[]) =>
  resolveDependency(effective('Dependency', documents.map(layer)));

const mesh = (kind: 'Route' | 'Upstream' | 'Dependency', spec: object) =>
  document(kind, 'mesh-wide', { scope: { mesh: true }, ...spec });
const namespace = (kind: 'Route' | 'Upstream' | 'Dependency', spec: object) =>
  document(kind, 'ns-wide', { scope: { namespace: true }, ...spec });
const own = (kind: 'Route' | 'Upstream' | 'Dependency', spec: object) => document(kind, 'reviews', spec);
const ported = (kind: 'Route' | 'Upstream', spec: object) =>
  document(kind, 'reviews-80', { scope: { service: 'reviews', port: 80 }, ...spec });

test('scopes: keys, default, chain', () => {
  assert.equal(scopeKeyOf(own('Route', {})), 'svc:reviews.default');
  assert.equal(scopeKeyOf(mesh('Route', {})), 'mesh');
  assert.equal(scopeKeyOf(document('Route', 'a', { scope: { namespace: true } }, 'shop')), 'ns:shop');
  assert.equal(scopeKeyOf(ported('Route', {})), 'svc:reviews.default:80');
  assert.deepEqual(scopeChain('reviews.default', 80), [
    'mesh',
    'ns:default',
    'svc:reviews.default',
    'svc:reviews.default:80',
  ]);
  assert.deepEqual(parseScopeKey('svc:reviews.default:80'), { kind: 'service', service: 'reviews.default', port: 80 });
});

test('without documents everything is the built-in default', () => {
  const { default: rule, rules } = resolved();
  assert.deepEqual(rules, []);
  assert.deepEqual(rule.targets, [{ key: '*', service: 'reviews.default', port: 80, subset: undefined, weight: 1 }]);
  assert.deepEqual([rule.timeoutMs, rule.idleTimeoutMs, rule.retry.attempts], [0, 300_000, 1]);
  assert.deepEqual(rule.retry.when, {
    connect: true,
    refused: true,
    unprocessed: true,
    reset: false,
    gateway: false,
    status: [],
    grpc: [],
  });
  assert.equal(rule.document, undefined);
  assert.equal(rule.provenance.size, 0);
  const { base } = upstreamOf();
  assert.deepEqual(base.lb, { kind: 'leastRequest', choices: 2 });
  assert.deepEqual([base.panicPercent, base.zoneAware, base.outlier], [1, true, undefined]);
  assert.deepEqual([base.limits.requests, base.limits.retryPercent, base.limits.minRetries], [4_294_967_295, 20, 3]);
  assert.deepEqual(dependencyOf(), { to: [], select: [], learn: true, ttlMs: 86_400_000, documents: [] });
});

test('idleTimeout is 0 by default on grpc ports only', () => {
  const route = routeOf();
  assert.equal(resolveRoute(route, { ...PORT, protocol: 'grpc' }).default.idleTimeoutMs, 0);
  assert.equal(resolveRoute(route, { ...PORT, protocol: 'http2' }).default.idleTimeoutMs, 300_000);
  const set = routeOf(mesh('Route', { idleTimeout: '1m' }));
  assert.equal(resolveRoute(set, { ...PORT, protocol: 'grpc' }).default.idleTimeoutMs, 60_000);
});

test('the most specific wins, field by field: mesh < namespace < service < service and port', () => {
  const { default: rule } = resolved(
    ported('Route', { timeout: '4s' }),
    mesh('Route', { timeout: '1s', idleTimeout: '1s', retry: { attempts: 5, when: { reset: true } } }),
    own('Route', { timeout: '3s', retry: { when: { connect: false } } }),
    namespace('Route', { timeout: '2s', idleTimeout: '2s', retry: { attempts: 4 } }),
  );
  assert.deepEqual([rule.timeoutMs, rule.idleTimeoutMs, rule.retry.attempts], [4000, 2000, 4]);
  assert.deepEqual([rule.retry.when.reset, rule.retry.when.connect, rule.retry.when.refused], [true, false, true]);
  assert.deepEqual(rule.provenance.get('/spec/retry/attempts'), {
    document: 'Route/default/ns-wide',
    scope: 'ns:default',
    pointer: '/spec/retry/attempts',
  });
});

test('units are replaced whole: to, match, lb, lists', () => {
  const { default: rule, rules } = resolved(
    namespace('Route', {
      to: { v1: { weight: 1 }, v2: { weight: 9 } },
      retry: { when: { status: [500, 502] } },
      rules: { a: { match: { method: 'GET', path: { exact: '/x' } } } },
    }),
    own('Route', { to: { v3: {} }, retry: { when: { status: [503] } }, rules: { a: { match: { port: 80 } } } }),
  );
  assert.deepEqual(
    rule.targets.map(({ key }) => key),
    ['v3'],
  );
  assert.deepEqual(rule.retry.when.status, [503]);
  assert.deepEqual(rules[0]?.match.methods, []);
  assert.deepEqual(rules[0]?.match.paths, []);
  const { base } = upstreamOf(
    mesh('Upstream', { lb: { leastRequest: { choices: 5 } } }),
    own('Upstream', { lb: { random: {} } }),
  );
  assert.deepEqual(base.lb, { kind: 'random' });
});

test('maps of named things unite', () => {
  const { rules } = resolved(
    namespace('Route', { rules: { a: { match: { method: 'GET' } } } }),
    own('Route', { rules: { b: { match: { method: 'PUT' } }, a: { timeout: '1s' } } }),
  );
  assert.deepEqual(
    rules.map(({ name, timeoutMs }) => [name, timeoutMs]),
    [
      ['a', 1000],
      ['b', 0],
    ],
  );
  const { subsets } = upstreamOf(
    namespace('Upstream', { subsets: { v1: { labels: { version: 'v1' } } } }),
    own('Upstream', { subsets: { v1: { labels: { track: 'canary' } }, v2: { labels: { version: 'v2' } } } }),
  );
  assert.deepEqual(
    subsets.map(({ name, labels }) => [name, labels.map(({ key }) => key)]),
    [
      ['v1', ['track', 'version']],
      ['v2', ['version']],
    ],
  );
});

test('null forgets the wider scopes and takes the built-in default', () => {
  const { default: rule } = resolved(
    mesh('Route', { timeout: '1s', to: { v1: {} }, retry: { attempts: 5, timeout: '1s' } }),
    own('Route', { timeout: null, to: null, retry: null }),
    ported('Route', { retry: { when: { reset: true } } }),
  );
  assert.deepEqual(
    [rule.timeoutMs, rule.targets[0]?.key, rule.retry.attempts, rule.retry.tryTimeoutMs],
    [0, '*', 1, undefined],
  );
  assert.equal(rule.retry.when.reset, true);
  assert.equal(rule.provenance.get('/spec/timeout')?.document, 'Route/default/reviews', 'who forgot it is part of why');
  const { base, subsets } = upstreamOf(
    mesh('Upstream', {
      outlier: { ejectTime: '15m' },
      lb: { random: {} },
      subsets: { v1: { labels: { a: 'b' } }, v2: { labels: { a: 'c' } } },
    }),
    own('Upstream', { outlier: null, lb: null, subsets: { v1: null } }),
  );
  assert.deepEqual([base.outlier, base.lb.kind, subsets.map(({ name }) => name)], [undefined, 'leastRequest', ['v2']]);
});

test('null for a rule, or for all rules', () => {
  const wide = namespace('Route', {
    rules: { a: { match: { method: 'GET' }, timeout: '9s' }, b: { match: { method: 'PUT' } } },
  });
  assert.deepEqual(
    resolved(wide, own('Route', { rules: { a: null } })).rules.map(({ name }) => name),
    ['b'],
  );
  assert.deepEqual(resolved(wide, own('Route', { rules: null })).rules, []);
  const again = resolved(
    wide,
    own('Route', { rules: { a: null } }),
    ported('Route', { rules: { a: { match: { method: 'HEAD' } } } }),
  );
  assert.deepEqual(
    again.rules.map(({ name, timeoutMs }) => [name, timeoutMs]),
    [
      ['a', 0],
      ['b', 0],
    ],
  );
});

test('rules inherit every field of spec, from whatever layer; a rule is narrower than all of them', () => {
  const { rules } = resolved(
    mesh('Route', { rules: { a: { match: { method: 'GET' }, timeout: '7s' } }, retry: { attempts: 3 } }),
    own('Route', { timeout: '1s', to: { v2: {} }, retry: { when: { gateway: true } } }),
  );
  const [rule] = rules;
  assert.equal(rule?.timeoutMs, 7000, 'the rule of the mesh beats spec of the service');
  assert.deepEqual([rule?.targets[0]?.key, rule?.retry.attempts, rule?.retry.when.gateway], ['v2', 3, true]);
  assert.deepEqual(rule?.provenance.get('/spec/timeout')?.pointer, '/spec/rules/a/timeout');
  assert.deepEqual(rule?.provenance.get('/spec/to'), {
    document: 'Route/default/reviews',
    scope: 'svc:reviews.default',
    pointer: '/spec/to',
  });
  assert.equal(rule?.document, 'Route/default/mesh-wide');
});

test('null inside a rule takes the built-in default, not the value of spec', () => {
  const { rules } = resolved(
    own('Route', {
      timeout: '5s',
      retry: { attempts: 9 },
      rules: { a: { match: { method: 'GET' }, timeout: null, retry: null } },
    }),
  );
  assert.deepEqual([rules[0]?.timeoutMs, rules[0]?.retry.attempts], [0, 1]);
});

test('subsets inherit spec with overrides', () => {
  const { base, subsets } = upstreamOf(
    mesh('Upstream', { outlier: { ejectTime: '15m' }, limits: { requests: 100 } }),
    own('Upstream', {
      limits: { connections: 7 },
      subsets: {
        v1: { labels: { version: 'v1' }, limits: { requests: 5 }, outlier: { maxPercent: 50 } },
        v2: { labels: { version: 'v2' }, outlier: null },
      },
    }),
  );
  const [v1, v2] = subsets;
  assert.deepEqual([base.limits.requests, base.limits.connections], [100, 7]);
  assert.deepEqual([v1?.settings.limits.requests, v1?.settings.limits.connections], [5, 7]);
  assert.deepEqual([v1?.settings.outlier?.ejectTimeMs, v1?.settings.outlier?.maxPercent], [900_000, 50]);
  assert.equal(v2?.settings.outlier, undefined);
});

test('outlier defaults hold once the section exists', () => {
  assert.deepEqual(upstreamOf(own('Upstream', { outlier: {} })).base.outlier, {
    consecutive5xx: 5,
    consecutiveGateway: 5,
    ejectTimeMs: 30_000,
    maxEjectTimeMs: 300_000,
    maxPercent: 70,
    intervalMs: 5_000,
  });
  assert.equal(upstreamOf(own('Upstream', { outlier: { ejectTime: '15m' } })).base.outlier?.maxEjectTimeMs, 900_000);
});

test('hash is only read by ringHash and maglev', () => {
  const hash = [{ header: 'X-User' }, { cookie: { name: 'c', ttl: '1h' } }, { query: 'q' }, { ip: true }];
  const ring = upstreamOf(own('Upstream', { lb: { ringHash: { min: 64, bound: 125 } }, hash })).base;
  assert.deepEqual(ring.lb, { kind: 'ringHash', minRing: 64, maxRing: undefined, boundPercent: 125 });
  assert.deepEqual(ring.hash, [
    { kind: 'header', name: 'x-user' },
    { kind: 'cookie', name: 'c', ttlMs: 3_600_000 },
    { kind: 'query', name: 'q' },
    { kind: 'ip' },
  ]);
});

test('Dependency: targets unite, deny of a wider scope wins also over null and false', () => {
  const { to, learn } = dependencyOf(
    mesh('Dependency', { learn: false, to: { 'vault.infra': { deny: true }, 'log.infra': {} } }),
    namespace('Dependency', { to: { 'vault.infra': null, 'cart.default': { pin: true } } }),
    own('Dependency', {
      to: { 'vault.infra': { deny: false, pin: true }, 'cart.default': { localPort: 2000 } },
      learn: null,
    }),
  );
  assert.equal(learn, true);
  assert.deepEqual(
    to.map(({ key, pin, deny, localPort }) => [key, pin, deny, localPort]),
    [
      ['cart.default', true, false, 2000],
      ['log.infra', false, false, undefined],
      ['vault.infra', false, true, undefined],
    ],
  );
  assert.equal(to[0]?.document, 'Dependency/default/reviews');
  assert.deepEqual(
    dependencyOf(
      mesh('Dependency', { to: { 'a.b': { deny: true }, 'c.d': {} } }),
      own('Dependency', { to: null }),
    ).to.map(({ key }) => key),
    ['a.b'],
  );
});

test('Dependency: globs and selectors', () => {
  const { to, select } = dependencyOf(
    own('Dependency', {
      to: { '*.billing:80': {}, 'web.*': {} },
      select: { s: { labels: { b: '2', a: '1' }, namespaces: ['y', 'x', 'x'] } },
    }),
  );
  assert.deepEqual(
    to.map(({ name, namespace: space, port, glob }) => [name, space, port, glob]),
    [
      ['*', 'billing', 80, true],
      ['web', '*', undefined, true],
    ],
  );
  assert.deepEqual(select, [
    {
      name: 's',
      labels: [
        { key: 'a', value: '1' },
        { key: 'b', value: '2' },
      ],
      namespaces: ['x', 'y'],
      pin: false,
      deny: false,
      document: 'Dependency/default/reviews',
    },
  ]);
});

test('Access: allow and deny add up, denyByDefault above wins', () => {
  const wide = document('Access', 'all', {
    scope: { mesh: true },
    denyByDefault: true,
    allow: { a: { from: { any: true } } },
  });
  const narrow = document('Access', 'reviews', {
    denyByDefault: false,
    allow: { a: { from: { services: ['web.default'] } } },
    deny: null,
  });
  const { value } = effective('Access', [layer(narrow), layer(wide)]);
  assert.equal(value.denyByDefault, true);
  assert.deepEqual(Object.keys(value.allow ?? {}).sort(), [
    'mesh/Access/default/all/a',
    'svc:reviews.default/Access/default/reviews/a',
  ]);
  assert.deepEqual(
    conflicts('Access', { allow: { a: { from: { any: true } } } }, { allow: { a: { from: { any: true } } } }),
    [],
  );
});

test('inert fields and conditions have no effect', () => {
  const { rules, default: rule } = resolved(
    own('Route', {
      redirect: { https: true },
      rules: {
        a: { match: { cookies: { k: 'v' } }, to: { v1: {} } },
        b: { match: { method: 'GET' }, fault: { abort: { status: 500 } } },
      },
    }),
  );
  assert.deepEqual(
    rules.map(({ name }) => name),
    ['b'],
    'a rule that cannot check one of its conditions is left out',
  );
  assert.equal(rule.targets[0]?.key, '*');
  const shown = effective('Route', [layer(own('Route', { redirect: { https: true } }))], { compiledOnly: false });
  assert.deepEqual(shown.value.redirect, { https: true });
});

test('to, redirect, respond: the narrower level replaces the inherited one', () => {
  const layers = [mesh('Route', { to: { v1: {} } }), own('Route', { respond: { status: 204 } })].map(layer);
  const { value } = effective('Route', layers, { compiledOnly: false });
  assert.deepEqual([value.to, value.respond], [undefined, { status: 204 }]);
});

test('leaves and units', () => {
  assert.deepEqual(
    leavesAndUnits('Route', {
      scope: { mesh: true },
      to: { v1: {}, v2: { weight: 3 } },
      retry: { attempts: 1, when: { status: [500] } },
      rules: { a: { match: { port: 80 } }, b: null },
    }),
    ['/spec/retry/attempts', '/spec/retry/when/status', '/spec/rules/a/match', '/spec/rules/b', '/spec/to'],
  );
});

test('conflicts: same leaf, same unit, fields that exclude one another, null above', () => {
  const pointers = (a: object, b: object) => conflicts('Route', a, b).map(({ pointer }) => pointer);
  assert.deepEqual(pointers({ timeout: '1s', to: { v1: {} } }, { timeout: '1s', to: { v2: {} } }), [
    '/spec/timeout',
    '/spec/to',
  ]);
  assert.deepEqual(pointers({ retry: { attempts: 1 } }, { retry: { when: { reset: true } } }), []);
  assert.deepEqual(pointers({ to: { v1: {} } }, { redirect: { https: true } }), ['/spec/to']);
  assert.deepEqual(pointers({ rules: null }, { rules: {} }), ['/spec/rules']);
  assert.deepEqual(pointers({ rules: {} }, { rules: {} }), []);
  assert.deepEqual(pointers({ rules: null }, { rules: { a: { timeout: '1s' } } }), ['/spec/rules']);
  assert.deepEqual(pointers({ rules: { a: { timeout: '1s' } } }, { rules: null }), ['/spec/rules/a/timeout']);
  const deny = { to: { 'a.b': { deny: true } } };
  assert.deepEqual(conflicts('Dependency', deny, deny), [], 'two that deny the same agree');
  assert.deepEqual(conflicts('Dependency', { to: { 'a.b': {} } }, { to: { 'a.b': {} } }), []);
});
