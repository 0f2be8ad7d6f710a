/** One test per code that needs other documents or the mesh (policies.md, lists below each kind). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crossErrors, crossWarnings, type PolicyDocument } from '../../src/model/index.ts';
import { applied, codesOf, document, layer, type MeshFacts, meshOf, only, service } from './support.ts';

/** Findings of documents that are applied together to a mesh that has the others already. */
const errors = (changed: readonly PolicyDocument[], facts: MeshFacts = {}) =>
  crossErrors(applied(...changed), meshOf({ ...facts, documents: [...(facts.documents ?? []), ...changed] }));
const warnings = (changed: readonly PolicyDocument[], facts: MeshFacts = {}) =>
  crossWarnings(applied(...changed), meshOf({ ...facts, documents: [...(facts.documents ?? []), ...changed] }));
/** Findings of a document that goes. */
const deletion = (before: PolicyDocument, facts: MeshFacts) =>
  crossErrors([{ before, after: undefined }], meshOf(facts));

const subsets = { v1: { labels: { version: 'v1' } }, v2: { labels: { version: 'v2' } } };
const versions = document('Upstream', 'reviews', { subsets });
const toV2 = document('Route', 'reviews', { to: { v2: {} } });

test('E201: the same leaf or unit in the same scope, naming the other document', () => {
  const first = document('Route', 'reviews', { timeout: '1s', retry: { attempts: 2 } });
  const second = document('Route', 'slow', {
    scope: { service: 'reviews' },
    timeout: '2s',
    retry: { when: { reset: true } },
  });
  const finding = only(errors([second], { documents: [first] }), 'E201');
  assert.match(finding.message, /\/spec\/timeout is already set by Route\/default\/reviews/);
  assert.deepEqual(finding.related, [{ document: 'Route/default/reviews', pointer: '/spec/timeout' }]);
  const wider = document('Route', 'slow', { scope: { namespace: true }, timeout: '2s' });
  assert.deepEqual(errors([wider], { documents: [first] }), [], 'another scope is no conflict');
});

test('E201: inside one batch the pair is reported once', () => {
  const pair = [
    document('Route', 'reviews', { timeout: '1s' }),
    document('Route', 'b', { scope: { service: 'reviews' }, timeout: '2s' }),
  ];
  assert.equal(only(errors(pair), 'E201').document, 'Route/default/b');
});

test('E201: a null conflicts with what it would forget', () => {
  const first = document('Route', 'reviews', { retry: { attempts: 2 } });
  const second = document('Route', 'b', { scope: { service: 'reviews' }, retry: null });
  assert.equal(only(errors([second], { documents: [first] }), 'E201').pointer, '/spec/retry');
});

test('E210: a host has one owner', () => {
  const google = document('Service', 'googleapis', {
    ports: [{ port: 443, protocol: 'http' }],
    external: { hosts: ['www.googleapis.com'] },
  });
  const services = { 'other.default': service('default', { externalHosts: ['www.googleapis.com'] }) };
  assert.match(only(errors([google], { services }), 'E210').message, /owned by service other.default/);
  assert.deepEqual(
    errors([google], {
      services: { 'googleapis.default': service('default', { externalHosts: ['www.googleapis.com'] }) },
    }),
    [],
  );
});

test('E211: a port in use would vanish', () => {
  const before = document('Service', 'reviews', {
    ports: [
      { port: 80, protocol: 'http' },
      { port: 81, protocol: 'http' },
    ],
  });
  const after = document('Service', 'reviews', { ports: [{ port: 80, protocol: 'http' }] });
  const user = document('Route', 'web', { to: { 'reviews.default:81': {} } });
  const scoped = document('Route', 'r81', { scope: { service: 'reviews', port: 81 }, timeout: '1s' });
  const facts = { documents: [user, scoped, after], services: { 'reviews.default': service('default') } };
  const finding = only(crossErrors([{ before, after }], meshOf(facts)), 'E211');
  assert.match(
    finding.message,
    /Port 81 of reviews.default would vanish, but is in use by Route\/default\/web, Route\/default\/r81/,
  );
  const other = {
    ...facts,
    services: { 'reviews.default': service('default', { ports: before.spec['ports' as never] }) },
  };
  assert.deepEqual(crossErrors([{ before, after }], meshOf(other)), [], 'another source still says so');
});

