/**
 * Bad input over HTTP (issue 3, section 10): a clear error with code, place and remedy, and nothing half-applied. Every case is
 * followed by a look at the log: it must be as before.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import {
  type Core,
  call,
  endpoint,
  NDJSON,
  PATCH,
  type Reply,
  routeDocument,
  service,
  startCore,
  YAML,
} from './core.ts';

/** Sends something bad; checks that it is a problem and that nothing was appended. */
const refused = async (
  core: Core,
  status: number,
  code: string,
  ...request: Parameters<typeof call> extends [unknown, ...infer R] ? R : never
): Promise<Reply> => {
  const before = core.log.head().offset;
  const reply = await call(core, ...request);
  assert.equal(reply.status, status, reply.text);
  assert.equal(reply.headers.get('content-type'), 'application/problem+json');
  assert.equal(reply.body.code, code, reply.text);
  assert.equal(reply.body.status, status);
  assert.equal(reply.body.type, `urn:tendril:error:${code}`);
  assert.ok(reply.body.title.length > 0 && reply.body.detail.length > 10, reply.text);
  assert.equal(core.log.head().offset, before);
  return reply;
};

const events = (...list: readonly unknown[]) => ({ events: list });

const CDS = 'type.googleapis.com/envoy.config.cluster.v3.Cluster';
const put = (typeUrl: string, name: string, resource: unknown) => ({ type: 'resource.put', typeUrl, name, resource });

