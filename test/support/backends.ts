/** Real toy HTTP services on loopback ports: what a mesh's applications are in tests. gRPC, WebSocket, TCP: stream-backends.ts. */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import {
  createServer as createHttp2Server,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type ServerHttp2Session,
} from 'node:http2';
import { setTimeout as sleep } from 'node:timers/promises';
import { portOf } from './ports.ts';

export interface BackendOptions {
  /** Told in every answer, so that tests know who answered. */
  readonly id: string;
  /** Default 127.0.0.1. */
  readonly address?: string;
  /** Default: any free port. */
  readonly port?: number;
}

export interface Backend {
  readonly id: string;
  readonly address: string;
  readonly port: number;
  /** Requests, streams or connections since the start. */
  hits(): number;
  close(): Promise<void>;
}

export interface HttpBackend extends Backend {
  /** Every answer has this status until called with undefined. */
  fail(status: number | undefined): void;
  /** Every answer waits so long, in milliseconds. */
  delay(ms: number): void;
}

/** What an HTTP backend answers with: the request as it saw it. */
export interface Echo {
  readonly backend: string;
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly bodyLength: number;
  readonly bodySha256: string;
}

/** Resolves when the server listens where the options say. */
export const listenOn = (
  server: {
    listen(port: number, address: string, done: () => void): unknown;
    once(event: 'error', fail: (error: Error) => void): unknown;
  },
  options: BackendOptions,
): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, options.address ?? '127.0.0.1', () => resolve());
  });

interface Mood {
  status: number | undefined;
  delayMs: number;
  hits: number;
}

/** Query `status`, `delay` (ms), `chunks` and `gap` (ms) shape one answer: so many lines, so far apart, before the JSON. */
async function answer(
  id: string,
  mood: Mood,
  request: IncomingMessage | Http2ServerRequest,
  response: ServerResponse | Http2ServerResponse,
): Promise<void> {
  mood.hits += 1;
  const hash = createHash('sha256');
  let bodyLength = 0;
  for await (const chunk of request) {
    hash.update(chunk);
    bodyLength += chunk.length;
  }
  const path = request.url ?? '/';
  const query = new URL(path, 'http://toy').searchParams;
  const number = (name: string): number => Number(query.get(name) ?? 0);
  const waitMs = mood.delayMs + number('delay');
  if (waitMs > 0) await sleep(waitMs);
  const status = mood.status ?? (number('status') || 200);
  const echo: Echo = {
    backend: id,
    method: request.method ?? '',
    path,
    headers: { ...request.headers },
    bodyLength,
    bodySha256: hash.digest('hex'),
  };
  response.statusCode = status;
  response.setHeader('content-type', 'application/json');
  response.setHeader('x-backend', id);
  // Both kinds of response have the same write and end; their union has no callable signature.
  const out = response as ServerResponse;
  for (let i = 0; i < number('chunks'); i++) {
    out.write('\n');
    await sleep(number('gap'));
  }
  out.end(JSON.stringify(echo));
}

const httpControls = (
  id: string,
  options: BackendOptions,
  port: number,
  mood: Mood,
  close: () => Promise<void>,
): HttpBackend => ({
  id,
  address: options.address ?? '127.0.0.1',
  port,
  hits: () => mood.hits,
  close,
  fail: (status) => {
    mood.status = status;
  },
  delay: (ms) => {
    mood.delayMs = ms;
  },
});

const newMood = (): Mood => ({ status: undefined, delayMs: 0, hits: 0 });

const closeServer = (server: Server): Promise<void> =>
  new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });

/** HTTP/1.1. */
export async function startHttpBackend(options: BackendOptions): Promise<HttpBackend> {
  const mood = newMood();
  const server = createServer((request, response) => {
    answer(options.id, mood, request, response).catch(() => response.destroy());
  });
  await listenOn(server, options);
  return httpControls(options.id, options, portOf(server), mood, () => closeServer(server));
}

/** HTTP/2 without TLS (prior knowledge). */
export async function startHttp2Backend(options: BackendOptions): Promise<HttpBackend> {
  const mood = newMood();
  const sessions = new Set<ServerHttp2Session>();
  const server = createHttp2Server((request, response) => {
    answer(options.id, mood, request, response).catch(() => response.stream.close());
  });
  server.on('session', (session) => {
    sessions.add(session);
    session.once('close', () => sessions.delete(session));
  });
  await listenOn(server, options);
  return httpControls(options.id, options, portOf(server), mood, () => {
    for (const session of sessions) session.destroy();
    return new Promise((resolve) => server.close(() => resolve()));
  });
}