test('E211: a whole service in use would vanish', () => {
  const before = document('Service', 'reviews', { ports: [{ port: 80, protocol: 'http' }] });
  const user = document('Route', 'web', { to: { 'reviews.default': {}, '*': {} } });
  assert.match(only(deletion(before, { documents: [user] }), 'E211').message, /Service reviews.default would vanish/);
  assert.deepEqual(deletion(before, { documents: [document('Route', 'reviews', { timeout: '1s' })] }), []);
});

test('E301: subset not defined by any Upstream, with those that are', () => {
  const route = document('Route', 'reviews', { to: { v9: {} } });
  const finding = only(errors([route], { documents: [versions] }), 'E301');
  assert.equal(finding.message, 'Subset "v9" is not defined by any Upstream of reviews.default (defined: v1, v2).');
  assert.equal(finding.pointer, '/spec/to/v9');
  assert.deepEqual(
    errors([route]).map(({ message }) => message),
    ['Subset "v9" is not defined by any Upstream of reviews.default (defined: none).'],
  );
});

test('E301: order inside a batch is free, wider Upstreams count', () => {
  assert.deepEqual(errors([toV2, versions]), []);
  const wide = document('Upstream', 'versions', { scope: { mesh: true }, subsets });
  assert.deepEqual(errors([toV2], { documents: [wide] }), []);
});

test('E301: subsets in rules, and of other services', () => {
  const rule = document('Route', 'reviews', {
    rules: { jason: { match: { headers: { 'end-user': 'jason' } }, to: { v9: {} } } },
  });
  assert.equal(only(errors([rule], { documents: [versions] }), 'E301').pointer, '/spec/rules/jason/to/v9');
  const foreign = document('Route', 'web', { to: { 'reviews.default/v9': {} } });
  assert.equal(only(errors([foreign], { documents: [versions] }), 'E301').pointer, '/spec/to/reviews.default~1v9');
  assert.deepEqual(
    errors([document('Route', 'web', { to: { 'reviews.default:80/v1': {} } })], { documents: [versions] }),
    [],
  );
});

test('E301: removing a subset in use names the users', () => {
  const after = document('Upstream', 'reviews', { subsets: { v1: subsets.v1 } });
  const finding = only(crossErrors([{ before: versions, after }], meshOf({ documents: [toV2, after] })), 'E301');
  assert.equal(finding.document, 'Upstream/default/reviews');
  assert.match(finding.message, /"v2" is in use by Route\/default\/reviews/);
  assert.deepEqual(finding.related, [{ document: 'Route/default/reviews', pointer: '/spec/to/v2' }]);
  assert.equal(only(deletion(versions, { documents: [toV2] }), 'E301').document, 'Upstream/default/reviews');
  const foreign = document('Route', 'web', { to: { 'reviews.default/v2': {} } });
  assert.match(only(deletion(versions, { documents: [foreign] }), 'E301').message, /Route\/default\/web/);
  assert.deepEqual(
    deletion(versions, { documents: [toV2, document('Upstream', 'x', { scope: { mesh: true }, subsets })] }),
    [],
  );
});

test('E301: a narrower Upstream that forgets a subset which a wider Route uses', () => {
  const all = document('Route', 'all', { scope: { namespace: true }, to: { v1: {} } });
  const wide = document('Upstream', 'versions', { scope: { namespace: true }, subsets });
  const narrow = document('Upstream', 'mysqldb', { subsets: { v1: null } });
  assert.match(only(errors([narrow], { documents: [all, wide] }), 'E301').message, /mysqldb.default/);
  assert.match(only(errors([all], { documents: [narrow, wide] }), 'E301').message, /mysqldb.default/);
});

test('E303: over two documents', () => {
  const match = { path: { prefix: '/a' } };
  const first = document('Route', 'reviews', { rules: { a: { match } } });
  const second = document('Route', 'more', { scope: { service: 'reviews' }, rules: { b: { match } } });
  assert.equal(only(errors([second], { documents: [first] }), 'E303').pointer, '/spec/rules/b/match');
});

test('E103: retry.timeout without a retry on 504', () => {
  const bare = document('Route', 'reviews', { retry: { timeout: '300ms' } });
  assert.equal(only(errors([bare]), 'E103').pointer, '/spec/retry/timeout');
  const wide = document('Route', 'all', { scope: { mesh: true }, retry: { when: { gateway: true } } });
  assert.deepEqual(errors([bare], { documents: [wide] }), []);
  assert.deepEqual(
    errors([document('Route', 'reviews', { retry: { timeout: '300ms', when: { status: [504] } } })]),
    [],
  );
});

