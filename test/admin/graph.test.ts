/** The graph over HTTP: filters and pages, the graph of then, exports that `apply` takes, audit, diff. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import jsonPatch from 'fast-json-patch';
import { parse, parseAllDocuments } from 'yaml';
import { event } from '../projector/mesh-events.ts';
import { type Core, call, service, startCore, YAML } from './core.ts';

const dependency = (name: string, spec: object): string =>
  JSON.stringify({ apiVersion: 'tendril.dev/v1', kind: 'Dependency', metadata: { name, namespace: 'shop' }, spec });

const learn = async (core: Core, ...edges: readonly [from: string, to: string][]): Promise<void> => {
  core.learned.report(edges.map(([from, to]) => ({ from, to, node: `${from}-1` })));
  await core.learned.settled();
  await core.projector.waitFor(core.log.head().offset);
};

/** A sidecar reports use: only then can it be told what is not used. */
const used = async (core: Core, from: string, to: string): Promise<void> => {
  const { offsets } = await core.log.append([
    event('dependency.observed', { from, to, evidence: 'observed' }, { source: `${from}-1` }),
  ]);
  await core.projector.waitFor(offsets[0] ?? 0);
};

const apply = async (core: Core, text: string): Promise<number> => {
  const { status, body } = await call(core, 'POST', '/v1/docs:apply', text, YAML);
  assert.equal(status, 200, JSON.stringify(body));
  return core.log.head().offset;
};

/** web -> cart and db (TCP), learned; web -> ads, declared and never used; shop.ads -> cart by a namespace document. */
const mesh = async (t: TestContext): Promise<Core> => {
  const core = await startCore(t);
  await call(core, 'POST', '/v1/events', {
    events: [
      service('web'),
      service('cart'),
      service('ads'),
      service('db', { ports: [{ port: 5432, protocol: 'tcp' }] }),
      {
        type: 'service.registered',
        data: { namespace: 'infra', name: 'log', ports: [{ port: 80, protocol: 'http' }] },
      },
    ],
  });
  await apply(core, dependency('web', { to: { 'ads.shop:8080': {} } }));
  await learn(core, ['web.shop', 'cart.shop:8080'], ['web.shop', 'db.shop:5432'], ['ads.shop', 'log.infra:80']);
  await used(core, 'web.shop', 'cart.shop:8080');
  return core;
};

const keys = (body: { readonly edges: readonly { from: string; to: string; port?: number }[] }): string[] =>
  body.edges.map(({ from, to, port }) => `${from}|${to}${port === undefined ? '' : `:${port}`}`);

test('filters by origin, namespaces and state; pages go on where a filter left off', async (t) => {
  const core = await mesh(t);
  const graph = async (query: string) => (await call(core, 'GET', `/v1/graph?${query}`)).body;
  assert.deepEqual(keys(await graph('origin=declared')), ['web.shop|ads.shop:8080']);
  assert.deepEqual(keys(await graph('toNamespace=infra')), ['ads.shop|log.infra:80']);
  assert.deepEqual(keys(await graph('fromNamespace=infra')), []);
  const first = await graph('fromNamespace=shop&limit=2');
  const second = await graph(`fromNamespace=shop&limit=2&next=${encodeURIComponent(first.next)}`);
  assert.deepEqual(keys(first), ['ads.shop|log.infra:80', 'web.shop|ads.shop:8080']);
  assert.deepEqual(keys(second), ['web.shop|cart.shop:8080', 'web.shop|db.shop:5432']);
  assert.equal(second.next, undefined);
});

test('at an offset and at a time: edges, services and documents of then; the answer says of when it is', async (t) => {
  const core = await mesh(t);
  const before = core.log.head().offset;
  const { body: then } = await call(core, 'GET', '/v1/graph?focus=web.shop');
  await call(core, 'DELETE', '/v1/docs/Dependency/shop/web');
  await call(core, 'POST', '/v1/events', {
    events: [{ type: 'service.deregistered', data: { namespace: 'shop', name: 'cart' } }],
  });
  const { body: now } = await call(core, 'GET', '/v1/graph?focus=web.shop');
  assert.deepEqual(
    now.edges.map(({ to, state }: { to: string; state: string }) => `${to} ${state}`),
    ['cart.shop dangling', 'db.shop active'],
  );
  const { body: past, headers } = await call(core, 'GET', `/v1/graph?focus=web.shop&at=${before}`);
  assert.deepEqual(past.edges, then.edges);
  assert.equal(past.at.offset, before);
  assert.equal(headers.get('etag'), `"${before}"`);
  assert.deepEqual(
    past.nodes.map(({ name, registered }: { name: string; registered: boolean }) => `${name} ${registered}`),
    ['ads.shop true', 'cart.shop true', 'db.shop true', 'web.shop true'],
  );
  // The time of the last event is that of the newest state; a year ago there was nothing.
  const { body: byTime } = await call(core, 'GET', `/v1/graph?at=${encodeURIComponent(new Date().toISOString())}`);
  assert.equal(byTime.at.offset, core.log.head().offset);
  const { body: nothing } = await call(core, 'GET', '/v1/graph?at=2001-09-09');
  assert.deepEqual([nothing.at.offset, nothing.edges], [0, []]);
});

