/**
 * How soon an application that restarts while every control plane is down has its first pick from its last known good (issue 7, 1.2: 200 ms): a process holds
 * services with a cache on disk and ends, the control plane is stopped, and processes start anew on that cache, one after the other: after
 * ends in order, and after ends by SIGKILL.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { serviceEvents, startMesh } from '../test/e2e/harness.ts';
import type { RestartReport, RestartTask } from './client-restart-child.ts';
import { type Spread, spreadOf } from './spread.ts';

export interface ClientRestartOptions {
  readonly services?: number;
  readonly endpoints?: number;
  readonly restarts?: number;
}

const CHILD = new URL('./client-restart-child.js', import.meta.url);

const runChild = async (task: RestartTask): Promise<RestartReport> => {
  const child = fork(CHILD);
  child.send(task);
  const [report] = (await once(child, 'message')) as [RestartReport];
  await once(child, 'exit');
  return report;
};

export const run = async (
  options: ClientRestartOptions = {},
): Promise<{
  readonly services: number;
  readonly fromStart: Spread;
  readonly fromCreate: Spread;
  /** What Node alone takes to start, which is in `fromStart`. */
  readonly node: Spread;
  readonly cpuFromStart: Spread;
  readonly cpuFromCreate: Spread;
  readonly cpuNode: Spread;
  /** After an end by SIGKILL. */
  readonly fromCreateKilled: Spread;
  readonly endpoints: number;
}> => {
  const { services = 1_000, endpoints = 10, restarts = 10 } = options;
  const dir = mkdtempSync(join(tmpdir(), 'tendril-restart-'));
  const mesh = await startMesh({ child: true });
  const names = Array.from({ length: services }, (_, at) => `svc-${at}.default:80`);
  const { port } = mesh.server.xds;
  try {
    const events = names.flatMap((_, at) =>
      serviceEvents(
        `svc-${at}`,
        [{ port: 80, protocol: 'http' }],
        Array.from({ length: endpoints }, (_, index) => ({ id: `e${index}`, ports: { 80: 8_000 + index } })),
      ),
    );
    for (let from = 0; from < events.length; from += 1_000) await mesh.events(...events.slice(from, from + 1_000));
    await runChild({ port, dir, names, fill: true });
  } finally {
    await mesh.stop();
  }
  try {
    const reports: RestartReport[] = [];
    for (let at = 0; at < restarts; at++) reports.push(await runChild({ port, dir, names, fill: false }));
    const killed: RestartReport[] = [];
    // The first one starts after an end in order.
    for (let at = 0; at <= restarts; at++)
      killed.push(await runChild({ port, dir, names, fill: false, isKilled: true }));
    return {
      services,
      fromStart: spreadOf(reports.map(({ fromStartMs }) => fromStartMs)),
      fromCreate: spreadOf(reports.map(({ fromCreateMs }) => fromCreateMs)),
      node: spreadOf(reports.map(({ nodeMs }) => nodeMs)),
      cpuFromStart: spreadOf(reports.map(({ cpuMs }) => cpuMs)),
      cpuFromCreate: spreadOf(reports.map(({ cpuFromCreateMs }) => cpuFromCreateMs)),
      cpuNode: spreadOf(reports.map(({ nodeCpuMs }) => nodeCpuMs)),
      fromCreateKilled: spreadOf(killed.slice(1).map(({ fromCreateMs }) => fromCreateMs)),
      endpoints: Math.min(...[...reports, ...killed].map(({ endpoints: found }) => found)),
    };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
};