test('E307: no HTTP port', () => {
  const services = { 'redis.default': service('default', { ports: [{ port: 6379, protocol: 'tcp' }] }) };
  assert.match(
    only(errors([document('Route', 'redis', { timeout: '1s' })], { services }), 'E307').message,
    /no HTTP port/,
  );
  const both = {
    'web.default': service('default', {
      ports: [
        { port: 80, protocol: 'http' },
        { port: 81, protocol: 'tcp' },
      ],
    }),
  };
  assert.equal(
    only(
      errors([document('Route', 'w', { scope: { service: 'web', port: 81 }, timeout: '1s' })], { services: both }),
      'E307',
    ).pointer,
    '/spec/scope/port',
  );
  assert.equal(
    only(errors([document('Route', 'x', { to: { 'web.default:81': {} } })], { services: both }), 'E307').pointer,
    '/spec/to/web.default:81',
  );
});

test('E308: interface of match.grpc not offered', () => {
  const route = (grpc: object) => document('Route', 'cart', { rules: { a: { match: { grpc } } } });
  const services = {
    'cart.default': service('default', { interfaces: [{ name: 'shop.Cart', methods: ['AddItem'] }] }),
  };
  assert.match(only(errors([route({ service: 'shop.Crat' })], { services }), 'E308').message, /it offers shop.Cart/);
  assert.match(
    only(errors([route({ service: 'shop.Cart', method: 'Drop' })], { services }), 'E308').message,
    /it offers AddItem/,
  );
  assert.deepEqual(errors([route({ service: 'shop.Cart', method: 'AddItem' })], { services }), []);
  assert.deepEqual(errors([route({ service: 'a.B' })], { services: { 'cart.default': service('default') } }), []);
});

test('E401: a subset without labels after merging', () => {
  const bare = document('Upstream', 'reviews', { subsets: { v1: { panicPercent: 0 } } });
  assert.equal(only(errors([bare]), 'E401').pointer, '/spec/subsets/v1');
  assert.deepEqual(
    errors([bare], { documents: [document('Upstream', 'all', { scope: { mesh: true }, subsets })] }),
    [],
  );
});

test('E402: hash and lb in different layers', () => {
  const hash = document('Upstream', 'reviews', { hash: [{ header: 'x-user' }] });
  assert.equal(only(errors([hash]), 'E402').pointer, '/spec/hash');
  const ring = document('Upstream', 'all', { scope: { mesh: true }, lb: { ringHash: {} }, hash: [{ ip: true }] });
  assert.deepEqual(errors([hash], { documents: [ring] }), []);
  assert.equal(only(errors([document('Upstream', 'reviews', { lb: { maglev: {} } })]), 'E402').pointer, '/spec/lb');
  assert.equal(
    only(
      errors([document('Upstream', 'reviews', { subsets: { v1: { labels: { a: 'b' }, lb: { maglev: {} } } } })]),
      'E402',
    ).pointer,
    '/spec/subsets/v1/lb',
  );
});

const redis = {
  'redis.default': service('default', { ports: [{ port: 6379, protocol: 'tcp' }] }),
  'web.default': service('default'),
};

test('E601: localPort is taken in another layer, or by a listener of the sidecar', () => {
  const wide = document('Dependency', 'all', {
    scope: { namespace: true },
    to: { 'redis.default:6379': { localPort: 16379 } },
  });
  const narrow = document('Dependency', 'cart', { to: { 'db.default:5432': { localPort: 16379 } } });
  const finding = only(errors([narrow], { documents: [wide] }), 'E601');
  assert.match(finding.message, /16379 is taken by the edge to "redis.default:6379"/);
  assert.deepEqual(finding.related, [
    { document: 'Dependency/default/all', pointer: '/spec/to/redis.default:6379/localPort' },
  ]);
  assert.equal(only(errors([wide], { documents: [narrow] }), 'E601').document, 'Dependency/default/all');
  const listens = [{ port: 16379, owner: 'inbound/80' }];
  assert.match(
    only(errors([narrow], { listens }), 'E601').message,
    /listener of the sidecar of cart.default: inbound\/80/,
  );
});

