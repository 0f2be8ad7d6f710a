/**
 * Cold start of a mesh (issue 5, section 2.4): 10,000 sidecars that know nothing connect at once, nothing has been learned before, and
 * each asks for 10 services. All complete within 60 s, the slowest within 3 times the median. Server in processes of its own, as
 * `tendril serve` runs by default; sidecars in processes of their own, each on its own connection.
 */
import { fork } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { serviceEvents, startMesh } from '../test/e2e/harness.ts';
import type { ColdStartReport, ColdStartShare } from './cold-start-child.ts';
import { round, spreadOf } from './spread.ts';

export interface ColdStartOptions {
  readonly sidecars?: number;
  readonly services?: number;
  readonly callers?: number;
  readonly asks?: number;
  readonly clients?: number;
  readonly workers?: number;
}

export interface ColdStartFigures {
  readonly sidecars: number;
  readonly completed: number;
  /** Streams that ended before, by the reason; with what the server counted of connections that it closed. */
  readonly broken: Readonly<Record<string, number>>;
  readonly medianMs: number;
  readonly p99Ms: number;
  readonly slowestMs: number;
  readonly slowestToMedian: number;
  /** First connect -> last answer. */
  readonly totalMs: number;
  readonly workerCpuMs: number;
  /** Longest lag of the worker's event loop: upper bound of the bucket, ms. */
  readonly lagMs: number;
  /** Workers that were silent for 10 s meanwhile, and started again. */
  readonly workersReplaced: number;
  readonly coreCpuMs: number;
  /** All client processes. */
  readonly clientCpuMs: number;
  readonly bytesPerSidecar: number;
  /** Edges that the log has afterwards; each caller has `asks`. */
  readonly edges: number;
}

/** Counters of connections that the server has closed by itself. */
const CLOSED =
  /^tendril_xds_((?:connections_(?:refused|late|idle)|handshakes_failed|first_messages_late|pings_unanswered|protocol_errors|floods|resets)_total)\{[^}]*\} (\d+)$/gm;
const TICKS_PER_SECOND = 100;
const ENDPOINTS = 3;
const CHILD = new URL('./cold-start-child.js', import.meta.url);

/** 0 for one that is gone: a worker that was replaced shows in `workersReplaced`. */
const cpuMs = (pid: number | undefined): number => {
  if (pid === undefined || !existsSync(`/proc/${pid}/stat`)) return 0;
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return ((Number(fields[11]) + Number(fields[12])) * 1_000) / TICKS_PER_SECOND;
};

const LAG = /^tendril_xds_loop_lag_seconds_bucket\{worker="\d+",le="([^"]+)"\} (\d+)$/gm;
const longestLag = (metrics: string): number => {
  const counts = [...metrics.matchAll(LAG)].map(([, le, count]) => [Number(le === '+Inf' ? 1e6 : le), Number(count)]);
  const total = counts.at(-1)?.[1] ?? 0;
  return (counts.find(([, count]) => count === total)?.[0] ?? 0) * 1_000;
};

const runClient = (share: ColdStartShare): Promise<ColdStartReport> =>
  new Promise((done, fail) => {
    const child = fork(CHILD, [], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    child.once('message', (report) => done(report as ColdStartReport));
    child.once('exit', (status) => fail(new Error(`a client process ended with ${status}`)));
    child.send(share);
  });

export const run = async (options: ColdStartOptions = {}): Promise<ColdStartFigures> => {
  const { sidecars = 10_000, services = 1_000, callers = 500, asks = 10, clients = 2, workers = 1 } = options;
  const mesh = await startMesh({ workers, log: 'lmdb', child: true });
  try {
    const events = Array.from({ length: services }, (_, index) =>
      serviceEvents(
        `svc-${index}`,
        [{ port: 80, protocol: 'http' }],
        Array.from({ length: ENDPOINTS }, (__, at) => ({
          id: `e${at}`,
          address: `10.${at}.${index >> 8}.${index & 255}`,
          ports: { 80: 8080 },
        })),
      ),
    ).flat();
    await mesh.events(...events);
    const pids = await mesh.server.pids();
    const cpu = (): number => pids.workers.reduce((sum, pid) => sum + cpuMs(pid), 0);
    const before = { worker: cpu(), core: cpuMs(pids.core) };
    const each = Math.ceil(sidecars / clients);
    const reports = await Promise.all(
      Array.from({ length: clients }, (_, index) => {
        const from = index * each;
        const count = Math.min(each, sidecars - from);
        return runClient({ port: mesh.server.xds.port, from, count, callers, services, asks });
      }),
    );
    const times = reports.flatMap((report) => report.times);
    const { count, p50Ms, p99Ms, maxMs } = spreadOf(times);
    const workerCpuMs = cpu() - before.worker;
    const coreCpuMs = cpuMs(pids.core) - before.core;
    // Edges are told within seconds, and need no sidecar to wait for them.
    await new Promise((next) => setTimeout(next, 3_000));
    const metrics = await (await fetch(`http://127.0.0.1:${mesh.server.admin.port}/metrics`)).text();
    const written = /^tendril_edges_written_total (\d+)$/m.exec(metrics)?.[1];
    const broken: Record<string, number> = {};
    for (const report of reports)
      for (const [reason, times] of Object.entries(report.broken)) broken[reason] = (broken[reason] ?? 0) + times;
    for (const [, name = '', value] of metrics.matchAll(CLOSED)) if (Number(value) > 0) broken[name] = Number(value);
    return {
      sidecars,
      completed: count,
      broken,
      medianMs: p50Ms,
      p99Ms,
      slowestMs: maxMs,
      slowestToMedian: round(maxMs / p50Ms),
      totalMs: round(Math.max(...reports.map(({ ended }) => ended)) - Math.min(...reports.map(({ began }) => began))),
      workerCpuMs,
      lagMs: longestLag(metrics),
      workersReplaced: (await mesh.server.pids()).workers.filter((pid) => !pids.workers.includes(pid)).length,
      coreCpuMs,
      clientCpuMs: round(reports.reduce((sum, report) => sum + report.cpuMs, 0)),
      bytesPerSidecar: Math.round(reports.reduce((sum, { bytes }) => sum + bytes, 0) / sidecars),
      edges: Number(written),
    };
  } finally {
    await mesh.stop();
  }
};
