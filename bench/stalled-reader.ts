/**
 * Clients that subscribe to everything and read nothing (issue 4, section 2.2): what each costs in memory, and what the others notice.
 * Changes at a steady rate to 100 sidecars, with and without the stalled ones, alternately; server in processes of its own.
 */
import { readFileSync } from 'node:fs';
import { CDS, decodeDeltaResponse, EDS, encodeDeltaRequest, GRPC_PATHS } from '../src/proto/index.ts';
import { nodeOf } from '../test/delta-xds/support/memory-mesh.ts';
import { endpointEvent, eventually, type Mesh, serviceEvents, startMesh } from '../test/e2e/harness.ts';
import { Fleet } from '../test/support/fleet.ts';
import { type GrpcStream, openConnection, openStream } from '../test/support/grpc-streams.ts';
import { round, type Spread, spreadOf } from './spread.ts';

interface Phase {
  /** POST sent -> received, every sidecar. */
  readonly received: Spread;
  /** CPU of the worker, ms. */
  readonly cpuMsPerChange: number;
}

export interface StalledReaderFigures {
  readonly stalled: number;
  readonly services: number;
  readonly without: readonly Phase[];
  readonly with: readonly Phase[];
  /** Medians, with / without. */
  readonly cpuRatio: number;
  readonly p50Ratio: number;
  readonly p99Ratio: number;
  /** RssAnon of the worker, MiB, for each stalled client. */
  readonly mibEach: number;
  /** Streams of the others that were cut off. */
  readonly dropped: number;
  /** Resources that the first stalled one was sent when it read again, and how many changes there had been. */
  readonly caughtUp: { readonly resources: number; readonly changes: number };
}

const OTHERS = 100;
const PER_SECOND = 25;
const TICKS_PER_SECOND = 100;
const SETTLE_MS = 5_000;

const sleep = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

const cpuMs = (pid: number): number => {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return ((Number(fields[11]) + Number(fields[12])) * 1_000) / TICKS_PER_SECOND;
};