test('E602: localPort on a port that is not TCP', () => {
  const to = (key: string) => document('Dependency', 'cart', { to: { [key]: { localPort: 2000 } } });
  assert.equal(
    only(errors([to('web.default:80')], { services: redis }), 'E602').pointer,
    '/spec/to/web.default:80/localPort',
  );
  assert.deepEqual(errors([to('redis.default')], { services: redis }), []);
  assert.deepEqual(errors([to('unknown.default:1')], { services: redis }), []);
});

test('E604: a TCP target without localPort', () => {
  const to = (key: string, entry: object = {}) => document('Dependency', 'cart', { to: { [key]: entry } });
  assert.equal(
    only(errors([to('redis.default:6379')], { services: redis }), 'E604').pointer,
    '/spec/to/redis.default:6379',
  );
  assert.deepEqual(errors([to('redis.default:6379', { deny: true })], { services: redis }), []);
  assert.deepEqual(errors([to('web.default')], { services: redis }), []);
  const wide = document('Dependency', 'all', {
    scope: { mesh: true },
    to: { 'redis.default:6379': { localPort: 2000 } },
  });
  assert.deepEqual(errors([to('redis.default:6379', { pin: true })], { services: redis, documents: [wide] }), []);
});

test('E103: a selector without labels after merging', () => {
  const bare = document('Dependency', 'cart', { select: { s: { pin: true } } });
  assert.equal(only(errors([bare]), 'E103').pointer, '/spec/select/s/labels');
});

test('W101: service or port not registered yet', () => {
  const found = warnings([
    document('Route', 'reviews', { to: { 'details.default': {} } }),
    document('Dependency', 'cart', { to: { 'redis.default': {} } }),
  ]);
  assert.deepEqual(
    found.map(({ code, pointer }) => [code, pointer]),
    [
      ['W101', '/spec/scope'],
      ['W101', '/spec/to/details.default'],
      ['W101', '/spec/to/redis.default'],
    ],
  );
  const services = { 'reviews.default': service('default') };
  const ported = document('Route', 'reviews', { scope: { service: 'reviews', port: 9 }, timeout: '1s' });
  assert.match(only(warnings([ported], { services }), 'W101').message, /no port 9 yet \(it has 80\)/);
});

test('W212: inline endpoint reported by another source, too', () => {
  const made = document('Service', 'web', {
    ports: [{ port: 80, protocol: 'http' }],
    endpoints: [{ id: 'a', address: '10.0.0.1' }],
  });
  assert.match(only(warnings([made], { sources: { 'web.default/a': ['k8s:prod'] } }), 'W212').message, /k8s:prod/);
});

const endpoint = (id: string, version: string, health?: 'unhealthy') => ({
  id,
  labels: { version },
  ...(health === undefined ? {} : { health }),
});

test('W302: a split that a subset cannot carry', () => {
  const facts: MeshFacts = {
    documents: [versions],
    services: { 'reviews.default': service('default') },
    endpoints: {
      'reviews.default': [
        ...['a', 'b', 'c', 'd', 'e'].map((id) => endpoint(id, 'v1')),
        endpoint('x', 'v2'),
        endpoint('y', 'v2', 'unhealthy'),
        endpoint('z', 'v2', 'unhealthy'),
      ],
    },
  };
  const split = (weight: number) =>
    document('Route', 'reviews', { to: { v1: { weight: 100 - weight }, v2: { weight } } });
  const finding = only(warnings([split(25)], facts), 'W302');
  assert.equal(finding.message, 'Subset v2 has 1 healthy endpoint of 3, 25 % of the requests need about 2.');
  assert.equal(finding.pointer, '/spec/to/v2');
  assert.deepEqual(codesOf(warnings([split(40)], facts)), ['W302']);
  assert.deepEqual(codesOf(warnings([split(10)], facts)), []);
});

test('W401: limits per sidecar add up', () => {
  const made = document('Upstream', 'reviews', { limits: { requests: 10 } });
  const services = { 'reviews.default': service('default') };
  assert.equal(
    only(warnings([made], { services, callerSidecars: 40 }), 'W401').message,
    'Limit 10 per sidecar × 40 callers = 400 in all.',
  );
});

const three = {
  services: { 'reviews.default': service('default') },
  endpoints: { 'reviews.default': ['a', 'b', 'c'].map((id) => endpoint(id, 'v1')) },
};

test('W402: maxPercent that ejects none', () => {
  const made = (maxPercent: number) => document('Upstream', 'reviews', { outlier: { maxPercent } });
  assert.match(
    only(warnings([made(10)], three), 'W402').message,
    /maxPercent 10 of 3 endpoints ejects none .*34 needed/,
  );
  assert.deepEqual(codesOf(warnings([made(34)], three)), []);
});

