/**
 * An application that does nothing but embed the sidecar client: started by `client-cost.ts`, told by message what to hold, tells what
 * memory that took. Nothing of Tendril is imported before the base is measured.
 */
import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

export interface ClientCostTask {
  readonly port: number;
  /** Service ports to hold. */
  readonly names: readonly string[];
}

/** MB of 2^20 bytes. */
export interface ProcessMemory {
  readonly rssMb: number;
  readonly rssAnonMb: number;
  readonly heapUsedMb: number;
}

export interface ClientCostReport {
  /** Node alone. */
  readonly base: ProcessMemory;
  /** Code loaded, nothing connected. */
  readonly loaded: ProcessMemory;
  /** Everything held, 2 s later. */
  readonly held: ProcessMemory;
  /** After a full garbage collection: what is really needed. */
  readonly collected: ProcessMemory;
  readonly loadMs: number;
  /** Connect -> all held. */
  readonly holdMs: number;
  readonly endpoints: number;
}

const SETTLE_MS = 2_000;
/** Questions at a time: an application asks as it calls, not for everything in one turn. */
const PARALLEL = 20;

const memory = (): ProcessMemory => {
  const status = readFileSync('/proc/self/status', 'utf8');
  const kb = (name: string): number => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1] ?? 0);
  const mb = (value: number): number => Math.round(value * 10) / 10;
  return {
    rssMb: mb(kb('VmRSS') / 1_024),
    rssAnonMb: mb(kb('RssAnon') / 1_024),
    heapUsedMb: mb(process.memoryUsage().heapUsed / 2 ** 20),
  };
};

const collect = (): void => {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  for (let round = 0; round < 3; round++) gc();
};

const sleep = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

const run = async ({ port, names }: ClientCostTask): Promise<ClientCostReport> => {
  const base = memory();
  const begun = performance.now();
  const { connectSidecar } = await import('../src/sidecar-client/index.ts');
  const loadMs = performance.now() - begun;
  const loaded = memory();
  const started = performance.now();
  const client = connectSidecar({
    addresses: [{ host: '127.0.0.1', port }],
    node: { id: `bench~${process.pid}`, metadata: { service: 'caller', namespace: 'default' } },
    timeoutMs: 30_000,
  });
  await client.start();
  for (let from = 0; from < names.length; from += PARALLEL)
    await Promise.all(names.slice(from, from + PARALLEL).map((name) => client.hold(name)));
  const holdMs = performance.now() - started;
  await sleep(SETTLE_MS);
  const held = memory();
  collect();
  const endpoints = names.reduce((sum, name) => sum + (client.endpoints(name)?.length ?? 0), 0);
  const collected = memory();
  await client.close();
  return { base, loaded, held, collected, loadMs: Math.round(loadMs), holdMs: Math.round(holdMs), endpoints };
};

process.once('message', (task: ClientCostTask) => {
  void run(task).then((report) => process.send?.(report, () => process.exit(0)));
});
