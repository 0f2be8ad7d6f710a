/** History of a document, and rollbacks: on the real log, fold and history index. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { event } from '../projector/mesh-events.ts';
import { type Core, call, PATCH, routeDocument, service, startCore } from './core.ts';

const CART = '/v1/docs/Route/shop/cart';

interface Row {
  readonly offset: number;
  readonly type: string;
  readonly status: string;
}
const timeoutOf = (core: Core): unknown =>
  (core.projector.fold.policy('Route', 'shop', 'cart')?.document.spec as { timeout?: unknown } | undefined)?.timeout;

/** 1 applied 1s · 2 another document · 3 patched 2s · 4 rejected patch · 5 deleted · 6 applied 3s */
const someHistory = async (core: Core): Promise<void> => {
  const patch = (path: string, value: string) => [{ op: 'replace', path, value }];
  await call(core, 'PUT', `${CART}?reason=first`, routeDocument('cart', { timeout: '1s' }));
  await call(core, 'PUT', '/v1/docs/Route/shop/web', routeDocument('web', { timeout: '9s' }));
  await call(core, 'PATCH', CART, patch('/spec/timeout', '2s'), PATCH);
  assert.equal((await call(core, 'PATCH', CART, patch('/spec/retry/attempts', '2'), PATCH)).status, 409);
  await call(core, 'DELETE', CART);
  await call(core, 'PUT', CART, routeDocument('cart', { timeout: '3s' }));
  assert.equal(core.log.head().offset, 6);
};

describe('GET …/history', () => {
  test('its events, newest first, with author, reason and outcome; other documents left out', async (t) => {
    const core = await startCore(t);
    await someHistory(core);
    const reply = await call(core, 'GET', `${CART}/history`);
    assert.equal(reply.status, 200, reply.text);
    const rows: Row[] = reply.body.events;
    assert.deepEqual(
      rows.map(({ offset, type, status }) => [offset, type, status]),
      [
        [6, 'policy.applied', 'applied'],
        [5, 'policy.deleted', 'applied'],
        [4, 'policy.patched', 'rejected'],
        [3, 'policy.patched', 'applied'],
        [1, 'policy.applied', 'applied'],
      ],
    );
    assert.equal(reply.body.next, undefined);
    const { recordedAt, ...oldest } = reply.body.events[4];
    assert.deepEqual(oldest, {
      offset: 1,
      type: 'policy.applied',
      source: 'local',
      reason: 'first',
      status: 'applied',
    });
    assert.ok(Number.isFinite(Date.parse(recordedAt)));
    assert.equal(reply.body.events[2].code, 'E110');
  });

  test('pages: every event once, in order', async (t) => {
    const core = await startCore(t);
    await someHistory(core);
    const offsets: number[] = [];
    let next: number | undefined;
    do {
      const reply = await call(core, 'GET', `${CART}/history?limit=2${next === undefined ? '' : `&next=${next}`}`);
      assert.ok(reply.body.events.length <= 2);
      offsets.push(...reply.body.events.map(({ offset }: Row) => offset));
      next = reply.body.next;
    } while (next !== undefined);
    assert.deepEqual(offsets, [6, 5, 4, 3, 1]);
  });

  test('of a deleted document too; 404 when there never was one', async (t) => {
    const core = await startCore(t);
    await someHistory(core);
    await call(core, 'DELETE', CART);
    const reply = await call(core, 'GET', `${CART}/history`);
    assert.equal(reply.body.events[0].type, 'policy.deleted');
    const none = await call(core, 'GET', '/v1/docs/Route/shop/nobody/history');
    assert.deepEqual([none.status, none.body.code], [404, 'DOCUMENT_UNKNOWN']);
  });

  test('is the same after the log and the state are opened again', async (t) => {
    const core = await startCore(t, { log: 'lmdb' });
    await someHistory(core);
    const before = await call(core, 'GET', `${CART}/history`);
    await core.close();
    const again = await startCore(t, { log: 'lmdb', dir: core.dir });
    const after = await call(again, 'GET', `${CART}/history`);
    assert.equal(after.text, before.text);
  });
});

