/** What a chosen route says: cluster by weight, time-outs, retries, hash keys; from documents, and from virtual hosts by hand. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  type IRoute,
  type IRouteAction,
  Maglev,
  packAny,
  RingHash,
  TYPE_URLS,
  VirtualHost,
} from '../../../src/proto/index.ts';
import {
  type CallOutcome,
  type ChosenRoute,
  createCallCore,
  refuseReason,
} from '../../../src/sidecar-client/calls/index.ts';
import { compileAll, mesh, service } from '../../compile/support.ts';
import { assignment, call, cluster, Held, seeded } from './held.ts';

const HOST = 'cart.shop';

const fromYaml = (yaml: string, random: () => number = () => 0) =>
  createCallCore({ source: new Held().putAll(compileAll(mesh({ services: [service(HOST)], yaml }))), random });

const chosen = (spec: string, request: Parameters<typeof call>[1] = {}): ChosenRoute => {
  const route = fromYaml(`kind: Route\nmetadata: {name: cart, namespace: shop}\nspec: ${spec}`).route(
    call(HOST, request),
  );
  assert.ok(route !== undefined);
  return route;
};

const bytes = (routes: readonly IRoute[]): Uint8Array =>
  VirtualHost.encode({ name: HOST, domains: [HOST], routes }).finish();
const byHand = (action: IRouteAction): Uint8Array =>
  bytes([{ name: 'r', match: { prefix: '/' }, route: { cluster: 'c', ...action } }]);
const ofBytes = (body: Uint8Array): ReturnType<typeof createCallCore> => {
  const held = new Held();
  held.put('virtualHost', HOST, body);
  return createCallCore({ source: held, random: () => 0 });
};

test('weights: shares of the targets, no call to weight 0', () => {
  const yaml = `kind: Upstream
metadata: {name: cart, namespace: shop}
spec: {subsets: {v1: {labels: {v: "1"}}, v2: {labels: {v: "2"}}, v3: {labels: {v: "3"}}}}
---
kind: Route
metadata: {name: cart, namespace: shop}
spec: {to: {v1: {weight: 90}, v2: {weight: 10}, v3: {weight: 0}}}`;
  const core = fromYaml(yaml, seeded(3));
  const counts = new Map<string, number>();
  for (let count = 0; count < 2_000; count++) {
    const name = core.route(call(HOST))?.cluster ?? '';
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  assert.deepEqual([...counts.keys()].sort(), ['cart.shop:80/v1', 'cart.shop:80/v2']);
  const second = counts.get('cart.shop:80/v2') ?? 0;
  assert.ok(second > 140 && second < 260, `${second}`);
});

test('time-outs: as written, none, and the defaults of Tendril', () => {
  const times = ({ timeoutMs, idleTimeoutMs }: ChosenRoute): number[] => [timeoutMs, idleTimeoutMs];
  assert.deepEqual(times(chosen('{timeout: 1.5s, idleTimeout: 10s}')), [1_500, 10_000]);
  assert.deepEqual(times(chosen('{timeout: 0s, idleTimeout: 0s}')), [0, 0]);
  assert.deepEqual(times(chosen('{}')), [0, 300_000]);
  const byDefault = ofBytes(byHand({})).route(call(HOST));
  assert.deepEqual([byDefault?.timeoutMs, byDefault?.idleTimeoutMs, byDefault?.retry], [15_000, 0, undefined]);
});

const ENDS: Readonly<Record<string, CallOutcome>> = {
  connect: { end: 'connect' },
  refused: { end: 'refused' },
  reset: { end: 'reset' },
  timeout: { end: 'timeout' },
  cancelled: { end: 'cancelled' },
  ok: { end: 'answered', status: 200 },
  '404': { end: 'answered', status: 404 },
  '409': { end: 'answered', status: 409 },
  '500': { end: 'answered', status: 500 },
  '503': { end: 'answered', status: 503 },
  unavailable: { end: 'answered', status: 200, grpcStatus: 14 },
  exhausted: { end: 'answered', status: 200, grpcStatus: 8 },
};
const retried = (route: ChosenRoute | undefined): string[] =>
  Object.entries(ENDS)
    .filter(([, outcome]) => route?.retry?.retryable(outcome))
    .map(([name]) => name);

describe('retries', () => {
  const none = 'connect: false, refused: false, unprocessed: false';
  const table: readonly (readonly [when: string, ends: readonly string[]])[] = [
    ['{}', ['connect', 'refused']],
    ['{refused: false, unprocessed: false}', ['connect']],
    ['{connect: false, unprocessed: false}', ['refused']],
    ['{connect: false, refused: false}', ['connect']],
    [`{${none}, reset: true}`, ['connect', 'refused', 'reset', 'timeout']],
    [`{${none}, gateway: true}`, ['503', 'connect', 'refused', 'reset', 'timeout']],
    [`{${none}, status: [409, 503]}`, ['409', '503']],
    [`{${none}, status: [504]}`, ['timeout']],
    [`{${none}, grpc: [unavailable]}`, ['unavailable']],
    [`{${none}, grpc: [resource-exhausted]}`, ['exhausted']],
  ];
  for (const [when, ends] of table)
    test(`when ${when}`, () => assert.deepEqual(retried(chosen(`{retry: {when: ${when}}}`)).sort(), [...ends].sort()));

  test('attempts, time-out of a try, back-off; 0 attempts: no retries', () => {
    const { retry } = chosen('{timeout: 2s, retry: {attempts: 3, timeout: 250ms, when: {gateway: true}}}');
    assert.deepEqual(
      [retry?.attempts, retry?.perTryTimeoutMs, retry?.backoffBaseMs, retry?.backoffMaxMs],
      [3, 250, 25, 250],
    );
    assert.equal(chosen('{retry: {attempts: 0}}').retry, undefined);
  });

  test('of a virtual host by hand: other words, back-off, only some methods', () => {
    const policy = {
      retryOn: '5xx, retriable-4xx, unknown-word',
      retryBackOff: { baseInterval: { nanos: 1_000_000 }, maxInterval: { seconds: 1 } },
      retriableRequestHeaders: [{ name: ':method', stringMatch: { exact: 'GET' } }],
    };
    const core = ofBytes(byHand({ retryPolicy: policy }));
    const route = core.route(call(HOST));
    assert.deepEqual(retried(route).sort(), ['409', '500', '503', 'connect', 'refused', 'reset', 'timeout'].sort());
    assert.deepEqual([route?.retry?.attempts, route?.retry?.backoffBaseMs, route?.retry?.backoffMaxMs], [1, 1, 1_000]);
    assert.equal(core.route(call(HOST, { method: 'POST' }))?.retry, undefined);
  });
});

describe('hash keys', () => {
  const keyOf = (hash: string, request: Parameters<typeof call>[1] = {}): string | undefined =>
    fromYaml(
      `kind: Upstream\nmetadata: {name: cart, namespace: shop}\nspec: {lb: {ringHash: {}}, hash: ${hash}}`,
    ).route(call(HOST, request))?.hashKey;

  test('header, cookie, query, ip', () => {
    assert.equal(keyOf('[{header: X-User}]', { headers: { 'x-user': 'jason' } }), 'jason');
    assert.equal(keyOf('[{header: X-User}]'), undefined);
    assert.equal(keyOf('[{cookie: {name: sid}}]', { headers: { cookie: 'a=1; sid="x=y"; b=2' } }), 'x=y');
    assert.equal(keyOf('[{cookie: {name: sid}}]', { headers: { cookie: 'xsid=1' } }), undefined);
    assert.equal(keyOf('[{query: id}]', { path: '/a?x=1&id=7&id=8' }), '7');
    assert.equal(keyOf('[{query: id}]', { path: '/a' }), undefined);
    assert.equal(keyOf('[{ip: true}]'), '127.0.0.1');
  });

  test('the first key that the request has decides', () => {
    const hash = '[{header: a}, {header: b}]';
    assert.equal(keyOf(hash, { headers: { a: '1', b: '2' } }), '1');
    assert.equal(keyOf(hash, { headers: { b: '2' } }), '2');
  });
});

test('no answer: an authority not held, a route that redirects or answers itself', () => {
  const core = ofBytes(
    bytes([
      { match: { path: '/r' }, redirect: { hostRedirect: 'x' } },
      { match: { prefix: '/' }, route: { cluster: 'c' } },
    ]),
  );
  assert.equal(core.route(call('other.shop')), undefined);
  assert.equal(core.route(call(HOST, { path: '/r' })), undefined);
  assert.equal(core.route(call(HOST, { path: '/x' }))?.cluster, 'c');
});

describe('what cannot be used is refused with field and reason', () => {
  const match = (fields: object): Uint8Array => bytes([{ match: { prefix: '/', ...fields }, route: { cluster: 'c' } }]);
  const lb = (name: string, typedConfig: ReturnType<typeof packAny>): Uint8Array =>
    cluster({
      loadBalancingPolicy: {
        policies: [{ typedExtensionConfig: { name: `envoy.load_balancing_policies.${name}`, typedConfig } }],
      },
    });
  const table: readonly (readonly [
    kind: 'virtualHost' | 'cluster' | 'assignment',
    body: Uint8Array,
    reason: RegExp,
  ])[] = [
    ['virtualHost', match({ cookies: [{ name: 'a' }] }), /^routes\[0\]\.match\.cookies: /],
    ['virtualHost', match({ filterState: [{ key: 'a' }] }), /^routes\[0\]\.match: a condition on runtime/],
    [
      'virtualHost',
      match({ headers: [{ name: 'a', stringMatch: { safeRegex: { regex: '(?=a)' } } }] }),
      /headers\[0\]: regex "\(\?=a\)"/,
    ],
    [
      'virtualHost',
      bytes([{ match: { safeRegex: { regex: '\\1' } }, route: { cluster: 'c' } }]),
      /match\.safe_regex: regex/,
    ],
    ['virtualHost', bytes([{ match: { prefix: '/' }, route: { clusterHeader: 'x' } }]), /whose cluster is not named/],
    ['virtualHost', bytes([{ route: { cluster: 'c' } }]), /routes\[0\]: no match/],
    ['virtualHost', Uint8Array.of(0x0a, 0xff), /./],
    ['cluster', cluster({ transportSocket: { name: 'tls' } }), /^transport_socket: TLS/],
    ['cluster', cluster({ type: 4 }), /^type: /],
    [
      'cluster',
      cluster({ loadBalancingPolicy: { policies: [{ typedExtensionConfig: { name: 'my.own' } }] } }),
      /^load_balancing_policy: /,
    ],
    [
      'cluster',
      lb('maglev', packAny(TYPE_URLS.Maglev, Maglev, { tableSize: { value: 100 } })),
      /a Maglev table of 100 places, a prime/,
    ],
    [
      'cluster',
      lb('ring_hash', packAny(TYPE_URLS.RingHash, RingHash, { maximumRingSize: { value: 2 ** 40 } })),
      /a ring of 1099511627776 entries/,
    ],
    ['assignment', Uint8Array.of(0x0a, 0xff), /./],
  ];
  for (const [kind, body, reason] of table)
    test(`${kind}: ${reason.source}`, () => assert.match(refuseReason(kind, body) ?? '', reason));

  test('all that is compiled can be used', () => {
    const yaml = `kind: Upstream
metadata: {name: cart, namespace: shop}
spec: {lb: {maglev: {table: 251}}, hash: [{ip: true}], limits: {requests: 10, requestsPerConnection: 3}, outlier: {}}`;
    for (const { type, body } of compileAll(mesh({ services: [service(HOST)], yaml })))
      assert.equal(
        refuseReason(type === 'cds' ? 'cluster' : type === 'eds' ? 'assignment' : 'virtualHost', body),
        undefined,
      );
    assert.equal(refuseReason('assignment', assignment([])), undefined);
  });

  test('the last usable cluster stays when one comes that cannot be used', () => {
    const held = new Held();
    held.put('cluster', 'cart.shop:80', cluster({ connectTimeout: { seconds: 3 } }));
    held.put('assignment', 'cart.shop:80', assignment([{ address: '10.0.0.1' }]));
    const core = createCallCore({ source: held, random: () => 0 });
    const upstream = core.cluster('cart.shop:80');
    held.put('cluster', 'cart.shop:80', cluster({ transportSocket: { name: 'tls' } }));
    assert.equal(core.cluster('cart.shop:80')?.connectTimeoutMs, 3_000);
    assert.notEqual(typeof upstream?.pick(undefined, undefined, 0), 'string');
  });
});

test('settings of an Upstream document as callers see them', () => {
  const yaml = `kind: Upstream
metadata: {name: cart, namespace: shop}
spec: {limits: {connections: 5, pending: 6, perEndpoint: 7, requestsPerConnection: 8}}`;
  const services = [
    service(HOST, {
      ports: [
        { port: 80, protocol: 'http' },
        { port: 81, protocol: 'grpc' },
      ],
    }),
  ];
  const core = createCallCore({ source: new Held().putAll(compileAll(mesh({ services, yaml }))), random: () => 0 });
  const seen = (name: string): unknown => {
    const {
      connectTimeoutMs,
      maxConnections,
      maxPending,
      maxConnectionsPerEndpoint,
      maxRequestsPerConnection,
      protocol,
    } = core.cluster(name) ?? assert.fail(name);
    return [
      connectTimeoutMs,
      maxConnections,
      maxPending,
      maxConnectionsPerEndpoint,
      maxRequestsPerConnection,
      protocol,
    ];
  };
  assert.deepEqual(seen('cart.shop:80'), [1_000, 5, 6, 7, 8, 1]);
  assert.deepEqual(seen('cart.shop:81'), [1_000, 5, 6, 7, 8, 2]);
});

test('endpoints of a cluster found by DNS stand in the cluster', () => {
  const services = [service('mail.ext', { externalHosts: ['mail.example.com'] })];
  const core = createCallCore({ source: new Held().putAll(compileAll(mesh({ services }))), random: () => 0 });
  const pick = core.cluster('mail.ext:80')?.pick(undefined, undefined, 0);
  assert.ok(typeof pick === 'object');
  assert.equal(pick.endpoint.key, 'mail.example.com:80');
});
