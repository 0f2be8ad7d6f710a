/** Servers of HTTP/2 whose streams a test answers, for port 82 of `pay.shop`. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Http2Server, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { Server, Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { portOf } from '../../support/ports.ts';
import type { World } from '../fields/world.ts';

export const PAY = 'http://pay.shop:82';
export const route = (spec: string): string => `kind: Route\nmetadata: {name: pay, namespace: shop}\nspec: ${spec}`;
export const upstream = (spec: string): string =>
  `kind: Upstream\nmetadata: {name: pay, namespace: shop}\nspec: ${spec}`;
export const cluster = (w: World) => w.caller.core.cluster('pay.shop:82');
export const settled = async (check: () => boolean): Promise<void> => {
  for (let turn = 0; turn < 200 && !check(); turn++) await new Promise((next) => setTimeout(next, 10));
  assert.ok(check());
};
export const listen = async (t: TestContext, server: Server | Http2Server): Promise<number> => {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => sockets.add(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return portOf(server as Server);
};
/** A server whose streams the test answers; `sessions`: connections so far. */
export const answering = async (
  t: TestContext,
  answer: (stream: ServerHttp2Stream, session: ServerHttp2Session, number: number) => void,
  settings: Parameters<typeof createServer>[0] = {},
): Promise<{ readonly at: number; readonly sessions: ServerHttp2Session[]; readonly sockets: Socket[] }> => {
  const server = createServer(settings);
  const sessions: ServerHttp2Session[] = [];
  const sockets: Socket[] = [];
  server.on('connection', (socket: Socket) => sockets.push(socket));
  let number = 0;
  server.on('session', (session) => {
    sessions.push(session);
    session.on('error', () => undefined);
    session.on('stream', (stream) => {
      stream.on('error', () => undefined);
      answer(stream, session, ++number);
    });
  });
  return { at: await listen(t, server), sessions, sockets };
};
export const ok = (stream: ServerHttp2Stream): void => {
  stream.respond({ ':status': 200, 'x-backend': 'x' });
  stream.end('{}');
};
export const atOnce = (w: World, count: number, path = '/'): Promise<string[]> =>
  Promise.all(Array.from({ length: count }, () => w.http(`${PAY}${path}`)));