describe('POST …:rollback', () => {
  test('writes the document again as it was, patches and all, as a new event with a reason', async (t) => {
    const core = await startCore(t);
    await someHistory(core);
    const patched = await call(core, 'POST', `${CART}:rollback`, { to: 4, reason: 'it was better' });
    assert.equal(patched.status, 200, patched.text);
    assert.deepEqual(patched.body.offsets, [7]);
    assert.deepEqual(patched.body.results, [{ document: 'Route/shop/cart', action: 'configured', offset: 7 }]);
    assert.equal(patched.headers.get('etag'), '"7"');
    assert.equal(timeoutOf(core), '2s');
    const first = await call(core, 'POST', `${CART}:rollback`, { to: 2 });
    assert.equal(first.status, 200, first.text);
    assert.equal(timeoutOf(core), '1s');
    const { events } = (await call(core, 'GET', `${CART}/history?limit=2`)).body;
    assert.deepEqual(
      events.map(({ type, reason }: { type: string; reason: string }) => [type, reason]),
      [
        ['policy.applied', 'rollback to 2'],
        ['policy.applied', 'it was better'],
      ],
    );
  });

  test('to where there was none: deletes it; there again, and nothing to do: nothing appended', async (t) => {
    const core = await startCore(t);
    await call(core, 'POST', '/v1/events', { events: [service('web')] });
    await call(core, 'PUT', CART, routeDocument('cart', { timeout: '1s' }));
    const gone = await call(core, 'POST', `${CART}:rollback`, { to: 1 });
    assert.equal(gone.status, 200, gone.text);
    assert.equal(gone.body.results[0].action, 'deleted');
    assert.equal((await call(core, 'GET', CART)).status, 404);
    const none = await call(core, 'POST', `${CART}:rollback`, { to: 1 });
    assert.deepEqual([none.status, none.body.code], [404, 'DOCUMENT_UNKNOWN']);
    const back = await call(core, 'POST', `${CART}:rollback`, { to: 2 });
    assert.equal(back.body.results[0].action, 'created');
    assert.equal(timeoutOf(core), '1s');
    const same = await call(core, 'POST', `${CART}:rollback`, { to: 2 });
    assert.deepEqual([same.status, same.body.results[0].action], [200, 'unchanged']);
    assert.equal(core.log.head().offset, 4);
  });

  test('If-Match: 412 when somebody was faster, and nothing changes; a dry run appends nothing', async (t) => {
    const core = await startCore(t);
    await someHistory(core);
    const stale = await call(core, 'POST', `${CART}:rollback`, { to: 1 }, { 'if-match': '"3"' });
    assert.deepEqual([stale.status, stale.body.code], [412, 'expect']);
    assert.equal(timeoutOf(core), '3s');
    const { offset } = core.log.head();
    const dry = await call(core, 'POST', `${CART}:rollback?dryRun=1`, { to: 1 });
    assert.deepEqual([dry.status, dry.body.dryRun, dry.body.results[0].action], [200, true, 'configured']);
    assert.equal(core.log.head().offset, offset);
    assert.equal((await call(core, 'POST', `${CART}:rollback`, { to: 1 }, { 'if-match': '"6"' })).status, 200);
    assert.equal(timeoutOf(core), '1s');
  });

  test('what does not fit any more is rejected like a PUT', async (t) => {
    const core = await startCore(t);
    await call(core, 'PUT', CART, routeDocument('cart', { timeout: '1s' }));
    await call(core, 'DELETE', CART);
    await call(
      core,
      'PUT',
      '/v1/docs/Route/shop/other',
      routeDocument('other', { scope: { service: 'cart' }, timeout: '2s' }),
    );
    const reply = await call(core, 'POST', `${CART}:rollback`, { to: 1 });
    assert.deepEqual([reply.status, reply.body.code], [409, 'E201']);
    assert.equal((await call(core, 'GET', CART)).status, 404);
  });

  for (const [body, code] of [
    [{}, 'E103'],
    [[], 'E102'],
    [{ to: 1, at: 2 }, 'E101'],
    [{ to: '1' }, 'OFFSET_INVALID'],
    [{ to: 0 }, 'OFFSET_INVALID'],
    [{ to: 7 }, 'OFFSET_INVALID'],
    [{ to: 1.5 }, 'OFFSET_INVALID'],
    [{ to: 1, reason: 5 }, 'E102'],
  ] as const)
    test(`${JSON.stringify(body)}: 400 ${code}`, async (t) => {
      const core = await startCore(t);
      await someHistory(core);
      const reply = await call(core, 'POST', `${CART}:rollback`, body);
      assert.deepEqual([reply.status, reply.body.code], [400, code]);
      assert.equal(core.log.head().offset, 6);
    });

  test('POST without :rollback is no route', async (t) => {
    const core = await startCore(t);
    const reply = await call(core, 'POST', CART, { to: 1 });
    assert.deepEqual([reply.status, reply.headers.get('allow')], [405, 'GET, PUT, DELETE, PATCH']);
  });
});