const anonMib = (pid: number): number =>
  Number(/RssAnon:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1_024;

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;

interface Stalled {
  readonly stream: GrpcStream;
  /** Assignments received. */
  resources: number;
}

/** Subscribes to all clusters and assignments by name, and takes nothing. Of another service: siblings share what they ask for. */
const stall = (port: number, index: number, names: readonly string[]): Stalled & { close(): void } => {
  const connection = openConnection(port);
  const nothing = {
    subscribe: [],
    unsubscribe: [],
    initialResourceVersions: new Map<string, string>(),
    responseNonce: '',
  };
  const stream = openStream(connection, GRPC_PATHS.delta, {
    onMessage: (message) => {
      const { typeUrl, nonce, resources } = decodeDeltaResponse(message);
      if (typeUrl === EDS) stalled.resources += resources.length;
      stream.send(encodeDeltaRequest({ ...nothing, typeUrl, responseNonce: nonce }));
    },
    onEnd: () => undefined,
  });
  const stalled = { stream, resources: 0, close: () => connection.destroy() };
  stream.raw.pause();
  stream.send(encodeDeltaRequest({ ...nothing, typeUrl: CDS, node: nodeOf('greedy.default', `stalled-${index}`) }));
  stream.send(encodeDeltaRequest({ ...nothing, typeUrl: CDS, subscribe: names }));
  stream.send(encodeDeltaRequest({ ...nothing, typeUrl: EDS, subscribe: names }));
  return stalled;
};

export const run = async (
  options: {
    readonly stalled?: number;
    readonly services?: number;
    readonly changes?: number;
    readonly rounds?: number;
  } = {},
): Promise<StalledReaderFigures> => {
  const { stalled = 8, services = 2_000, changes = 300, rounds = 3 } = options;
  const mesh = await startMesh({ workers: 1, log: 'lmdb', child: true });
  try {
    return await measure(mesh, { stalled, services, changes, rounds });
  } finally {
    await mesh.stop();
  }
};

const measure = async (
  mesh: Mesh,
  {
    stalled,
    services,
    changes,
    rounds,
  }: { readonly stalled: number; readonly services: number; readonly changes: number; readonly rounds: number },
): Promise<StalledReaderFigures> => {
  const ports = [{ port: 80, protocol: 'http' }];
  const endpoints = (index: number) =>
    Array.from({ length: 10 }, (_, at) => ({ id: `e-${index}-${at}`, ports: { 80: 1_024 + at } }));
  for (let index = 0; index < services; index++)
    if (index % 100 === 0)
      await mesh.events(
        ...Array.from({ length: Math.min(100, services - index) }, (_, at) =>
          serviceEvents(`svc-${index + at}`, ports, endpoints(index + at)),
        ).flat(),
      );
  const names = Array.from({ length: services }, (_, index) => `svc-${index}.default:80`);
  const { xds } = mesh.server;
  const arrivals = new Map<string, number[]>();
  const fleet = new Fleet({
    port: xds.port,
    size: OTHERS,
    caller: () => 'web.default',
    streamsPerConnection: 1,
    onUpdate: (sidecar, { type, changed }) => {
      if (type !== 'eds' || !changed.includes('svc-0.default:80')) return;
      for (const { address } of sidecar.session.endpoints('svc-0.default:80') ?? [])
        if (address.startsWith('10.')) arrivals.get(address)?.push(performance.now());
    },
  });
  await eventually('all are connected', () => fleet.connected === OTHERS);
  for (const sidecar of fleet.sidecars) sidecar.ask('svc-0.default');
  await eventually('all hold it', () => fleet.holding('outbound/svc-0.default:80') === OTHERS);
  const worker = (await mesh.server.pids()).workers[0] ?? 0;
  let version = 0;
  const phase = async (): Promise<Phase> => {
    await sleep(SETTLE_MS);
    const cpu = cpuMs(worker);
    const times: number[] = [];
    const begun = performance.now();
    for (let index = 0; index < changes; index++) {
      await sleep(Math.max(0, begun + (index * 1_000) / PER_SECOND - performance.now()));
      version++;
      const address = `10.${version >> 16}.${(version >> 8) & 255}.${version & 255}`;
      const at = performance.now();
      const heard: number[] = [];
      arrivals.set(address, heard);
      await mesh.events(endpointEvent('svc-0', { id: 'moving', ports: { 80: 80 }, address }));
      // The answer comes when all streams have been told; the last bytes are on their way.
      await eventually('all have it', () => heard.length >= OTHERS);
      times.push(...heard.slice(0, OTHERS).map((time) => time - at));
      arrivals.delete(address);
    }
    return { received: spreadOf(times), cpuMsPerChange: round((cpuMs(worker) - cpu) / changes) };
  };
  const without: Phase[] = [];
  const withStalled: Phase[] = [];
  let mibEach = 0;
  let caughtUp = { resources: 0, changes: 0 };
  for (let count = 0; count < rounds; count++) {
    without.push(await phase());
    const before = anonMib(worker);
    const clients = Array.from({ length: stalled }, (_, index) => stall(xds.port, index, names));
    await sleep(SETTLE_MS);
    withStalled.push(await phase());
    mibEach = Math.max(mibEach, (anonMib(worker) - before) / stalled);
    const [first] = clients;
    first?.stream.raw.resume();
    await sleep(2 * SETTLE_MS);
    caughtUp = { resources: first?.resources ?? 0, changes };
    for (const client of clients) client.close();
  }
  const ratio = (of: (phase: Phase) => number): number =>
    round(median(withStalled.map(of)) / Math.max(0.01, median(without.map(of))));
  const dropped = fleet.sum('streams') - OTHERS;
  fleet.close();
  return {
    stalled,
    services,
    without,
    with: withStalled,
    cpuRatio: ratio(({ cpuMsPerChange }) => cpuMsPerChange),
    p50Ratio: ratio(({ received }) => received.p50Ms),
    p99Ratio: ratio(({ received }) => received.p99Ms),
    mibEach: round(mibEach),
    dropped,
    caughtUp,
  };
};
