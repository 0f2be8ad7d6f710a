/** The transport and its sockets: pings in turn, connections that do not end, small pieces of a write (h2-transport.ts, socket-wire.ts). */
import assert from 'node:assert/strict';
import { connect as connectTcp, type Socket } from 'node:net';
import { Duplex, Writable } from 'node:stream';
import { after, describe, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { H2Transport } from '../../../src/delta-xds/h2/index.ts';
import { SocketWire } from '../../../src/delta-xds/h2/socket-wire.ts';
import { DEFAULT_SERVER_LIMITS } from '../../../src/delta-xds/limits.ts';
import { GROUPS, zeroTransportCounters } from '../../../src/delta-xds/transport.ts';
import { eventually, makeCertificates } from '../../contracts/transport-stand.ts';
import { frame, framesOf, settings, windowUpdate } from '../../support/h2-frames.ts';
import { call, HELLO, startH2, TYPE } from './raw-client.ts';

const nothing = (): void => undefined;
const QUICK = { keepaliveMs: 200, keepaliveTimeoutMs: 200 };

describe('connections that end', () => {
  const closing: { close(): unknown }[] = [];
  after(async () => {
    for (const one of closing.reverse()) await one.close();
  });
  /** Keeps its side open whatever the server does. */
  const stubborn = (port: number, first: Buffer): Socket => {
    const socket = connectTcp({ host: '127.0.0.1', port, allowHalfOpen: true });
    socket.on('error', nothing);
    socket.resume();
    socket.write(first);
    closing.push({ close: () => socket.destroy() });
    return socket;
  };

  test('one whose last stream has ended after GOAWAY, and that the client does not close, is no unanswered ping', async () => {
    const it = await startH2({ limits: QUICK });
    closing.push(it);
    stubborn(it.port, Buffer.concat([HELLO, frame(TYPE.goAway, 0, 0, Buffer.alloc(8))]));
    await eventually('it is accepted', () => it.connections.counters.accepted === 1);
    await eventually('it is gone', () => it.connections.size === 0);
    assert.equal(it.counters.pingsUnanswered, 0);
  });

  test('one that reads nothing is destroyed after the grace of its drain', async () => {
    const it = await startH2({ onMessage: ({ stream }) => stream.write(Buffer.alloc(32 * 1024 * 1024), nothing) });
    closing.push(it);
    const wide = [settings({ 4: 2 ** 31 - 1 }), windowUpdate(0, 2 ** 30)];
    stubborn(it.port, Buffer.concat([HELLO, ...wide, call(1)])).pause();
    await eventually('it is asked', () => it.seen[0]?.messages === 1);
    for (let group = 0; group < GROUPS; group++) it.transport.drain(group, 50);
    await eventually('it is gone', () => it.connections.size === 0);
    assert.deepEqual([it.open(), it.counters.pingsUnanswered], [0, 0]);
  });

  test('a TLS handshake that ends after the drain of its group is sent away', async () => {
    const { ca, server } = makeCertificates();
    const it = await startH2({ tls: server });
    closing.push(it);
    const raw = connectTcp({ host: '127.0.0.1', port: it.port });
    await eventually('it is accepted', () => it.connections.size === 1);
    for (let group = 0; group < GROUPS; group++) it.transport.drain(group, 100);
    const tls = connectTls({ socket: raw, ca, servername: 'localhost', ALPNProtocols: ['h2'] });
    closing.push({ close: () => tls.destroy() });
    const received: Buffer[] = [];
    tls.on('data', (chunk: Buffer) => received.push(chunk));
    tls.on('error', nothing);
    tls.write(Buffer.concat([HELLO, call(1)]));
    await eventually('it is closed', () => it.connections.size === 0);
    assert.deepEqual(
      framesOf(Buffer.concat(received))
        .slice(0, 2)
        .map(({ type }) => type),
      [TYPE.settings, TYPE.goAway],
    );
    assert.equal(it.seen.length, 0);
  });
});

test('silent connections are pinged in turn, a part of them at each tick, and all in the time of a look', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval', 'setTimeout'] });
  let now = 1;
  const transport = new H2Transport({
    limits: { ...DEFAULT_SERVER_LIMITS, keepaliveMs: 16_000, keepaliveTimeoutMs: 16_000 },
    routes: new Map(),
    hooks: { opened: nothing, closed: nothing, reset: nothing },
    counters: zeroTransportCounters(),
    clock: () => now,
    tls: undefined,
  });
  let pings = 0;
  const sockets: Duplex[] = [];
  for (let group = 0; group < GROUPS; group++) {
    const socket = new Duplex({
      read: nothing,
      write: (chunk: Buffer, _encoding, done) => {
        pings += framesOf(chunk).filter(({ type, flags }) => type === TYPE.ping && flags === 0).length;
        done();
      },
    });
    transport.serve(socket as Socket, group);
    socket.push(HELLO);
    sockets.push(socket);
  }
  await new Promise((later) => setImmediate(later));
  const perTick: number[] = [];
  for (let tick = 0; tick < 7 * 16; tick++) {
    now += 250;
    t.mock.timers.tick(250);
    const before = pings;
    await new Promise((later) => setImmediate(later));
    perTick.push(pings - before);
  }
  assert.equal(pings, GROUPS);
  assert.equal(Math.max(...perTick), GROUPS / 16);
  for (const socket of sockets) socket.destroy();
  await new Promise((later) => setImmediate(later));
  transport.destroy();
});

describe('one write', () => {
  const written = (pieces: readonly Buffer[]): Promise<Buffer[]> =>
    new Promise((done) => {
      const chunks: Buffer[] = [];
      const socket = new Writable({
        write: (chunk: Buffer, _encoding, next) => {
          chunks.push(chunk);
          next();
        },
      });
      new SocketWire(socket as Socket).write(pieces, Buffer.concat(pieces).length, () => done(chunks));
    });

  test('small pieces are joined with their neighbours, large ones are not copied, the order stays', async () => {
    const small = Array.from({ length: 400 }, (_, at) => Buffer.alloc(1 + (at % 100), at));
    const large = [Buffer.alloc(20_000, 'a'), Buffer.alloc(5_000, 'b')];
    const pieces = [...small.slice(0, 200), ...large, ...small.slice(200)];
    const chunks = await written(pieces);
    assert.equal(chunks.length, 4);
    assert.deepEqual(chunks.slice(1, 3), large);
    assert.deepEqual(Buffer.concat(chunks), Buffer.concat(pieces));
  });
});
