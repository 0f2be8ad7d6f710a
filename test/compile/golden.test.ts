/**
 * What a small mesh is compiled to, kept in golden/mesh.json: versions (so every byte) and the decoded resources (so a change can be
 * read). A change here is sent to every sidecar of every mesh at the next upgrade: it has to be meant.
 *
 * To write it anew: TENDRIL_WRITE_GOLDEN=1, run this file, `npx biome check --write test/compile/golden`, read the difference.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  compileOwn,
  emptyAssignment,
  emptyCluster,
  type OwnResource,
  resourceKey,
  routeConfiguration,
} from '../../src/compile/index.ts';
import { repositoryRoot } from '../support/root.ts';
import { plainResource } from './plain.ts';
import { compileAll, endpoint, http, mesh, port, service } from './support.ts';

const FILE = join(repositoryRoot, 'test/compile/golden/mesh.json');

const reviews = service('reviews.shop', { ports: [http(9080), port(9090, 'grpc'), port(3306, 'tcp')] });
const inputs = mesh({
  services: [
    reviews,
    service('ratings.shop', { ports: [port(80, 'http2')] }),
    service('example.outside', { ports: [http(443)], externalHosts: ['www.example.com'] }),
  ],
  endpoints: {
    'reviews.shop': [
      endpoint('r1', { labels: { version: 'v1' }, locality: { region: 'eu', zone: 'a' }, inbound: { 9080: 15006 } }),
      endpoint('r2', {
        labels: { version: 'v2' },
        locality: { region: 'eu', zone: 'b' },
        ports: { 9080: 8080 },
        weight: 50,
      }),
      endpoint('r3', { labels: { version: 'v2' }, health: 'draining' }),
    ],
  },
  yaml: `
kind: Upstream
metadata: {name: reviews, namespace: shop}
spec:
  subsets: {v1: {labels: {version: v1}}, v2: {labels: {version: v2}, limits: {requests: 100}}}
  lb: {ringHash: {min: 1024}}
  hash: [{header: end-user}, {cookie: {name: session, ttl: 1h}}]
  limits: {connections: 100, perEndpoint: 10, requestsPerConnection: 1000}
  outlier: {consecutive5xx: 10, ejectTime: 15m}
---
kind: Route
metadata: {name: reviews, namespace: shop}
spec:
  to: {v1: {weight: 80}, v2: {weight: 20}}
  timeout: 2s
  rules:
    jason: {match: {headers: {end-user: jason}}, to: {v2: {}}}
    api: {match: {path: {in: [/a, /b]}, method: [GET, HEAD]}, retry: {attempts: 3, timeout: 500ms, when: {gateway: true, status: [503]}}}
    stars: {match: {path: {prefix: /stars}, query: {color: {present: false}}}, to: {"ratings.shop": {}}}
`,
});

const own = compileOwn({
  caller: 'reviews.shop',
  namespace: 'shop',
  onDemand: true,
  serviceAccount: 'bookinfo-reviews',
  listen: { address: '127.0.0.1', outbound: 15001, inbound: undefined },
  service: reviews,
  endpoint: endpoint('r1', { inbound: { 9080: 15006, 3306: 15007 } }),
  tcp: [{ servicePort: 'mysqldb.shop:3306', localPort: 13306 }],
});

interface GoldenEntry {
  readonly version: string;
  readonly resource: unknown;
}

const entry = (type: Parameters<typeof plainResource>[0], { version, body }: OwnResource): GoldenEntry => ({
  version,
  resource: plainResource(type, body),
});

const made: Record<string, GoldenEntry> = Object.fromEntries([
  ...compileAll(inputs).map(
    (each) => [resourceKey(each.type, each.variant, each.name), entry(each.type, each)] as const,
  ),
  ...[...own.listeners].map(([name, each]) => [`lds|${name}`, entry('lds', each)] as const),
  ...[...own.clusters].map(([name, each]) => [`cds|${name}`, entry('cds', each)] as const),
  ['rds|outbound', entry('rds', routeConfiguration('outbound'))],
  ['rds|outbound~1', entry('rds', routeConfiguration('outbound~1'))],
  ['empty cds', entry('cds', emptyCluster('gone.shop:80'))],
  ['empty eds', entry('eds', emptyAssignment('gone.shop:80'))],
]);

test('the mesh is compiled to what it always was', () => {
  if (process.env.TENDRIL_WRITE_GOLDEN === '1') writeFileSync(FILE, JSON.stringify(made));
  const golden = JSON.parse(readFileSync(FILE, 'utf8')) as Record<string, GoldenEntry>;
  assert.deepEqual(Object.keys(made).sort(), Object.keys(golden).sort());
  for (const [key, { version, resource }] of Object.entries(made)) {
    assert.deepEqual(JSON.parse(JSON.stringify(resource)), golden[key]?.resource, key);
    assert.equal(version, golden[key]?.version, key);
  }
});
