/** The servers that are compared, each started anew for a run: ours in its forms, and go-control-plane's caches. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { commandOf, treeOf } from './process-tree.ts';
import type { PeerTools } from './tools.ts';

export interface ServerKind {
  readonly name: string;
  /** The peer's cache: `linear` sends what is asked for by name, `snapshot` the whole mesh to everybody. */
  readonly peer?: 'linear' | 'snapshot';
  readonly ours?: {
    readonly workers: number;
    readonly log: 'memory' | 'lmdb';
    readonly flags?: readonly string[];
    /** Folder for CPU profiles of all processes. */
    readonly profile?: string;
  };
}

export interface RunningPeer {
  readonly xds: string;
  /** What its sidecars ask for: clusters by name, or everything by wildcard. */
  readonly asks: 'ondemand' | 'full';
  /** Processes that hold streams. */
  readonly serving: readonly number[];
  /** All of them. */
  readonly pids: readonly number[];
  /** How `xdsload` makes one change and which names it asks for. */
  readonly trigger: {
    readonly url: string;
    readonly body: string;
    readonly resource: string;
    readonly cdsName: string;
  };
  /** `GET /metrics`; undefined: it has none. */
  metrics(): Promise<string | undefined>;
  stop(): Promise<void>;
}

const BATCH = 1_000;
const START_MS = 60_000;

const freePort = (): Promise<number> =>
  new Promise((done) => {
    const server = createServer();
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => done(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });

/** Resolves with the first line that matches; rejects when the process ends without one. */
const lineOf = (child: ChildProcess, stream: 'stdout' | 'stderr', pattern: RegExp): Promise<RegExpExecArray> =>
  new Promise((done, fail) => {
    const input = child[stream];
    if (input === null) return fail(new Error('no output to read'));
    const seen: string[] = [];
    const timer = setTimeout(() => fail(new Error(`not ready in ${START_MS} ms: ${seen.join('\n')}`)), START_MS);
    createInterface({ input }).on('line', (line) => {
      seen.push(line);
      const match = pattern.exec(line);
      if (match === null) return;
      clearTimeout(timer);
      done(match);
    });
    child.once('exit', (status) => {
      clearTimeout(timer);
      fail(new Error(`it ended with ${status}: ${seen.slice(-20).join('\n')}`));
    });
  });

const end = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGTERM');
  const hard = setTimeout(() => child.kill('SIGKILL'), 15_000);
  await gone;
  clearTimeout(hard);
};

interface MeshLine {
  readonly kind: string;
  readonly name: string;
  readonly port: number;
  readonly endpoints: readonly { readonly ip: string; readonly port: number }[];
}

/** Services and endpoints of `mesh.jsonl` as events, in batches; returns when all streams would see them. */
const loadMesh = async (api: string, file: string): Promise<void> => {
  let events: unknown[] = [];
  const flush = async (wait: string): Promise<void> => {
    const response = await fetch(`${api}/v1/events${wait}`, {
      method: 'POST',
      body: JSON.stringify({ events }),
      headers: { 'content-type': 'application/json' },
    });
    if (!response.ok) throw new Error(`loading the mesh: ${response.status} ${await response.text()}`);
    await response.arrayBuffer();
    events = [];
  };
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    if (!line.includes('"service"')) continue;
    const { kind, name, port, endpoints } = JSON.parse(line) as MeshLine;
    if (kind !== 'service') continue;
    if (events.length + 1 + endpoints.length > BATCH) await flush('');
    events.push({ type: 'service.registered', data: { namespace: 'mesh', name, ports: [{ port, protocol: 'http' }] } });
    for (const [at, endpoint] of endpoints.entries())
      events.push({
        type: 'endpoint.registered',
        data: {
          namespace: 'mesh',
          service: name,
          id: `e${at}`,
          address: endpoint.ip,
          ports: { [port]: endpoint.port },
        },
      });
  }
  if (events.length > 0) await flush('?wait=applied');
};

/** What was started for a peer that cannot be used must not live on. */
const orEnd = async <T>(child: ChildProcess, start: () => Promise<T>): Promise<T> => {
  try {
    return await start();
  } catch (error) {
    await end(child);
    throw error;
  }
};

const startOurs = async (ours: NonNullable<ServerKind['ours']>, mesh: string): Promise<RunningPeer> => {
  const { workers, log, flags = [], profile } = ours;
  const folder = mkdtempSync(join(tmpdir(), 'tendril-peers-'));
  const main = new URL('../../src/cli/main.js', import.meta.url).pathname;
  const child = spawn(
    process.execPath,
    [
      ...(profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`]),
      ...[main, 'serve', '--data', join(folder, 'data'), '--xds', '127.0.0.1:0', '--admin', '127.0.0.1:0'],
      ...['--log', log, '--workers', String(workers), '--log-level', 'error', '--disk-reserve', '1000000', ...flags],
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const [, xds = '', api = ''] = await orEnd(child, async () => {
    const ready = await lineOf(child, 'stdout', /xDS ([^,]+), API (http:[^,]+),/);
    await loadMesh(ready[2] ?? '', mesh);
    return ready;
  });
  const pids = treeOf(child.pid ?? 0);
  const body = join(folder, 'body.tmpl');
  const data = { namespace: 'mesh', service: 'svc-0', id: 'e0', address: '{{.IP}}', ports: { 80: 8080 } };
  writeFileSync(body, JSON.stringify({ events: [{ type: 'endpoint.registered', data }] }));
  return {
    xds,
    asks: 'ondemand',
    serving: workers === 0 ? pids : pids.filter((pid) => commandOf(pid).includes('xds-worker')),
    pids,
    trigger: { url: `${api}/v1/events`, body, resource: 'svc-0.mesh:80', cdsName: '{{.Svc}}.mesh:80' },
    metrics: async () => (await fetch(`${api}/metrics`)).text(),
    stop: async () => {
      await end(child);
      rmSync(folder, { recursive: true, force: true });
    },
  };
};

const startGo = async (mode: 'linear' | 'snapshot', tools: PeerTools, mesh: string): Promise<RunningPeer> => {
  const folder = mkdtempSync(join(tmpdir(), 'tendril-peers-'));
  const [xds, http] = [`127.0.0.1:${await freePort()}`, `127.0.0.1:${await freePort()}`];
  const child = spawn(tools.gcpserver, ['--mesh', mesh, '--mode', mode, '--listen', xds, '--http', http], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  await orEnd(child, () => lineOf(child, 'stderr', /ready/));
  const body = join(folder, 'body.tmpl');
  writeFileSync(body, '{"service":"svc-0","ip":"{{.IP}}"}');
  const pids = [child.pid ?? 0];
  return {
    xds,
    asks: mode === 'linear' ? 'ondemand' : 'full',
    serving: pids,
    pids,
    trigger: { url: `http://${http}/update`, body, resource: 'svc-0', cdsName: '{{.Svc}}' },
    metrics: async () => undefined,
    stop: async () => {
      await end(child);
      rmSync(folder, { recursive: true, force: true });
    },
  };
};

export const startPeer = (kind: ServerKind, tools: PeerTools, mesh: string): Promise<RunningPeer> =>
  kind.ours === undefined ? startGo(kind.peer ?? 'linear', tools, mesh) : startOurs(kind.ours, mesh);
