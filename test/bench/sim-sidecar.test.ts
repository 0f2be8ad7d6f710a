/** A simulated sidecar: what its session refuses is not held (S4), and a version that is not that of most is a difference. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Assignments } from '../../bench/sim/client/assignments.ts';
import type { ClientCounts } from '../../bench/sim/client/messages.ts';
import { SimSidecar } from '../../bench/sim/client/sidecar.ts';
import { SimMesh } from '../../bench/sim/mesh.ts';
import { Cluster, composeDeltaResponse, encodeResource } from '../../src/proto/index.ts';

const TYPE = 'type.googleapis.com/envoy.config.cluster.v3.Cluster';

test('S4 a refused update is not held; a version that most do not have is lost', () => {
  const mesh = new SimMesh({ services: 2, endpoints: 1, deps: 2, hot: 0, seed: 1, shape: 'uniform' });
  const counts: ClientCounts = {
    ...{ pushes: 0, resources: 0, bytes: { cds: 0, eds: 0, vhds: 0, rds: 0, lds: 0, other: 0 } },
    ...{ resourceBytes: 0, listenerBytes: 0, largestPush: 0, foreign: 0, repeated: 0, refused: 0, reconnects: 0 },
  };
  const sidecar = new SimSidecar(0, {
    ...{ mesh, assignments: new Assignments(), counts, examples: [], needsAll: true, prefix: 'test' },
    ...{ onArrival: () => undefined, onComplete: () => undefined, onAnswered: () => undefined },
  });
  sidecar.opened({ send: () => undefined } as unknown as Parameters<typeof sidecar.opened>[0]);
  const name = mesh.nameOf(0);
  const take = (version: string, body: Uint8Array): void =>
    sidecar.take(
      Buffer.from(
        composeDeltaResponse({
          ...{ typeUrl: TYPE, nonce: version, removed: [] },
          resources: [encodeResource({ name, version, typeUrl: TYPE, body })],
        }),
      ),
      1,
    );
  take('good', Cluster.encode({ name }).finish());
  assert.deepEqual([...sidecar.versions()], [[`cds ${name}`, 'good']]);
  take('broken', Uint8Array.of(0xff, 0xff));
  assert.equal(counts.refused, 1);
  assert.deepEqual([...sidecar.versions()], [[`cds ${name}`, 'good']]);
  const differs = (version: string): boolean =>
    sidecar.differences([], new Map([[`cds ${name}`, version]])).includes(`0 has another cds ${name}`);
  assert.deepEqual([differs('good'), differs('newer')], [false, true]);
});
