/** What a real Envoy does with compiled clusters: weights, health, zones, hashing, limits, ejection, retries, times. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { EndpointView, ServiceView } from '../../src/compile/index.ts';
import { type HttpBackend, startHttpBackend } from '../support/backends.ts';
import { type CallResult, callHttp } from '../support/clients.ts';
import { requirePart } from '../support/parts.ts';
import { freePort } from '../support/ports.ts';
import { assertAccepted, startSidecar, type TestSidecar } from './sidecar.ts';
import { compileAll, endpoint, mesh, service } from './support.ts';

const backends: HttpBackend[] = [];
let sidecar: TestSidecar | undefined;

const backend = (index: number): HttpBackend => {
  const found = backends[index];
  assert.ok(found !== undefined);
  return found;
};

const call = (host: string, path = '/', headers: Record<string, string> = {}): Promise<CallResult> =>
  callHttp({ port: sidecar?.outbound ?? 0, authority: host, path, headers });

/** How often each backend, or each status without one, answered. */
const spread = async (host: string, count: number, path = '/'): Promise<Record<string, number>> => {
  const seen: Record<string, number> = {};
  for (let index = 0; index < count; index++) {
    const { status, headers } = await call(host, path);
    const key = String(headers['x-backend'] ?? status);
    seen[key] = (seen[key] ?? 0) + 1;
  }
  return seen;
};

const YAML = `
kind: Upstream
metadata: {name: canary, namespace: shop}
spec: {subsets: {v1: {labels: {id: a}}, v2: {labels: {id: b}}, none: {labels: {id: x}}}}
---
kind: Route
metadata: {name: canary, namespace: shop}
spec:
  to: {v1: {weight: 80}, v2: {weight: 20}}
  rules:
    zero: {match: {path: {exact: /zero}}, to: {v1: {weight: 1}, v2: {weight: 0}}}
    none: {match: {path: {exact: /none}}, to: {none: {}}}
---
kind: Upstream
metadata: {name: fail-fast, namespace: shop}
spec: {panicPercent: 0}
---
kind: Upstream
metadata: {name: all-zones, namespace: shop}
spec: {locality: {zoneAware: false}}
---
kind: Upstream
metadata: {name: sticky, namespace: shop}
spec: {lb: {maglev: {table: 503}}, hash: [{header: x-user}, {query: user}]}
---
kind: Upstream
metadata: {name: ring, namespace: shop}
spec: {lb: {ringHash: {min: 256}}, hash: [{header: x-user}, {query: user}]}
---
kind: Upstream
metadata: {name: narrow, namespace: shop}
spec: {limits: {requests: 1}}
---
kind: Upstream
metadata: {name: short-lived, namespace: shop}
spec: {limits: {requestsPerConnection: 1}}
---
kind: Upstream
metadata: {name: ejecting, namespace: shop}
spec: {lb: {roundRobin: {}}, outlier: {consecutive5xx: 3, ejectTime: 15m}}
---
kind: Upstream
metadata: {name: tolerant, namespace: shop}
spec: {lb: {roundRobin: {}}, outlier: {consecutive5xx: 0, consecutiveGateway: 0, interval: 100ms}}
---
kind: Upstream
metadata: {name: default-retry, namespace: shop}
spec: {lb: {roundRobin: {}}}
---
kind: Upstream
metadata: {name: retrying, namespace: shop}
spec: {lb: {roundRobin: {}}}
---
kind: Route
metadata: {name: retrying, namespace: shop}
spec: {retry: {attempts: 3, when: {gateway: true, status: [500]}}}
---
kind: Route
metadata: {name: timed, namespace: shop}
spec:
  timeout: 300ms
  rules:
    idle: {match: {path: {prefix: /idle}}, timeout: 0s, idleTimeout: 300ms}
    patient: {match: {path: {prefix: /patient}}, timeout: 0s}
    try: {match: {path: {prefix: /try}}, timeout: 5s, retry: {attempts: 1, timeout: 300ms, when: {gateway: true}}}
`;