test('W403: subset of a wide scope that selects no endpoint', () => {
  const wide = document('Upstream', 'versions', { scope: { namespace: true }, subsets });
  const all = document('Route', 'all', { scope: { namespace: true }, to: { v1: {} } });
  const facts: MeshFacts = {
    services: {
      'mysqldb.default': service('default'),
      'reviews.default': service('default'),
      'other.shop': service('shop'),
    },
    endpoints: {
      'mysqldb.default': [{ id: 'db' }],
      'reviews.default': [endpoint('a', 'v1')],
      'other.shop': [{ id: 'o' }],
    },
  };
  const finding = only(warnings([all], { ...facts, documents: [wide] }), 'W403');
  assert.equal(
    finding.message,
    'Subset v1 (from namespace default) selects no endpoint of mysqldb.default: calls to it would fail.',
  );
  assert.equal(only(warnings([wide], { ...facts, documents: [all] }), 'W403').document, 'Upstream/default/versions');
});

test('W406: panicPercent 0 and everything may be ejected', () => {
  const made = document('Upstream', 'reviews', { panicPercent: 0, outlier: { ejectTime: '15m' } });
  const one = {
    services: three.services,
    endpoints: { 'reviews.default': [endpoint('a', 'v1'), endpoint('b', 'v1', 'unhealthy')] },
  };
  assert.match(
    only(warnings([made], one), 'W406').message,
    /ejectTime 15m and one endpoint left: panicPercent 0 would answer 503 for 15m/,
  );
  assert.deepEqual(codesOf(warnings([made], three)), []);
});

test('W407: two subsets select the same endpoints', () => {
  const made = document('Upstream', 'reviews', {
    subsets: { v1: { labels: { version: 'v1' } }, all: { labels: { app: 'r' } } },
  });
  const endpoints = { 'reviews.default': [{ id: 'a', labels: { version: 'v1', app: 'r' } }] };
  assert.match(only(warnings([made], { ...three, endpoints }), 'W407').message, /all and v1 select the same endpoints/);
});

test('W601: a glob or selector that is the whole mesh again', () => {
  const services = Object.fromEntries(
    Array.from({ length: 201 }, (_, index) => [`s${index}.billing`, service('billing', { labels: { team: 'pay' } })]),
  );
  const glob = document('Dependency', 'cart', { to: { '*.billing': {} } });
  assert.match(only(warnings([glob], { services }), 'W601').message, /"\*\.billing" matches 201 services/);
  const selector = document('Dependency', 'cart', { select: { pay: { labels: { team: 'pay' } } } });
  assert.equal(only(warnings([selector], { services }), 'W601').pointer, '/spec/select/pay');
  const elsewhere = document('Dependency', 'cart', {
    select: { pay: { labels: { team: 'pay' }, namespaces: ['shop'] } },
  });
  assert.deepEqual(warnings([elsewhere], { services }), []);
});

test('W602: deny of an edge in use', () => {
  const deny = document('Dependency', 'cart', { to: { 'redis.default': { deny: true } } });
  const used = {
    'cart.default': [
      { to: 'redis.default:6379', lastSeen: 10_000 },
      { to: 'web.default:80', lastSeen: 1 },
    ],
  };
  assert.equal(
    only(warnings([deny], { used, now: 22_000 }), 'W602').message,
    'Denies 1 edge in use, the last use 12s ago: cart.default -> redis.default:6379.',
  );
});

test('W603: not visible for this caller', () => {
  const services = { 'vault.infra': service('infra', { visibility: ['ops'] }) };
  const made = document('Dependency', 'cart', { to: { 'vault.infra': {} } });
  assert.match(only(warnings([made], { services }), 'W603').message, /not visible for callers of namespace default/);
  assert.deepEqual(warnings([document('Dependency', 'cart', { to: { 'vault.infra': {} } }, 'ops')], { services }), []);
});

test('a good mesh of documents has no findings', () => {
  const services = { 'reviews.default': service('default') };
  const all = [versions, toV2, document('Dependency', 'web', { to: { 'reviews.default': { pin: true } } })];
  assert.deepEqual(errors(all, { services }), []);
  assert.deepEqual(warnings(all, { services }), []);
  assert.equal(layer(toV2).scope, 'svc:reviews.default');
});
