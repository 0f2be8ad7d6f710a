/** `/v1/state`: counts, lists in pages, differences and proofs, now and then. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import jsonPatch from 'fast-json-patch';
import { type Core, call, endpoint, routeDocument, service, startCore } from './core.ts';

const append = async (core: Core, ...events: object[]): Promise<number> =>
  (await call(core, 'POST', '/v1/events', { events })).body.offsets.at(-1);

const applied = (name: string, spec: object) => ({
  type: 'policy.applied',
  data: { document: routeDocument(name, spec) },
});

const gone = (type: string, data: object) => ({ type, data: { namespace: 'shop', ...data } });

test('counts now and then; the hash where it is proven', async (t) => {
  const core = await startCore(t);
  const then = await append(
    core,
    service('web'),
    service('cart'),
    endpoint('cart', 'a'),
    applied('cart', { timeout: '1s' }),
  );
  const now = await append(
    core,
    gone('service.deregistered', { name: 'web' }),
    gone('endpoint.deregistered', { service: 'cart', id: 'a' }),
  );
  const zero = { services: 0, endpoints: 0, documents: 0, callers: 0, edges: 0, raw: 0 };
  const present = (await call(core, 'GET', '/v1/state')).body;
  assert.deepEqual(present.counts, { ...zero, services: 1, documents: 1 });
  const past = (await call(core, 'GET', `/v1/state?at=${then}`)).body;
  assert.deepEqual(past.counts, { ...zero, services: 2, endpoints: 1, documents: 1 });
  assert.equal(past.at.offset, then);
  assert.deepEqual((await call(core, 'GET', '/v1/state?at=0')).body.counts, zero);
  const proof = (await call(core, 'GET', '/v1/state/hash')).body;
  assert.equal(present.hash, proof.hash);
  const exact = (await call(core, 'GET', `/v1/state/hash?at=${now}`)).body;
  assert.deepEqual([exact.hash, exact.exact, exact.offset, exact.at.offset], [proof.hash, true, now, now]);
  const empty = (await call(core, 'GET', '/v1/state/hash?at=0')).body;
  assert.deepEqual([empty.offset, empty.exact, /^0+$/.test(empty.hash)], [0, true, true]);
  assert.equal((await call(core, 'GET', '/v1/state/hash?at=99')).body.code, 'OFFSET_INVALID');
});

test('entities by kind and namespace, in pages that leave none out', async (t) => {
  const core = await startCore(t);
  const names = ['a', 'a-b', 'b'];
  await append(
    core,
    ...names.map((name) => service(name)),
    ...names.flatMap((name) => ['1', '2'].map((id) => endpoint(name, id))),
    service('x', { namespace: 'other' }),
    applied('a', { timeout: '1s' }),
    { type: 'dependency.declared', data: { from: 'a.shop', to: 'b.shop' } },
    { type: 'dependency.declared', data: { from: 'b.shop', to: 'a.shop' } },
  );
  const at = core.log.head().offset;
  for (const name of names) await append(core, gone('service.deregistered', { name }));
  const pages = async (query: string): Promise<string[]> => {
    const subjects: string[] = [];
    for (let next = ''; ; ) {
      const { body } = await call(core, 'GET', `/v1/state?limit=1&${query}${next}`);
      subjects.push(...body.entities.map(({ subject }: { subject: string }) => subject));
      if (body.next === undefined) return subjects;
      next = `&next=${encodeURIComponent(body.next)}`;
    }
  };
  const then = (kind: string, more = '') => pages(`at=${at}&kind=${kind}${more}`);
  assert.deepEqual(await then('service'), ['service/other/x', 'service/shop/a', 'service/shop/a-b', 'service/shop/b']);
  assert.deepEqual(await then('service', '&namespace=shop'), ['service/shop/a', 'service/shop/a-b', 'service/shop/b']);
  assert.deepEqual(await then('endpoint'), [
    'endpoint/shop/a-b/1',
    'endpoint/shop/a-b/2',
    'endpoint/shop/a/1',
    'endpoint/shop/a/2',
    'endpoint/shop/b/1',
    'endpoint/shop/b/2',
  ]);
  assert.deepEqual(await then('document', '&namespace=shop'), ['policy/Route/shop/a']);
  assert.deepEqual(await then('edge'), ['edge/a.shop/b.shop', 'edge/b.shop/a.shop']);
  assert.deepEqual(await pages('kind=service'), ['service/other/x']);
  assert.equal((await call(core, 'GET', '/v1/state?namespace=shop')).body.code, 'E103');
});

test('what differs between two moments: the patch makes one of the other, and lines say it', async (t) => {
  const core = await startCore(t);
  const from = await append(
    core,
    service('web'),
    applied('cart', { timeout: '2s', rules: { all: { timeout: '3s' } } }),
    applied('gone', {}),
  );
  const before = (await call(core, 'GET', '/v1/docs/Route/shop/cart')).body.document;
  await append(core, service('cart'), endpoint('cart', 'a'));
  await append(core, applied('cart', { timeout: '5s', retry: { attempts: 2 } }));
  const to = await append(core, gone('policy.deleted', { kind: 'Route', name: 'gone' }));
  const { body } = await call(core, 'GET', `/v1/state/diff?from=${from}`);
  assert.deepEqual([body.from.offset, body.to.offset, body.next], [from, to, undefined]);
  // biome-ignore lint/suspicious/noExplicitAny: rows of any shape
  const rows = new Map<string, any>(body.entities.map((row: { subject: string }) => [row.subject, row]));
  assert.deepEqual(
    [...rows.values()].map(({ subject, change }) => [subject, change]),
    [
      ['service/shop/cart', 'added'],
      ['policy/Route/shop/cart', 'changed'],
      ['policy/Route/shop/gone', 'removed'],
      ['endpoint/shop/cart/a', 'added'],
    ],
  );
  const { patch, lines } = rows.get('policy/Route/shop/cart');
  const after = (await call(core, 'GET', '/v1/docs/Route/shop/cart')).body.document;
  assert.deepEqual(jsonPatch.applyPatch(structuredClone(before), patch).newDocument, after);
  assert.ok(
    lines.includes('timeout 2s -> 5s') && lines.includes('+retry') && lines.includes('-rules'),
    lines.join('; '),
  );
  const only = await call(core, 'GET', `/v1/state/diff?from=${from}&kind=document&namespace=shop`);
  assert.equal(only.body.entities.length, 2);
  const one = await call(core, 'GET', `/v1/state/diff?from=${from}&subject=policy/Route/shop/cart`);
  assert.deepEqual(one.body.entities, [rows.get('policy/Route/shop/cart')]);
  assert.equal((await call(core, 'GET', '/v1/state/diff')).body.code, 'E103');
  assert.equal((await call(core, 'GET', `/v1/state/diff?from=${to}&to=${from}`)).body.code, 'OFFSET_INVALID');
});
