/** A real Envoy takes every field that compile can write, without a warning, and reports it as it was meant. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { callHttp } from '../support/clients.ts';
import { requirePart } from '../support/parts.ts';
import { freePorts } from '../support/ports.ts';
import { assertAccepted, startSidecar } from './sidecar.ts';
import { compileAll, endpoint, http, mesh, port, service } from './support.ts';

const LBS = {
  'round-robin': '{roundRobin: {}}',
  'least-request': '{leastRequest: {choices: 10}}',
  random: '{random: {}}',
  'ring-hash': '{ringHash: {min: 16, max: 8388608, bound: 100}}',
  maglev: '{maglev: {table: 5000011, bound: 200}}',
};

const upstreams = Object.entries(LBS).map(
  ([name, lb]) => `
kind: Upstream
metadata: {name: ${name}, namespace: shop}
spec:
  lb: ${lb}
  ${lb.includes('Hash') || lb.includes('maglev') ? 'hash: [{header: x-a}, {cookie: {name: c, ttl: 0s}}, {cookie: {name: d}}, {query: q}, {ip: true}]' : 'locality: {zoneAware: false}'}
  panicPercent: 0.5
  limits: {connections: 1, pending: 2, requests: 3, perEndpoint: 4, requestsPerConnection: 5, retryPercent: 0, minRetries: 0}
  outlier: {consecutive5xx: 0, consecutiveGateway: 1000, ejectTime: 24h, maxPercent: 1, interval: 100ms}
`,
);

const EVERYTHING = `
kind: Route
metadata: {name: all, namespace: shop}
spec:
  timeout: 8760h
  idleTimeout: 0s
  to: {v1: {weight: 1000000}, v2: {weight: 0}, "gone.other": {weight: 1}}
  retry: {attempts: 10, timeout: 1ms, when: {reset: true, gateway: true, status: [400, 599], grpc: [cancelled, deadline-exceeded, internal, resource-exhausted, unavailable]}}
  rules:
    a: {match: {path: {exact: /a, ignoreCase: true}, method: GET}}
    b: {match: {path: {prefix: "/b/c%20d"}, method: [GET, M-SEARCH]}}
    c: {match: {path: {prefix: /}, headers: {x: "1"}}}
    d: {match: {path: {prefix: /d/}}}
    e: {match: {path: {regex: "/e/([0-9]+|[[:alpha:]]{2})", ignoreCase: true}}}
    f: {match: {path: {in: [/f, /f/]}}}
    g: {match: {grpc: {service: shop.Cart}}}
    h: {match: {grpc: {service: shop.Cart, method: Add}}}
    i:
      match:
        headers:
          a: {exact: "", not: true}
          b: {prefix: p, ignoreCase: true}
          c: {suffix: s}
          d: {contains: "."}
          e: {regex: ".*"}
          f: {in: ["(", "\\\\", "[a-z]", "a|b", "€"], ignoreCase: true}
          g: {present: false}
          h: {range: [-9007199254740991, 9007199254740991], not: true}
        query:
          j: {exact: "a b"}
          k: {in: ["*", "+"], not: true}
          "l[]": {present: false}
          m: {regex: "[^&]+", not: true, ignoreCase: true}
          n: {contains: "&", not: true}
---
kind: Upstream
metadata: {name: all, namespace: shop}
spec: {subsets: {v1: {labels: {version: v1}}, v2: {labels: {version: v2}, lb: {random: {}}}}}
`;

describe('a real Envoy', { skip: requirePart('envoy') }, () => {
  test('takes every setting of Upstream, every protocol, an external service', async () => {
    const services = Object.keys(LBS).map((name) =>
      service(`${name}.shop`, { ports: [http(80), port(81, 'http2'), port(82, 'grpc'), port(83, 'tcp')] }),
    );
    // A name that does not resolve: the cluster is taken all the same.
    services.push(service('outside.shop', { ports: [http(443)], externalHosts: ['name.invalid', 'other.invalid'] }));
    const inputs = mesh({
      services,
      endpoints: Object.fromEntries(
        services
          .slice(0, -1)
          .map(({ name }) => [
            name,
            [
              endpoint('1', { weight: 65535, health: 'draining' }),
              endpoint('2', { address: '2001:db8::1', locality: { region: 'eu', zone: 'a', subzone: 'r1' } }),
            ],
          ]),
      ),
      yaml: upstreams.join('---'),
    });
    const resources = compileAll(inputs);
    const sidecar = await startSidecar({ resources });
    try {
      const held = await sidecar.envoy.held();
      const clusters = resources.filter(({ type }) => type === 'cds').map(({ name }) => name);
      assert.deepEqual(held.clusters, [...clusters, 'local', 'xds'].sort());
      await assertAccepted(sidecar);
    } finally {
      await sidecar.stop();
    }
  });

  test('takes every setting of Route: the virtual host comes by VHDS', async () => {
    const resources = compileAll(
      mesh({
        services: [service('all.shop', { ports: [http(80), port(82, 'grpc')], externalHosts: ['all.example.com'] })],
        yaml: EVERYTHING,
      }),
    );
    const sidecar = await startSidecar({ resources });
    try {
      const hosts = ['all', 'all.example.com:80', 'all.shop.mesh.local:82'];
      for (const authority of hosts) {
        const { status, body } = await callHttp({
          port: sidecar.outbound,
          authority,
        });
        assert.deepEqual([status, body], [503, 'no healthy upstream'], authority);
      }
      assert.deepEqual((await sidecar.envoy.held()).virtualHosts, ['outbound/all.shop:80', 'outbound/all.shop:82']);
      await assertAccepted(sidecar);
    } finally {
      await sidecar.stop();
    }
  });

  test("takes a node's own listeners and clusters, and binds them", async () => {
    const [inbound80 = 0, inbound82 = 0, inbound83 = 0, local = 0] = await freePorts(4);
    const own = service('web.shop', { ports: [http(80), port(82, 'grpc'), port(83, 'tcp')] });
    const sidecar = await startSidecar({
      resources: compileAll(mesh({ services: [own] })),
      own: {
        service: own,
        endpoint: endpoint('1', { inbound: { 80: inbound80, 82: inbound82, 83: inbound83 } }),
        tcp: [{ servicePort: 'sql.shop:5432', localPort: local }],
      },
    });
    try {
      const held = await sidecar.envoy.held();
      assert.deepEqual(held.listeners, ['inbound/80', 'inbound/82', 'inbound/83', 'outbound', 'tcp/sql.shop:5432']);
      assert.equal(await sidecar.envoy.listenerPort('outbound'), sidecar.outbound);
      assert.equal(await sidecar.envoy.listenerPort('inbound/82'), inbound82);
      assert.deepEqual(
        held.clusters.filter((name) => name.startsWith('inbound')),
        ['inbound:80', 'inbound:82', 'inbound:83'],
      );
      await assertAccepted(sidecar);
    } finally {
      await sidecar.stop();
    }
  });
});
