/** What ends one stream with RST_STREAM, and what is let pass; the connection lives on (RFC 9113, sections 5.4.2, 6 and 8.1.1). */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ECHO, eventually, type Stand } from '../../contracts/transport-stand.ts';
import { data, frame, reset, settings, windowUpdate } from '../../support/h2-frames.ts';
import { block, CODE, call, FLAG, grpc, number, open, type RawClient, rawClient, startH2, TYPE } from './raw-client.ts';

const NOTHING = Buffer.alloc(0);
const literal = (name: string, value: string): Buffer =>
  Buffer.concat([
    Buffer.of(0, Buffer.byteLength(name, 'latin1')),
    Buffer.from(name, 'latin1'),
    Buffer.of(value.length),
    Buffer.from(value, 'latin1'),
  ]);
const request = (
  stream: number,
  fields: readonly (readonly [string, string])[],
  flags: number = FLAG.endHeaders,
): Buffer => frame(TYPE.headers, flags, stream, Buffer.concat(fields.map(([name, value]) => literal(name, value))));

const METHOD = [':method', 'POST'] as const;
const SCHEME = [':scheme', 'http'] as const;
const PATH = [':path', ECHO] as const;
const CONTENT = ['content-type', 'application/grpc'] as const;
const START = [METHOD, SCHEME, PATH] as const;

const MALFORMED: readonly (readonly [what: string, fields: readonly (readonly [string, string])[]])[] = [
  ['no :method', [SCHEME, PATH, CONTENT]],
  ['no :scheme', [METHOD, PATH, CONTENT]],
  ['no :path', [METHOD, SCHEME, CONTENT]],
  ['an empty :path', [METHOD, SCHEME, [':path', ''], CONTENT]],
  ['two of :path', [...START, PATH, CONTENT]],
  [':status', [...START, [':status', '200'], CONTENT]],
  ['a pseudo-header after another header', [METHOD, SCHEME, CONTENT, PATH]],
  ['a name in upper case', [...START, CONTENT, ['X-A', 'a']]],
  ['an empty name', [...START, CONTENT, ['', 'a']]],
  ['a name with a space', [...START, CONTENT, ['x a', 'a']]],
  ['a name that is not ASCII', [...START, CONTENT, ['xé', 'a']]],
  ['connection', [...START, CONTENT, ['connection', 'close']]],
  ['transfer-encoding', [...START, CONTENT, ['transfer-encoding', 'chunked']]],
  ['te: gzip', [...START, CONTENT, ['te', 'gzip']]],
  ['a value with a zero', [...START, CONTENT, ['x-a', 'a\0b']]],
  ['a value with a line break', [...START, CONTENT, ['x-a', 'a\r\nb: c']]],
  ['a :path with a line break', [METHOD, SCHEME, [':path', `${ECHO}\n`], CONTENT]],
];

