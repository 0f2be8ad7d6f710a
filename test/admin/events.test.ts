/** `POST /v1/events` and `GET /v1/events`: the contract's answers, on the real log and projector. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { call, endpoint, NDJSON, routeDocument, service, startCore } from './core.ts';

describe('POST /v1/events', () => {
  test('one event: durable, applied, with its offset', async (t) => {
    const core = await startCore(t);
    const reply = await call(core, 'POST', '/v1/events', { events: [service('cart')] });
    assert.equal(reply.status, 200);
    assert.deepEqual(reply.body, { offsets: [1], events: [{ offset: 1, status: 'applied' }] });
    assert.equal(reply.headers.get('etag'), '"1"');
    assert.deepEqual(core.projector.fold.service('cart.shop')?.ports, [{ port: 8080, protocol: 'http' }]);
  });

  test('wait=applied answers when it is visible', async (t) => {
    const core = await startCore(t);
    const reply = await call(core, 'POST', '/v1/events?wait=applied&timeout=5s', { events: [service('cart')] });
    assert.equal(reply.status, 200);
    assert.equal(core.projector.notice.offset >= 1, true);
  });

  test('NDJSON: a batch, in order', async (t) => {
    const core = await startCore(t);
    const lines = [service('cart'), endpoint('cart', 'a'), endpoint('cart', 'b')].map((event) => JSON.stringify(event));
    const reply = await call(core, 'POST', '/v1/events', `${lines.join('\n')}\n\n`, NDJSON);
    assert.equal(reply.status, 200);
    assert.deepEqual(reply.body.offsets, [1, 2, 3]);
    const [event] = (await call(core, 'GET', '/v1/events?from=2&limit=1')).body.events;
    assert.equal(event.batch.index, 1);
    assert.equal(event.batch.size, 3);
  });

  test('what the author left out is filled in, a source that was given is kept', async (t) => {
    const core = await startCore(t);
    await call(core, 'POST', '/v1/events', {
      events: [
        service('cart'),
        { ...service('web'), id: 'my-1', source: 'k8s:prod', time: '2026-01-02T03:04:05Z', reason: 'why not' },
      ],
    });
    const { events } = (await call(core, 'GET', '/v1/events')).body;
    assert.equal(events[0].source, 'local');
    assert.match(events[0].id, /^[0-9a-f-]{36}$/);
    assert.ok(Math.abs(Date.parse(events[0].time) - Date.now()) < 3_600_000);
    assert.equal(events[0].subject, 'service/shop/cart');
    assert.deepEqual(
      [events[1].id, events[1].source, events[1].time, events[1].reason],
      ['my-1', 'k8s:prod', '2026-01-02T03:04:05Z', 'why not'],
    );
  });

  test('the same (source, id) again changes nothing and answers the old offset', async (t) => {
    const core = await startCore(t);
    const event = { ...service('cart'), id: 'once' };
    await call(core, 'POST', '/v1/events', { events: [event] });
    const again = await call(core, 'POST', '/v1/events', {
      events: [{ ...event, data: { ...event.data, ports: [{ port: 1, protocol: 'tcp' }] } }],
    });
    assert.equal(again.status, 200);
    assert.deepEqual(again.body, { offsets: [1], events: [{ offset: 1, status: 'duplicate' }] });
    assert.equal(core.projector.fold.service('cart.shop')?.ports[0]?.port, 8080);
  });

  test('a duplicate inside a batch is skipped and the rest applies', async (t) => {
    const core = await startCore(t);
    await call(core, 'POST', '/v1/events', { events: [{ ...service('cart'), id: 'once' }] });
    const reply = await call(core, 'POST', '/v1/events', {
      events: [{ ...service('cart'), id: 'once' }, service('web')],
    });
    assert.equal(reply.status, 200);
    assert.deepEqual(reply.body.events, [
      { offset: 1, status: 'duplicate' },
      { offset: 3, status: 'applied' },
    ]);
  });

  test('409: `expect` does not hold; the event stays in the log as rejected', async (t) => {
    const core = await startCore(t);
    await call(core, 'POST', '/v1/events', { events: [service('cart')] });
    const reply = await call(core, 'POST', '/v1/events', {
      events: [{ ...service('cart', { labels: { a: 'b' } }), expect: 0 }],
    });
    assert.equal(reply.status, 409);
    assert.equal(reply.headers.get('content-type'), 'application/problem+json');
    assert.equal(reply.body.code, 'expect');
    assert.deepEqual(reply.body.offsets, [2]);
    assert.equal(reply.body.events[0].status, 'rejected');
    const { events } = (await call(core, 'GET', '/v1/events?from=2')).body;
    assert.equal(events[0].status, 'rejected');
    assert.equal(events[0].code, 'expect');
    const good = await call(core, 'POST', '/v1/events', {
      events: [{ ...service('cart', { labels: { a: 'b' } }), expect: 1 }],
    });
    assert.equal(good.status, 200);
  });

  test('409: one rejected event rejects its batch, the others with code `batch`', async (t) => {
    const core = await startCore(t);
    await call(core, 'POST', '/v1/events', { events: [service('cart')] });
    const reply = await call(core, 'POST', '/v1/events', {
      events: [service('web'), { ...service('cart'), expect: 0 }],
    });
    assert.equal(reply.status, 409);
    assert.deepEqual(
      reply.body.events.map(({ status, code }: { status: string; code: string }) => [status, code]),
      [
        ['rejected', 'batch'],
        ['rejected', 'expect'],
      ],
    );
    assert.equal(core.projector.fold.service('web.shop'), undefined);
  });

  test('409 with the findings of the fold: E301', async (t) => {
    const core = await startCore(t);
    const reply = await call(core, 'POST', '/v1/events', {
      events: [
        service('cart'),
        { type: 'policy.applied', data: { document: routeDocument('cart', { to: { v9: {} } }) } },
      ],
    });
    assert.equal(reply.status, 409);
    assert.equal(reply.body.code, 'E301');
    assert.match(reply.body.detail, /v9/);
    assert.equal(reply.body.findings[0].document, 'Route/shop/cart');
    assert.equal(reply.body.findings[0].pointer.startsWith('/spec/to'), true);
    assert.equal(core.projector.fold.service('cart.shop'), undefined);
  });

  test('202: durable, not decided in time', async (t) => {
    const core = await startCore(t, {
      ingest: {
        fold: { outcomes: async () => undefined, visible: async () => false, lag: () => ({ events: 0, ms: 0 }) },
      },
    });
    const reply = await call(core, 'POST', '/v1/events?wait=applied&timeout=10ms', { events: [service('cart')] });
    assert.equal(reply.status, 202);
    assert.deepEqual(reply.body, { offsets: [1], events: [{ offset: 1, status: 'pending' }] });
    await core.projector.waitFor(1);
    assert.notEqual(core.projector.fold.service('cart.shop'), undefined);
  });

  test('202: applied, not visible in time', async (t) => {
    const slow = await startCore(t);
    const core = await startCore(t, {
      ingest: {
        fold: {
          outcomes: async (offsets) => offsets.map((offset) => ({ offset, status: 'applied' as const })),
          visible: async () => false,
          lag: () => slow.projector.lag(),
        },
      },
    });
    const reply = await call(core, 'POST', '/v1/events?wait=applied&timeout=10ms', { events: [service('cart')] });
    assert.equal(reply.status, 202);
    assert.deepEqual(reply.body.events, [{ offset: 1, status: 'applied' }]);
  });

  test('429 with Retry-After while the projection is behind; nothing is appended', async (t) => {
    const core = await startCore(t, {
      ingest: {
        fold: { outcomes: async () => undefined, visible: async () => false, lag: () => ({ events: 100_001, ms: 10 }) },
      },
    });
    const reply = await call(core, 'POST', '/v1/events', { events: [service('cart')] });
    assert.equal(reply.status, 429);
    assert.equal(reply.headers.get('retry-after'), '1');
    assert.equal(reply.body.code, 'PROJECTOR_BEHIND');
    assert.equal(core.log.head().offset, 0);
  });

  test('429 when too many writers wait', async (t) => {
    let free: () => void = () => undefined;
    const blocked = new Promise<undefined>((resolve) => {
      free = () => resolve(undefined);
    });
    const core = await startCore(t, {
      ingest: {
        maxWaiting: 1,
        fold: { outcomes: () => blocked, visible: async () => false, lag: () => ({ events: 0, ms: 0 }) },
      },
    });
    const first = call(core, 'POST', '/v1/events', { events: [service('cart')] });
    while (core.ingest.counters.waiting === 0) await new Promise((resolve) => setImmediate(resolve));
    const second = await call(core, 'POST', '/v1/events', { events: [service('web')] });
    assert.equal(second.status, 429);
    assert.equal(second.body.code, 'INGEST_BUSY');
    free();
    assert.equal((await first).status, 202);
    assert.equal(core.ingest.counters.refused.get('INGEST_BUSY'), 1);
  });
});

describe('GET /v1/events', () => {
  test('pages, filters by type, subject and status', async (t) => {
    const core = await startCore(t);
    await call(core, 'POST', '/v1/events', {
      events: [service('cart'), endpoint('cart', 'a'), endpoint('cart', 'b'), service('web')],
    });
    await call(core, 'POST', '/v1/events', { events: [{ ...service('web'), expect: 1 }] });
    const first = (await call(core, 'GET', '/v1/events?limit=2')).body;
    assert.deepEqual(
      first.events.map(({ offset }: { offset: number }) => offset),
      [1, 2],
    );
    assert.equal(first.next, 3);
    const rest = (await call(core, 'GET', `/v1/events?limit=10&next=${first.next}`)).body;
    assert.deepEqual(
      rest.events.map(({ offset }: { offset: number }) => offset),
      [3, 4, 5],
    );
    assert.equal(rest.next, undefined);
    const offsets = async (query: string) =>
      (await call(core, 'GET', `/v1/events?${query}`)).body.events.map(({ offset }: { offset: number }) => offset);
    assert.deepEqual(await offsets('type=endpoint.registered'), [2, 3]);
    assert.deepEqual(await offsets('type=endpoint.*'), [2, 3]);
    assert.deepEqual(await offsets('type=service.registered,endpoint.registered&from=3'), [3, 4, 5]);
    assert.deepEqual(await offsets('subject=service/shop/web'), [4, 5]);
    assert.deepEqual(await offsets('subject=endpoint/shop/*'), [2, 3]);
    assert.deepEqual(await offsets('status=rejected'), [5]);
    assert.deepEqual(await offsets('from=-2'), [4, 5]);
    assert.deepEqual(await offsets('from=1000'), []);
  });
});