describe('what is no JSON, or no event', () => {
  let core: Core;
  test('set-up', async (t) => {
    // One core for all of them: nothing is ever appended.
    core = await startCore({ after: () => undefined } as unknown as TestContext);
    t.after(() => undefined);
  });

  test('malformed JSON: line and column', async () => {
    const reply = await refused(
      core,
      400,
      'E100',
      'POST',
      '/v1/events',
      '{\n  "events": [\n    {"type": "service.registered" "data": {}}\n]}',
    );
    assert.deepEqual([reply.body.line, reply.body.column], [3, 35]);
    assert.match(reply.body.detail, /expected "," or "}"/);
  });

  test('JSON that ends too early', async () => {
    const reply = await refused(core, 400, 'E100', 'POST', '/v1/events', '{"events": [');
    assert.match(reply.body.detail, /found the end of the text/);
  });

  test('malformed line of NDJSON: its line and column', async () => {
    const reply = await refused(
      core,
      400,
      'E100',
      'POST',
      '/v1/events',
      `${JSON.stringify(service('a'))}\n{"type": nope}\n`,
      NDJSON,
    );
    assert.deepEqual([reply.body.line, reply.body.column], [2, 10]);
  });

  test('a bad event in NDJSON: its line', async () => {
    const reply = await refused(
      core,
      400,
      'E103',
      'POST',
      '/v1/events',
      `${JSON.stringify(service('a'))}\n\n${JSON.stringify({ type: 'service.registered', data: { namespace: 'shop', name: 'b' } })}\n`,
      NDJSON,
    );
    assert.equal(reply.body.line, 3);
    assert.equal(reply.body.pointer, '/data');
    assert.match(reply.body.detail, /"ports" is missing/);
  });

  test('invalid UTF-8: the offset of the first bad byte', async () => {
    const bytes = Buffer.concat([Buffer.from('{"events":["ä'), Buffer.from([0xc3, 0x28]), Buffer.from('"]}')]);
    const reply = await refused(core, 400, 'E100', 'POST', '/v1/events', bytes);
    assert.match(reply.body.detail, /byte 14 is 0xc3/);
  });

  test('invalid UTF-8 in YAML', async () => {
    const reply = await refused(
      core,
      400,
      'E100',
      'POST',
      '/v1/docs:apply',
      Buffer.from([0x61, 0x3a, 0x20, 0xff]),
      YAML,
    );
    assert.match(reply.body.detail, /byte 3 is 0xff/);
  });

  for (const depth of [300, 10_000, 1_000_000])
    test(`${depth} levels of nesting`, async () => {
      const reply = await refused(
        core,
        400,
        'E106',
        'POST',
        '/v1/events',
        `{"events":[{"type":"x","data":${'['.repeat(depth)}${']'.repeat(depth)}}]}`,
      );
      assert.match(reply.body.detail, /nested deeper/);
    });

  test('40 levels of nesting: deeper than an event may be', async () => {
    const reply = await refused(
      core,
      400,
      'E106',
      'POST',
      '/v1/events',
      `{"events":[{"type":"service.registered","data":${'['.repeat(40)}${']'.repeat(40)}}]}`,
    );
    assert.match(reply.body.pointer, /^\/events\/0\/data/);
  });

  test('10,000 levels of nesting in YAML', async () => {
    await refused(core, 400, 'E106', 'POST', '/v1/docs:apply', `a: ${'['.repeat(10_000)}`, YAML);
  });

  test('wrong content type', async () => {
    const reply = await refused(core, 415, 'TYPE_UNSUPPORTED', 'POST', '/v1/events', '{}', {
      'content-type': 'application/x-www-form-urlencoded',
    });
    assert.match(reply.body.remedy, /application\/json/);
    await refused(core, 415, 'TYPE_UNSUPPORTED', 'POST', '/v1/events', '{}', {
      'content-type': 'application/json; charset=latin1',
    });
    await refused(core, 415, 'TYPE_UNSUPPORTED', 'PATCH', '/v1/docs/Route/shop/a', '{}', YAML);
  });

  test('no body', async () => {
    await refused(core, 400, 'E103', 'POST', '/v1/events');
  });

  test('not {"events": […]}', async () => {
    await refused(core, 400, 'E102', 'POST', '/v1/events', []);
    await refused(core, 400, 'E102', 'POST', '/v1/events', { event: [] });
    await refused(core, 400, 'E101', 'POST', '/v1/events', { events: [service('a')], more: 1 });
    await refused(core, 400, 'BATCH_EMPTY', 'POST', '/v1/events', { events: [] });
  });

  const cases: readonly (readonly [string, string, unknown, RegExp, string?])[] = [
    ['no object', 'E102', 7, /an event is 7/, '/events/0'],
    ['no type', 'E103', { data: {} }, /"type" is missing/],
    [
      'unknown type, near a known one',
      'E102',
      { type: 'service.registred', data: {} },
      /did you mean service\.registered/,
      '/events/0/type',
    ],
    ['a type of another sort', 'E102', { type: 5, data: {} }, /type 5 is unknown/],
    [
      'a raw resource of a type that is no URL',
      'E104',
      { type: 'resource.put', typeUrl: 'cds', name: 'y', resource: {} },
      /allowed is a type URL such as type\.googleapis\.com/,
      '/events/0/typeUrl',
    ],
    ['a raw resource with an empty node', 'E102', { type: 'resource.clear', node: '' }, /1\.\.256/, '/events/0/node'],
    [
      'a raw resource without name',
      'E103',
      { type: 'resource.delete', typeUrl: CDS },
      /"name" is missing/,
      '/events/0',
    ],
    [
      'a raw resource, half beside type and half in data',
      'E101',
      { type: 'resource.delete', typeUrl: CDS, data: { typeUrl: CDS, name: 'a' } },
      /unknown field "typeUrl"/,
      '/events/0/typeUrl',
    ],
    [
      'a field that no raw event has',
      'E101',
      { type: 'resource.delete', typeUrl: CDS, name: 'a', versoin: '1' },
      /did you mean "version"/,
      '/events/0/versoin',
    ],
    ['a raw resource that is none', 'E102', put(CDS, 'a', 7), /allowed is \{"@type"/, '/events/0/resource'],
    ['a raw resource without @type', 'E103', put(CDS, 'a', { name: 'a' }), /"@type" is missing/, '/events/0/resource'],
    [
      'a raw resource of another type',
      'E102',
      put(CDS, 'a', { '@type': 'type.googleapis.com/my.own.Message' }),
      /but typeUrl is/,
      '/events/0/resource/@type',
    ],
    [
      'a raw resource of another name',
      'E104',
      put(CDS, 'a', { '@type': CDS, name: 'b' }),
      /its own name is "b"/,
      '/events/0/name',
    ],
    [
      'an unknown field in a raw resource',
      'E101',
      put(CDS, 'a', { '@type': CDS, name: 'a', edsClusterConfig: { servceName: 'x' } }),
      /did you mean serviceName/,
      '/events/0/resource/edsClusterConfig/servceName',
    ],
    [
      'the same in data',
      'E101',
      { type: 'resource.put', data: { typeUrl: CDS, name: 'a', resource: { '@type': CDS, 'a/b': 1 } } },
      /unknown field "a\/b"/,
      '/events/0/data/resource/a~1b',
    ],
    [
      'fields of a message that nobody knows',
      'E102',
      put('type.googleapis.com/my.own.Message', 'a', { '@type': 'type.googleapis.com/my.own.Message', x: 1 }),
      /not among the messages/,
      '/events/0/resource/@type',
    ],
    [
      'bytes that are no cluster',
      'E102',
      put(CDS, 'a', { '@type': CDS, value: '/////w==' }),
      /the bytes are no envoy\.config\.cluster\.v3\.Cluster/,
      '/events/0/resource/value',
    ],
    [
      'a raw resource above 1 MiB',
      'E106',
      put('a/b', 'a', { '@type': 'a/b', value: 'A'.repeat(1_400_000) }),
      /1050000 bytes encoded, 1048576 are allowed/,
      '/events/0/resource',
    ],
    [
      'a raw event above 2 MiB',
      'E106',
      put('a/b', 'a', { '@type': 'a/b', value: 'A'.repeat(2_200_000) }),
      /2097152 allowed/,
    ],
    [
      'a type that only Tendril writes',
      'E108',
      { type: 'dependency.observed', data: { from: 'a.b', to: 'c.d', evidence: 'observed' } },
      /written by Tendril itself/,
    ],
    [
      'mesh.configured',
      'E108',
      { type: 'mesh.configured', data: { name: 'default', suffixes: [] } },
      /written by Tendril itself/,
    ],
    ['no data', 'E103', { type: 'service.registered' }, /"data" is missing/],
    ['an unknown field beside data', 'E101', { ...service('a'), dta: 1 }, /did you mean "data"/, '/events/0/dta'],
    [
      'an unknown field in data',
      'E101',
      service('a', { lables: {} }),
      /did you mean "labels"/,
      '/events/0/data/lables',
    ],
    [
      'a field that is missing deeper down',
      'E103',
      service('a', { ports: [{ port: 80 }] }),
      /"protocol" is missing/,
      '/events/0/data/ports/0',
    ],
    [
      'a number out of bounds',
      'E102',
      service('a', { ports: [{ port: 70000, protocol: 'http' }] }),
      /"port" is 70000; allowed is a whole number of 1\.\.65535/,
      '/events/0/data/ports/0/port',
    ],
    [
      'a word that is none of the allowed',
      'E102',
      service('a', { ports: [{ port: 80, protocol: 'htp' }] }),
      /"htp"; allowed is "http", "http2", "grpc", "tcp"/,
    ],
    ['a negative weight', 'E102', endpoint('a', 'x', { weight: -1 }), /"weight" is -1/],
    ['a weight that is no integer', 'E102', endpoint('a', 'x', { weight: 1.5 }), /"weight" is 1\.5/],
    [
      'a number where a text is due',
      'E105',
      service('a', { labels: { version: 1.1 } }),
      /quote it/,
      '/events/0/data/labels/version',
    ],
    ['a name beyond the limit', 'E104', service('a'.repeat(64)), /does not fit/, '/events/0/data/name'],
    ['a name with a dot', 'E104', service('a.b'), /does not fit/],
    [
      'a port twice',
      'E102',
      service('a', {
        ports: [
          { port: 80, protocol: 'http' },
          { port: 80, protocol: 'tcp' },
        ],
      }),
      /given twice/,
      '/events/0/data/ports/1/port',
    ],
    [
      'a host with a wildcard',
      'E104',
      service('a', { external: { hosts: ['*.example.com'] } }),
      /without wildcard/,
      '/events/0/data/external/hosts/0',
    ],
    [
      'an interface on a port that is not there',
      'E102',
      service('a', { interfaces: [{ name: 'x.Y', port: 81 }] }),
      /has no port 81/,
    ],
    [
      'an address that is a name',
      'E104',
      endpoint('a', 'x', { address: 'db.example.com' }),
      /IPv4 or IPv6/,
      '/events/0/data/address',
    ],
    [
      'a port map with a name',
      'E104',
      endpoint('a', 'x', { ports: { http: 80 } }),
      /"http" does not fit/,
      '/events/0/data/ports/http',
    ],
    [
      'too many labels',
      'E106',
      service('a', { labels: Object.fromEntries(Array.from({ length: 65 }, (_, index) => [`l${index}`, 'x'])) }),
      /65 entries, 64 allowed/,
    ],
    [
      'a caller that is no service name',
      'E104',
      { type: 'dependency.declared', data: { from: 'web', to: 'cart.shop' } },
      /./,
    ],
    [
      'a target port beyond 65535',
      'E104',
      { type: 'dependency.pinned', data: { from: 'web.shop', to: 'cart.shop:99999' } },
      /port 1\.\.65535/,
      '/events/0/data/to',
    ],
    ['a time that is none', 'E102', { ...service('a'), time: 'yesterday' }, /RFC 3339/, '/events/0/time'],
    ['an id with a control character', 'E102', { ...service('a'), id: 'a\nb' }, /control characters/, '/events/0/id'],
    ['an expect that is no offset', 'E102', { ...service('a'), expect: -1 }, /allowed is an offset/],
    ['a long reason', 'E102', { ...service('a'), reason: 'x'.repeat(1025) }, /1024/],
    [
      'a patch that is no list of operations',
      'E102',
      {
        type: 'policy.patched',
        data: { kind: 'Route', namespace: 'shop', name: 'a', patch: [{ op: 'set', path: '/x' }] },
      },
      /op is "set"/,
      '/events/0/data/patch/0/op',
    ],
    [
      'a patch through a prototype',
      'E101',
      {
        type: 'policy.patched',
        data: {
          kind: 'Route',
          namespace: 'shop',
          name: 'a',
          patch: [{ op: 'add', path: '/spec/__proto__/x', value: 1 }],
        },
      },
      /"__proto__" is not allowed/,
    ],
    [
      'an unknown kind',
      'E102',
      { type: 'policy.deleted', data: { kind: 'Rout', namespace: 'shop', name: 'a' } },
      /did you mean Route/,
    ],
    [
      'a document with an unknown field',
      'E101',
      { type: 'policy.applied', data: { document: routeDocument('a', { tiemout: '2s' }) } },
      /tiemout.*did you mean timeout/,
      '/spec/tiemout',
    ],
    [
      'a document of a kind of a later version',
      'E107',
      {
        type: 'policy.applied',
        data: { document: { apiVersion: 'tendril.dev/v1', kind: 'Access', metadata: { name: 'a' }, spec: {} } },
      },
      /not compiled in this version/,
    ],
    [
      'a document with a negative time',
      'E104',
      { type: 'policy.applied', data: { document: routeDocument('a', { timeout: '-2s' }) } },
      /a duration/,
      '/spec/timeout',
    ],
    [
      'weights that are no integers',
      'E102',
      { type: 'policy.applied', data: { document: routeDocument('a', { to: { v1: { weight: 1.5 } } }) } },
      /whole number/,
    ],
    [
      'a document without a kind',
      'E103',
      {
        type: 'policy.applied',
        data: { document: { apiVersion: 'tendril.dev/v1', metadata: { name: 'a' }, spec: {} } },
      },
      /"kind" is missing/,
      '/events/0/data/document/kind',
    ],
    ['half of a surrogate pair', 'E102', service('a', { labels: { x: '\ud800' } }), /surrogate/],
  ];
  for (const [name, code, event, message, pointer] of cases)
    test(name, async () => {
      const reply = await refused(core, 400, code, 'POST', '/v1/events', events(event));
      assert.match(reply.body.detail, message);
      assert.equal(reply.body.findings.length > 0, true);
      if (pointer !== undefined) assert.equal(reply.body.pointer, pointer);
    });

  test('numbers that are no finite numbers', async () => {
    const reply = await refused(
      core,
      400,
      'E102',
      'POST',
      '/v1/events',
      '{"events":[{"type":"endpoint.registered","data":{"namespace":"shop","service":"a","id":"x","address":"10.0.0.1","weight":1e999}}]}',
    );
    assert.match(reply.body.detail, /Infinity/);
    await refused(core, 400, 'E100', 'POST', '/v1/events', '{"events":[NaN]}');
  });

  for (const key of ['__proto__', 'constructor', 'prototype'])
    test(`a key named ${key}`, async () => {
      const reply = await refused(
        core,
        400,
        'E101',
        'POST',
        '/v1/events',
        `{"events":[{"type":"service.registered","data":{"namespace":"shop","name":"a","ports":[],"labels":{"${key}":{"x":"y"}}}}]}`,
      );
      assert.equal(reply.body.pointer, `/events/0/data/labels/${key}`);
      assert.equal(({} as { x?: unknown }).x, undefined);
    });

  test('an event beyond 256 KiB', async () => {
    const reply = await refused(
      core,
      400,
      'E106',
      'POST',
      '/v1/events',
      events({ type: 'policy.applied', data: { document: { a: 'x'.repeat(300_000) } } }),
    );
    assert.match(reply.body.detail, /262144 allowed/);
  });

  test('more than 1,000 events', async () => {
    await refused(
      core,
      413,
      'BATCH_TOO_LARGE',
      'POST',
      '/v1/events',
      events(...Array.from({ length: 1001 }, () => service('a'))),
    );
    await refused(
      core,
      413,
      'BATCH_TOO_LARGE',
      'POST',
      '/v1/events',
      `${JSON.stringify(service('a'))}\n`.repeat(1001),
      NDJSON,
    );
  });

  test('all errors of a batch are told, each with its event', async () => {
    const reply = await refused(
      core,
      400,
      'E102',
      'POST',
      '/v1/events',
      events(service('a', { ports: 5 }), service('b'), service('C')),
    );
    assert.deepEqual(
      reply.body.findings.map(({ pointer }: { pointer: string }) => pointer),
      ['/events/0/data/ports', '/events/2/data/name'],
    );
  });

  test('query parameters', async () => {
    await refused(core, 400, 'E101', 'GET', '/v1/events?form=1');
    await refused(core, 400, 'E102', 'GET', '/v1/events?from=abc');
    await refused(core, 400, 'E102', 'GET', '/v1/events?limit=0');
    await refused(core, 400, 'E102', 'GET', '/v1/events?limit=1&limit=2');
    await refused(core, 400, 'E102', 'GET', '/v1/events?status=good');
    await refused(core, 400, 'E104', 'POST', '/v1/events?timeout=5000', events(service('a')));
    await refused(core, 400, 'E102', 'POST', '/v1/events?wait=acked', events(service('a')));
  });

  test('?at= names a place in the log, where an answer can be of one', async () => {
    for (const path of ['/healthz?at=1', '/metrics?at=1', '/v1/events/stream?at=1', '/v1/proxies?at=5'])
      await refused(core, 400, 'E101', 'GET', path);
    for (const at of ['soon', '-1', '10 m', '2026-13-01', '1.5'])
      await refused(core, 400, 'E102', 'GET', `/v1/services?at=${encodeURIComponent(at)}`);
    for (const path of ['/v1/services', '/v1/services/shop/a/dependents', '/v1/docs/Route/shop/a', '/v1/docs'])
      await refused(core, 400, 'OFFSET_INVALID', 'GET', `${path}?at=999999`);
  });

  test('addresses and methods that are not there', async () => {
    await refused(core, 404, 'ROUTE_UNKNOWN', 'GET', '/v2/events');
    const reply = await refused(core, 405, 'METHOD_NOT_ALLOWED', 'DELETE', '/v1/events');
    assert.equal(reply.headers.get('allow'), 'POST, GET');
    await refused(core, 400, 'REQUEST_INVALID', 'GET', '/v1/docs/Route/shop/%ff');
  });

  test('documents: YAML with a syntax error has line and column', async () => {
    const reply = await refused(
      core,
      400,
      'E100',
      'POST',
      '/v1/docs:apply',
      'apiVersion: tendril.dev/v1\nkind: Route\nmetadata: {name: a\nspec: {}\n',
      YAML,
    );
    assert.equal(reply.body.line, 4);
  });

  test('documents: an unknown field has line and column of its name', async () => {
    const reply = await refused(
      core,
      400,
      'E101',
      'POST',
      '/v1/docs:apply?file=routes.yaml',
      'apiVersion: tendril.dev/v1\nkind: Route\nmetadata: {name: a}\nspec:\n  timeout: 2s\n  tiemout: 2s\n',
      YAML,
    );
    assert.deepEqual([reply.body.line, reply.body.column, reply.body.pointer], [6, 3, '/spec/tiemout']);
    assert.equal(reply.body.findings[0].file, 'routes.yaml');
  });

  test('documents: unknown kind, none at all, given twice', async () => {
    await refused(
      core,
      400,
      'E102',
      'POST',
      '/v1/docs:apply',
      'apiVersion: tendril.dev/v1\nkind: Rote\nmetadata: {name: a}\nspec: {}\n',
      YAML,
    );
    await refused(core, 400, 'E103', 'POST', '/v1/docs:apply', '# nothing\n---\n', YAML);
    const one = 'apiVersion: tendril.dev/v1\nkind: Route\nmetadata: {name: a}\nspec: {}\n';
    const reply = await refused(core, 400, 'E109', 'POST', '/v1/docs:apply', `${one}---\n${one}`, YAML);
    assert.equal(reply.body.line, 6);
  });

  test('documents: kind and name of address and body differ, or an unknown kind in the address', async () => {
    await refused(core, 400, 'E102', 'PUT', '/v1/docs/Route/shop/b', routeDocument('a', {}));
    await refused(core, 400, 'E102', 'PUT', '/v1/docs/Rote/shop/b', routeDocument('b', {}));
    await refused(core, 404, 'DOCUMENT_UNKNOWN', 'GET', '/v1/docs/Route/shop/b');
    await refused(core, 404, 'DOCUMENT_UNKNOWN', 'DELETE', '/v1/docs/Route/shop/b');
    await refused(
      core,
      404,
      'DOCUMENT_UNKNOWN',
      'PATCH',
      '/v1/docs/Route/shop/b',
      [{ op: 'remove', path: '/spec/timeout' }],
      PATCH,
    );
    await refused(core, 400, 'E102', 'PUT', '/v1/docs/Route/shop/b', routeDocument('b', {}), { 'if-match': 'soon' });
  });

  test('leases: TTL, holder and heartbeat', async () => {
    const at = '/v1/services/shop/cart/endpoints/a';
    const good = { address: '10.0.0.1' };
    for (const ttl of ['2s', '25h', 'soon', '-1', '', '1d']) {
      const reply = await refused(core, 400, 'E104', 'PUT', `${at}?lease=${ttl}`, good);
      assert.match(reply.body.detail, /3s\.\.24h/);
    }
    for (const holder of ['', 'a%20b', '%C3%A4', 'x'.repeat(129)])
      await refused(core, 400, 'E102', 'PUT', `${at}?lease=30s&holder=${holder}`, good);
    await refused(core, 400, 'E102', 'PUT', `${at}?holder=h`, good);
    await refused(core, 400, 'E104', 'PUT', `${at}?lease=30s`, { address: 'nowhere' });
    await refused(core, 400, 'E102', 'PUT', at, { ...good, lease: { ttlMs: 30_000, holder: 'h' } });
    const outside = { namespace: 'shop', service: 'cart', id: 'a', ...good, lease: { ttlMs: 30_000, holder: 'h' } };
    await refused(core, 400, 'E102', 'POST', '/v1/events', events({ type: 'endpoint.registered', data: outside }));
    const heartbeat = `${at}:heartbeat`;
    await refused(core, 404, 'LEASE_UNKNOWN', 'POST', heartbeat, { holder: 'h' });
    await refused(core, 400, 'E102', 'POST', heartbeat, { holder: 7 });
    await refused(core, 400, 'E102', 'POST', heartbeat, { holder: 'h', health: 'dead' });
    await refused(core, 400, 'E101', 'POST', heartbeat, { holder: 'h', helth: 'healthy' });
    await refused(core, 400, 'E102', 'POST', heartbeat, []);
  });

  test('endpoints: bad body, another name, unknown', async () => {
    await refused(core, 400, 'E104', 'PUT', '/v1/services/shop/cart/endpoints/a', { address: 'nowhere' });
    await refused(core, 400, 'E102', 'PUT', '/v1/services/shop/cart/endpoints/a', { address: '10.0.0.1', id: 'b' });
    await refused(core, 400, 'E104', 'PUT', '/v1/services/Shop/cart/endpoints/a', { address: '10.0.0.1' });
    await refused(core, 404, 'ENDPOINT_UNKNOWN', 'DELETE', '/v1/services/shop/cart/endpoints/a');
  });

  test('graph: bad names, bad action, no such edge', async () => {
    await refused(core, 400, 'E104', 'GET', '/v1/graph?focus=cart');
    await refused(core, 400, 'E103', 'GET', '/v1/graph?depth=2');
    await refused(core, 400, 'E104', 'PUT', '/v1/graph/edges/web/cart.shop', {});
    await refused(core, 400, 'E102', 'PUT', '/v1/graph/edges/web.shop/cart.shop', { action: 'forget' });
    await refused(core, 404, 'EDGE_UNKNOWN', 'DELETE', '/v1/graph/edges/web.shop/cart.shop');
  });

  test('proxies, services and schemas that are not there', async () => {
    await refused(core, 404, 'PROXY_UNKNOWN', 'GET', '/v1/proxies/nobody');
    await refused(core, 404, 'PROXY_UNKNOWN', 'GET', '/v1/proxies/nobody/why?type=cds&name=x');
    await refused(core, 400, 'E103', 'GET', '/v1/proxies/nobody/why?type=cds');
    await refused(core, 404, 'SERVICE_UNKNOWN', 'GET', '/v1/services/shop/cart');
    await refused(core, 404, 'SCHEMA_UNKNOWN', 'GET', '/v1/schemas/Nothing');
  });

  test('Host and Origin: no rebinding, no foreign pages', async () => {
    const ask = async (headers: Record<string, string>): Promise<{ status: number; body: string }> => {
      const request = httpRequest(`${core.url}/v1/services`, { headers });
      request.end();
      const [response] = (await once(request, 'response')) as [import('node:http').IncomingMessage];
      let body = '';
      for await (const chunk of response) body += String(chunk);
      return { status: response.statusCode ?? 0, body };
    };
    for (const host of ['evil.example', 'evil.example:18001', '10.0.0.1:18001', 'localhost.evil.example', 'a b']) {
      const reply = await ask({ host });
      assert.equal(reply.status, 403, host);
      assert.equal(JSON.parse(reply.body).code, 'HOST_REFUSED');
    }
    for (const host of ['localhost', 'LOCALHOST:5', '127.0.0.1:1', '[::1]:9'])
      assert.equal((await ask({ host })).status, 200, host);
    const { host } = new URL(core.url);
    assert.equal((await ask({ host, origin: 'http://evil.example' })).status, 403);
    assert.equal((await ask({ host, origin: 'null' })).status, 403);
    assert.equal((await ask({ host, origin: `http://${host}` })).status, 200);
    const reply = await ask({ host, origin: 'http://evil.example' });
    assert.equal(JSON.parse(reply.body).code, 'ORIGIN_REFUSED');
  });

  test('no CORS headers', async () => {
    const reply = await call(core, 'GET', '/v1/services');
    assert.equal(reply.headers.get('access-control-allow-origin'), null);
  });

  test('what is not HTTP at all', async () => {
    const socket = connect(Number(new URL(core.url).port), '127.0.0.1');
    socket.end('\u0016\u0003\u0001 hello\r\n\r\n');
    let text = '';
    for await (const chunk of socket) text += String(chunk);
    assert.match(text, /^HTTP\/1\.1 400 /);
    assert.match(text, /REQUEST_INVALID/);
  });

  test('headers beyond 16 KiB', async () => {
    const socket = connect(Number(new URL(core.url).port), '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write(`GET /v1/services HTTP/1.1\r\nhost: localhost\r\nx-long: ${'x'.repeat(20_000)}\r\n\r\n`);
    let text = '';
    for await (const chunk of socket) text += String(chunk);
    assert.match(text, /^HTTP\/1\.1 431 /);
  });

  test('tear-down: nothing was ever appended', async () => {
    assert.equal(core.log.head().offset, 0);
    await core.close();
  });
});

describe('bodies that are too large', () => {
  const MIB = 1024 * 1024;
  test('100 MB are refused with a sentence, whether announced or not, and not kept', async (t) => {
    const core = await startCore(t);
    for (const announced of [true, false]) {
      const before = process.memoryUsage().rss;
      const request = httpRequest(`${core.url}/v1/events`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          ...(announced ? { 'content-length': String(100 * MIB) } : { 'transfer-encoding': 'chunked' }),
        },
      });
      const responded = once(request, 'response') as Promise<[import('node:http').IncomingMessage]>;
      const chunk = Buffer.alloc(MIB, 0x20);
      for (let sent = 0; sent < 100; sent++) if (!request.write(chunk)) await once(request, 'drain');
      request.end();
      const [response] = await responded;
      let text = '';
      for await (const part of response) text += String(part);
      const problem = JSON.parse(text);
      assert.equal(response.statusCode, 413);
      assert.equal(problem.code, 'BODY_TOO_LARGE');
      assert.match(problem.detail, /16 MiB/);
      assert.match(problem.remedy, /several requests/);
      assert.ok(process.memoryUsage().rss - before < 80 * MIB, 'the body was kept');
    }
    assert.equal(core.log.head().offset, 0);
  });

  test('a client that asks first (Expect: 100-continue) is told at once', async (t) => {
    const core = await startCore(t);
    const request = httpRequest(`${core.url}/v1/events`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'content-length': String(100 * MIB), expect: '100-continue' },
    });
    request.on('error', () => undefined);
    let continued = false;
    request.on('continue', () => {
      continued = true;
    });
    request.flushHeaders();
    const [response] = (await once(request, 'response')) as [import('node:http').IncomingMessage];
    assert.equal(response.statusCode, 413);
    assert.equal(continued, false);
    request.destroy();
  });

  test('too much at once over all connections', async (t) => {
    const core = await startCore(t, { admin: { allBodiesBytes: 1000 } });
    const reply = await call(
      core,
      'POST',
      '/v1/events',
      JSON.stringify({ events: [service('a')], pad: 'x'.repeat(2000) }),
    );
    assert.equal(reply.status, 503);
    assert.equal(reply.body.code, 'BODIES_FULL');
    const small = await call(core, 'POST', '/v1/events', { events: [service('a')] });
    assert.equal(small.status, 200);
  });
});