describe('GET …/history?change=1', () => {
  test('what each event changed and what became of it, also in batches; refusals are told with what was refused', async (t) => {
    const core = await startCore(t);
    await someHistory(core);
    const cart = (timeout: string) => ({
      type: 'policy.applied',
      data: { document: routeDocument('cart', { timeout }) },
    });
    // 7, 8 · 9 refused · 10 as it was before 8
    await call(core, 'POST', '/v1/events', { events: [service('cart'), cart('4s')] });
    const refused = { kind: 'Route', namespace: 'shop', name: 'cart', offset: 8, author: 'local' };
    const by = { node: 'web-1', typeUrl: 'type.googleapis.com/x.Y', resource: 'r', version: 'v', message: 'no' };
    const { offsets } = await core.log.append([event('policy.refused', { ...refused, ...by })]);
    await core.projector.waitFor(offsets.at(-1) ?? 0);
    await call(core, 'PUT', CART, routeDocument('cart', { timeout: '3s' }));
    const { body } = await call(core, 'GET', `${CART}/history?change=1`);
    const told = body.events.filter(({ type }: Row) => type !== 'policy.refused');
    assert.deepEqual(
      told.map((row: { offset: number; change: string; lines: string[]; result: string }) => [
        row.offset,
        row.change,
        row.lines.join(),
        row.result,
      ]),
      [
        [10, 'changed', 'timeout 4s -> 3s', 'applied'],
        [8, 'changed', 'timeout 3s -> 4s', 'refused by web-1'],
        [6, 'added', '', 'applied'],
        [5, 'removed', '', 'applied'],
        [4, 'unchanged', '', 'rejected E110'],
        [3, 'changed', 'timeout 1s -> 2s', 'applied'],
        [1, 'added', '', 'applied'],
      ],
    );
    assert.deepEqual(told[1].patch, [{ op: 'replace', path: '/spec/timeout', value: '4s' }]);
  });

  test('of a service: its events and those of its document', async (t) => {
    const core = await startCore(t);
    await call(core, 'POST', '/v1/events', { events: [service('cart')] });
    await call(core, 'POST', '/v1/events', { events: [service('cart', { labels: { tier: 'x' } })] });
    const { body } = await call(core, 'GET', '/v1/services/shop/cart/history?change=1');
    assert.deepEqual(
      body.events.map(({ lines }: { lines: string[] }) => lines),
      [['+labels.tier x'], []],
    );
    assert.equal((await call(core, 'GET', '/v1/services/shop/nobody/history')).body.code, 'SERVICE_UNKNOWN');
  });
});
