/** Times of changes when the server is slow to answer POSTs: each runs from when it was due, not from when there was room for it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Changes } from '../../bench/sim/changes.ts';
import { SimMesh } from '../../bench/sim/mesh.ts';
import { Propagation } from '../../bench/sim/propagation.ts';

test('changes that wait for room are timed from when they were due', async () => {
  const mesh = new SimMesh({ services: 4, endpoints: 4, deps: 2, hot: 0, seed: 1, shape: 'uniform' });
  const times: number[] = [];
  const propagation = new Propagation();
  propagation.posted = (_, at) => void times.push(at);
  let posts = 0;
  const server = {
    post: async (): Promise<void> => {
      posts++;
      await new Promise((next) => setTimeout(next, 1_000));
    },
  } as unknown as ConstructorParameters<typeof Changes>[1];
  const recorder = { changes: 0 } as unknown as ConstructorParameters<typeof Changes>[3];
  const changes = new Changes(mesh, server, [1, 1, 1, 1], recorder);
  const rates = { churn: 500, hot: 0, seconds: 0.2 };
  await changes.steady(rates, propagation, new Propagation(), new AbortController().signal);
  assert.equal(posts, 100);
  // 64 go at once, the others a second later, although the last was due after 200 ms.
  assert.ok((times.at(-1) ?? 0) - (times[0] ?? 0) < 900, `${(times.at(-1) ?? 0) - (times[0] ?? 0)} ms`);
});
