/** Runs a real Envoy with a given bootstrap and asks its admin port (reference/envoy-wire.md, section M). */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { partPath } from './parts.ts';

export interface EnvoyOptions {
  /** Bootstrap as JSON. Its admin address is replaced by a loopback port of Envoy's choice unless it names a port. */
  readonly bootstrap: Readonly<Record<string, unknown>>;
  /** Worker threads, default 1. */
  readonly concurrency?: number;
  /** Seconds that a replaced listener drains, default 2. */
  readonly drainTimeS?: number;
  /** Default `warning`. */
  readonly logLevel?: 'trace' | 'debug' | 'info' | 'warning' | 'error';
}

/** Names of what an Envoy holds, sorted. */
export interface HeldResources {
  readonly clusters: readonly string[];
  readonly warmingClusters: readonly string[];
  readonly listeners: readonly string[];
  readonly routes: readonly string[];
  readonly virtualHosts: readonly string[];
  readonly endpoints: readonly string[];
}

export interface Envoy {
  readonly pid: number;
  readonly adminPort: number;
  /** GET (or another method) on the admin port: the body; throws for another status than 200. */
  admin(path: string, method?: 'GET' | 'POST'): Promise<string>;
  adminJson(path: string): Promise<unknown>;
  /** `/config_dump?include_eds`. */
  configDump(): Promise<{ readonly configs: readonly Record<string, unknown>[] }>;
  /** Names out of the config dump; static clusters and listeners included. */
  held(): Promise<HeldResources>;
  /** Counters and gauges whose name matches the regular expression. */
  stats(filter: string): Promise<Readonly<Record<string, number>>>;
  /** Port that a listener is bound to (for listeners on port 0). */
  listenerPort(name: string): Promise<number>;
  /** Resolves when `/ready` says LIVE; rejects after `timeoutMs` (default 20,000). */
  live(timeoutMs?: number): Promise<void>;
  /** What Envoy wrote to its log, the last 256 KiB. */
  log(): string;
  /** SIGTERM, SIGKILL after 5 s; resolves when it is gone. */
  stop(): Promise<void>;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
}

const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const get = (port: number, path: string, method: string): Promise<{ status: number; body: string }> =>
  new Promise((resolve, reject) => {
    const call = request({ host: '127.0.0.1', port, path, method, agent: false, timeout: 60_000 }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') }),
      );
    });
    call.on('error', reject);
    call.on('timeout', () => call.destroy(new Error(`admin ${path}: no answer in 10 s`)));
    call.end();
  });

const record = (value: unknown): Record<string, unknown> =>
  value !== null && typeof value === 'object' ? (value as Record<string, unknown>) : {};
const list = (value: unknown): Record<string, unknown>[] => (Array.isArray(value) ? value.map(record) : []);

const withAdmin = (bootstrap: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  bootstrap.admin === undefined
    ? { ...bootstrap, admin: { address: { socket_address: { address: '127.0.0.1', port_value: 0 } } } }
    : { ...bootstrap };

/** Starts Envoy and resolves when its admin port answers (not when it is LIVE: that may need a control plane). */
export async function startEnvoy({
  bootstrap,
  concurrency = 1,
  drainTimeS = 2,
  logLevel = 'warning',
}: EnvoyOptions): Promise<Envoy> {
  const binary = partPath('envoy');
  if (binary === undefined) throw new Error('no Envoy: guard the test with requirePart("envoy")');
  const folder = mkdtempSync(join(tmpdir(), 'tendril-test-envoy-'));
  const configFile = join(folder, 'bootstrap.json');
  const adminFile = join(folder, 'admin');
  writeFileSync(configFile, JSON.stringify(withAdmin(bootstrap)));
  const args = ['-c', configFile, '--concurrency', String(concurrency), '--disable-hot-restart', '-l', logLevel];
  args.push(
    '--drain-time-s',
    String(drainTimeS),
    '--parent-shutdown-time-s',
    String(drainTimeS + 1),
    '--admin-address-path',
    adminFile,
  );
  const child = spawn(binary, args, { stdio: ['ignore', 'ignore', 'pipe'], cwd: folder });
  running.add(child);
  let written = '';
  child.stderr.on('data', (chunk: Buffer) => {
    written = (written + chunk.toString('utf8')).slice(-262_144);
  });
  let gone: string | undefined;
  const ended = new Promise<void>((resolve) => {
    const finish = (why: string) => {
      if (gone !== undefined) return;
      gone = why;
      running.delete(child);
      rmSync(folder, { recursive: true, force: true });
      resolve();
    };
    child.once('error', (error) => finish(String(error)));
    child.once('exit', (code, signal) => finish(`exit ${signal ?? code}`));
  });
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL');
    await ended;
  };

  const deadline = Date.now() + 60_000;
  let adminPort = 0;
  while (adminPort === 0) {
    if (gone !== undefined) throw new Error(`Envoy ended at start (${gone}):\n${written}`);
    if (Date.now() > deadline) {
      await kill();
      throw new Error(`Envoy opened no admin port in 60 s:\n${written}`);
    }
    const port = existsSync(adminFile) ? Number(readFileSync(adminFile, 'utf8').split(':').at(-1)) : 0;
    if (port > 0 && (await get(port, '/server_info', 'GET').catch(() => undefined))?.status === 200) adminPort = port;
    else await sleep(20);
  }

  const admin = async (path: string, method: 'GET' | 'POST' = 'GET'): Promise<string> => {
    const { status, body } = await get(adminPort, path, method);
    if (status !== 200) throw new Error(`admin ${path}: status ${status}: ${body.slice(0, 500)}`);
    return body;
  };
  const adminJson = async (path: string): Promise<unknown> => JSON.parse(await admin(path));
  const configDump: Envoy['configDump'] = async () => ({
    configs: list(record(await adminJson('/config_dump?include_eds')).configs),
  });
  return {
    pid: child.pid ?? 0,
    adminPort,
    admin,
    adminJson,
    configDump,
    held: async () => heldIn((await configDump()).configs),
    stats: async (filter) => {
      const answer = record(await adminJson(`/stats?format=json&filter=${encodeURIComponent(filter)}`));
      return Object.fromEntries(
        list(answer.stats).flatMap((stat) => (typeof stat.value === 'number' ? [[String(stat.name), stat.value]] : [])),
      );
    },
    listenerPort: async (name) => {
      const statuses = list(record(await adminJson('/listeners?format=json')).listener_statuses);
      const local = record(statuses.find((status) => status.name === name)?.local_address);
      const port = record(local.socket_address).port_value;
      if (typeof port !== 'number') throw new Error(`Envoy has no listener ${name}`);
      return port;
    },
    live: async (timeoutMs = 60_000) => {
      const until = Date.now() + timeoutMs;
      while ((await get(adminPort, '/ready', 'GET')).status !== 200) {
        if (Date.now() > until) throw new Error(`Envoy is not LIVE after ${timeoutMs} ms:\n${written}`);
        await sleep(20);
      }
    },
    log: () => written,
    stop: async () => {
      if (gone !== undefined) return;
      child.kill('SIGTERM');
      const hard = setTimeout(() => child.kill('SIGKILL'), 5_000);
      await ended;
      clearTimeout(hard);
    },
    kill,
  };
}

