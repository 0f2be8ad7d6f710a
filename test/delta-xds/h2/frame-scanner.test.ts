/** Frames out of bytes (src/delta-xds/h2/frame-scanner.ts), and when a silent client is given up (liveness.ts). */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FrameScanner, Http1Fault } from '../../../src/delta-xds/h2/frame-scanner.ts';
import { ConnectionFault } from '../../../src/delta-xds/h2/frames.ts';
import { Liveness } from '../../../src/delta-xds/h2/liveness.ts';
import { data, frame, PREFACE, SETTINGS, windowUpdate } from '../../support/h2-frames.ts';
import { ping } from './raw-client.ts';

describe('frames', () => {
  const scan = (chunks: readonly Buffer[], hasPreface = true): string[] => {
    const found: string[] = [];
    const scanner = new FrameScanner(
      (type, flags, stream, payload) => found.push(`${type} ${flags} ${stream} ${payload.toString('hex')}`),
      hasPreface,
    );
    for (const chunk of chunks) scanner.scan(chunk);
    return found;
  };
  const frames = [
    SETTINGS,
    ping,
    data(1, Buffer.from('some bytes'), true),
    data(2 ** 31 - 1, Buffer.alloc(0)),
    windowUpdate(0, 7),
  ];
  const expected = [
    '4 0 0 ',
    `6 0 0 ${ping.subarray(9).toString('hex')}`,
    `0 1 1 ${Buffer.from('some bytes').toString('hex')}`,
    '0 0 2147483647 ',
    '8 0 0 00000007',
  ];

  test('the same frames wherever the bytes are cut, with and without preface', () => {
    for (const [bytes, hasPreface] of [
      [Buffer.concat([PREFACE, ...frames]), true],
      [Buffer.concat(frames), false],
    ] as const) {
      for (let one = 0; one <= bytes.length; one++)
        for (const two of [one, one + 1, one + 9, one + 20])
          assert.deepEqual(
            scan([bytes.subarray(0, one), bytes.subarray(one, two), bytes.subarray(two)], hasPreface),
            expected,
            `cut at ${one} and ${two}`,
          );
      assert.deepEqual(
        scan(
          [...bytes].map((byte) => Buffer.of(byte)),
          hasPreface,
        ),
        expected,
      );
    }
  });

  test('the reserved bit of a stream is ignored; the largest frame is taken, a larger one is a fault at its head', () => {
    const reserved = data(1, Buffer.alloc(0));
    reserved[5] = 0x80;
    assert.deepEqual(scan([reserved], false), ['0 0 1 ']);
    assert.equal(scan([frame(0, 0, 1, Buffer.alloc(16_384))], false).length, 1);
    const head = frame(0, 0, 1, Buffer.alloc(16_385)).subarray(0, 9);
    for (let cut = 1; cut <= 9; cut++)
      assert.throws(() => scan([head.subarray(0, cut), head.subarray(cut)], false), { code: 6 }, `cut at ${cut}`);
  });

  test('what is no preface is a fault at its first wrong byte; HTTP/1 is told apart', () => {
    for (let at = 0; at < PREFACE.length; at++) {
      const wrong = Buffer.from(PREFACE);
      wrong[at] = 0;
      assert.throws(() => scan([wrong.subarray(0, at), wrong.subarray(at, at + 1)]), ConnectionFault, `at ${at}`);
    }
    assert.throws(() => scan([Buffer.from('GET / HTTP/1.1\r\n')]), Http1Fault);
    assert.throws(() => scan([Buffer.from('POST /v1 HTTP/1.1\r\n')]), Http1Fault);
    assert.throws(
      () => scan([Buffer.from('\x16\x03\x01 a TLS hello')]),
      (error) => error instanceof ConnectionFault && !(error instanceof Http1Fault),
    );
  });
});

describe('liveness', () => {
  /** Looks at these times, after a word of the client where there is a `!`. */
  const looks = (...times: (number | `!${number}`)[]): string[] => {
    const liveness = new Liveness(1_000);
    return times.map((time) => {
      if (typeof time === 'string') liveness.heard();
      return liveness.look(Number(String(time).replace('!', '')), 100, 50);
    });
  };

  test('pinged after so long a silence, once; given up when the answer is overdue at two looks', () => {
    assert.deepEqual(looks(1_010, 1_109, 1_110, 1_120, 1_159), ['alive', 'alive', 'ping', 'alive', 'alive']);
    assert.deepEqual(looks(1_010, 1_110, 1_160, 1_161), ['alive', 'ping', 'alive', 'dead']);
  });

  test('a word of the client, also a late one, is a sign of life, and the silence begins anew', () => {
    assert.deepEqual(looks(1_010, 1_110, '!1130', 1_229, 1_230), ['alive', 'ping', 'alive', 'alive', 'ping']);
    assert.deepEqual(looks(1_010, 1_110, 1_170, '!1171', 1_271, 1_330, 1_331), [
      'alive',
      'ping',
      'alive',
      'alive',
      'ping',
      'alive',
      'dead',
    ]);
  });

  test('a process that was busy for long pings first: it does not give up whom it has not heard', () => {
    assert.deepEqual(looks(1_010, 90_000, 190_000), ['alive', 'ping', 'alive']);
  });
});
