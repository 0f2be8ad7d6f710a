/** The transport with HTTP/2 of our own keeps the contract of transports, and what only it promises. */
import assert from 'node:assert/strict';
import { connect } from 'node:http2';
import { after, describe, test } from 'node:test';
import fc from 'fast-check';
import { encodeMessage } from '../../../src/delta-xds/h2/grpc-headers.ts';
import type { HeaderField } from '../../../src/delta-xds/h2/hpack/index.ts';
import { H2Transport } from '../../../src/delta-xds/h2/index.ts';
import { MessageReader } from '../../../src/delta-xds/h2/message-reader.ts';
import { readRequestHead } from '../../../src/delta-xds/h2/request-head.ts';
import { transportContract } from '../../contracts/transport.ts';
import {
  ECHO,
  eventually,
  openSocket,
  type Stand,
  type StandOptions,
  startStand,
} from '../../contracts/transport-stand.ts';
import { data, framesOf, headers, PREFACE, SETTINGS, SETTINGS_ACK } from '../../support/h2-frames.ts';

transportContract('http2', (options) => new H2Transport(options), true);

const framed = (message: Uint8Array, flag = 0): Buffer => {
  const head = Buffer.alloc(5);
  head[0] = flag;
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
};

describe('gRPC frames', () => {
  test('messages come out the same however they are cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 }),
        fc.array(fc.nat({ max: 30 })),
        (messages, cuts) => {
          const reader = new MessageReader(40);
          const out: Buffer[] = [];
          let rest = Buffer.concat(messages.map((message) => framed(message)));
          for (const cut of [...cuts, rest.length]) {
            reader.push(rest.subarray(0, cut));
            rest = rest.subarray(cut);
            for (let message = reader.next(); message !== undefined; message = reader.next())
              out.push(Buffer.from(message));
          }
          assert.deepEqual(
            out.map(String),
            messages.map((message) => String(Buffer.from(message))),
          );
          assert.equal(reader.pending, 0);
          assert.equal(reader.fault, undefined);
        },
      ),
    );
  });

  test('a message above the bound is a fault at its header, nothing of it is kept; so are compression and unknown flags', () => {
    for (const [frame, fault] of [
      [framed(Buffer.alloc(11)).subarray(0, 5), 'large'],
      [framed(Buffer.alloc(3), 1), 'compressed'],
      [framed(Buffer.alloc(3), 2), 'malformed'],
    ] as const) {
      const reader = new MessageReader(10);
      reader.push(framed(Buffer.from('good')));
      reader.push(frame);
      assert.equal(reader.next()?.toString(), 'good');
      assert.equal(reader.next(), undefined);
      assert.deepEqual([reader.fault, reader.pending], [fault, 0]);
      reader.push(framed(Buffer.from('more')));
      assert.equal(reader.next(), undefined);
    }
  });
});

describe('what a message holds in memory', () => {
  const LARGE = 1_000_000;
  const received = (bytes: Buffer): { readonly reader: MessageReader; readonly messages: Buffer[] } => {
    const reader = new MessageReader(2 * LARGE);
    const messages: Buffer[] = [];
    for (let at = 0; at < bytes.length; at += 16_384) {
      reader.push(Buffer.from(bytes.subarray(at, at + 16_384)));
      for (let message = reader.next(); message !== undefined; message = reader.next()) messages.push(message);
    }
    return { reader, messages };
  };

  test('a small message does not hold the room of the large one before it', () => {
    const { messages } = received(Buffer.concat([framed(Buffer.alloc(LARGE)), framed(Buffer.from('small'))]));
    assert.equal(messages[1]?.toString(), 'small');
    assert.ok((messages[1]?.buffer.byteLength ?? LARGE) < 20_000, `${messages[1]?.buffer.byteLength} bytes`);
  });

  test('nor does the begin of the next one', () => {
    const next = framed(Buffer.alloc(3_000, 'n'));
    const { reader, messages } = received(Buffer.concat([framed(Buffer.alloc(LARGE)), next.subarray(0, 7)]));
    assert.deepEqual([messages.length, reader.pending], [1, 7]);
    reader.push(next.subarray(7));
    // A view of all that is kept: the least room, not that of the large one.
    assert.equal(reader.next()?.buffer.byteLength, 4_096);
  });
});