describe('errors of a stream', () => {
  let it: Stand;
  let client: RawClient;
  let next = 1;
  before(async () => {
    it = await startH2({ limits: { streamsPerConnection: 3 } });
  });
  after(async () => {
    await it.close();
  });
  const begin = async (): Promise<void> => {
    client = await rawClient(it.port);
    next = 1;
  };
  const ends = async (code: number): Promise<void> => {
    assert.equal((await client.sees(TYPE.reset, next)).readUInt32BE(0), code);
    await client.answers();
    await eventually('its streams are closed', () => it.open() === 0);
    next += 2;
  };

  test('malformed requests', async () => {
    await begin();
    const { length } = it.seen;
    for (const [what, fields] of MALFORMED) {
      client.send(request(next, fields));
      await ends(CODE.protocol).catch((error: Error) => assert.fail(`${what}: ${error.message}`));
    }
    assert.equal(it.seen.length, length);
    client.send(request(next, [...START, CONTENT, ['x-a', ' é\t'], ['te', 'trailers']]), data(next, grpc('a')));
    await client.sees(TYPE.data, next);
    client.destroy();
  });

  test('trailers that do not end the stream, or that hold a pseudo-header; good ones end it', async () => {
    await begin();
    client.send(call(next), open(next));
    await ends(CODE.protocol);
    client.send(call(next), request(next, [[':path', '/']], FLAG.endHeaders | FLAG.endStream));
    await ends(CODE.protocol);
    client.send(call(next), request(next, [['x-trailer', 'a']], FLAG.endHeaders | FLAG.endStream));
    await client.sees(TYPE.headers, next, FLAG.endStream);
    await eventually('closed', () => it.open() === 0);
    assert.equal(it.seen.at(-1)?.halfClosed, true);
    client.destroy();
  });

  test('DATA and HEADERS after END_STREAM, while our answer waits for a window; a second answer to neither', async () => {
    await begin();
    client.send(settings({ 4: 0 }));
    client.send(open(next), data(next, grpc('a'), true), data(next, grpc('b')));
    await ends(CODE.streamClosed);
    client.send(open(next), data(next, grpc('a'), true), open(next));
    await ends(CODE.streamClosed);
    assert.deepEqual(
      it.seen.slice(-2).map(({ messages, closed }) => [messages, closed]),
      [
        [1, 1],
        [1, 1],
      ],
    );
    client.destroy();
  });

  test('frames on a stream that has ended: HEADERS are refused, the others may have been on their way', async () => {
    await begin();
    client.send(open(next), reset(next), reset(next), windowUpdate(next, 0), data(next, grpc('a')));
    await client.answers();
    client.send(open(next));
    await ends(CODE.streamClosed);
    client.destroy();
  });

  test('WINDOW_UPDATE of 0, and a window beyond 2^31 - 1', async () => {
    await begin();
    client.send(call(next), windowUpdate(next, 0));
    await ends(CODE.protocol);
    client.send(call(next), windowUpdate(next, 2 ** 31 - 1));
    await ends(CODE.flowControl);
    client.destroy();
  });

  test('DATA beyond the window of a stream that is not read', async () => {
    const slow = await startH2({ onMessage: ({ stream }) => stream.read(false) });
    const bad = await rawClient(slow.port);
    bad.send(call(1), ...Array.from({ length: 5 }, () => data(1, Buffer.alloc(16_384))));
    assert.equal((await bad.sees(TYPE.reset, 1)).readUInt32BE(0), CODE.flowControl);
    await bad.answers();
    await eventually('closed', () => slow.open() === 0);
    bad.destroy();
    await slow.close();
  });

  test('more streams than allowed', async () => {
    await begin();
    client.send(call(1), call(3), call(5), call(7));
    assert.equal((await client.sees(TYPE.reset, 7)).readUInt32BE(0), CODE.refused);
    await client.answers();
    assert.equal(it.open(), 3);
    client.send(reset(1), call(9));
    await client.sees(TYPE.data, 9);
    client.destroy();
    await eventually('closed', () => it.open() === 0);
  });

  test('what is let pass: padding, priorities (a stream on itself, too), unknown frames and settings, blocks in pieces', {
    timeout: 20_000,
  }, async () => {
    await begin();
    const self = Buffer.concat([number(1), Buffer.of(16)]);
    const padded = Buffer.concat([Buffer.of(5), self, block(1), Buffer.alloc(5)]);
    const piece = (at: number): Buffer => block(3).subarray(4 * at, 4 * at + 4);
    const pieces = Math.ceil(block(3).length / 4);
    client.send(
      frame(TYPE.priority, 0, 1, self),
      frame(TYPE.headers, FLAG.endHeaders | FLAG.padded | FLAG.priority, 1, padded),
      frame(TYPE.data, FLAG.padded, 1, Buffer.concat([Buffer.of(255), grpc('padded'), Buffer.alloc(255)])),
      frame(TYPE.data, FLAG.padded, 1, Buffer.of(0)),
      frame(99, 0xff, 1, Buffer.from('extension')),
      settings({ 153: 7, 8: 1 }),
      frame(TYPE.headers, 0, 3, piece(0)),
      ...Array.from({ length: pieces - 1 }, (_, at) =>
        frame(TYPE.continuation, at === pieces - 2 ? FLAG.endHeaders : 0, 3, piece(at + 1)),
      ),
      frame(TYPE.data, 0, 3, grpc('in pieces')),
      frame(TYPE.goAway, 0, 0, Buffer.concat([number(0), number(0), Buffer.from('bye')])),
    );
    assert.deepEqual(await client.sees(TYPE.data, 1), grpc('padded'));
    assert.deepEqual(await client.sees(TYPE.data, 3), grpc('in pieces'));
    // After its GOAWAY the connection ends with its streams.
    client.send(data(1, NOTHING, true), data(3, NOTHING, true));
    await client.closed;
    await eventually('closed', () => it.open() === 0);
  });
});
