/**
 * What the sidecar client costs the application that embeds it: memory of a process above Node's own, with nothing, ten and a thousand
 * services held (issue 7, 1.7 and section 3). The control plane runs in another process; each row is a process of its own, medians of
 * the rounds. `Busy`: the application had allocated before, so V8's young generation (up to 16 MB of an idle process, of 48) is not
 * counted as the client's.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { serviceEvents, startMesh } from '../test/e2e/harness.ts';
import type { ClientCostReport, ClientCostTask } from './client-cost-child.ts';
import { round } from './spread.ts';

export interface ClientCostOptions {
  readonly services?: number;
  readonly endpoints?: number;
  readonly rounds?: number;
}

/** MB above Node's base in the same process, but for the times. */
export interface ClientCost {
  readonly rssMb: number;
  readonly rssAnonMb: number;
  /** After a full garbage collection. */
  readonly collectedRssMb: number;
  readonly collectedHeapMb: number;
  readonly loadedRssMb: number;
  readonly loadMs: number;
  readonly holdMs: number;
  readonly endpoints: number;
}

const CHILD = new URL('./client-cost-child.js', import.meta.url);

const median = (values: readonly number[]): number =>
  round([...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN);

const costOf = async (task: ClientCostTask): Promise<ClientCost> => {
  const child = fork(CHILD);
  child.send(task);
  const [report] = (await once(child, 'message')) as [ClientCostReport];
  await once(child, 'exit');
  const { base, loaded, held, collected, loadMs, holdMs, endpoints } = report;
  return {
    rssMb: held.rssMb - base.rssMb,
    rssAnonMb: held.rssAnonMb - base.rssAnonMb,
    collectedRssMb: collected.rssMb - base.rssMb,
    collectedHeapMb: collected.heapUsedMb - base.heapUsedMb,
    loadedRssMb: loaded.rssMb - base.rssMb,
    loadMs,
    holdMs,
    endpoints,
  };
};

const mediansOf = (costs: readonly ClientCost[]): ClientCost => {
  const [first] = costs;
  if (first === undefined) throw new Error('no round was run');
  const names = Object.keys(first) as (keyof ClientCost)[];
  return Object.fromEntries(
    names.map((name) => [name, median(costs.map((cost) => cost[name]))]),
  ) as unknown as ClientCost;
};

export const run = async (options: ClientCostOptions = {}): Promise<Readonly<Record<string, unknown>>> => {
  const { services = 1_000, endpoints = 10, rounds = 5 } = options;
  const mesh = await startMesh({ child: true });
  const folder = mkdtempSync(join(tmpdir(), 'tendril-client-'));
  try {
    const names = Array.from({ length: services }, (_, at) => `svc-${at}.default:80`);
    const events = names.flatMap((_, at) =>
      serviceEvents(
        `svc-${at}`,
        [{ port: 80, protocol: 'http' }],
        Array.from({ length: endpoints }, (_, index) => ({ id: `e${index}`, ports: { 80: 8_000 + index } })),
      ),
    );
    for (let from = 0; from < events.length; from += 1_000) await mesh.events(...events.slice(from, from + 1_000));
    const { port } = mesh.server.xds;
    const rows = {
      nothing: { names: [], busy: false },
      ten: { names: names.slice(0, 10), busy: false },
      all: { names, busy: false },
      nothingCached: { names: [], busy: false, cached: true },
      allCached: { names, busy: false, cached: true },
      nothingBusy: { names: [], busy: true },
      allBusy: { names, busy: true },
    } as const;
    const costs = Object.fromEntries(Object.keys(rows).map((row) => [row, [] as ClientCost[]]));
    for (let at = 0; at < rounds; at++)
      for (const [row, { names: wanted, busy, ...more }] of Object.entries(rows)) {
        const cacheDir = 'cached' in more ? { cacheDir: join(folder, `${row}-${at}`) } : {};
        costs[row]?.push(await costOf({ port, names: wanted, busy, ...cacheDir }));
      }
    const medians = Object.fromEntries(Object.entries(costs).map(([row, runs]) => [row, mediansOf(runs)]));
    const above = (row: string, empty: string, name: 'rssMb' | 'collectedRssMb' | 'collectedHeapMb'): number =>
      round((medians[row]?.[name] ?? Number.NaN) - (medians[empty]?.[name] ?? Number.NaN));
    return {
      services,
      endpoints,
      rounds,
      medians,
      heldServicesMb: {
        rss: above('all', 'nothing', 'rssMb'),
        rssCached: above('allCached', 'nothingCached', 'rssMb'),
        rssBusy: above('allBusy', 'nothingBusy', 'rssMb'),
        heap: above('all', 'nothing', 'collectedHeapMb'),
      },
    };
  } finally {
    await mesh.stop();
    rmSync(folder, { recursive: true, force: true });
  }
};
