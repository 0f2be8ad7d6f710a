/** What all bodies hold together is bounded, also after many have come and gone. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { BodyReader } from '../../src/admin/body.ts';

const request = (): PassThrough & IncomingMessage =>
  Object.assign(new PassThrough(), { headers: {} }) as unknown as PassThrough & IncomingMessage;

test('requests that have ended, and are closed after it, give back what they held once', async () => {
  const reader = new BodyReader({ bodyBytes: 100, allBodiesBytes: 100 });
  for (let round = 0; round < 5; round++) {
    const whole = request();
    const read = reader.read(whole);
    whole.end(Buffer.alloc(90));
    assert.equal((await read).length, 90);
    if (!whole.closed) await once(whole, 'close');
    const cut = request();
    const broken = reader.read(cut);
    cut.write(Buffer.alloc(90));
    await new Promise((next) => setImmediate(next));
    cut.destroy();
    await assert.rejects(broken, { code: 'BODY_INCOMPLETE' });
  }
  const [first, second] = [request(), request()];
  const reads = [reader.read(first), reader.read(second)];
  first.write(Buffer.alloc(60));
  await new Promise((next) => setImmediate(next));
  second.end(Buffer.alloc(60));
  await assert.rejects(reads[1] ?? assert.fail(), { code: 'BODIES_FULL' });
  first.end();
  assert.equal((await reads[0])?.length, 60);
});
