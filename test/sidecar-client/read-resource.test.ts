/** What is read by hand against the generated decoders: of messages with everything, of bytes that were changed, and of cut ones. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Cluster, ClusterLoadAssignment, VirtualHost } from '../../src/proto/index.ts';
import {
  clustersOf,
  readAssignmentName,
  readCluster,
  readHostNames,
  targetsOf,
} from '../../src/sidecar-client/read-resource.ts';

const name = fc.oneof(fc.constantFrom('', 'a', 'web.shop:80', 'ä.x'), fc.string({ maxLength: 200 }));

const clusters = fc
  .record({
    name,
    type: fc.constantFrom(0, 3, 4),
    edsClusterConfig: fc.option(fc.record({ serviceName: name, edsConfig: fc.constant({ ads: {} }) }), {
      nil: undefined,
    }),
    connectTimeout: fc.constant({ seconds: 5 }),
    altStatName: name,
  })
  .map((message) => Cluster.encode(message as never).finish());

const assignments = name.map((clusterName) =>
  ClusterLoadAssignment.encode({ clusterName, endpoints: [{ priority: 1 }] } as never).finish(),
);

const action = fc.oneof(
  name.map((cluster) => ({ cluster })),
  fc
    .array(
      fc.record({
        name,
        weight: fc.option(
          fc.nat().map((value) => ({ value })),
          { nil: undefined },
        ),
      }),
      { maxLength: 3 },
    )
    .map((list) => ({ weightedClusters: { clusters: list } })),
);
const route = fc.record({
  name,
  match: fc.record({
    prefix: fc.constantFrom('/', '/a'),
    headers: fc.array(fc.record({ name }), { maxLength: 1 }),
  }),
  route: fc.option(action, { nil: undefined }),
});
const hosts = fc
  .record({ name, domains: fc.array(name, { maxLength: 3 }), routes: fc.array(route, { maxLength: 3 }) })
  .map((message) => VirtualHost.encode(message as never).finish());

const ofCluster = (body: Uint8Array) => {
  const { name: found, type, edsClusterConfig } = Cluster.decode(body);
  return { name: found, eds: type === 3 ? edsClusterConfig?.serviceName || found : undefined };
};

const ofHost = (body: Uint8Array) => {
  const { name: found, domains, routes } = VirtualHost.decode(body);
  let targets: { cluster: string; weight: number }[] = [];
  const all = new Set<string>();
  for (const { match, route: to } of routes) {
    const weighted = to?.weightedClusters?.clusters ?? [];
    for (const one of [to?.cluster, ...weighted.map((target) => target.name)]) if (one) all.add(one);
    if (!to || match?.prefix !== '/' || (match.headers ?? []).length > 0) continue;
    if (to.cluster) targets = [{ cluster: to.cluster, weight: 1 }];
    else if (to.weightedClusters)
      targets = weighted.map((target) => ({ cluster: target.name ?? '', weight: target.weight?.value ?? 0 }));
  }
  return { name: found, domains, targets, all: [...all] };
};

const readHost = (body: Uint8Array) => ({
  ...readHostNames(body),
  targets: targetsOf(body),
  all: clustersOf(body),
});

const kinds = [
  ['cluster', clusters, readCluster, ofCluster],
  ['assignment', assignments, readAssignmentName, (body: Uint8Array) => ClusterLoadAssignment.decode(body).clusterName],
  ['virtual host', hosts, readHost, ofHost],
] as const;

for (const [kind, bodies, read, decode] of kinds) {
  test(`${kind}: the same as the generated decoder reads`, () => {
    fc.assert(fc.property(bodies, (body) => assert.deepEqual(read(body), decode(body))));
  });

  test(`${kind}: what was joined of two messages is merged alike`, () => {
    fc.assert(
      fc.property(bodies, bodies, (one, other) => {
        const joined = Buffer.concat([one, other]);
        assert.deepEqual(read(joined), decode(joined));
      }),
    );
  });

  test(`${kind}: of changed and cut bytes it reads the same, or refuses them, and takes none that are cut in a field`, () => {
    fc.assert(
      fc.property(bodies, fc.nat(), fc.nat(255), fc.boolean(), (body, at, byte, isCut) => {
        if (body.length === 0) return;
        const place = at % body.length;
        const bytes = isCut ? Buffer.from(body.subarray(0, place)) : Buffer.from(body);
        if (!isCut) bytes[place] = byte;
        let wanted: unknown;
        let refused = false;
        try {
          wanted = decode(bytes);
        } catch {
          refused = true;
        }
        if (!refused)
          try {
            assert.deepEqual(read(bytes), wanted);
          } catch (error) {
            // Groups, which no message of xDS has, are refused.
            if (error instanceof assert.AssertionError || !/wire type [34]/.test(String(error))) throw error;
          }
        else if (isCut) assert.throws(() => read(bytes), { code: 'XDS_MALFORMED' });
      }),
      { numRuns: 400 },
    );
  });
}