const NAMES = [
  'canary',
  'default-retry',
  'draining',
  'only-draining',
  'fail-fast',
  'zones',
  'all-zones',
  'sticky',
  'ring',
  'narrow',
  'short-lived',
  'ejecting',
  'tolerant',
  'retrying',
  'timed',
  'single',
];

describe('balancing in a real Envoy', { skip: requirePart('envoy') }, () => {
  before(async () => {
    for (const id of ['a', 'b', 'c']) backends.push(await startHttpBackend({ id }));
    const dead = await freePort();
    const at = (index: number, fields: Partial<EndpointView> = {}): EndpointView => {
      const { id, port } = backend(index);
      return endpoint(id, { address: '127.0.0.1', ports: { 80: port }, labels: { id }, ...fields });
    };
    const zone = (name: string): Partial<EndpointView> => ({ locality: { region: 'eu', zone: name } });
    const all = [at(0), at(1), at(2)];
    const endpoints: Record<string, readonly EndpointView[]> = {
      canary: all,
      'default-retry': [at(0), endpoint('dead', { address: '127.0.0.1', ports: { 80: dead } })],
      draining: [at(0, { health: 'draining' }), at(1), at(2, { health: 'unhealthy' })],
      'only-draining': [at(0, { health: 'draining' })],
      'fail-fast': [at(0, { health: 'draining' }), at(1, { health: 'unhealthy' })],
      zones: [at(0, zone('a')), at(1, zone('b'))],
      'all-zones': [at(0, zone('a')), at(1, zone('b'))],
      web: [endpoint('1', zone('a')), endpoint('2', zone('b'))],
      single: [at(0)],
    };
    const services: ServiceView[] = [...NAMES, 'web'].map((name) => service(`${name}.shop`));
    const inputs = mesh({
      services,
      endpoints: Object.fromEntries(services.map(({ name }) => [name, endpoints[name.slice(0, -5)] ?? all])),
      yaml: YAML,
    });
    sidecar = await startSidecar({ resources: compileAll(inputs), zone: 'a' });
  });
  after(async () => {
    await sidecar?.stop();
    for (const each of backends) await each.close();
  });

  test('weights: 80 to 20 within 3 sigma; 0 gets nothing; a subset without endpoints is 503', async () => {
    const { a = 0, b = 0 } = await spread('canary', 400);
    assert.equal(a + b, 400);
    const sigma = Math.sqrt(400 * 0.8 * 0.2);
    assert.ok(Math.abs(b - 80) <= 3 * sigma, `${b} of 400`);
    assert.deepEqual(await spread('canary', 20, '/zero'), { a: 20 });
    assert.deepEqual(await spread('canary', 3, '/none'), { 503: 3 });
  });

  test('health: draining and unhealthy get no request beside a healthy one', async () => {
    assert.deepEqual(await spread('draining', 20), { b: 20 });
  });

  test('panicPercent 1: the last endpoint is used whatever its health; 0: 503', async () => {
    assert.deepEqual(await spread('only-draining', 5), { a: 5 });
    assert.deepEqual(await spread('fail-fast', 5), { 503: 5 });
  });

  test('zones: all calls stay in the own zone from two endpoints on; zoneAware false: they do not', async () => {
    assert.deepEqual(await spread('zones', 40), { a: 40 });
    const { a = 0, b = 0 } = await spread('all-zones', 60);
    assert.ok(a > 0 && b > 0, `${a} and ${b}`);
  });

  test('hash: a key decides the endpoint, the first key that is there', async () => {
    for (const host of ['sticky', 'ring']) {
      const chosen = new Map<string, string>();
      for (let user = 0; user < 12; user++) {
        const answers = new Set<string>();
        for (const [path, headers] of [
          ['/', { 'x-user': `u${user}` }],
          ['/?user=other', { 'x-user': `u${user}` }],
          [`/?user=u${user}`, {}],
          [`/?user=u${user}`, {}],
        ] as const) {
          answers.add(String((await call(host, path, headers)).headers['x-backend']));
        }
        assert.equal(answers.size, 1, `${host} u${user}: ${[...answers]}`);
        chosen.set(`u${user}`, [...answers].join());
      }
      assert.ok(new Set(chosen.values()).size > 1, `${host}: all users on one endpoint`);
    }
  });

  test('limits.requests: the next one is refused at once', async () => {
    const running = call('narrow', '/?delay=500');
    await new Promise((resolve) => setTimeout(resolve, 150));
    const refused = await call('narrow');
    assert.deepEqual([refused.status, refused.headers['x-envoy-overloaded']], [503, 'true']);
    assert.equal((await running).status, 200);
  });

  test('limits.requestsPerConnection: a connection for each', async () => {
    assert.deepEqual(
      Object.values(await spread('short-lived', 6)).reduce((sum, count) => sum + count),
      6,
    );
    const stats = await (sidecar as TestSidecar).envoy.stats(
      '^cluster\\.short-lived\\.shop_80\\.upstream_cx_(total|max_requests)$',
    );
    assert.deepEqual(Object.values(stats), [6, 6]);
  });

  test('outlier: one of three that answers 500 is out, after that every call succeeds', async () => {
    backend(2).fail(500);
    const first = await Promise.all(Array.from({ length: 12 }, () => call('ejecting')));
    assert.ok(first.some(({ status }) => status === 500));
    const then = await Promise.all(Array.from({ length: 30 }, () => call('ejecting')));
    assert.deepEqual(
      then.map(({ status }) => status).filter((status) => status !== 200),
      [],
    );
    const tolerant = await Promise.all(Array.from({ length: 30 }, () => call('tolerant')));
    assert.equal(tolerant.filter(({ status }) => status === 500).length, 10);
    backend(2).fail(undefined);
    const clusters = (await (sidecar as TestSidecar).envoy.adminJson('/clusters?format=json')) as {
      cluster_statuses: { name: string; host_statuses?: { health_status: { failed_outlier_check?: boolean } }[] }[];
    };
    const ejected = (name: string): number =>
      (clusters.cluster_statuses.find((each) => each.name === name)?.host_statuses ?? []).filter(
        ({ health_status }) => health_status.failed_outlier_check === true,
      ).length;
    assert.equal(ejected('ejecting.shop:80'), 1);
    assert.equal(ejected('tolerant.shop:80'), 0);
  });

  // Round robin: four picks in a row cannot all be the endpoint that failed, as they can when they are random.
  test('retry: by default after a failed connection, on another endpoint; with `when` after an answer', async () => {
    assert.deepEqual(await spread('default-retry', 20), { a: 20 });
    backend(1).fail(503);
    backend(2).fail(500);
    assert.deepEqual(await spread('retrying', 20), { a: 20 });
    backend(1).fail(undefined);
    backend(2).fail(undefined);
    const one = await call('single', '/?status=503');
    assert.deepEqual([one.status, one.headers['x-backend']], [503, 'a'], 'an answer is not retried by default');
  });

  test('times: timeout, idleTimeout, time-out per try, none', async () => {
    assert.equal((await call('timed', '/?delay=900')).status, 504);
    assert.equal((await call('timed', '/patient?delay=900')).status, 200);
    assert.equal((await call('timed', '/idle?delay=900')).status, 504);
    assert.equal((await call('timed', '/idle?chunks=4&gap=150')).status, 200);
    const before = backends.reduce((sum, each) => sum + each.hits(), 0);
    assert.equal((await call('timed', '/try?delay=900')).status, 504);
    assert.equal(backends.reduce((sum, each) => sum + each.hits(), 0) - before, 2, 'tried twice');
  });

  test('all of it was accepted', async () => {
    assert.ok(sidecar !== undefined);
    await assertAccepted(sidecar);
  });
});
