/** Seconds of a run are taken whether or not the server answers for its loop lag. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ControlPlane } from '../../bench/sim/control-plane.ts';
import { Propagation } from '../../bench/sim/propagation.ts';
import { Recorder } from '../../bench/sim/recorder.ts';

test('a server that does not answer is looked at all the same', async () => {
  const sample = { pid: 1, role: 'core' as const, cpuS: 0, rssAnonMiB: 50 };
  // It never answers.
  const server = { sample: () => [sample], lag: () => new Promise(() => undefined) } as unknown as ControlPlane;
  const recorder = new Recorder(server, () => undefined, new Propagation(), new Propagation());
  for (let tries = 0; recorder.seconds.length < 2 && tries < 1_200; tries++)
    await new Promise((next) => setTimeout(next, 50));
  recorder.stop();
  assert.deepEqual(
    recorder.seconds.map(({ rssAnonMiB, loopLagMs }) => [rssAnonMiB.core, loopLagMs]),
    [
      [50, undefined],
      [50, undefined],
    ],
  );
});
