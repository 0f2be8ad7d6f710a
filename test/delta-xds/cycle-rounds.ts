/** F-leak of reference/reliability.md, section 4b (issue 4, 2.3): clients that come, subscribe and go, in every way there is. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { TestContext } from 'node:test';
import { CDS, EDS, encodeDeltaRequest, encodeStateRequest, GRPC_PATHS, VHDS } from '../../src/proto/index.ts';
import { until } from '../cli/support/tendril.ts';
import { type GrpcStream, openConnection, openStream } from '../support/grpc-streams.ts';
import { heapWithin, settledHeap } from '../support/heap.ts';
import { nodeOf } from './support/memory-mesh.ts';
import { type ServerHere, serveHere } from './support/serve-here.ts';

const CYCLES = 10_000;
const STREAMS = 100;
const MB = 2 ** 20;

const nothing = {
  subscribe: [],
  unsubscribe: [],
  initialResourceVersions: new Map<string, string>(),
  responseNonce: '',
};

/** Two messages, then one answer at least. */
const subscribe = (stream: GrpcStream, cycle: number, delta: boolean): void => {
  const node = nodeOf(`app-${cycle % 50}.shop`, `cycle-${cycle}`);
  const host = `svc-${cycle % 20}.shop`;
  if (delta) {
    stream.send(encodeDeltaRequest({ ...nothing, typeUrl: CDS, node }));
    stream.send(
      encodeDeltaRequest({ ...nothing, typeUrl: VHDS, subscribe: [`outbound/${host}`, `outbound/no-${cycle % 500}`] }),
    );
  } else {
    const plain = { versionInfo: '', responseNonce: '' };
    stream.send(encodeStateRequest({ ...plain, typeUrl: CDS, names: [], node }));
    stream.send(encodeStateRequest({ ...plain, typeUrl: EDS, names: [`${host}:80`] }));
  }
};

/** One connection with 100 streams, each of which is answered; then all end, in one of four ways. */
const batch = async (port: number, first: number): Promise<void> => {
  const connection = openConnection(port);
  let answered = 0;
  let ended = 0;
  const streams: GrpcStream[] = [];
  await once(connection, 'connect');
  for (let at = 0; at < STREAMS; at++) {
    const delta = at % 4 !== 0;
    let heard = false;
    const stream = openStream(connection, delta ? GRPC_PATHS.delta : GRPC_PATHS.sotw, {
      onMessage: () => {
        if (!heard) answered++;
        heard = true;
      },
      onEnd: () => {
        ended++;
      },
    });
    streams.push(stream);
    subscribe(stream, first + at, delta);
  }
  await until(
    () => (answered === STREAMS ? true : undefined),
    () => `${answered} of ${STREAMS} streams are answered`,
  );
  const way = (first / STREAMS) % 4;
  if (way === 0) connection.destroy();
  else if (way === 1) for (const stream of streams) stream.cancel();
  else if (way === 2) for (const stream of streams) stream.halfClose();
  else connection.close();
  if (way === 3) for (const stream of streams) stream.cancel();
  await until(
    () => (ended === STREAMS ? true : undefined),
    () => `${ended} of ${STREAMS} streams have ended`,
  );
  connection.destroy();
};

const round = async ({ port, metric }: ServerHere): Promise<void> => {
  for (let first = 0; first < CYCLES; first += 4 * STREAMS)
    await Promise.all([0, 1, 2, 3].map((at) => batch(port, first + at * STREAMS)));
  for (const name of ['tendril_xds_sessions', 'tendril_xds_connections'])
    await until(
      async () => ((await metric(name)) === 0 ? true : undefined),
      () => `${name} does not go back to 0`,
    );
};

/** `rounds` of 10,000 clients; after the first the heap grows by at most a tenth. */
export const cycleRounds = async (t: TestContext, rounds: number): Promise<void> => {
  const here = await serveHere(t, 20);
  await round(here);
  const first = await settledHeap();
  for (let count = 1; count < rounds; count++) await round(here);
  const last = await heapWithin(1.1 * first);
  t.diagnostic(
    `heap ${(first / MB).toFixed(1)} MB after ${CYCLES}, ${(last / MB).toFixed(1)} MB after ${rounds * CYCLES}`,
  );
  assert.equal(await here.metric('tendril_xds_failures_total'), 0);
  assert.ok(last <= 1.1 * first, `heap grew from ${first} to ${last} bytes`);
};
