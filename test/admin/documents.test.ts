/** Documents over HTTP: many at once and one by one, on the real log and projector. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { call, PATCH, routeDocument, service, startCore, YAML } from './core.ts';

const UPSTREAM = `apiVersion: tendril.dev/v1
kind: Upstream
metadata: {name: cart, namespace: shop, labels: {app: boutique}}
spec:
  subsets:
    v1: {labels: {version: v1}}
    v2: {labels: {version: v2}}
`;
const ROUTE = `apiVersion: tendril.dev/v1
kind: Route
metadata: {name: cart, namespace: shop, labels: {app: boutique}}
spec:
  timeout: 2s
  to: {v1: {weight: 90}, v2: {weight: 10}}
`;

type Result = { readonly document: string; readonly action: string; readonly offset: number };
const actions = (results: readonly Result[]) =>
  Object.fromEntries(results.map(({ document, action }) => [document, action]));

describe('POST /v1/docs:apply', () => {
  test('many documents, in any order, are one batch; again: unchanged, nothing appended', async (t) => {
    const core = await startCore(t);
    await call(core, 'POST', '/v1/events', { events: [service('cart')] });
    const reply = await call(
      core,
      'POST',
      '/v1/docs:apply?file=cart.yaml&reason=first',
      `${ROUTE}---\n${UPSTREAM}`,
      YAML,
    );
    assert.equal(reply.status, 200, reply.text);
    assert.deepEqual(actions(reply.body.results), { 'Route/shop/cart': 'created', 'Upstream/shop/cart': 'created' });
    assert.deepEqual(reply.body.offsets, [2, 3]);
    const stored = core.projector.fold.policy('Upstream', 'shop', 'cart');
    assert.deepEqual([stored?.file, stored?.line, stored?.reason, stored?.source], ['cart.yaml', 8, 'first', 'local']);
    const again = await call(core, 'POST', '/v1/docs:apply', `${UPSTREAM}---\n${ROUTE}`, YAML);
    assert.equal(again.status, 200);
    assert.deepEqual(actions(again.body.results), {
      'Route/shop/cart': 'unchanged',
      'Upstream/shop/cart': 'unchanged',
    });
    assert.equal(core.log.head().offset, 3);
  });

  test('atomic: a document that does not fit keeps all others out', async (t) => {
    const core = await startCore(t);
    await call(core, 'POST', '/v1/events', { events: [service('cart'), service('web')] });
    const bad = ROUTE.replace('v2: {weight: 10}', 'v9: {weight: 10}');
    const reply = await call(core, 'POST', '/v1/docs:apply?file=all.yaml', `${UPSTREAM}---\n${bad}`, YAML);
    assert.equal(reply.status, 409);
    assert.equal(reply.body.code, 'E301');
    const [finding] = reply.body.findings;
    // The fold knows the field, the text knows the place: line and column of the value.
    assert.deepEqual([finding.document, finding.file, finding.line], ['Route/shop/cart', 'all.yaml', 14]);
    assert.equal(core.projector.fold.policy('Upstream', 'shop', 'cart'), undefined);
    assert.deepEqual(
      reply.body.events.map(({ status, code }: { status: string; code: string }) => `${status} ${code}`),
      ['rejected batch', 'rejected E301'],
    );
  });

  test('a document with an error: nothing is appended at all', async (t) => {
    const core = await startCore(t);
    const reply = await call(
      core,
      'POST',
      '/v1/docs:apply',
      `${UPSTREAM}---\n${ROUTE.replace('2s', '2 seconds')}`,
      YAML,
    );
    assert.equal(reply.status, 400);
    assert.equal(reply.body.code, 'E104');
    assert.equal(reply.body.line, 13);
    assert.equal(core.log.head().offset, 0);
  });

  test('dryRun says what would happen, and why not; writes nothing', async (t) => {
    const core = await startCore(t);
    await call(core, 'POST', '/v1/events', { events: [service('cart')] });
    const head = core.log.head().offset;
    const good = await call(core, 'POST', '/v1/docs:apply?dryRun=1', `${UPSTREAM}---\n${ROUTE}`, YAML);
    assert.equal(good.status, 200, good.text);
    assert.equal(good.body.dryRun, true);
    assert.deepEqual(actions(good.body.results), { 'Route/shop/cart': 'created', 'Upstream/shop/cart': 'created' });
    const alone = await call(core, 'POST', '/v1/docs:apply?dryRun=1&file=cart.yaml', ROUTE, YAML);
    assert.equal(alone.status, 409);
    assert.equal(alone.body.code, 'E301');
    assert.equal(alone.body.findings[0].line, 6);
    assert.equal(core.log.head().offset, head);
  });

  test('a dry run and the real thing say the same', async (t) => {
    const core = await startCore(t);
    await call(core, 'POST', '/v1/events', { events: [service('cart')] });
    await call(core, 'POST', '/v1/docs:apply', `${UPSTREAM}---\n${ROUTE}`, YAML);
    const second = ROUTE.replace('name: cart', 'name: cart-too').replace('spec:', 'spec:\n  scope: {service: cart}');
    const subsets = UPSTREAM.replace('    v2: {labels: {version: v2}}\n', '');
    for (const text of [second, subsets, UPSTREAM.replace('subsets:', 'hash: [{ip: true}]\n  subsets:')]) {
      const dry = await call(core, 'POST', '/v1/docs:apply?dryRun=1', text, YAML);
      const real = await call(core, 'POST', '/v1/docs:apply', text, YAML);
      assert.equal(dry.status, 409, dry.text);
      assert.equal(real.status, 409, real.text);
      const codes = (findings: readonly { code: string; document: string; pointer: string }[]) =>
        findings.map(({ code, document, pointer }) => `${code} ${document} ${pointer}`);
      assert.deepEqual(codes(dry.body.findings), codes(real.body.findings));
    }
  });

  test('prune deletes what carries the label and is not in the set, in the same batch', async (t) => {
    const core = await startCore(t);
    await call(core, 'POST', '/v1/events', { events: [service('cart')] });
    await call(core, 'POST', '/v1/docs:apply', `${UPSTREAM}---\n${ROUTE}`, YAML);
    await call(core, 'POST', '/v1/docs:apply', JSON.stringify(routeDocument('web', { timeout: '1s' })));
    const reply = await call(core, 'POST', '/v1/docs:apply?prune=app=boutique', UPSTREAM, YAML);
    assert.equal(reply.status, 200, reply.text);
    assert.deepEqual(actions(reply.body.results), { 'Upstream/shop/cart': 'unchanged', 'Route/shop/cart': 'deleted' });
    assert.equal(core.projector.fold.policy('Route', 'shop', 'cart'), undefined);
    assert.notEqual(core.projector.fold.policy('Route', 'shop', 'web'), undefined);
    const without = await call(
      core,
      'POST',
      '/v1/docs:apply?prune=app',
      JSON.stringify(routeDocument('web', { timeout: '3s' })),
    );
    assert.equal(without.status, 400);
    assert.match(without.body.detail, /has no label app/);
  });

  test('JSON: one, a list, a named list, and with the place of each', async (t) => {
    const core = await startCore(t);
    await call(core, 'POST', '/v1/docs:apply', routeDocument('a', { timeout: '1s' }));
    await call(core, 'POST', '/v1/docs:apply', [routeDocument('b', { timeout: '1s' }), routeDocument('c', {})]);
    const reply = await call(core, 'POST', '/v1/docs:apply', {
      documents: [{ document: routeDocument('d', {}), file: 'x/d.yaml', line: 7 }],
    });
    assert.equal(reply.status, 200, reply.text);
    const { docs } = (await call(core, 'GET', '/v1/docs?kind=Route&namespace=shop')).body;
    assert.deepEqual(
      docs.map(({ name }: { name: string }) => name),
      ['a', 'b', 'c', 'd'],
    );
    assert.deepEqual([docs[3].file, docs[3].line], ['x/d.yaml', 7]);
    const bad = await call(core, 'POST', '/v1/docs:apply', [routeDocument('e', {}), { kind: 'Route' }]);
    assert.equal(bad.status, 400);
    assert.equal(bad.body.pointer, '/1/apiVersion');
  });

  test('a long text: places are those of the whole text', async (t) => {
    const core = await startCore(t);
    const documents = Array.from({ length: 300 }, (_, index) =>
      ROUTE.replace('name: cart', `name: r${index}`).replace('  to: {v1: {weight: 90}, v2: {weight: 10}}\n', ''),
    );
    const good = await call(core, 'POST', '/v1/docs:apply', documents.join('---\n'), YAML);
    assert.equal(good.status, 200, good.text);
    assert.equal(core.projector.fold.policy('Route', 'shop', 'r299')?.line, 299 * 6 + 1);
    documents[250] = 'apiVersion: tendril.dev/v1\nkind: Route\nmetadata: {name: bad}\nspec: {tiemout: 1s}\n';
    const bad = await call(core, 'POST', '/v1/docs:apply', documents.join('---\n'), YAML);
    assert.equal(bad.body.code, 'E101');
    assert.deepEqual([bad.body.line, bad.body.column], [250 * 6 + 4, 8]);
  });
});

describe('/v1/docs/{kind}/{namespace}/{name}', () => {
  test('GET gives the document with its offset as ETag; PUT and PATCH with If-Match', async (t) => {
    const core = await startCore(t);
    const path = '/v1/docs/Route/shop/cart';
    const put = await call(core, 'PUT', `${path}?reason=first`, routeDocument('cart', { timeout: '1s' }));
    assert.equal(put.status, 200, put.text);
    assert.equal(put.headers.get('etag'), '"1"');
    const got = await call(core, 'GET', path);
    assert.equal(got.headers.get('etag'), '"1"');
    assert.deepEqual(got.body.document, routeDocument('cart', { timeout: '1s' }));
    assert.deepEqual([got.body.offset, got.body.source, got.body.reason], [1, 'local', 'first']);

    const patched = await call(core, 'PATCH', path, [{ op: 'replace', path: '/spec/timeout', value: '2s' }], {
      ...PATCH,
      'if-match': '"1"',
    });
    assert.equal(patched.status, 200, patched.text);
    assert.equal(patched.headers.get('etag'), '"2"');
    const stale = await call(core, 'PUT', path, routeDocument('cart', { timeout: '3s' }), { 'if-match': '"1"' });
    assert.equal(stale.status, 412);
    assert.equal(stale.body.code, 'expect');
    assert.equal(core.projector.fold.policy('Route', 'shop', 'cart')?.document.spec !== undefined, true);
    assert.deepEqual((await call(core, 'GET', path)).body.document.spec, { timeout: '2s' });
    const fresh = await call(core, 'PUT', path, routeDocument('cart', { timeout: '3s' }), { 'if-match': '2' });
    assert.equal(fresh.status, 200, fresh.text);
    // The rejected PUT has its place in the log.
    assert.deepEqual(fresh.body.offsets, [4]);
  });

  test('If-None-Match: * creates, and 412 when it is there; If-Match: * the other way round', async (t) => {
    const core = await startCore(t);
    const path = '/v1/docs/Route/shop/cart';
    assert.equal((await call(core, 'PUT', path, routeDocument('cart', {}), { 'if-match': '*' })).status, 412);
    assert.equal((await call(core, 'PUT', path, routeDocument('cart', {}), { 'if-none-match': '*' })).status, 200);
    assert.equal(
      (await call(core, 'PUT', path, routeDocument('cart', { timeout: '1s' }), { 'if-none-match': '*' })).status,
      412,
    );
    assert.equal(
      (await call(core, 'PUT', path, routeDocument('cart', { timeout: '1s' }), { 'if-match': '*' })).status,
      200,
    );
  });

  test('a patch that does not fit: 409 E110', async (t) => {
    const core = await startCore(t);
    const path = '/v1/docs/Route/shop/cart';
    await call(core, 'PUT', path, routeDocument('cart', { timeout: '1s' }));
    const missing = await call(core, 'PATCH', path, [{ op: 'replace', path: '/spec/retry/attempts', value: 2 }], PATCH);
    assert.equal(missing.status, 409);
    assert.equal(missing.body.code, 'E110');
    assert.equal(missing.body.remedy, 'tendril get Route/shop/cart -o json');
    const test = await call(core, 'PATCH', path, [{ op: 'test', path: '/spec/timeout', value: '9s' }], PATCH);
    assert.equal(test.status, 409);
    const result = await call(core, 'PATCH', path, [{ op: 'add', path: '/spec/tiemout', value: '9s' }], PATCH);
    assert.equal(result.status, 409);
    assert.equal(result.body.code, 'E101');
    assert.deepEqual((await call(core, 'GET', path)).body.document.spec, { timeout: '1s' });
  });

  test('DELETE, with If-Match', async (t) => {
    const core = await startCore(t);
    const path = '/v1/docs/Route/shop/cart';
    await call(core, 'PUT', path, routeDocument('cart', {}));
    assert.equal((await call(core, 'DELETE', path, undefined, { 'if-match': '"7"' })).status, 412);
    const gone = await call(core, 'DELETE', path, undefined, { 'if-match': '"1"' });
    assert.equal(gone.status, 200, gone.text);
    assert.equal(gone.body.results[0].action, 'deleted');
    assert.equal((await call(core, 'GET', path)).status, 404);
  });

  test('YAML is taken too, and the kind in any case', async (t) => {
    const core = await startCore(t);
    const reply = await call(
      core,
      'PUT',
      '/v1/docs/route/shop/cart',
      ROUTE.replace('  to: {v1: {weight: 90}, v2: {weight: 10}}\n', ''),
      YAML,
    );
    assert.equal(reply.status, 200, reply.text);
    assert.equal((await call(core, 'GET', '/v1/docs/ROUTE/shop/cart')).body.kind, 'Route');
  });

  test('the same content again appends nothing', async (t) => {
    const core = await startCore(t);
    await call(core, 'PUT', '/v1/docs/Route/shop/cart', routeDocument('cart', {}));
    const again = await call(core, 'PUT', '/v1/docs/Route/shop/cart', routeDocument('cart', {}));
    assert.equal(again.status, 200);
    assert.equal(again.body.results[0].action, 'unchanged');
    assert.equal(core.log.head().offset, 1);
  });

  test('E201: the same field by two documents of one scope names the earlier one', async (t) => {
    const core = await startCore(t);
    await call(core, 'PUT', '/v1/docs/Route/shop/cart', routeDocument('cart', { timeout: '1s' }));
    const reply = await call(
      core,
      'PUT',
      '/v1/docs/Route/shop/other',
      routeDocument('other', { scope: { service: 'cart' }, timeout: '2s' }),
    );
    assert.equal(reply.status, 409);
    assert.equal(reply.body.code, 'E201');
    assert.equal(reply.body.findings[0].related[0].document, 'Route/shop/cart');
  });
});

describe('/v1/docs', () => {
  test('lists by kind and namespace, in pages', async (t) => {
    const core = await startCore(t);
    const documents = Array.from({ length: 25 }, (_, index) => routeDocument(`r${String(index).padStart(2, '0')}`, {}));
    await call(core, 'POST', '/v1/docs:apply', documents);
    await call(core, 'POST', '/v1/docs:apply', {
      ...routeDocument('x', {}),
      metadata: { name: 'x', namespace: 'else' },
    });
    const names: string[] = [];
    let next: string | undefined;
    do {
      const { body } = await call(
        core,
        'GET',
        `/v1/docs?kind=Route&namespace=shop&limit=10${next === undefined ? '' : `&next=${encodeURIComponent(next)}`}`,
      );
      names.push(...body.docs.map(({ name }: { name: string }) => name));
      next = body.next;
    } while (next !== undefined);
    assert.deepEqual(
      names,
      documents.map(({ metadata }) => metadata.name),
    );
    assert.equal((await call(core, 'GET', '/v1/docs?kind=Upstream')).body.docs.length, 0);
    assert.equal((await call(core, 'GET', '/v1/docs?source=dir')).body.docs.length, 0);
  });
});
