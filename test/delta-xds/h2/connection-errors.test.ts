/**
 * Clients that break HTTP/2, on raw sockets: each loses its connection (or its stream, where RFC 9113 says so) with the code that the
 * RFC gives, is counted, leaves nothing behind, and harms nobody else.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { eventually, type Stand } from '../../contracts/transport-stand.ts';
import {
  data,
  frame,
  PREFACE,
  reset,
  SETTINGS,
  SETTINGS_ACK,
  settings,
  windowUpdate,
} from '../../support/h2-frames.ts';
import {
  block,
  CODE,
  call,
  FLAG,
  HELLO,
  number,
  open,
  ping,
  type RawClient,
  rawClient,
  startH2,
  TYPE,
} from './raw-client.ts';

const NOTHING = Buffer.alloc(0);
const zeros = (bytes: number): Buffer => Buffer.alloc(bytes);
const cat = (...all: readonly Buffer[]): Buffer => Buffer.concat(all);
/** What is sent (after HELLO), and the code. */
type Row = readonly [what: string, sent: Buffer, code: number];

const FRAME_SIZES: readonly Row[] = [
  ['DATA of 16,385 bytes', cat(open(1), data(1, zeros(16_385))), CODE.frameSize],
  ['HEADERS of 16,385 bytes', frame(TYPE.headers, FLAG.endHeaders, 1, zeros(16_385)), CODE.frameSize],
  ['an unknown frame of 16 MB', frame(200, 0, 0, NOTHING).fill(0xff, 0, 3), CODE.frameSize],
  ['PING of 7 bytes', frame(TYPE.ping, 0, 0, zeros(7)), CODE.frameSize],
  ['PING of 9 bytes', frame(TYPE.ping, 0, 0, zeros(9)), CODE.frameSize],
  ['SETTINGS of 5 bytes', frame(TYPE.settings, 0, 0, zeros(5)), CODE.frameSize],
  ['SETTINGS ACK with content', frame(TYPE.settings, FLAG.ack, 0, zeros(6)), CODE.frameSize],
  ['RST_STREAM of 3 bytes', cat(open(1), frame(TYPE.reset, 0, 1, zeros(3))), CODE.frameSize],
  ['WINDOW_UPDATE of 5 bytes', frame(TYPE.window, 0, 0, zeros(5)), CODE.frameSize],
  ['GOAWAY of 7 bytes', frame(TYPE.goAway, 0, 0, zeros(7)), CODE.frameSize],
  ['PRIORITY of 4 bytes', frame(TYPE.priority, 0, 1, zeros(4)), CODE.frameSize],
];

const STREAMS: readonly Row[] = [
  ['DATA on stream 0', data(0, zeros(1)), CODE.protocol],
  ['DATA on an idle stream', data(1, zeros(1)), CODE.protocol],
  ['DATA on a stream of ours', cat(open(3), data(2, zeros(1))), CODE.protocol],
  ['HEADERS on stream 0', frame(TYPE.headers, FLAG.endHeaders, 0, block(1)), CODE.protocol],
  ['HEADERS on an even stream', open(2), CODE.protocol],
  ['RST_STREAM on stream 0', reset(0), CODE.protocol],
  ['RST_STREAM on an idle stream', reset(1), CODE.protocol],
  ['WINDOW_UPDATE on an idle stream', windowUpdate(1, 1), CODE.protocol],
  ['PRIORITY on stream 0', frame(TYPE.priority, 0, 0, zeros(5)), CODE.protocol],
  ['SETTINGS on a stream', frame(TYPE.settings, 0, 1, NOTHING), CODE.protocol],
  ['PING on a stream', frame(TYPE.ping, 0, 1, zeros(8)), CODE.protocol],
  ['GOAWAY on a stream', frame(TYPE.goAway, 0, 1, zeros(8)), CODE.protocol],
  ['PUSH_PROMISE', cat(open(1), frame(TYPE.push, FLAG.endHeaders, 1, number(2))), CODE.protocol],
];

const part = frame(TYPE.headers, 0, 1, block(1).subarray(0, 10));
const BLOCKS: readonly Row[] = [
  ['CONTINUATION of nothing', frame(TYPE.continuation, FLAG.endHeaders, 1, NOTHING), CODE.protocol],
  [
    'CONTINUATION after a whole block',
    cat(open(1), frame(TYPE.continuation, FLAG.endHeaders, 1, NOTHING)),
    CODE.protocol,
  ],
  ['PING inside a block', cat(part, ping), CODE.protocol],
  ['DATA inside a block', cat(part, data(1, zeros(1))), CODE.protocol],
  ['HEADERS inside a block', cat(part, open(3)), CODE.protocol],
  ['an unknown frame inside a block', cat(part, frame(99, 0, 0, NOTHING)), CODE.protocol],
  ['CONTINUATION of another stream', cat(part, frame(TYPE.continuation, FLAG.endHeaders, 3, NOTHING)), CODE.protocol],
  ['a block that does not end', frame(TYPE.headers, FLAG.endHeaders, 1, Buffer.of(0, 5, 1)), CODE.compression],
  ['a block that refers to nothing', frame(TYPE.headers, FLAG.endHeaders, 1, Buffer.of(0x80)), CODE.compression],
  ['a table larger than ours', frame(TYPE.headers, FLAG.endHeaders, 1, Buffer.of(0x3f, 0xe1, 0x1f)), CODE.compression],
  ['trailers that cannot be decoded', cat(call(1), frame(TYPE.headers, 5, 1, Buffer.of(0xbe))), CODE.compression],
  ['a cut block in two frames', cat(part, frame(TYPE.continuation, FLAG.endHeaders, 1, NOTHING)), CODE.compression],
];

