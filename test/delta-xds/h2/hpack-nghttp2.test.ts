/**
 * The decoder against another implementation: what a client of node:http2 (nghttp2) writes, with its Huffman code and its table, is
 * read off the wire and decoded. The numbers are those of decoder.ts.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientHttp2Session, connect, type OutgoingHttpHeaders, sensitiveHeaders } from 'node:http2';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { type HeaderField, HpackDecoder } from '../../../src/delta-xds/h2/hpack/index.ts';

const PREFACE_BYTES = 24;
const FRAME_HEADER = 9;
const TYPE = { headers: 1, rst: 3, settings: 4, continuation: 9 };
const FLAG = { ack: 1, endHeaders: 4, padded: 8, priority: 32 };
const TABLE_BYTES = 512;

const frame = (type: number, flags: number, stream: number, payload: Buffer): Buffer => {
  const head = Buffer.alloc(FRAME_HEADER);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
};
/** SETTINGS_HEADER_TABLE_SIZE, and no more than that. */
const settings = Buffer.from([0, 1, 0, 0, TABLE_BYTES >> 8, TABLE_BYTES & 255]);

/** One connection: decodes each block, gives it out, and ends its stream. */
const readBlocks = (socket: Socket, give: (headers: readonly HeaderField[], bytes: number) => void): void => {
  const decoder = new HpackDecoder({ maxTableBytes: TABLE_BYTES, maxListBytes: 1 << 20 });
  let pending = Buffer.alloc(0);
  let skip = PREFACE_BYTES;
  let block: Buffer[] = [];
  socket.write(frame(TYPE.settings, 0, 0, settings));
  socket.on('error', () => {});
  socket.on('data', (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk]);
    for (;;) {
      const length = pending.length < skip + FRAME_HEADER ? Number.POSITIVE_INFINITY : pending.readUIntBE(skip, 3);
      const end = skip + FRAME_HEADER + length;
      if (pending.length < end) return;
      const type = pending[skip + 3] ?? 0;
      const flags = pending[skip + 4] ?? 0;
      const stream = pending.readUInt32BE(skip + 5);
      const payload = pending.subarray(skip + FRAME_HEADER, end);
      pending = pending.subarray(end);
      skip = 0;
      if (type === TYPE.settings) {
        if ((flags & FLAG.ack) !== 0) decoder.settingsAcknowledged();
        else socket.write(frame(TYPE.settings, FLAG.ack, 0, Buffer.alloc(0)));
      }
      if (type !== TYPE.headers && type !== TYPE.continuation) continue;
      assert.equal(flags & FLAG.padded, 0);
      block.push(type === TYPE.headers && (flags & FLAG.priority) !== 0 ? payload.subarray(5) : payload);
      if ((flags & FLAG.endHeaders) === 0) continue;
      const bytes = Buffer.concat(block);
      const { headers, tooLarge } = decoder.decode(bytes);
      assert.equal(tooLarge, false);
      assert.ok(decoder.tableBytes <= 4_096);
      block = [];
      give(headers, bytes.length);
      socket.write(frame(TYPE.rst, 0, stream, Buffer.alloc(4)));
    }
  });
};

let received: (headers: readonly HeaderField[]) => void = () => {};
/** Of the block that came last. */
let blockBytes = 0;
const server = createServer((socket) =>
  readBlocks(socket, (headers, bytes) => {
    blockBytes = bytes;
    received(headers);
  }),
);
let client: ClientHttp2Session;

before(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  client = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  await once(client, 'remoteSettings');
});
after(() => {
  client.destroy();
  server.close();
});

/** What arrives of a request with these headers, without pseudo-headers. */
const roundTrip = async (headers: OutgoingHttpHeaders): Promise<HeaderField[]> => {
  const arrived = new Promise<readonly HeaderField[]>((resolve) => {
    received = resolve;
  });
  const stream = client.request({ ':path': '/', ...headers }, { endStream: true });
  const closed = once(stream, 'close');
  const all = await arrived;
  stream.resume();
  await closed;
  assert.deepEqual(
    all
      .filter(([name]) => name.startsWith(':'))
      .map(([name]) => name)
      .sort(),
    [':authority', ':method', ':path', ':scheme'],
  );
  return all.filter(([name]) => !name.startsWith(':'));
};

/** Characters of five bits: enough of them and nghttp2 takes the Huffman code, whatever the byte between them costs. */
const SHORT = 'a'.repeat(64);

test('every byte, in the Huffman code of nghttp2', async () => {
  // node:http2 hands headers to nghttp2 with zeros between them: zero itself cannot be sent. Its code and that of EOS are what is
  // left when all others have theirs.
  const all = Array.from({ length: 255 }, (_, at) => String.fromCharCode(at + 1));
  for (const char of all) {
    const value = `${SHORT}${char}${SHORT}`;
    assert.deepEqual(await roundTrip({ 'x-a': value }), [['x-a', value]]);
    // Bits saved by the letters leave room for a name and an authority that are written in full.
    assert.ok(blockBytes < value.length, `${blockBytes} bytes: not in the Huffman code`);
  }
  const pairs = all.flatMap((char, at) => [char, all[(at * 7) % 255] ?? '', SHORT]).join('');
  assert.deepEqual(await roundTrip({ 'x-b': pairs }), [['x-b', pairs]]);
});

test('random headers: names known and new, values of any bytes, several of a name, never-indexed ones, large ones', async () => {
  const char = fc.oneof({ weight: 4, arbitrary: fc.integer({ min: 32, max: 126 }) }, fc.integer({ min: 1, max: 255 }));
  const value = fc.array(char, { maxLength: 60 }).map((codes) => String.fromCharCode(...codes));
  const known = fc.constantFrom(
    'accept',
    'user-agent',
    'via',
    'link',
    'x-request-id',
    'x-forwarded-for',
    'x-b3-traceid',
  );
  const name = fc.oneof(known, fc.stringMatching(/^x-[a-z0-9!#$&'*+.^_`|~-]{1,20}$/));
  const field = fc.record({ name, value: fc.oneof(value, fc.constantFrom('gzip', '1', 'trace-id-of-some-length')) });
  const secret = fc.constantFrom('never', 'never', 'accept', 'x-request-id');
  const request = fc.record({ fields: fc.array(field, { maxLength: 12 }), secret });
  await fc.assert(
    fc.asyncProperty(request, async ({ fields, secret }) => {
      const headers: OutgoingHttpHeaders & { [sensitiveHeaders]?: string[] } = { [sensitiveHeaders]: [secret] };
      const expected: HeaderField[] = [];
      for (const { name, value } of fields) if (headers[name] === undefined) headers[name] = value;
      for (const [name, value] of Object.entries(headers)) expected.push([name, String(value)]);
      assert.deepEqual(await roundTrip(headers), expected);
    }),
    { numRuns: 80, verbose: 1 },
  );
  // A block of several frames.
  const large = 'Large ÿ '.repeat(5_000);
  assert.deepEqual(await roundTrip({ 'x-large': large }), [['x-large', large]]);
  const again = ['one', 'two', 'one'];
  assert.deepEqual(
    await roundTrip({ 'x-again': again }),
    again.map((text) => ['x-again', text]),
  );
});