test('moments that are none are refused with what can be asked for', async (t) => {
  const core = await mesh(t);
  const head = core.log.head().offset;
  const beyond = await call(core, 'GET', `/v1/graph?at=${head + 7}`);
  assert.deepEqual(
    [beyond.status, beyond.body.code, beyond.body.remedy],
    [400, 'OFFSET_INVALID', `ask for 0..${head}`],
  );
  for (const at of ['yesterday', '-1', '2026-13-45', ''])
    assert.equal((await call(core, 'GET', `/v1/graph?at=${at}`)).body.code, 'E102', at);
  assert.equal((await call(core, 'GET', '/v1/graph/diff')).body.code, 'E103');
  assert.equal((await call(core, 'GET', '/v1/graph/export?as=svg')).body.code, 'E102');
  assert.equal((await call(core, 'GET', '/v1/graph/audit?focus=web')).body.code, 'E104');
});

test('export as Dependency: apply takes it as it is; what was learned is declared then, and nothing that was declared is lost', async (t) => {
  const core = await mesh(t);
  const { text, headers } = await call(core, 'GET', '/v1/graph/export?as=dependency');
  assert.match(headers.get('content-type') ?? '', /^text\/yaml/);
  assert.match(text, /^# left out: web\.shop -> db\.shop:5432: it is TCP: .*localPort.*E604/m);
  const documents = parseAllDocuments(text).map((document) => document.toJS());
  assert.deepEqual(
    documents.map(({ metadata, spec }) => [metadata.name, Object.keys(spec.to)]),
    [
      ['ads', ['log.infra:80']],
      ['web', ['ads.shop:8080', 'cart.shop:8080']],
    ],
  );
  await apply(core, text);
  const { body } = await call(core, 'GET', '/v1/graph?origin=learned');
  assert.deepEqual(keys(body), ['web.shop|db.shop:5432'], 'only the one left out is still undeclared');
  const again = await call(core, 'GET', '/v1/graph/export?as=dependency');
  assert.match(again.text, /^# no learned edge is undeclared\n/);
  assert.deepEqual(
    parseAllDocuments(again.text).filter((document) => document.contents !== null),
    [],
  );
});

test('export as Dependency: a document of the name with another scope is left alone; 256 targets a document', async (t) => {
  const core = await mesh(t);
  await apply(core, dependency('cart', { scope: { namespace: true }, learn: true }));
  const many = Array.from({ length: 300 }, (_, index) => `s${index}`);
  await call(core, 'POST', '/v1/events', { events: many.map((name) => service(name)) });
  await learn(core, ...many.map((name): [string, string] => ['cart.shop', `${name}.shop:8080`]));
  const { text } = await call(core, 'GET', '/v1/graph/export?as=dependency&focus=cart.shop');
  const own = parseAllDocuments(text)
    .map((document) => document.toJS())
    .filter(({ metadata }) => metadata.name !== 'web');
  assert.deepEqual(
    own.map(({ metadata, spec }) => [metadata.name, spec.scope, Object.keys(spec.to).length]),
    [
      ['cart-learned', { service: 'cart' }, 256],
      ['cart-learned-2', { service: 'cart' }, 44],
    ],
  );
  await apply(core, text);
  assert.deepEqual(keys((await call(core, 'GET', '/v1/graph?origin=learned&focus=cart.shop')).body).length, 0);
});

test('export as DOT and JSON', async (t) => {
  const core = await mesh(t);
  const { text, headers } = await call(core, 'GET', '/v1/graph/export?as=dot&focus=web.shop');
  assert.match(headers.get('content-type') ?? '', /^text\/vnd\.graphviz/);
  assert.match(text, /^digraph tendril \{\n/);
  assert.match(text, /^ {2}"web\.shop" -> "cart\.shop" \[label="8080", style=dashed, tooltip=".*learned, active"\];$/m);
  assert.match(text, /^ {2}"web\.shop" -> "ads\.shop" \[label="8080", style=solid,/m);
  const { body } = await call(core, 'GET', '/v1/graph/export');
  assert.equal(body.offset, core.log.head().offset);
  assert.equal(body.edges.length, 4);
});

test('audit: declared and never used, used and not declared; applying its documents settles it', async (t) => {
  const core = await mesh(t);
  const { body } = await call(core, 'GET', '/v1/graph/audit');
  assert.deepEqual(
    body.findings.map((finding: { kind: string; edge: { from: string; to: string }; documents: string[] }) => [
      finding.kind,
      `${finding.edge.from}->${finding.edge.to}`,
      finding.documents.join(),
    ]),
    [
      ['never-used', 'web.shop->ads.shop', 'Dependency/shop/web'],
      ['undeclared', 'ads.shop->log.infra', 'Dependency/shop/ads'],
      ['undeclared', 'web.shop->cart.shop', 'Dependency/shop/web'],
      ['undeclared', 'web.shop->db.shop', ''],
    ],
  );
  assert.ok(Date.parse(body.findings[0].since) <= Date.now());
  assert.match(body.findings[3].hint, /TCP/);
  // One document settles both findings of its caller.
  const web = body.documents.find(({ document }: { document: string }) => document === 'Dependency/shop/web');
  assert.deepEqual(Object.keys(parse(web.yaml).spec.to), ['cart.shop:8080']);
  await apply(core, body.documents.map(({ yaml }: { yaml: string }) => yaml).join('---\n'));
  const { body: after } = await call(core, 'GET', '/v1/graph/audit');
  assert.deepEqual(
    after.findings.map(({ edge }: { edge: { to: string } }) => edge.to),
    ['db.shop'],
  );
});

test('audit: nothing is left of a document; patterns and events have no document of their own; pins are no finding', async (t) => {
  const core = await startCore(t);
  await call(core, 'POST', '/v1/events', { events: [service('a'), service('b'), service('c')] });
  await apply(core, dependency('a', { to: { 'b.shop': {} } }));
  await apply(core, dependency('c', { to: { '*.shop': {}, 'a.shop': { pin: true } } }));
  await call(core, 'PUT', '/v1/graph/edges/b.shop/c.shop');
  for (const caller of ['a', 'b', 'c']) await used(core, `${caller}.shop`, 'd.shop:8080');
  const { body } = await call(core, 'GET', '/v1/graph/audit');
  assert.deepEqual(body.documents, [{ document: 'Dependency/shop/a', action: 'delete' }]);
  const hints = Object.fromEntries(
    body.findings.map(({ edge, hint }: { edge: { from: string; to: string }; hint?: string }) => [
      `${edge.from}->${edge.to}`,
      hint,
    ]),
  );
  assert.match(hints['c.shop->b.shop'], /Dependency\/shop\/c for more than this edge/);
  assert.match(hints['b.shop->c.shop'], /by an event: DELETE \/v1\/graph\/edges\/b\.shop\/c\.shop/);
  assert.equal('c.shop->a.shop' in hints, false);
});

test('audit: where no sidecar reports use, what is declared may be used all the same: no document takes it away', async (t) => {
  const core = await startCore(t);
  await call(core, 'POST', '/v1/events', { events: [service('a'), service('b')] });
  await apply(core, dependency('a', { to: { 'b.shop': {} } }));
  const { body } = await call(core, 'GET', '/v1/graph/audit?focus=b.shop');
  assert.deepEqual([body.findings.length, body.findings[0].kind, body.documents], [1, 'never-used', []]);
  assert.match(body.findings[0].hint, /no sidecar of a\.shop reports use/);
  // Use of another edge, outside of the focus, is a report as well.
  await used(core, 'a.shop', 'c.shop:8080');
  const { body: known } = await call(core, 'GET', '/v1/graph/audit?focus=b.shop');
  assert.deepEqual(known.documents, [{ document: 'Dependency/shop/a', action: 'delete' }]);
});

const findings = (body: {
  readonly findings: readonly { kind: string; edge: { from: string; to: string; port?: number } }[];
}) => body.findings.map(({ kind, edge }) => `${kind} ${keys({ edges: [edge] })[0]}`);

test('audit and export: a declaration without a port, by name or by pattern, is of every port: used through one, and that port declared', async (t) => {
  const core = await startCore(t);
  await call(core, 'POST', '/v1/events', { events: ['a', 'b', 'c', 'd'].map((name) => service(name)) });
  await apply(core, dependency('a', { to: { 'b.shop': {}, 'c.shop': {}, 'd.shop:8080': {} } }));
  await apply(core, dependency('b', { to: { '*.shop': {} } }));
  await used(core, 'a.shop', 'b.shop:8080');
  await used(core, 'a.shop', 'd.shop:9999');
  for (const to of ['a', 'b', 'c', 'd']) await used(core, 'b.shop', `${to}.shop:8080`);
  const expected = ['never-used a.shop|c.shop', 'never-used a.shop|d.shop:8080', 'undeclared a.shop|d.shop:9999'];
  const audit = async (query = '') => findings((await call(core, 'GET', `/v1/graph/audit${query}`)).body);
  assert.deepEqual(await audit(), expected);
  // A filter leaves out findings, not what they are compared with.
  assert.deepEqual(await audit('?origin=declared'), expected.slice(0, 2));
  assert.deepEqual(await audit('?origin=learned'), expected.slice(2));
  await call(core, 'POST', '/v1/events', {
    events: [service('d', { ports: [8080, 9999].map((port) => ({ port, protocol: 'http' })) })],
  });
  for (const query of ['', '&origin=learned']) {
    const { text } = await call(core, 'GET', `/v1/graph/export?as=dependency${query}`);
    const [document, ...others] = parseAllDocuments(text).map((one) => one.toJS());
    assert.deepEqual(others, []);
    assert.deepEqual(Object.keys(document.spec.to), ['b.shop', 'c.shop', 'd.shop:8080', 'd.shop:9999']);
  }
});

test('audit: what is declared is no longer used when its last use is a TTL ago', async (t) => {
  const hour = 3_600_000;
  let at = Date.now() - 30 * hour;
  const core = await startCore(t, { now: () => at });
  await call(core, 'POST', '/v1/events', { events: ['a', 'b', 'c', 'd'].map((name) => service(name)) });
  await apply(core, dependency('a', { to: { 'b.shop': {}, 'c.shop:8080': {}, 'd.shop:8080': {} } }));
  for (const to of ['b', 'c', 'd']) await used(core, 'a.shop', `${to}.shop:8080`);
  const last = new Date(at).toISOString();
  const then = core.log.head().offset;
  at += 29 * hour;
  await used(core, 'a.shop', 'd.shop:8080');
  const { body } = await call(core, 'GET', '/v1/graph/audit');
  assert.deepEqual(findings(body), ['no-longer-used a.shop|b.shop', 'no-longer-used a.shop|c.shop:8080']);
  assert.deepEqual(
    body.findings.map(({ since }: { since: string }) => since),
    [last, last],
  );
  assert.deepEqual(
    body.documents.map(({ yaml }: { yaml: string }) => Object.keys(parse(yaml).spec.to)),
    [['d.shop:8080']],
  );
  assert.deepEqual(findings((await call(core, 'GET', `/v1/graph/audit?at=${then}`)).body), []);
  await apply(core, dependency('a', { ttl: '48h', to: { 'b.shop': {}, 'c.shop:8080': {} } }));
  assert.deepEqual(findings((await call(core, 'GET', '/v1/graph/audit?origin=declared%2Blearned')).body), []);
});

test('diff: what came, went and changed; its patch makes the later document of the earlier one', async (t) => {
  const core = await mesh(t);
  const from = core.log.head().offset;
  const document = async (query: string) => {
    const { body } = await call(core, 'GET', `/v1/graph/export?${query}`);
    return Object.fromEntries(
      body.edges.map((edge: { from: string; to: string; port?: number }) => [keys({ edges: [edge] })[0], edge]),
    );
  };
  await call(core, 'DELETE', '/v1/docs/Dependency/shop/web');
  await call(core, 'PUT', '/v1/graph/edges/web.shop/cart.shop:8080', { action: 'pin' });
  await learn(core, ['cart.shop', 'ads.shop:8080'], ['ads.shop', 'log.infra:80']);
  const { body } = await call(core, 'GET', `/v1/graph/diff?from=${from}`);
  assert.deepEqual(keys({ edges: body.came }), ['cart.shop|ads.shop:8080']);
  assert.deepEqual(keys({ edges: body.went }), ['web.shop|ads.shop:8080']);
  assert.deepEqual(
    body.changed.map(({ before, after }: { before: { state: string }; after: { state: string } }) => [
      before.state,
      after.state,
    ]),
    [['active', 'pinned']],
  );
  const patched = jsonPatch.applyPatch({ edges: await document(`at=${from}`) }, body.patch).newDocument;
  assert.deepEqual(patched.edges, await document(''));
  const { body: same } = await call(core, 'GET', `/v1/graph/diff?from=${from}&to=${from}`);
  assert.deepEqual([same.came, same.went, same.changed, same.patch], [[], [], [], []]);
});
