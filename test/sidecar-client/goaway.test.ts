/**
 * A server that ends with GOAWAY while streams are open and requests under way. nghttp2 of Node 20.20 loops for ever when a client resets
 * streams in the turn in which it read the GOAWAY; a process that does no longer answers, so the client runs in one of its own, watched.
 */
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { constants, createServer, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { until } from '../cli/support/tendril.ts';
import { portOf } from '../support/ports.ts';

const CHILD = fileURLToPath(new URL('./goaway-child.js', import.meta.url));
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

  const child = fork(CHILD, [String(portOf(server))], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  closers.push(() => child.kill('SIGKILL'));
  let heard = performance.now();
  child.on('message', () => {
    heard = performance.now();
  });
  await until(
    () => {
      const silent = performance.now() - heard;
      if (silent > SILENT_MS || child.exitCode !== null)
        assert.fail(`round ${round} of ${ends.length} (${ends[round - 1]?.[0]}): ${child.exitCode ?? 'it hangs'}`);
      return isServed ? true : undefined;
    },
    () => `round ${round} of ${ends.length}`,
  );
  child.disconnect();
  const [status] = await once(child, 'exit');
  assert.equal(status, 0);
});
