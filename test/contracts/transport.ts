/**
 * What every transport of the xDS port does: called once per implementation. Good clients are grpc-js, bad ones speak HTTP/2 or bytes
 * by hand. Time-outs are shortened; nothing is measured.
 */
import assert from 'node:assert/strict';
import { connect as connectHttp2, constants } from 'node:http2';
import { after, describe, test } from 'node:test';
import { credentials } from '@grpc/grpc-js';
import { XDS_METHODS } from '../../src/delta-xds/methods.ts';
import { framesOf, headers, PREFACE, reset, SETTINGS, SETTINGS_ACK } from '../support/h2-frames.ts';
import {
  type ClientOptions,
  type ClientStream,
  ECHO,
  eventually,
  type MakeTransport,
  makeCertificates,
  newClient,
  openSocket,
  openStream,
  type Stand,
  type StandOptions,
  startStand,
} from './transport-stand.ts';

const MIB = 1024 * 1024;
const GOAWAY = 7;
/** After some violations nghttp2 says GOAWAY and hears no more: what ends the connection then is the ping. */
const QUICK_PINGS = { keepaliveMs: 1_000, keepaliveTimeoutMs: 1_500 };
const nothing = (): void => undefined;

/** `exact`: counts also what grpc-js does not tell (`TransportCounters`). */
export const transportContract = (name: string, make: MakeTransport, exact: boolean): void => {
  const closing: { close(): unknown }[] = [];
  after(async () => {
    for (const one of closing.reverse()) await one.close();
  });
  const stand = async (options?: StandOptions): Promise<Stand> => {
    const one = await startStand(make, options);
    closing.push(one);
    return one;
  };
  const stream = (port: number, options?: ClientOptions): ClientStream => {
    const one = openStream(port, options);
    closing.push(one);
    return one;
  };
  /** The server still serves. */
  const serves = async ({ port }: Stand): Promise<void> => {
    const one = openStream(port);
    one.stream.write(Buffer.from('alive'));
    await eventually('an echo', () => one.messages.length === 1);
    one.close();
  };

  describe(`${name}: calls`, { timeout: 300_000 }, () => {
    test('every xDS method is reachable, streams of one connection side by side', async () => {
      const paths = XDS_METHODS.map(({ path }) => path);
      const { port, seen, connections } = await stand({ paths });
      const client = newClient(port);
      closing.push(client);
      for (const path of paths) {
        const one = stream(port, { path, client });
        one.stream.write(Buffer.from(path));
        await eventually(`an echo of ${path}`, () => one.messages[0]?.toString() === path);
      }
      assert.deepEqual(seen.map(({ path }) => path).sort(), paths.slice().sort());
      assert.equal(connections.size, 1);
      assert.equal(new Set(seen.map(({ stream: { peer } }) => peer)).size, 1);
    });

    test('a stream that is not read holds its client back, and no other; read again it has lost nothing', async () => {
      const it = await stand();
      const [held, other] = [stream(it.port), stream(it.port)];
      const payload = Buffer.alloc(16 * 1024, 1);
      held.stream.write(payload);
      await eventually('an echo', () => held.messages.length === 1);
      const [seen] = it.seen;
      seen?.stream.read(false);
      const MESSAGES = 200;
      for (let at = 0; at < MESSAGES; at++) held.stream.write(payload);
      other.stream.write(Buffer.from('alive'));
      await eventually('the other goes on', () => other.messages.length === 1);
      assert.ok((seen?.messages ?? 0) < MESSAGES, 'flow control keeps most of it with the client');
      seen?.stream.read(true);
      await eventually('all of it arrives', () => held.messages.length === MESSAGES + 1);
      seen?.stream.read(false);
      held.close();
      await eventually('it ends though nothing is read', () => seen?.closed === 1);
    });

    test('an unknown path is UNIMPLEMENTED with a sentence', async () => {
      const { port } = await stand();
      const { code, details } = await stream(port, { path: '/test.Echo/Other' }).status;
      assert.equal(code, 12);
      assert.match(details, /does not implement the method \/test\.Echo\/Other/);
    });

    test('a message of 15 MiB passes both ways; one of 17 MiB is refused, and no other stream', async () => {
      const it = await stand();
      const client = newClient(it.port);
      closing.push(client);
      const good = stream(it.port, { client });
      const large = Buffer.alloc(15 * MIB, 'abcdefg');
      good.stream.write(large);
      await eventually('all of it is back', () => good.messages.length === 1);
      assert.ok(good.messages[0]?.equals(large));
      const bad = stream(it.port, { client });
      bad.stream.write(Buffer.alloc(17 * MIB));
      const { code, details } = await bad.status;
      assert.deepEqual([code, details], [8, `a message exceeds ${16 * MIB} bytes`]);
      assert.equal(it.counters.messagesRefused, 1);
      good.stream.write(Buffer.from('still here'));
      await eventually('the other stream lives', () => good.messages[1]?.toString() === 'still here');
    });

    test('5,000 messages each way arrive whole and in order', async () => {
      const { port, seen } = await stand();
      const one = stream(port);
      const sent = Array.from({ length: 5_000 }, (_, index) => Buffer.alloc(index % 300, index));
      for (const message of sent) one.stream.write(message);
      await eventually('all are back', () => one.messages.length === sent.length);
      assert.ok(one.messages.every((message, index) => message.equals(sent[index] ?? Buffer.alloc(1))));
      assert.equal(seen[0]?.messages, 5_000);
    });

    test('a half-close is told, after the last message; the stream ends with OK and is told closed once', async () => {
      const { port, seen } = await stand();
      const one = stream(port);
      one.stream.write(Buffer.from('last'));
      one.stream.end();
      assert.equal((await one.status).code, 0);
      assert.equal(one.messages[0]?.toString(), 'last');
      await eventually('closed', () => seen[0]?.closed === 1);
      assert.deepEqual([seen[0]?.halfClosed, seen[0]?.messages], [true, 1]);
    });

    test('a cancelled stream is told closed once, and writing to it harms nobody', async () => {
      const it = await stand();
      const one = stream(it.port);
      one.stream.write(Buffer.from('x'));
      await eventually('an echo', () => one.messages.length === 1);
      one.stream.cancel();
      await eventually('closed', () => it.seen[0]?.closed === 1);
      it.seen[0]?.stream.write(Buffer.from('late'), nothing);
      it.seen[0]?.stream.end(14, 'late');
      await serves(it);
      assert.equal(it.seen[0]?.closed, 1);
    });

    test('a status keeps its code and its text, also what is not ASCII; before and after messages', async () => {
      const sentence = 'naïve “größe” – 100 % of 5\n日本';
      const { port, seen } = await stand({
        onMessage: ({ stream: to }, message) => {
          if (message.length > 0) to.write(message, nothing);
          to.end(9, sentence);
        },
      });
      const bare = stream(port);
      bare.stream.write(Buffer.alloc(0));
      const after = stream(port);
      after.stream.write(Buffer.from('first'));
      for (const one of [bare, after]) {
        const { code, details } = await one.status;
        assert.deepEqual([code, details], [9, sentence]);
      }
      assert.equal(after.messages[0]?.toString(), 'first');
      await eventually('both are closed', () => seen.length === 2 && seen.every(({ closed }) => closed === 1));
    });

    test('to a client that reads nothing a bounded amount is passed on; then it gets all, in order', async () => {
      const message = (index: number): Buffer => Buffer.alloc(256 * 1024, index);
      const { port, seen } = await stand({ onMessage: nothing });
      const one = stream(port);
      one.stream.pause();
      one.stream.write(Buffer.from('begin'));
      await eventually('it is asked', () => seen[0]?.messages === 1);
      let written = 0;
      let taken = 0;
      let full = false;
      // A server that honours `write` stops here; this one goes on to see that what is passed on stays bounded.
      for (; written < 64; written++) full = !(seen[0]?.stream.write(message(written), () => taken++) ?? true) || full;
      await new Promise((later) => setTimeout(later, 300));
      assert.ok(full, 'write says so');
      assert.ok(taken < 32, `${taken} of 64 were passed on`);
      one.stream.resume();
      await eventually('all arrived', () => one.messages.length === 64 && taken === 64);
      assert.ok(one.messages.every((received, index) => received.equals(message(index))));
    });

    test('a request that is no gRPC is refused with 415', async () => {
      const it = await stand();
      const session = connectHttp2(`http://127.0.0.1:${it.port}`);
      session.on('error', nothing);
      const request = session.request({ ':method': 'POST', ':path': ECHO, 'content-type': 'application/json' });
      const status = await new Promise((done) => request.on('response', (got) => done(got[':status'])));
      assert.equal(status, 415);
      session.destroy();
      await serves(it);
      assert.equal(it.seen.length, 1);
    });
  });

  describe(`${name}: bounds`, { concurrency: 4, timeout: 300_000 }, () => {
    test('headers above the limit end the stream, RESOURCE_EXHAUSTED', async () => {
      const it = await stand({ limits: { headerBytes: 4_000 } });
      const one = stream(it.port, { headers: { 'x-heavy': 'x'.repeat(5_000) } });
      const { code, details } = await one.status;
      assert.deepEqual([code, details], [8, "the request's headers exceed 4000 bytes"]);
      assert.equal(it.counters.headersRefused, 1);
      const heavier = stream(it.port, { headers: { 'x-heavy': 'x'.repeat(200_000) } });
      assert.notEqual((await heavier.status).code, 0);
      await serves(it);
      assert.equal(it.seen.length, 1);
    });

    test('streams above the limit wait at a good client', async () => {
      const it = await stand({ limits: { streamsPerConnection: 5 } });
      const client = newClient(it.port);
      closing.push(client);
      const first = stream(it.port, { client });
      first.stream.write(Buffer.from('settings are known after this'));
      await eventually('an echo', () => first.messages.length === 1);
      const more = Array.from({ length: 11 }, () => stream(it.port, { client }));
      for (const one of more) one.stream.write(Buffer.from('x'));
      await eventually('five are open', () => it.open() === 5);
      first.stream.end();
      for (const one of more) one.stream.end();
      await eventually('all had their turn', () => it.seen.length === 12 && it.open() === 0);
      await eventually('and all was echoed', () => more.every(({ messages }) => messages.length === 1));
    });

    test('a client that opens more streams nevertheless loses its connection', async () => {
      const it = await stand({ limits: { streamsPerConnection: 5 } });
      const bad = openSocket(it.port);
      bad.socket.write(Buffer.concat([PREFACE, SETTINGS]));
      await eventually('settings', () => bad.received().length > 0);
      bad.socket.write(SETTINGS_ACK);
      bad.socket.write(Buffer.concat(Array.from({ length: 500 }, (_, index) => headers(2 * index + 1, ECHO))));
      await bad.closed;
      await eventually('its streams are closed', () => it.open() === 0);
      assert.ok(it.seen.length <= 5, `${it.seen.length} streams`);
      await serves(it);
      if (exact) assert.equal(it.counters.protocolErrors, 1);
    });

    test('a stream without a first message ends, DEADLINE_EXCEEDED; one with it does not', async () => {
      const it = await stand({ limits: { firstMessageMs: 1_000 } });
      const good = stream(it.port);
      good.stream.write(Buffer.from('in time'));
      await eventually('an echo', () => good.messages.length === 1);
      const { code, details } = await stream(it.port).status;
      assert.deepEqual([code, details], [4, 'no request within 1000 ms']);
      assert.equal(it.counters.firstMessagesLate, 1);
      good.stream.write(Buffer.from('late'));
      await eventually('an echo', () => good.messages.length === 2);
    });

    test('connections that say nothing, open no stream, or have none any more are closed', async () => {
      const it = await stand({ limits: { handshakeMs: 700, firstStreamMs: 1_500, idleMs: 700 } });
      const silent = openSocket(it.port);
      await silent.closed;
      assert.deepEqual([it.connections.counters.handshakesLate, it.connections.counters.idle], [1, 0]);
      const without = openSocket(it.port);
      without.socket.write(Buffer.concat([PREFACE, SETTINGS]));
      await without.closed;
      assert.deepEqual([it.connections.counters.handshakesLate, it.connections.counters.idle], [1, 1]);
      const used = stream(it.port);
      used.stream.write(Buffer.from('x'));
      await eventually('an echo', () => used.messages.length === 1);
      await new Promise((later) => setTimeout(later, 900));
      assert.equal(it.connections.size, 1, 'an open stream keeps its connection');
      used.stream.end();
      await used.status;
      await eventually('it is closed', () => it.connections.size === 0);
      assert.equal(it.connections.counters.idle, 2);
    });

    test('a connection that spoke in time, to a server that was too busy to listen, stays', async () => {
      const it = await stand({ limits: { handshakeMs: 200 } });
      const { socket, closed } = openSocket(it.port);
      await eventually('it is accepted', () => it.connections.size === 1);
      socket.write(Buffer.concat([PREFACE, SETTINGS]));
      // Client and server are one process here: nothing is read meanwhile, and the time is over.
      const until = performance.now() + 400;
      while (performance.now() < until);
      await new Promise((later) => setTimeout(later, 300));
      assert.deepEqual([it.connections.size, it.connections.counters.handshakesLate], [1, 0]);
      socket.destroy();
      await closed;
    });

    test('a peer that answers no ping is dropped; one that does stays', async () => {
      const it = await stand({ limits: QUICK_PINGS });
      const good = stream(it.port);
      good.stream.write(Buffer.from('x'));
      await eventually('an echo', () => good.messages.length === 1);
      const dead = openSocket(it.port);
      dead.socket.write(Buffer.concat([PREFACE, SETTINGS, SETTINGS_ACK, headers(1, ECHO)]));
      await eventually('its stream is open', () => it.open() === 2);
      const received = framesOf(await dead.closed);
      assert.ok(
        received.some(({ type, flags }) => type === 6 && flags === 0),
        'it was pinged',
      );
      await eventually('its stream is closed', () => it.open() === 1);
      good.stream.write(Buffer.from('y'));
      await eventually('an echo', () => good.messages.length === 2);
      if (exact) assert.equal(it.counters.pingsUnanswered, 1);
    });

    test('connections above the bound of an address are closed at once', async () => {
      const it = await stand({ limits: { connectionsPerAddress: 3 } });
      const good = stream(it.port);
      good.stream.write(Buffer.from('x'));
      await eventually('an echo', () => good.messages.length === 1);
      const sockets = Array.from({ length: 40 }, () => openSocket(it.port));
      await eventually('38 are refused', () => it.connections.counters.refused === 38);
      assert.equal(it.connections.size, 3);
      for (const { socket } of sockets) socket.destroy();
      await eventually('there is room again', () => it.connections.size === 1);
      await serves(it);
    });

    test('garbage and HTTP/1 are closed and harm nobody', async () => {
      const it = await stand({ limits: QUICK_PINGS });
      const good = stream(it.port);
      good.stream.write(Buffer.from('x'));
      await eventually('an echo', () => good.messages.length === 1);
      for (const bytes of [
        Buffer.alloc(1_000, 0xff),
        Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'),
        Buffer.concat([PREFACE, Buffer.alloc(1_000, 0xff)]),
        Buffer.concat([PREFACE, SETTINGS, SETTINGS_ACK, headers(1, ECHO), Buffer.alloc(100, 0xfe)]),
        Buffer.concat([PREFACE, SETTINGS, headers(2, ECHO)]),
      ]) {
        const bad = openSocket(it.port);
        bad.socket.write(bytes);
        await bad.closed;
      }
      await eventually('their streams are closed', () => it.open() === 1);
      good.stream.write(Buffer.from('y'));
      await eventually('an echo', () => good.messages.length === 2);
      const { protocolErrors, pingsUnanswered } = it.counters;
      assert.ok(!exact || protocolErrors + pingsUnanswered === 5, `${protocolErrors} and ${pingsUnanswered} counted`);
    });

    test('streams opened and reset without end cost their connection, and nobody else', async () => {
      const it = await stand({ limits: QUICK_PINGS });
      const good = stream(it.port);
      good.stream.write(Buffer.from('x'));
      await eventually('an echo', () => good.messages.length === 1);
      const bad = openSocket(it.port);
      bad.socket.write(Buffer.concat([PREFACE, SETTINGS, SETTINGS_ACK]));
      let id = 1;
      bad.socket.on('drain', () => undefined);
      const flood = setInterval(() => {
        const pairs = Array.from({ length: 500 }, () => {
          const frames = [headers(id, ECHO), reset(id)];
          id += 2;
          return Buffer.concat(frames);
        });
        if (!bad.socket.destroyed) bad.socket.write(Buffer.concat(pairs));
      }, 5);
      await bad.closed;
      clearInterval(flood);
      await eventually('its streams are closed', () => it.open() === 1);
      good.stream.write(Buffer.from('y'));
      await eventually('an echo', () => good.messages.length === 2);
      if (exact) assert.equal(it.counters.floods + it.counters.protocolErrors, 1);
    });
  });

  describe(`${name}: drain and TLS`, { timeout: 300_000 }, () => {
    test('draining: GOAWAY to every connection, streams end UNAVAILABLE, no new connection', async () => {
      const it = await stand();
      const good = Array.from({ length: 5 }, () => stream(it.port));
      for (const one of good) one.stream.write(Buffer.from('x'));
      await eventually('echoes', () => good.every(({ messages }) => messages.length === 1));
      const watching = openSocket(it.port);
      watching.socket.write(Buffer.concat([PREFACE, SETTINGS, SETTINGS_ACK, headers(1, ECHO)]));
      await eventually('its stream is open', () => it.open() === 6);
      it.stopListening();
      await it.connections.drain(it.transport, 50, (peers) => {
        for (const { stream: one } of it.seen) if (peers.has(one.peer)) one.end(14, 'draining');
      });
      for (const one of good) {
        const { code, details } = await one.status;
        assert.deepEqual([code, details], [14, 'draining']);
      }
      const received = framesOf(await watching.closed);
      const goaway = received.find(({ type }) => type === GOAWAY);
      assert.equal(goaway?.payload.readUInt32BE(4), constants.NGHTTP2_NO_ERROR);
      await it.connections.gone(5_000);
      assert.deepEqual([it.connections.size, it.open()], [0, 0]);
      const late = openSocket(it.port);
      await late.closed;
      assert.equal(it.connections.counters.accepted, 6);
    });

    test('TLS without client certificates; plaintext to it is closed', async () => {
      const { ca, server } = makeCertificates();
      const it = await stand({ tls: server, limits: { handshakeMs: 2_000, firstStreamMs: 2_000 } });
      const one = stream(it.port, { channel: credentials.createSsl(ca) });
      one.stream.write(Buffer.from('secret'));
      await eventually('an echo', () => one.messages[0]?.toString() === 'secret');
      const plain = openSocket(it.port);
      plain.socket.write(Buffer.concat([PREFACE, SETTINGS]));
      await plain.closed;
      const silent = openSocket(it.port);
      await silent.closed;
      await eventually('one is left', () => it.connections.size === 1);
      if (exact) assert.ok(it.counters.handshakesFailed >= 1);
      one.stream.write(Buffer.from('again'));
      await eventually('an echo', () => one.messages.length === 2);
    });

    test('TLS with client certificates: none, or one of a stranger, is refused', async () => {
      const { ca, server, client, stranger } = makeCertificates();
      const it = await stand({ tls: { ...server, clientCa: ca } });
      const one = stream(it.port, { channel: credentials.createSsl(ca, client.key, client.cert) });
      one.stream.write(Buffer.from('secret'));
      await eventually('an echo', () => one.messages[0]?.toString() === 'secret');
      for (const channel of [credentials.createSsl(ca), credentials.createSsl(ca, stranger.key, stranger.cert)]) {
        const refused = stream(it.port, { channel });
        refused.stream.write(Buffer.from('x'));
        assert.equal((await refused.status).code, 14);
      }
      assert.equal(it.seen.length, 1);
      if (exact) assert.ok(it.counters.handshakesFailed >= 2);
    });
  });
};
