/**
 * A million distinct unknown hosts from one sidecar (issue 5, section 4.4): it asks as fast as the server reads, for a while; beside it
 * another sidecar makes first requests. How far it gets, what it costs in memory, and what the other notices. Server in processes of its
 * own; `unlimited 1`: without the rate, so that all of the million arrive.
 */
import { readFileSync } from 'node:fs';
import { CDS, decodeDeltaResponse, encodeDeltaRequest, GRPC_PATHS, RDS, VHDS } from '../src/proto/index.ts';
import { nodeOf } from '../test/delta-xds/support/memory-mesh.ts';
import { serviceEvents, startMesh } from '../test/e2e/harness.ts';
import { startLightSidecar } from '../test/e2e/light-sidecars.ts';
import { openConnection, openStream } from '../test/support/grpc-streams.ts';
import { round, type Spread, spreadOf } from './spread.ts';

export interface UnknownFloodOptions {
  readonly hosts?: number;
  readonly seconds?: number;
  readonly unlimited?: number;
}

export interface UnknownFloodFigures {
  readonly seconds: number;
  /** Questions that the server has read. */
  readonly taken: number;
  readonly answered: number;
  /** The flood's stream is still there. */
  readonly alive: boolean;
  /** First requests of the other sidecar, before and meanwhile. */
  readonly before: Spread;
  readonly beside: Spread;
  /** RssAnon of worker and core, MiB: before, and the highest seen. */
  readonly workerMib: readonly [before: number, most: number];
  readonly coreMib: readonly [before: number, most: number];
  readonly counters: Readonly<Record<string, number>>;
}

const FIRST = 20;
const PAUSE_MS = 50;
const sleep = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));
const anonMib = (pid: number): number =>
  round(Number(/RssAnon:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1_024);
const nothing = {
  subscribe: [],
  unsubscribe: [],
  initialResourceVersions: new Map<string, string>(),
  responseNonce: '',
};
const COUNTED =
  /^tendril_(xds_(?:unknown_not_kept|unknown_throttled|questions_delayed|requests_deferred|streams_unread|shape_resets)_total|edges_reported_total)(?:\{[^}]*\})? (\d+)$/gm;

export const run = async (options: UnknownFloodOptions = {}): Promise<UnknownFloodFigures> => {
  const { hosts = 1_000_000, seconds = 30, unlimited = 0 } = options;
  const mesh = await startMesh({
    workers: 1,
    log: 'lmdb',
    child: true,
    ...(unlimited > 0 ? { flags: { 'xds-limits': 'unknown-per-second=1000000' } } : {}),
  });
  const { xds, admin } = mesh.server;
  try {
    const services = 2_000;
    await mesh.events(
      ...Array.from({ length: services }, (_, index) =>
        serviceEvents(`svc-${index}`, [{ port: 80, protocol: 'http' }], [{ id: 'one', ports: { 80: 8080 } }]),
      ).flat(),
    );
    const pids = await mesh.server.pids();
    const [worker = 0] = pids.workers;
    const core = pids.core ?? 0;
    const other = await startLightSidecar({ xds, id: 'other', service: 'other.default' });
    let next = 0;
    const firstRequest = async (): Promise<number> => {
      const began = performance.now();
      await other.hold(`svc-${next++}.default:80`);
      const ms = performance.now() - began;
      await sleep(PAUSE_MS);
      return ms;
    };
    for (let index = 0; index < 5; index++) await firstRequest();
    const before: number[] = [];
    for (let index = 0; index < FIRST; index++) before.push(await firstRequest());
    const [workerBefore, coreBefore] = [anonMib(worker), anonMib(core)];

    let answered = 0;
    let alive = true;
    const connection = openConnection(xds.port);
    const stream = openStream(connection, GRPC_PATHS.delta, {
      onMessage: (message) => {
        const { typeUrl, nonce, resources } = decodeDeltaResponse(message);
        answered += resources.length;
        stream.send(encodeDeltaRequest({ ...nothing, typeUrl, responseNonce: nonce }));
      },
      onEnd: () => {
        alive = false;
      },
    });
    stream.send(encodeDeltaRequest({ ...nothing, typeUrl: CDS, node: nodeOf('flood.default', 'flood') }));
    stream.send(encodeDeltaRequest({ ...nothing, typeUrl: RDS, subscribe: ['outbound'] }));
    stream.send(encodeDeltaRequest({ ...nothing, typeUrl: VHDS }));
    const began = performance.now();
    const end = began + seconds * 1_000;
    let sent = 0;
    let isOver = false;
    const flood = (async (): Promise<void> => {
      while (sent < hosts && performance.now() < end && alive) {
        for (let at = 0; at < 100; at++)
          stream.send(encodeDeltaRequest({ ...nothing, typeUrl: VHDS, subscribe: [`outbound/no-${sent++}.nowhere`] }));
        // What the server does not read stays here.
        while (stream.raw.writableLength > 64 * 1024 && performance.now() < end && alive) await sleep(2);
        await new Promise((turn) => setImmediate(turn));
      }
      isOver = true;
    })();
    const beside: number[] = [];
    let [workerMost, coreMost] = [0, 0];
    while (!isOver) {
      if (next < services) beside.push(await firstRequest());
      else await sleep(PAUSE_MS);
      workerMost = Math.max(workerMost, anonMib(worker));
      coreMost = Math.max(coreMost, anonMib(core));
    }
    await flood;
    const took = performance.now() - began;
    const unsent = Math.round(stream.raw.writableLength / 60);
    await sleep(1_000);
    const text = await (await fetch(`http://127.0.0.1:${admin.port}/metrics`)).text();
    const counters = Object.fromEntries([...text.matchAll(COUNTED)].map(([, name, value]) => [name, Number(value)]));
    const stillAlive = alive;
    connection.destroy();
    await other.close();
    return {
      seconds: round(took / 1_000),
      taken: sent - unsent,
      answered,
      alive: stillAlive,
      before: spreadOf(before),
      beside: spreadOf(beside),
      workerMib: [workerBefore, workerMost],
      coreMib: [coreBefore, coreMost],
      counters,
    };
  } finally {
    await mesh.stop();
  }
};
