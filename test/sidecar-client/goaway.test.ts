/**
 * A server that ends with GOAWAY while streams are open and requests under way. When the GOAWAY ends several streams at once, and the client
 * destroys the session or the other streams in the `close` of the first, nghttp2 of Node 20.20 loops for ever: a bare node:http2 client that does
 * so against the server of the second test hangs. A process that hangs says nothing, so the client runs in one of its own, watched.
 */
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { constants, createServer, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { until } from '../cli/support/tendril.ts';
import { assignmentBody, clusterBody, MemoryMesh, virtualHostBody } from '../delta-xds/support/memory-mesh.ts';
import { serveMesh } from '../delta-xds/support/serve-mesh.ts';
import { portOf } from '../support/ports.ts';

const childOf = (name: string): string => fileURLToPath(new URL(`./${name}.js`, import.meta.url));
const { NGHTTP2_CANCEL, NGHTTP2_ENHANCE_YOUR_CALM, NGHTTP2_NO_ERROR } = constants;
/** Of each way. */
const ROUNDS = 8;
/** A process that says nothing for so long hangs. */
const SILENT_MS = 10_000;

/** A message of gRPC that is no DeltaDiscoveryResponse: the client gives the stream up in the turn that reads it. */
const MALFORMED = Buffer.from([0, 0, 0, 0, 2, 0xff, 0xff]);
/** An empty one. */
const EMPTY = Buffer.from([0, 0, 0, 0, 0]);

type End = (session: ServerHttp2Session, stream: ServerHttp2Stream) => void;

const ENDS: Readonly<Record<string, End>> = {
  'GOAWAY, and the stream ended in order': (session, stream) => {
    session.goaway(NGHTTP2_NO_ERROR);
    stream.end();
  },
  'what the client gives up for, and GOAWAY in the same turn': (session, stream) => {
    stream.write(MALFORMED);
    session.goaway(NGHTTP2_NO_ERROR);
  },
  'the same, and the streams after the first one refused': (session, stream) => {
    stream.write(MALFORMED);
    session.goaway(NGHTTP2_ENHANCE_YOUR_CALM, 0);
  },
  'GOAWAY, reset, end': (session, stream) => {
    stream.write(EMPTY);
    session.goaway(NGHTTP2_ENHANCE_YOUR_CALM);
    stream.close(NGHTTP2_CANCEL);
    session.close();
  },
  'GOAWAY and the connection cut': (session) => {
    session.goaway(NGHTTP2_NO_ERROR);
    setImmediate(() => session.destroy());
  },
};

const closers: (() => unknown)[] = [];
after(async () => {
  for (const close of closers.reverse()) await close();
});

/** Runs a child until `isDone`; it must go on saying something, and end by itself when it is told. */
const outlives = async (
  name: string,
  args: readonly number[],
  isDone: () => boolean,
  where: () => string,
  onMessage: (message: unknown) => void = () => undefined,
): Promise<void> => {
  const child = fork(childOf(name), args.map(String), { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  closers.push(() => child.kill('SIGKILL'));
  let heard = performance.now();
  child.on('message', (message) => {
    heard = performance.now();
    onMessage(message);
  });
  await until(() => {
    const isSilent = performance.now() - heard > SILENT_MS;
    if (isSilent || child.exitCode !== null) assert.fail(`${where()}: ${child.exitCode ?? 'it hangs'}`);
    return isDone() ? true : undefined;
  }, where);
  child.disconnect();
  const [status] = await once(child, 'exit');
  assert.equal(status, 0);
};

test('the client goes on after each way in which a server ends with GOAWAY', async () => {
  const ends = Object.entries(ENDS).flatMap((end) => Array.from({ length: ROUNDS }, () => end));
  let round = 0;
  /** After the last round a stream stands. */
  let isServed = false;
  const server = createServer();
  const sessions = new Set<ServerHttp2Session>();
  server.on('session', (session) => {
    sessions.add(session);
    session.on('close', () => sessions.delete(session));
    session.on('error', () => undefined);
  });
  server.on('stream', (stream: ServerHttp2Stream) => {
    stream.on('error', () => undefined);
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.write(EMPTY);
    let isOver = false;
    stream.on('data', () => {
      const { session } = stream;
      const [, end] = ends[round] ?? [];
      if (end === undefined) isServed = true;
      if (isOver || end === undefined || session === undefined || !('goaway' in session)) return;
      isOver = true;
      round++;
      end(session as ServerHttp2Session, stream);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(() => {
    for (const session of sessions) session.destroy();
    server.close();
  });

  await outlives(
    'goaway-child',
    [portOf(server)],
    () => isServed,
    () => `round ${round} of ${ends.length} (${ends[round - 1]?.[0]})`,
  );
});

/** The calls of one round; the server has taken the first, and refuses the rest by its GOAWAY. */
const CALLS = 20;
const CALL_ROUNDS = 10;

test('calls over gRPC go on: the server refuses all but one by GOAWAY, and the application cancels the rest at the first failure', async () => {
  const server = createServer();
  const sessions = new Set<ServerHttp2Session>();
  server.on('session', (session) => {
    sessions.add(session);
    session.on('close', () => sessions.delete(session));
    session.on('error', () => undefined);
    let streams = 0;
    session.on('stream', (stream: ServerHttp2Stream) => {
      stream.on('error', () => undefined);
      stream.resume();
      if (++streams < CALLS) return;
      session.goaway(NGHTTP2_NO_ERROR, 1);
      setImmediate(() => session.destroy());
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(() => {
    for (const session of sessions) session.destroy();
    server.close();
  });
  const mesh = new MemoryMesh();
  mesh.set('cds', 'cart.shop:80', clusterBody('cart.shop:80', 'c', true));
  mesh.set('eds', 'cart.shop:80', assignmentBody('cart.shop:80', 'e', [portOf(server)]));
  mesh.set('vhds', 'cart.shop:80', virtualHostBody('h', ['cart.shop:80'], ['cart.shop:80']));
  const { server: ads, port } = await serveMesh(mesh);
  closers.push(() => ads.close());
  let round = 0;
  await outlives(
    'goaway-calls-child',
    [port, CALLS, CALL_ROUNDS],
    () => round === CALL_ROUNDS,
    () => `round ${round} of ${CALL_ROUNDS}`,
    (message) => {
      round = Number(message);
    },
  );
});