describe('gRPC headers', () => {
  test('a status text is percent-encoded as gRPC says, and bounded', () => {
    assert.equal(encodeMessage('plain ~text!'), 'plain ~text!');
    assert.equal(encodeMessage('100 % ü\n'), '100 %25 %C3%BC%0A');
    assert.equal(encodeMessage('x'.repeat(5_000)).length, 1_024);
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme', maxLength: 40 }),
        (text) => decodeURIComponent(encodeMessage(text)) === text,
      ),
    );
  });

  test('what is no gRPC call, what is malformed, and how large headers are', () => {
    const pseudo: HeaderField[] = [
      [':method', 'POST'],
      [':scheme', 'http'],
      [':path', '/a'],
    ];
    const grpc: HeaderField = ['content-type', 'application/grpc'];
    const as = (...headers: HeaderField[]): number | undefined => readRequestHead([...pseudo, ...headers])?.refusedAs;
    assert.deepEqual(readRequestHead([...pseudo, grpc]), { path: '/a', bytes: 57, refusedAs: undefined });
    assert.equal(as(['content-type', 'application/grpc+proto']), undefined);
    assert.equal(as(['content-type', 'application/grpc-web']), 415);
    assert.equal(as(), 415);
    assert.equal(readRequestHead([[':method', 'GET'], ...pseudo.slice(1), grpc])?.refusedAs, 405);
    for (const malformed of [
      [grpc],
      pseudo.slice(1),
      pseudo.slice(0, 2),
      [...pseudo, [':path', '/b']],
      [...pseudo, grpc, [':authority', 'a']],
      [...pseudo, [':status', '200']],
      [...pseudo, ['X-Upper', 'a']],
      [...pseudo, ['', 'a']],
      [...pseudo, ['connection', 'close']],
      [...pseudo, ['te', 'gzip']],
      [pseudo[0], pseudo[1], [':path', '']],
    ] as HeaderField[][])
      assert.equal(readRequestHead(malformed), undefined, JSON.stringify(malformed));
  });
});

describe('h2 alone', () => {
  const closing: { close(): unknown }[] = [];
  after(async () => {
    for (const one of closing.reverse()) await one.close();
  });
  const stand = async (options?: StandOptions): Promise<Stand> => {
    const one = await startStand((transport) => new H2Transport(transport), options);
    closing.push(one);
    return one;
  };
  /** One call of an HTTP/2 client that sends these bytes; its trailers, or headers if they are all. */
  const call = async (
    port: number,
    bytes: Buffer,
    more: Record<string, string> = {},
  ): Promise<Record<string, unknown>> => {
    const session = connect(`http://127.0.0.1:${port}`);
    closing.push(session);
    const request = session.request({
      ':method': 'POST',
      ':path': ECHO,
      'content-type': 'application/grpc',
      ...more,
    });
    let got: Record<string, unknown> = {};
    request.on('response', (headers_) => {
      got = { ...got, ...headers_ };
    });
    request.on('trailers', (trailers) => {
      got = { ...got, ...trailers };
    });
    request.on('data', () => undefined);
    request.end(bytes);
    await new Promise((done) => request.on('close', done));
    return got;
  };

  test('a compressed message is UNIMPLEMENTED with a sentence; te need not be there', async () => {
    const { port } = await stand();
    const compressed = await call(port, framed(Buffer.from('zip'), 1), { 'grpc-encoding': 'gzip' });
    assert.equal(compressed['grpc-status'], '12');
    assert.match(String(compressed['grpc-message']), /grpc-encoding identity/);
    assert.equal(compressed['grpc-accept-encoding'], 'identity');
    const plain = await call(port, framed(Buffer.from('x')));
    assert.deepEqual(
      [plain[':status'], plain['grpc-status'], plain['content-type']],
      [200, '0', 'application/grpc+proto'],
    );
  });

  test('a request that ends inside a message is INTERNAL', async () => {
    const { port } = await stand();
    const cut = await call(port, framed(Buffer.from('whole')).subarray(0, 7));
    assert.equal(cut['grpc-status'], '13');
    assert.match(String(cut['grpc-message']), /ends inside a message/);
  });

  test('unfinished messages of one connection together are bounded', async () => {
    const it = await stand({ limits: { receiveBytes: 20_000 } });
    const bad = openSocket(it.port);
    closing.push({ close: () => bad.socket.destroy() });
    bad.socket.write(Buffer.concat([PREFACE, SETTINGS, SETTINGS_ACK]));
    const part = framed(Buffer.alloc(19_000)).subarray(0, 12_000);
    for (let stream = 1; stream <= 7; stream += 2)
      bad.socket.write(Buffer.concat([headers(stream, ECHO), data(stream, part)]));
    await eventually('one of four is refused', () => it.counters.messagesRefused === 1);
    await eventually('and closed', () =>
      framesOf(bad.received()).some(({ type, stream }) => type === 1 && stream === 7),
    );
    assert.equal(it.seen.length, 4);
  });

  test('a client that keeps an ended stream open loses it', async () => {
    const it = await stand({ onMessage: ({ stream }) => stream.end(9, 'over') });
    const bad = openSocket(it.port);
    closing.push({ close: () => bad.socket.destroy() });
    bad.socket.write(Buffer.concat([PREFACE, SETTINGS, SETTINGS_ACK, headers(1, ECHO), data(1, framed(Buffer.of(1)))]));
    await eventually('it is closed', () => it.seen[0]?.closed === 1);
    await eventually('RST_STREAM', () =>
      framesOf(bad.received()).some(({ type, stream }) => type === 3 && stream === 1),
    );
  });
});
