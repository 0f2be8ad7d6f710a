/** Small simulations with a real control plane and real client processes: nothing lost, nothing without need; and one whose server dies. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { optionsOf } from '../../bench/sim/options.ts';
import type { SimResult } from '../../bench/sim/result.ts';
import { type RunInput, runSimulation } from '../../bench/sim/run.ts';
import { simulate } from '../../bench/sim/simulate.ts';

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
describe('simulations', { concurrency: 4 }, () => {
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
    assert.equal(result.fullMesh?.differing, 0, 'in the versions that the sidecars hold on demand');
    assert.ok((result.serverRssAnonMiB ?? 0) > 0);
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
    assert.ok(result.serverRssAnonMiB === undefined || result.serverRssAnonMiB > 0, 'a dead server has no memory');
    assert.equal(result.serverCpuPerChangeMs, undefined);
  });

  test('a control plane that hangs is said, while it hangs and in the end', async () => {
    const stop = new AbortController();
    let pid = 0;
    const result = await run(`${SMALL} --churn 0 --hot 0`, {
      ...{ everyMs: 100, silentMs: 500, signal: stop.signal },
      onServer: (server) => {
        pid = server.sample()[0]?.pid ?? 0;
        process.kill(pid, 'SIGSTOP');
      },
      progress: (line) => {
        if (stop.signal.aborted || !/; the control plane has not answered for \d+ s$/.test(line)) return;
        stop.abort();
        process.kill(pid, 'SIGCONT');
      },
    });
    assert.equal(result.outcome.status, 'interrupted');
    assert.match(result.outcome.message ?? '', /has not answered for \d+ s/);
    assert.equal(result.connect, undefined);
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

  test('zone-failure: every endpoint of the zone fails and comes back, and all sidecars know', async () => {
    const result = await run(`--profile zone-failure ${SMALL} --churn 0 --hot 0 --probes 0`, { stepMs: 300 });
    assert.equal(result.outcome.status, 'complete', result.outcome.message);
    const [fault] = result.faults;
    assert.equal(fault?.events, 2 * 8, 'one of the three endpoints of each service, down and up');
    assert.ok((fault?.pushes ?? 0) >= (fault?.holders ?? 0) && (fault?.holders ?? 0) > 0);
    assert.deepEqual(result.lost, { sidecars: 0, resources: 0, examples: [] });
  });

  test('route-change: one push to each holder, and none to others', async () => {
    const result = await run(`--profile route-change ${SMALL} --probes 0`);
    assert.equal(result.outcome.status, 'complete', result.outcome.message);
    const [fault] = result.faults;
    assert.ok((fault?.holders ?? 0) > 0);
    assert.equal(fault?.pushes, fault?.holders);
    assert.deepEqual(result.lost, { sidecars: 0, resources: 0, examples: [] });
  });

  test('full-mesh: every sidecar holds everything, and every change goes to all', async () => {
    const result = await run(`--mode full-mesh ${SMALL} --churn 5 --hot 0 --duration 1`);
    assert.equal(result.outcome.status, 'complete', result.outcome.message);
    assert.ok(result.resources >= 12 * 8 * 3);
    assert.equal(result.churn?.expected, 5 * 12);
    assert.deepEqual(result.lost, { sidecars: 0, resources: 0, examples: [] });
    assert.deepEqual(result.unneeded, { foreign: 0, repeated: 0, examples: [] });
    assert.equal(result.fullMesh, undefined, 'there is nothing to compare it with');
  });

  test('Ctrl-C in the first of two runs: 130, no second run, and files and lines of what was measured', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'tendril-simulate-'));

    const stop = new AbortController();
    const [out, err]: [string[], string[]] = [[], []];
    // A folder in the place of a file: what was measured is still printed.
    mkdirSync(join(dir, 'summary.json'));
    const code = await simulate(`${SMALL} --churn 5 --runs 2 --out ${dir}`.split(' '), {
      out: (line) => out.push(line),
      err: (line) => {
        err.push(line);
        if (line.includes('connect:') || line.includes('churn:') || line.includes('settle:')) stop.abort();
      },
      ...{ signal: stop.signal, version: async () => 'test', isTerminal: true },
    });
    assert.equal(code, 130);
    const result = JSON.parse(readFileSync(join(dir, '1', 'result.json'), 'utf8')) as SimResult;
    assert.deepEqual(result.outcome, { status: 'interrupted' });
    assert.equal(result.serverRssAnonMiB === 0 || result.connect?.each?.p50 === 0, false);
    assert.ok(existsSync(join(dir, '1', 'report.html')) && !existsSync(join(dir, '2')));
    const said = err.filter((line) => line.includes('measured until then'));
    assert.deepEqual(said, [`bench sim: interrupted; what was measured until then is kept in ${join(dir, '1')}`]);
    assert.ok(out.some((line) => /^memory /.test(line)));
    assert.ok(out.includes('1 of 1 run did not end'));
    assert.ok(err.some((line) => /could not be written: EISDIR/.test(line)));
    rmSync(dir, { recursive: true });
  });
});
