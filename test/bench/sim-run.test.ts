/** Small simulations with a real control plane and real client processes: nothing lost, nothing without need; and one whose server dies. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { optionsOf } from '../../bench/sim/options.ts';
import type { SimResult } from '../../bench/sim/result.ts';
import { type RunInput, runSimulation } from '../../bench/sim/run.ts';

const CONTROL_PLANE = new URL('../../bench/sim/control-plane.js', import.meta.url).href;

const statusOf = (pid: number): string => {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {
    return '';
  }
};

const SMALL = '--workers 0 --clients 1 --log memory --sidecars 12 --services 8 --endpoints 3 --deps 3 --probes 1';

const run = (line: string, more: Partial<RunInput> = {}): Promise<SimResult> =>
  runSimulation({
    ...optionsOf(line.split(' ')),
    command: '',
    version: 'test',
    signal: new AbortController().signal,
    progress: () => undefined,
    everyMs: 10_000,
    quietMs: 600,
    stepMs: 100,
    ...more,
  });

// Each has a server, ports and a folder of its own, and mostly waits.
describe('simulations', { concurrency: 3 }, () => {
  test('a small run: every delivery is accounted for, nothing is lost or sent without need', async () => {
    const result = await run(`${SMALL} --churn 20 --hot 2 --duration 1`);
    assert.equal(result.outcome.status, 'complete', result.outcome.message);
    assert.equal(result.connect?.completed, 12);
    assert.deepEqual(result.lost, { sidecars: 0, resources: 0, examples: [] });
    assert.deepEqual(result.unneeded, { foreign: 0, repeated: 0, examples: [] });
    assert.equal(result.churn?.changes, 20);
    assert.equal(result.hot?.changes, 2);
    assert.equal(result.hot?.expected, 2 * 12);
    for (const figures of [result.churn, result.hot])
      assert.equal(figures?.arrived, (figures?.expected ?? 0) - (figures?.coalesced ?? 0));
    assert.ok((result.hot?.arrived ?? 0) >= 12, 'the last change of the hot service reached everybody');
    assert.ok((result.fullMesh?.resourcesPerSidecar ?? 0) >= 8 * 3, 'a probe holds every service');
    assert.deepEqual(
      result.phases.map(({ name }) => name),
      ['load', 'connect', 'settle', 'churn', 'drain', 'probe'],
    );
  });

  test('a bench that is killed leaves no server behind, and no folder', async () => {
    const script = `
    const { ControlPlane } = await import(process.argv[1]);
    const server = new ControlPlane({ workers: 0, log: 'memory' });
    await server.start();
    process.stdout.write(JSON.stringify({ pid: server.sample()[0].pid, folder: server.folder }));
    setInterval(() => undefined, 1_000);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script, CONTROL_PLANE], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [said] = (await once(child.stdout, 'data')) as [Buffer];
    const { pid, folder } = JSON.parse(said.toString('utf8')) as { pid: number; folder: string };
    assert.ok(existsSync(`/proc/${pid}`) && existsSync(folder));
    child.kill('SIGKILL');
    const isThere = (): boolean => existsSync(folder) || /^State:\s+[^Z]/m.test(statusOf(pid));
    for (let tries = 0; isThere() && tries < 3_000; tries++) await new Promise((next) => setTimeout(next, 20));
    assert.ok(!isThere(), `server ${pid} or ${folder} is left`);
  });

  test('a control plane that dies in mid-run: said, and what was measured is kept', async () => {
    let pid = 0;
    const result = await run(`${SMALL} --churn 20 --hot 1 --duration 30`, {
      everyMs: 100,
      onServer: (server) => {
        pid = server.sample()[0]?.pid ?? 0;
      },
      progress: (line) => {
        if (!line.includes('churn:') || pid === 0) return;
        process.kill(pid, 'SIGKILL');
        pid = 0;
      },
    });
    assert.equal(result.outcome.status, 'server-died');
    assert.match(result.outcome.message ?? '', /died in mid-run \(signal SIGKILL\)/);
    assert.equal(result.connect?.completed, 12);
    assert.ok(result.phases.length >= 2);
    assert.equal(result.lost, undefined, 'what was not checked is not 0');
    assert.equal(result.unneeded, undefined);
  });

  test('pods replaced by a rolling update have ids of their own, and the old ones are gone from every sidecar', async () => {
    const result = await run(`--profile rolling-update ${SMALL} --services 8 --churn 0 --hot 0 --probes 0`);
    assert.equal(result.outcome.status, 'complete', result.outcome.message);
    // One service of three endpoints: each comes anew and goes.
    const [fault] = result.faults;
    assert.equal(fault?.events, 2 * 3);
    assert.equal(fault?.propagation?.changes, 3);
    assert.equal(fault?.propagation?.arrived, fault?.propagation?.expected);
    assert.deepEqual(result.lost, { sidecars: 0, resources: 0, examples: [] });
    assert.equal(result.hot, undefined, 'its changes are not those of the hot service');
  });

  test('a storm without a hot service: streams anew are counted, nothing comes again, and a change reaches everybody', async () => {
    const result = await run(
      `--profile reconnect-storm ${SMALL.replace('memory', 'lmdb')} --churn 0 --hot 0 --probes 0`,
    );
    assert.equal(result.outcome.status, 'complete', result.outcome.message);
    const { storm } = result;
    assert.equal(storm?.resubscribed, 12);
    assert.equal(storm?.reconnects, 12);
    assert.equal(storm?.resourceBytes, 0);
    assert.ok((storm?.proof.expected ?? 0) >= 12, 'everybody holds something that changed');
    assert.equal(storm?.proof.arrived, storm?.proof.expected);
    assert.equal(result.reconnects, 0);
    assert.ok((storm?.rssPeakMiB ?? 0) > 0);
  });
});
