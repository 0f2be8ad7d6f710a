/** `GET /v1/events/stream`: server-sent events on the real log; ids, resume, filters, back-pressure, bounds, end. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { type Core, call, endpoint, service, startCore } from './core.ts';

interface Frame {
  readonly id: number;
  // biome-ignore lint/suspicious/noExplicitAny: rows of any type
  readonly row: any;
}

/** Reads frames until `count` have come, then leaves. */
const read = async (
  core: Core,
  path: string,
  count: number,
  headers: Record<string, string> = {},
): Promise<{ readonly frames: readonly Frame[]; readonly type: string | null }> => {
  const leave = new AbortController();
  const response = await fetch(`${core.url}${path}`, { headers, signal: leave.signal });
  assert.equal(response.status, 200);
  const frames: Frame[] = [];
  let rest = '';
  const decoder = new TextDecoder();
  try {
    for await (const chunk of response.body ?? []) {
      rest += decoder.decode(chunk as Uint8Array, { stream: true });
      const blocks = rest.split('\n\n');
      rest = blocks.pop() ?? '';
      for (const block of blocks) {
        const id = /^id: ([0-9]+)$/m.exec(block)?.[1];
        const data = /^data: (.*)$/m.exec(block)?.[1];
        if (id !== undefined && data !== undefined) frames.push({ id: Number(id), row: JSON.parse(data) });
      }
      if (frames.length >= count) break;
    }
  } finally {
    leave.abort();
  }
  return { frames, type: response.headers.get('content-type') };
};

const streams = async (core: Core, count: number): Promise<void> => {
  while (core.server.counters.streams !== count) await new Promise((resolve) => setTimeout(resolve, 5));
};

test('what is there, then what comes, each with its status', async (t) => {
  const core = await startCore(t);
  await call(core, 'POST', '/v1/events', { events: [service('cart'), endpoint('cart', 'a')] });
  const reading = read(core, '/v1/events/stream?from=1', 4);
  await streams(core, 1);
  await call(core, 'POST', '/v1/events', { events: [service('web')] });
  await call(core, 'POST', '/v1/events', { events: [{ ...service('web'), expect: 1 }] });
  const { frames, type } = await reading;
  assert.match(type ?? '', /^text\/event-stream/);
  assert.deepEqual(
    frames.map(({ id }) => id),
    [1, 2, 3, 4],
  );
  assert.deepEqual(
    frames.map(({ row }) => row.status),
    ['applied', 'applied', 'applied', 'rejected'],
  );
  assert.deepEqual(
    frames.map(({ id, row }) => id === row.offset),
    [true, true, true, true],
  );
  await streams(core, 0);
});

test('without from: only what comes; from=-1: the last one too', async (t) => {
  const core = await startCore(t);
  await call(core, 'POST', '/v1/events', { events: [service('cart'), service('web')] });
  const fresh = read(core, '/v1/events/stream', 1);
  const last = read(core, '/v1/events/stream?from=-1', 2);
  await streams(core, 2);
  await call(core, 'POST', '/v1/events', { events: [service('ads')] });
  assert.deepEqual(
    (await fresh).frames.map(({ id }) => id),
    [3],
  );
  assert.deepEqual(
    (await last).frames.map(({ id }) => id),
    [2, 3],
  );
});

test('Last-Event-ID resumes behind it, whatever `from` says', async (t) => {
  const core = await startCore(t);
  await call(core, 'POST', '/v1/events', { events: Array.from({ length: 10 }, (_, index) => service(`s${index}`)) });
  const first = await read(core, '/v1/events/stream?from=1', 4);
  const seen = first.frames.at(3)?.id ?? 0;
  const second = await read(core, '/v1/events/stream?from=1', 10 - seen, { 'last-event-id': String(seen) });
  assert.deepEqual(
    second.frames.map(({ id }) => id),
    Array.from({ length: 10 - seen }, (_, index) => seen + 1 + index),
  );
  const bad = await call(core, 'GET', '/v1/events/stream', undefined, { 'last-event-id': 'x' });
  assert.equal(bad.status, 400);
});

test('filters by type and subject', async (t) => {
  const core = await startCore(t);
  await call(core, 'POST', '/v1/events', {
    events: [service('cart'), endpoint('cart', 'a'), service('web'), endpoint('cart', 'b')],
  });
  const { frames } = await read(core, '/v1/events/stream?from=1&type=endpoint.*', 2);
  assert.deepEqual(
    frames.map(({ id }) => id),
    [2, 4],
  );
  const one = await read(core, '/v1/events/stream?from=1&subject=service/shop/web', 1);
  assert.deepEqual(
    one.frames.map(({ id }) => id),
    [3],
  );
});

test('a reader that does not read: the log is read no further than the socket takes it; then it gets all of it', async (t) => {
  // What the stream has taken out of the log so far.
  let taken = 0;
  const core = await startCore(t, {
    wrapEvents: (events) => ({
      ...events,
      async *follow(options) {
        for await (const batch of events.follow(options)) {
          taken += batch.length;
          yield batch;
        }
      },
    }),
  });
  const total = 3_000;
  const labels = Object.fromEntries(Array.from({ length: 60 }, (_, index) => [`label-${index}`, 'x'.repeat(200)]));
  for (let at = 0; at < total; at += 500)
    await core.ingest.submit({
      events: Array.from({ length: 500 }, (_, index) => endpoint('nowhere', `e${at + index}`, { labels })),
      caller: 'local',
      timeoutMs: 60_000,
    });
  const socket = connect(Number(new URL(core.url).port), '127.0.0.1');
  socket.write('GET /v1/events/stream?from=1 HTTP/1.1\r\nhost: localhost\r\n\r\n');
  await once(socket, 'connect');
  await streams(core, 1);
  // Nothing more is taken once the buffers of the socket are full: 40 MB lie in the log.
  let before = -1;
  while (before !== taken || taken === 0) {
    before = taken;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  assert.ok(taken < total, `${taken} of ${total} taken for a reader that reads nothing`);
  const ids = new Set<string>();
  let rest = '';
  for await (const chunk of socket) {
    const lines = (rest + chunk.toString('latin1')).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) if (line.startsWith('id: ')) ids.add(line);
    if (ids.size === total) break;
  }
  assert.equal(ids.size, total);
  await streams(core, 0);
});

test('no more streams than allowed; the server ends them all when it stops', async (t) => {
  const core = await startCore(t, { admin: { maxStreams: 2 } });
  const open = [1, 2].map(() => fetch(`${core.url}/v1/events/stream`));
  const responses = await Promise.all(open);
  const third = await call(core, 'GET', '/v1/events/stream');
  assert.equal(third.status, 503);
  assert.equal(third.body.code, 'STREAMS_FULL');
  assert.equal(third.headers.get('retry-after'), '5');
  const ended = Promise.all(responses.map((response) => response.text()));
  await core.close();
  for (const text of await ended) assert.match(text, /^: from here/);
  await assert.rejects(call(core, 'GET', '/healthz'));
});
