/** One run of `xdsload` against one server, with what all processes of the server used beside it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { loadavg } from 'node:os';
import { cpuBetween, cpuOfAll, type Sample, Sampler } from './process-tree.ts';
import type { RunningPeer } from './servers.ts';
import type { PeerTools } from './tools.ts';

interface Spread {
  readonly n: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export type ByType = Readonly<
  Record<string, { readonly bytes: number; readonly responses: number; readonly resources: number }>
>;

interface Triggered {
  readonly changes: number;
  readonly interested: number;
  readonly complete: boolean;
  readonly arrivalMs: Spread;
  readonly lastSidecarMs: Spread;
  readonly missing: number;
  readonly superseded: number;
  readonly byType: ByType;
  readonly triggerCallMs: Spread;
  readonly changesPerSecondSent: number;
  readonly deliveriesPerSecond?: number;
  readonly serverCpuSPerChange: number;
  readonly server: { readonly cpuS: number };
  readonly error?: string;
}

/** What `xdsload` prints, as far as it is read here. */
export interface LoadReport {
  readonly sidecars: number;
  readonly serverBefore: { readonly cpuS: number };
  readonly initial: {
    readonly synced: number;
    readonly allSyncedMs: number;
    readonly firstConfigMs: Spread;
    /** Messages before HTTP/2 framing, bytes for each sidecar. */
    readonly payloadBytesToSync: Spread;
    readonly server: { readonly cpuS: number };
  };
  readonly propagation?: Triggered;
  readonly storms?: readonly {
    readonly allStreamsOpenMs: number;
    readonly answered: number;
    readonly lastResponseMs: Spread;
    readonly byType: ByType;
    readonly serverCpuS: number;
    readonly server: { readonly cpuS: number };
    readonly probe?: Triggered;
  }[];
  readonly errors: number;
  readonly firstError?: string;
  readonly clientCpuS: number;
}

export interface Load {
  readonly report: LoadReport;
  readonly samples: readonly Sample[];
  /** CPU seconds of all processes of the server in each phase. */
  readonly cpuS: { readonly initial: number; readonly propagation: number; readonly storm: number };
  /** Before and after. */
  readonly load: readonly [number, number];
}

export interface LoadOptions {
  readonly sidecars: number;
  readonly mesh: string;
  readonly flags: readonly string[];
  readonly withFiles?: boolean;
  readonly timeoutMs?: number;
}

const RUN_MS = 300_000;

export const runLoad = async (tools: PeerTools, server: RunningPeer, options: LoadOptions): Promise<Load> => {
  const [first = 0] = server.serving;
  const { trigger } = server;
  const before = loadavg()[0] ?? 0;
  const withFiles = options.withFiles ?? false;
  const sampler = new Sampler(server.pids, { everyMs: withFiles ? 500 : 50, withFiles });
  const child = spawn(
    tools.xdsload,
    [
      ...['--addr', server.xds, '--n', String(options.sidecars), '--mode', server.asks, '--mesh', options.mesh],
      ...['--cds-name', trigger.cdsName, '--pid', String(first), '--trigger-resource', trigger.resource],
      ...['--trigger-url', trigger.url, '--trigger-body', trigger.body, ...options.flags],
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const timer = setTimeout(() => child.kill('SIGKILL'), options.timeoutMs ?? RUN_MS);
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString('utf8');
  });
  const [status] = (await once(child, 'close')) as [number | null];
  clearTimeout(timer);
  const samples = sampler.stop();
  if (status !== 0) throw new Error(`xdsload ended with ${status ?? 'a time-out'}`);
  const report = JSON.parse(output) as LoadReport;
  const of = (to: number | undefined, by: number): number =>
    to === undefined ? 0 : cpuBetween(samples, first, to - by, to);
  const { initial, propagation, storms, serverBefore } = report;
  const storm = storms?.[0];
  return {
    report,
    samples,
    cpuS: {
      initial: of(initial.server.cpuS, initial.server.cpuS - serverBefore.cpuS),
      propagation: of(propagation?.server.cpuS, (propagation?.serverCpuSPerChange ?? 0) * (propagation?.changes ?? 0)),
      storm: of(storm?.server.cpuS, storm?.serverCpuS ?? 0),
    },
    load: [before, loadavg()[0] ?? 0],
  };
};

/** RssAnon of the serving processes per connection: the lowest sample with all connected against the last one with none. */
export const rssPerConnection = (
  samples: readonly Sample[],
  serving: readonly number[],
  connections: number,
): number | undefined => {
  const sum = (sample: Sample, field: 'rssAnonKb' | 'files'): number =>
    sample.processes.filter(({ pid }) => serving.includes(pid)).reduce((total, process) => total + process[field], 0);
  const [empty] = samples;
  if (empty === undefined) return undefined;
  const idle = sum(empty, 'files');
  const full = samples.filter((sample) => sum(sample, 'files') - idle >= connections);
  if (full.length === 0) return undefined;
  const settled = full.slice(Math.floor(full.length / 2)).map((sample) => sum(sample, 'rssAnonKb'));
  return (Math.min(...settled) - sum(empty, 'rssAnonKb')) / connections;
};

/** Of all processes, from the first to the last sample. */
export const cpuInAll = (samples: readonly Sample[]): number => {
  const [first] = samples;
  const last = samples.at(-1);
  return first === undefined || last === undefined ? 0 : cpuOfAll(last) - cpuOfAll(first);
};