const PADDING: readonly Row[] = [
  [
    'DATA whose padding is its whole payload',
    cat(open(1), frame(TYPE.data, FLAG.padded, 1, Buffer.of(3, 0, 0))),
    CODE.protocol,
  ],
  ['DATA padded, of no bytes', cat(open(1), frame(TYPE.data, FLAG.padded, 1, NOTHING)), CODE.protocol],
  ['HEADERS with more padding than payload', frame(TYPE.headers, 12, 1, Buffer.of(200, 0x82)), CODE.protocol],
  ['HEADERS padded, of no bytes', frame(TYPE.headers, 12, 1, NOTHING), CODE.protocol],
  ['HEADERS with a priority that is cut', frame(TYPE.headers, 36, 1, zeros(4)), CODE.protocol],
];

const WINDOWS: readonly Row[] = [
  ['WINDOW_UPDATE of 0', windowUpdate(0, 0), CODE.protocol],
  ['a connection window beyond 2^31 - 1', windowUpdate(0, 2 ** 31 - 1), CODE.flowControl],
  ['the same in steps', cat(windowUpdate(0, 2 ** 30), windowUpdate(0, 2 ** 30)), CODE.flowControl],
  ['INITIAL_WINDOW_SIZE of 2^31', settings({ 4: 2 ** 31 }), CODE.flowControl],
  [
    'INITIAL_WINDOW_SIZE that makes an open window too large',
    cat(open(1), windowUpdate(1, 2 ** 31 - 65_536), settings({ 4: 65_536 })),
    CODE.flowControl,
  ],
];

const SETTINGS_VALUES: readonly Row[] = [
  ['ENABLE_PUSH of 2', settings({ 2: 2 }), CODE.protocol],
  ['MAX_FRAME_SIZE of 16,383', settings({ 5: 16_383 }), CODE.protocol],
  ['MAX_FRAME_SIZE of 2^24', settings({ 5: 2 ** 24 }), CODE.protocol],
];

describe('errors of a connection (RFC 9113, sections 4 to 6)', () => {
  let it: Stand;
  let good: RawClient;
  before(async () => {
    it = await startH2();
    good = await rawClient(it.port);
    good.send(call(1));
    await good.sees(TYPE.data, 1);
  });
  after(async () => {
    await good.answers();
    assert.equal(it.open(), 1);
    good.destroy();
    await it.close();
  });

  const loses = async (first: Buffer, sent: Buffer, code: number): Promise<void> => {
    const { protocolErrors } = it.counters;
    const bad = await rawClient(it.port, first);
    bad.send(sent);
    assert.equal(await bad.closedWith(), code);
    assert.equal(it.counters.protocolErrors, protocolErrors + 1);
    await eventually('its streams are closed', () => it.open() === 1);
    assert.ok(it.seen.every(({ closed }) => closed <= 1));
  };

  for (const [what, sent, code] of [...FRAME_SIZES, ...STREAMS, ...BLOCKS, ...PADDING, ...WINDOWS, ...SETTINGS_VALUES])
    test(what, () => loses(HELLO, sent, code));

  test('the same, a byte at a time', async () => {
    const { protocolErrors } = it.counters;
    const bad = await rawClient(it.port, NOTHING);
    for (const byte of cat(HELLO, call(1), windowUpdate(0, 0))) bad.send(Buffer.of(byte));
    assert.equal(await bad.closedWith(), CODE.protocol);
    assert.equal(it.counters.protocolErrors, protocolErrors + 1);
    assert.ok(bad.frames().some(({ type, stream }) => type === TYPE.headers && stream === 1));
  });

  test('a bad preface, also in its last byte, and a first frame that is not SETTINGS', async () => {
    const wrong = Buffer.from(PREFACE);
    wrong[23] = 0x20;
    await loses(wrong, SETTINGS, CODE.protocol);
    await loses(NOTHING, Buffer.from('garbage that is no HTTP at all\r\n'), CODE.protocol);
    await loses(PREFACE, ping, CODE.protocol);
    await loses(PREFACE, SETTINGS_ACK, CODE.protocol);
    await loses(PREFACE, open(1), CODE.protocol);
  });

  test('a client that does not end a connection that is lost does not keep it', async () => {
    const quick = await startH2({ limits: { keepaliveMs: 200, keepaliveTimeoutMs: 200, firstStreamMs: 60_000 } });
    const bad = await rawClient(quick.port);
    try {
      await bad.answers();
      bad.pause();
      bad.send(windowUpdate(0, 0));
      await eventually('it is counted', () => quick.counters.protocolErrors === 1);
      await eventually('it is gone', () => quick.connections.size === 0);
    } finally {
      bad.destroy();
      await quick.close();
    }
  });

  test('HTTP/1 gets an answer in HTTP/1, and nothing before it', async () => {
    const { protocolErrors } = it.counters;
    const bad = await rawClient(it.port, Buffer.from('GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n'));
    assert.match((await bad.closed).toString('latin1'), /^HTTP\/1\.1 400 .*This port speaks gRPC/s);
    assert.equal(it.counters.protocolErrors, protocolErrors + 1);
  });
});