/** Names in the sections of a config dump. */
function heldIn(configs: readonly Record<string, unknown>[]): HeldResources {
  const sections = (key: string): Record<string, unknown>[] => configs.flatMap((config) => list(config[key]));
  const names = (items: readonly unknown[], key = 'name'): string[] =>
    [...new Set(items.map((item) => String(record(item)[key])))].sort();
  const routes = [
    ...sections('static_route_configs').map((entry) => record(entry.route_config)),
    ...sections('dynamic_route_configs').map((entry) => record(entry.route_config)),
  ];
  const endpoints = ['static_endpoint_configs', 'dynamic_endpoint_configs'].flatMap((key) =>
    sections(key).map((entry) => entry.endpoint_config),
  );
  return {
    clusters: names(
      ['static_clusters', 'dynamic_active_clusters'].flatMap((key) => sections(key).map((entry) => entry.cluster)),
    ),
    warmingClusters: names(sections('dynamic_warming_clusters').map((entry) => entry.cluster)),
    listeners: names([
      ...sections('static_listeners').map((entry) => entry.listener),
      ...sections('dynamic_listeners'),
    ]),
    routes: names(routes.filter((route) => route.name !== undefined)),
    virtualHosts: names(routes.flatMap((route) => list(route.virtual_hosts))),
    endpoints: names(endpoints, 'cluster_name'),
  };
}

/** Ends of the names of stats that tell health. The first two are there as soon as Envoy has a control plane. */
const SUBSCRIPTION_STATS = ['.init_fetch_timeout', '.update_rejected'];
const WARMING_STATS = ['cluster_manager.warming_clusters', 'listener_manager.total_listeners_warming'];

export interface HealthOptions {
  /** False: an Envoy with a static bootstrap only. Default true. */
  readonly controlPlane?: boolean;
}

/** Asserts that nothing timed out, warms or was rejected: every interop test ends with it (envoy-wire.md, section M). */
export async function assertHealthy(envoy: Envoy, { controlPlane = true }: HealthOptions = {}): Promise<void> {
  const names = controlPlane ? [...SUBSCRIPTION_STATS, ...WARMING_STATS] : WARMING_STATS;
  const stats = await envoy.stats(`(${names.map((name) => name.replaceAll('.', '\\.')).join('|')})$`);
  // A stat that Envoy renamed would otherwise be healthy for ever.
  const absent = names.filter((name) => !Object.keys(stats).some((stat) => stat.endsWith(name)));
  assert.deepEqual(absent, [], `Envoy has no stats of these names: ${absent.join(', ')}`);
  const bad = Object.entries(stats).filter(([, value]) => value !== 0);
  assert.deepEqual(bad, [], `Envoy is not healthy; its log ends with:\n${envoy.log().slice(-4000)}`);
}
