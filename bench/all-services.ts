/**
 * A caller of everything (issue 5, section 2.5): a node with `needs: "all"` in a mesh of 20,000 services. Time and bytes of its first full
 * configuration, what a reconnect costs, what one changed service costs, and how long the worker's event loop stood still meanwhile.
 * Server in processes of its own; this process is the client. Its own decoding is in the times.
 */
import { readFileSync } from 'node:fs';
import { serviceEvents, startMesh } from '../test/e2e/harness.ts';
import { WholeClient } from '../test/support/whole-client.ts';
import { round } from './spread.ts';

export interface AllServicesOptions {
  readonly services?: number;
  readonly changes?: number;
  /** 1: by a document `Dependency` of the caller with `to: {"*.*": {}}`, instead of the node's `needs`. */
  readonly document?: number;
}

interface Cost {
  readonly ms: number;
  readonly cpuMs: number;
  readonly bytes: number;
  readonly resources: number;
  /** Longest lag of the worker's event loop: upper bound of the bucket, ms. */
  readonly lagMs: number;
}

export interface AllServicesFigures {
  readonly services: number;
  readonly first: Cost;
  /** A second node of the same kind: the lists and bytes are there. */
  readonly second: Cost;
  readonly reconnect: Cost;
  /** Median of single changes. `ms`: POST sent -> received. */
  readonly endpointChanged: Cost;
  readonly portAdded: Cost;
  readonly serviceCame: Cost;
  readonly serviceWent: Cost;
  readonly rssAnonMib: number;
}

const TICKS_PER_SECOND = 100;
const sleep = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

const cpuMs = (pid: number): number => {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return ((Number(fields[11]) + Number(fields[12])) * 1_000) / TICKS_PER_SECOND;
};

const anonMib = (pid: number): number =>
  Number(/RssAnon:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1_024;

const LAG = /^tendril_xds_loop_lag_seconds_bucket\{worker="\d+",le="([^"]+)"\} (\d+)$/gm;
/** Upper bound -> samples at or below it. */
const lagOf = async (api: string): Promise<ReadonlyMap<number, number>> => {
  const text = await (await fetch(`${api}/metrics`)).text();
  return new Map([...text.matchAll(LAG)].map(([, le, count]) => [le === '+Inf' ? 1e9 : Number(le), Number(count)]));
};
const longest = (before: ReadonlyMap<number, number>, after: ReadonlyMap<number, number>): number => {
  const counts = [...after]
    .map(([le, count]) => [le, count - (before.get(le) ?? 0)] as const)
    .sort(([a], [b]) => a - b);
  const total = counts.at(-1)?.[1] ?? 0;
  return round((counts.find(([, count]) => count >= total)?.[0] ?? 0) * 1_000);
};

const median = (costs: readonly Cost[]): Cost => {
  const of = (read: (cost: Cost) => number): number =>
    round([...costs].map(read).sort((a, b) => a - b)[costs.length >> 1] ?? 0);
  return {
    ms: of((cost) => cost.ms),
    cpuMs: of((cost) => cost.cpuMs),
    bytes: of((cost) => cost.bytes),
    resources: of((cost) => cost.resources),
    lagMs: of((cost) => cost.lagMs),
  };
};

const address = (index: number): string => `10.${(index >> 16) & 255}.${(index >> 8) & 255}.${index & 255}`;
const HTTP = { port: 80, protocol: 'http' } as const;

export const run = async (options: AllServicesOptions = {}): Promise<AllServicesFigures> => {
  const { services = 20_000, changes = 20, document = 0 } = options;
  const mesh = await startMesh({ workers: 1, log: 'lmdb', child: true });
  const clients: WholeClient[] = [];
  try {
    const events = Array.from({ length: services }, (_, index) =>
      serviceEvents(`svc-${index}`, [HTTP], [{ id: 'one', address: address(index), ports: { 80: 8080 } }]),
    ).flat();
    await mesh.events(...events);
    if (document > 0) await mesh.docs('kind: Dependency\nmetadata: {name: gateway}\nspec: {to: {"*.*": {}}}\n');
    const api = `http://127.0.0.1:${mesh.server.admin.port}`;
    const pid = (await mesh.server.pids()).workers[0] ?? 0;
    const client = (id: string): WholeClient => {
      const made = new WholeClient({
        port: mesh.server.xds.port,
        id,
        service: 'gateway.default',
        ...(document > 0 ? {} : { needs: 'all' }),
      });
      clients.push(made);
      return made;
    };
    /** What `act` costs until `there`. Whatever comes within the next second is counted too. */
    const cost = async (who: WholeClient, act: () => unknown, there: () => boolean): Promise<Cost> => {
      who.reset();
      const [lag, cpu, began] = [await lagOf(api), cpuMs(pid), performance.now()];
      const acted = act();
      await who.until(there);
      const ms = performance.now() - began;
      await acted;
      await sleep(1_000);
      const { bytes, names } = who.stats;
      return {
        ms: round(ms),
        cpuMs: cpuMs(pid) - cpu,
        bytes,
        resources: names.length,
        lagMs: longest(lag, await lagOf(api)),
      };
    };

    const one = client('gateway-1');
    const first = await cost(
      one,
      () => one.connect(),
      () => one.complete() === services,
    );
    const two = client('gateway-2');
    const second = await cost(
      two,
      () => two.connect(),
      () => two.complete() === services,
    );
    two.disconnect();
    one.disconnect();
    await sleep(500);
    // Listeners are answered whatever is held: an answer to each of the first messages is the end of it.
    const reconnect = await cost(
      one,
      () => one.connect(),
      () => one.stats.responses > 0,
    );

    const changed = async (act: (index: number) => Promise<void>, there: (index: number) => boolean): Promise<Cost> => {
      const costs: Cost[] = [];
      for (let index = 0; index < changes; index++)
        costs.push(
          await cost(
            one,
            () => act(index),
            () => there(index),
          ),
        );
      return median(costs);
    };
    const got = (name: string): boolean => one.stats.names.some((text) => text.endsWith(name));
    const endpointChanged = await changed(
      (index) =>
        mesh.events({
          type: 'endpoint.registered',
          data: {
            namespace: 'default',
            service: `svc-${index}`,
            id: 'one',
            address: '10.200.0.1',
            ports: { 80: 8080 },
          },
        }),
      (index) => got(` svc-${index}.default:80`),
    );
    const portAdded = await changed(
      (index) => mesh.events(...serviceEvents(`svc-${index}`, [HTTP, { port: 81, protocol: 'http' }], [])),
      (index) => got(`/svc-${index}.default:81`),
    );
    const serviceCame = await changed(
      (index) =>
        mesh.events(...serviceEvents(`new-${index}`, [HTTP], [{ id: 'one', address: '10.201.0.1', ports: { 80: 1 } }])),
      (index) => got(`/new-${index}.default:80`),
    );
    const serviceWent = await changed(
      (index) => mesh.events({ type: 'service.deregistered', data: { namespace: 'default', name: `new-${index}` } }),
      (index) => one.stats.removed.includes(`new-${index}.default:80`),
    );
    return {
      services,
      first,
      second,
      reconnect,
      endpointChanged,
      portAdded,
      serviceCame,
      serviceWent,
      rssAnonMib: round(anonMib(pid)),
    };
  } finally {
    for (const client of clients) client.disconnect();
    await mesh.stop();
  }
};
