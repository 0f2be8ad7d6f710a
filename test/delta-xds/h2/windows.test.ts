/** What we send never exceeds a client's windows, whatever it does with them (RFC 9113, sections 5.2 and 6.9). */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { eventually, type Stand } from '../../contracts/transport-stand.ts';
import { data, settings, windowUpdate } from '../../support/h2-frames.ts';
import { FLAG, grpc, open, type RawClient, rawClient, startH2, TYPE } from './raw-client.ts';

const dataOf = (client: RawClient, stream: number): Buffer =>
  Buffer.concat(
    client.frames().flatMap((one) => (one.type === TYPE.data && one.stream === stream ? [one.payload] : [])),
  );
const has = (client: RawClient, stream: number, bytes: number): Promise<void> =>
  eventually(`${bytes} bytes on stream ${stream}`, () => dataOf(client, stream).length >= bytes);

describe('windows', () => {
  let it: Stand;
  before(async () => {
    it = await startH2();
  });
  after(() => it.close());

  test('INITIAL_WINDOW_SIZE makes an open window negative: nothing is sent until it is positive again', async () => {
    const client = await rawClient(it.port);
    const message = grpc('x'.repeat(200));
    client.send(settings({ 4: 100 }), open(1), data(1, message));
    await has(client, 1, 100);
    client.send(settings({ 4: 10 }));
    await client.answers();
    client.send(windowUpdate(1, 90));
    await client.answers();
    assert.equal(dataOf(client, 1).length, 100);
    client.send(windowUpdate(1, 1));
    await has(client, 1, 101);
    await client.answers();
    assert.equal(dataOf(client, 1).length, 101);
    // A new stream begins with what is set now; settings that raise it let go what waits.
    client.send(open(3), data(3, message, true));
    await has(client, 3, 10);
    await client.answers();
    assert.equal(dataOf(client, 3).length, 10);
    client.send(settings({ 4: 65_535 }));
    await has(client, 1, message.length);
    await client.sees(TYPE.headers, 3, FLAG.endStream);
    assert.deepEqual(dataOf(client, 1), message);
    assert.deepEqual(dataOf(client, 3), message);
    client.destroy();
  });

  test('the window of the connection holds up all streams, but no status', async () => {
    const client = await rawClient(it.port);
    const message = grpc(Buffer.alloc(60_000, 'y'));
    const parts = (stream: number): Buffer =>
      Buffer.concat([0, 1, 2, 3].map((at) => data(stream, message.subarray(at * 16_000, at * 16_000 + 16_000))));
    client.send(open(1), parts(1), open(3), parts(3), open(5), data(5, Buffer.alloc(0), true));
    await client.sees(TYPE.headers, 5, FLAG.endStream);
    const sent = (): number => dataOf(client, 1).length + dataOf(client, 3).length;
    await eventually('the window is used', () => sent() === 65_535);
    await client.answers();
    assert.equal(sent(), 65_535);
    client.send(windowUpdate(0, 1));
    await eventually('one byte more', () => sent() === 65_536);
    client.send(windowUpdate(0, 100_000));
    await has(client, 1, message.length);
    await has(client, 3, message.length);
    assert.deepEqual(dataOf(client, 1), message);
    assert.deepEqual(dataOf(client, 3), message);
    client.destroy();
  });

  test('frames are as large as the client takes them', async () => {
    const client = await rawClient(it.port);
    const message = grpc(Buffer.alloc(30_000, 'z'));
    const largest = (stream: number): number =>
      Math.max(...client.frames().map((one) => (one.stream === stream ? one.payload.length : 0)));
    const send = (stream: number): Buffer =>
      Buffer.concat([open(stream), data(stream, message.subarray(0, 16_000)), data(stream, message.subarray(16_000))]);
    client.send(send(1));
    await has(client, 1, message.length);
    assert.ok(largest(1) <= 16_384);
    client.send(settings({ 5: 20_000 }), send(3));
    await has(client, 3, message.length);
    assert.equal(largest(3), 20_000);
    client.destroy();
  });

  test('random credit: never more than is granted, and all of it in the end', async () => {
    const step = fc.oneof(
      fc.record({ stream: fc.constantFrom(0, 1, 3), bytes: fc.integer({ min: 1, max: 40_000 }) }),
      fc.record({ stream: fc.constant(-1), bytes: fc.integer({ min: 0, max: 70_000 }) }),
    );
    const message = grpc(Buffer.from(Array.from({ length: 50_000 }, (_, at) => at % 251)));
    const echo = (stream: number): Buffer =>
      Buffer.concat(
        [0, 1, 2, 3].map((at) => data(stream, message.subarray(at * 16_000, at * 16_000 + 16_000), at === 3)),
      );
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: 70_000 }), fc.array(step, { maxLength: 6 }), async (first, steps) => {
        const client = await rawClient(it.port);
        let initial = first;
        /** Most that each may have been sent: the bound only shrinks for what comes after, so the largest so far counts. */
        const granted = new Map([
          [0, 65_535],
          [1, initial],
          [3, initial],
        ]);
        const most = new Map(granted);
        client.send(settings({ 4: initial }), open(1), echo(1), open(3), echo(3));
        await client.answers();
        const check = (): void => {
          for (const stream of [1, 3])
            assert.ok(dataOf(client, stream).length <= Math.max(0, most.get(stream) ?? 0), `stream ${stream}`);
          assert.ok(dataOf(client, 1).length + dataOf(client, 3).length <= (most.get(0) ?? 0), 'the connection');
        };
        check();
        const grant = (stream: number, bytes: number): void => {
          granted.set(stream, (granted.get(stream) ?? 0) + bytes);
          most.set(stream, Math.max(most.get(stream) ?? 0, granted.get(stream) ?? 0));
        };
        for (const { stream, bytes } of steps) {
          if (stream >= 0) {
            grant(stream, bytes);
            client.send(windowUpdate(stream, bytes));
          } else {
            for (const one of [1, 3]) grant(one, bytes - initial);
            initial = bytes;
            client.send(settings({ 4: bytes }));
          }
          await client.answers();
          check();
        }
        client.send(windowUpdate(0, 200_000), windowUpdate(1, 400_000), windowUpdate(3, 400_000));
        await client.sees(TYPE.headers, 1, FLAG.endStream);
        await client.sees(TYPE.headers, 3, FLAG.endStream);
        for (const stream of [1, 3]) assert.deepEqual(dataOf(client, stream), message);
        client.destroy();
      }),
      { numRuns: 8, verbose: 1 },
    );
  });
});
