/** The control plane that is measured: a real `tendril serve` with all its processes, in a folder of its own, on loopback. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { SimEvent } from './mesh.ts';
import type { ProcessRole } from './result.ts';

export interface ProcessSample {
  readonly pid: number;
  readonly role: ProcessRole;
  readonly cpuS: number;
  readonly rssAnonMiB: number;
}

const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
const START_MS = 120_000;
const STOP_MS = 15_000;
const LOG_LINES = 20;
const BATCH = 1_000;
const TICKS_PER_SECOND = 100;
const KIB_PER_MIB = 1_024;

const read = (file: string): string => {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return ''; // The process is gone.
  }
};

export const sampleOf = (pid: number, role: ProcessRole): ProcessSample => {
  const stat = read(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const anon = Number(/RssAnon:\s+(\d+)/.exec(read(`/proc/${pid}/status`))?.[1] ?? 0);
  return {
    pid,
    role,
    cpuS: (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / TICKS_PER_SECOND,
    rssAnonMiB: anon / KIB_PER_MIB,
  };
};

const treeOf = (pid: number): number[] => {
  let tasks: string[];
  try {
    tasks = readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
  const children = tasks.flatMap((task) => read(`/proc/${pid}/task/${task}/children`).split(' '));
  return [pid, ...children.filter((child) => child.trim() !== '').flatMap((child) => treeOf(Number(child)))];
};

export class ControlPlane {
  /** Its data; removed in the end. */
  readonly folder = mkdtempSync(join(tmpdir(), 'tendril-sim-'));
  readonly #flags: readonly string[];
  readonly #lines: string[] = [];
  #child: ChildProcess | undefined;
  #watchdog: ChildProcess | undefined;
  #isExpected = false;
  xdsPort = 0;
  api = '';
  /** Called when it ends and nobody wanted it to. */
  onDied: (how: string) => void = () => undefined;

  constructor({ workers, log }: { readonly workers: number; readonly log: 'lmdb' | 'memory' }) {
    this.#flags = ['--log', log, '--workers', String(workers), '--log-level', 'warn', '--disk-reserve', '1000000'];
  }

  /** Resolves when it serves. A second start is on the same data and ports. */
  async start(): Promise<void> {
    this.#isExpected = false;
    const ports = [
      '--xds',
      `127.0.0.1:${this.xdsPort}`,
      '--admin',
      this.api === '' ? '127.0.0.1:0' : new URL(this.api).host,
    ];
    const args = [MAIN, 'serve', '--data', join(this.folder, 'data'), ...ports, ...this.#flags];
    // A group of its own: Ctrl-C in the terminal shall not end it before what was measured has been read.
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    this.#child = child;
    this.#watch(child.pid ?? 0);
    await new Promise<void>((done, fail) => {
      const timer = setTimeout(
        () => fail(new Error(`the control plane was not ready in ${START_MS / 1_000} s`)),
        START_MS,
      );
      const take = (chunk: Buffer): void => {
        const text = chunk.toString('utf8');
        this.#lines.push(...text.split('\n').filter((line) => line !== ''));
        this.#lines.splice(0, this.#lines.length - LOG_LINES);
        const ready = /xDS \S+:(\d+), API (http:[^,]+),/.exec(text);
        if (ready === null) return;
        clearTimeout(timer);
        this.xdsPort = Number(ready[1]);
        this.api = ready[2] ?? '';
        done();
      };
      child.stdout.on('data', take);
      child.stderr.on('data', take);
      child.once('exit', (code, signal) => {
        clearTimeout(timer);
        const how = signal === null ? `exit code ${code}` : `signal ${signal}`;
        fail(new Error(`the control plane ended at its start (${how}): ${this.#lines.join(' | ')}`));
        if (!this.#isExpected) this.onDied(how);
      });
    });
  }

  /** Ends the server, and removes its data, when this process is gone, however it ended: then the pipe closes. */
  #watch(pid: number): void {
    const act = 'read _; kill -s KILL -- "-$0"; rm -rf -- "$1"';
    const watchdog = spawn('/bin/sh', ['-c', act, String(pid), this.folder], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    });
    watchdog.on('error', () => undefined);
    watchdog.unref();
    this.#watchdog = watchdog;
  }

  /** Its last lines. */
  get log(): readonly string[] {
    return [...this.#lines];
  }

  sample(): readonly ProcessSample[] {
    return treeOf(this.#child?.pid ?? 0).map((pid) => {
      const command = read(`/proc/${pid}/cmdline`);
      const role = command.includes('xds-worker')
        ? 'worker'
        : command.includes('processes/core')
          ? 'core'
          : 'supervisor';
      return sampleOf(pid, role);
    });
  }

  async post(events: readonly SimEvent[], query = ''): Promise<void> {
    const response = await fetch(`${this.api}/v1/events${query}`, {
      method: 'POST',
      body: JSON.stringify({ events }),
      headers: { 'content-type': 'application/json' },
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`events were answered ${response.status}: ${text.slice(0, 300)}`);
  }

  /** In batches; returns when all streams would see them. */
  async load(events: Iterable<SimEvent>): Promise<number> {
    let count = 0;
    let batch: SimEvent[] = [];
    for (const event of events) {
      batch.push(event);
      if (batch.length < BATCH) continue;
      await this.post(batch);
      count += batch.length;
      batch = [];
    }
    if (batch.length > 0) await this.post(batch, '?wait=applied&timeout=30s');
    return count + batch.length;
  }

  /** Upper bound of each bucket, s -> samples at or below it, over all workers; empty when it does not answer. */
  async lag(): Promise<ReadonlyMap<number, number>> {
    const buckets = new Map<number, number>();
    try {
      const text = await (await fetch(`${this.api}/metrics`, { signal: AbortSignal.timeout(2_000) })).text();
      for (const [, le = '', count] of text.matchAll(
        /^tendril_xds_loop_lag_seconds_bucket\{[^}]*le="([^"]+)"\} (\d+)$/gm,
      )) {
        const bound = le === '+Inf' ? Number.POSITIVE_INFINITY : Number(le);
        buckets.set(bound, (buckets.get(bound) ?? 0) + Number(count));
      }
    } catch {
      // Busy or gone: this second has no figure.
    }
    return buckets;
  }

  /** SIGKILL to all its processes at once. */
  async kill(): Promise<void> {
    await this.#end(() => {
      for (const pid of treeOf(this.#child?.pid ?? 0)) {
        try {
          process.kill(pid, 'SIGKILL');
        } catch {
          // Gone already.
        }
      }
    });
  }

  async #end(act: () => void): Promise<void> {
    const child = this.#child;
    this.#isExpected = true;
    if (child !== undefined && child.exitCode === null && child.signalCode === null) {
      const gone = new Promise((done) => child.once('exit', done));
      act();
      await gone;
    }
    this.#watchdog?.kill('SIGKILL');
  }

  /** Ends it in order, and removes its folder. */
  async stop(): Promise<void> {
    await this.#end(() => {
      this.#child?.kill('SIGTERM');
      setTimeout(() => void this.kill(), STOP_MS).unref();
    });
    rmSync(this.folder, { recursive: true, force: true });
  }
}
