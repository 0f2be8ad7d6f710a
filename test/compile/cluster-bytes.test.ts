/** Clusters put together from a name and shared bytes are those of the generated encoder. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { edsCluster } from '../../src/compile/cluster.ts';
import { edsClusterBytes } from '../../src/compile/cluster-bytes.ts';
import type { Protocol } from '../../src/model/index.ts';
import { Cluster, encodeCanonical } from '../../src/proto/index.ts';
import { mesh, service } from './support.ts';

const PROTOCOLS: readonly Protocol[] = ['http', 'http2', 'grpc', 'tcp'];
const SPECS = [
  '{}',
  '{panicPercent: 50}',
  '{limits: {requestsPerConnection: 7}}',
  '{outlier: {ejectTime: 30s}}',
] as const;

test('every protocol and several Upstreams, whatever the name', () => {
  for (const spec of SPECS) {
    const yaml = `kind: Upstream\nmetadata: {name: cart, namespace: shop}\nspec: ${spec}`;
    const settings = mesh({ services: [service('cart.shop')], yaml }).upstream('cart.shop', 80).base;
    fc.assert(
      fc.property(fc.constantFrom(...PROTOCOLS), fc.stringMatching(/^[a-z0-9.:-]{1,200}$/), (protocol, name) => {
        const due = encodeCanonical(Cluster, edsCluster(name, protocol, settings));
        // Twice: the second time from what is remembered.
        for (let time = 0; time < 2; time++)
          assert.deepEqual(Buffer.from(edsClusterBytes(name, protocol, settings)), Buffer.from(due));
      }),
      { numRuns: 50 },
    );
  }
});
