/** Calls of gRPC that wait for a connection (src/sidecar-client/grpc/waiting.ts). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { UpstreamCluster } from '../../../src/sidecar-client/calls/index.ts';
import { Waiting } from '../../../src/sidecar-client/grpc/waiting.ts';

test('channels count together, each gives back its own, clusters count apart', () => {
  const cluster = { maxPending: 3 } as UpstreamCluster;
  const [one, other] = [new Waiting(), new Waiting()];
  assert.deepEqual([one.add(cluster), one.add(cluster), other.add(cluster)], [true, true, true]);
  assert.deepEqual([one.add(cluster), other.add(cluster)], [false, false]);
  assert.equal(one.add({ maxPending: 1 } as UpstreamCluster), true);
  one.clear();
  one.clear();
  assert.deepEqual([other.add(cluster), other.add(cluster), other.add(cluster)], [true, true, false]);
});
