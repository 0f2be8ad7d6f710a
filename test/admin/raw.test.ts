/** Raw resources over HTTP: both places of their fields, batches, preconditions, schemas, and what `why` says of them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rawKey } from '../../src/model/index.ts';
import { call, endpoint, NDJSON, service, startCore } from './core.ts';

const CDS = 'type.googleapis.com/envoy.config.cluster.v3.Cluster';
const OWN = 'type.googleapis.com/my.own.Message';
const cluster = (name: string, more: object = {}) => ({ '@type': CDS, name, ...more });

test('put, delete and clear: fields beside type and in data are the same event', async (t) => {
  const core = await startCore(t);
  const send = (...events: readonly unknown[]) => call(core, 'POST', '/v1/events?wait=applied&timeout=60s', { events });
  const flat = { node: 'n1', typeUrl: CDS, name: 'a', version: 'v1', resource: cluster('a') };
  assert.equal((await send({ type: 'resource.put', reason: 'test', ...flat })).status, 200);
  assert.equal(
    (await send({ type: 'resource.put', data: { ...flat, name: 'b', resource: cluster('b') } })).status,
    200,
  );
  const { events } = (await call(core, 'GET', '/v1/events')).body;
  assert.deepEqual(events[0].data, flat, 'kept as the author wrote it');
  assert.equal(events[0].subject, `resource/n1/${CDS}/a`);
  assert.equal(events[0].reason, 'test');
  assert.deepEqual(
    [...core.projector.fold.rawKeys()],
    ['a', 'b'].map((name) => rawKey({ node: 'n1', typeUrl: CDS, name })),
  );

  const expected = await send({ type: 'resource.delete', node: 'n1', typeUrl: CDS, name: 'a', expect: 2 });
  assert.equal(expected.status, 409);
  assert.equal(expected.body.code, 'expect');
  const deleted = await send({ type: 'resource.delete', node: 'n1', typeUrl: CDS, name: 'a', expect: 1 });
  assert.equal(deleted.status, 200);
  assert.equal((await send({ type: 'resource.clear', node: 'n1' })).status, 200);
  assert.deepEqual([...core.projector.fold.rawKeys()], []);
  assert.equal((await send({ type: 'resource.clear' })).status, 200);
});

test('NDJSON, bytes of a message that nobody knows, and a batch that is refused whole', async (t) => {
  const core = await startCore(t);
  const put = (name: string, value: string) => ({ typeUrl: OWN, name, resource: { '@type': OWN, value } });
  const lines = [put('a', 'AQI='), put('b', '')].map((data) => JSON.stringify({ type: 'resource.put', ...data }));
  assert.equal((await call(core, 'POST', '/v1/events', lines.join('\n'), NDJSON)).status, 200);
  const raw = core.projector.fold.raw(rawKey({ typeUrl: OWN, name: 'a' }));
  assert.deepEqual([...(raw?.body ?? [])], [1, 2]);

  const refused = await call(core, 'POST', '/v1/events', {
    events: [
      { type: 'resource.put', ...put('c', 'AQ==') },
      { type: 'resource.put', data: { typeUrl: CDS, name: 'c', resource: cluster('c', { lbPolicy: 'ROUND_ROBBIN' }) } },
    ],
  });
  assert.equal(refused.status, 400);
  assert.equal(refused.body.pointer, '/events/1/data/resource/lbPolicy');
  assert.match(refused.body.detail, /did you mean ROUND_ROBIN/);
  assert.equal(core.log.head().offset, 2);
});

test('a resource of nearly 1 MiB goes through log and state; deep JSON too', async (t) => {
  const core = await startCore(t, { log: 'lmdb' });
  const bytes = Buffer.alloc(1024 * 1024, 7);
  const resource = { '@type': OWN, value: bytes.toString('base64') };
  const reply = await call(core, 'POST', '/v1/events?wait=applied&timeout=60s', {
    events: [{ type: 'resource.put', typeUrl: OWN, name: 'large', resource }],
  });
  assert.equal(reply.status, 200, reply.text);
  assert.equal(core.projector.fold.raw(rawKey({ typeUrl: OWN, name: 'large' }))?.body.length, bytes.length);

  const rbac = 'type.googleapis.com/envoy.config.rbac.v3.RBAC';
  const permission = Array.from({ length: 40 }).reduce<object>((inner) => ({ andRules: { rules: [inner] } }), {
    any: true,
  });
  const deep = { '@type': rbac, policies: { p: { permissions: [permission] } } };
  const nested = await call(core, 'POST', '/v1/events', {
    events: [{ type: 'resource.put', typeUrl: rbac, name: 'deep', resource: deep }],
  });
  assert.equal(nested.status, 200, nested.text);
});

test('schemas of the events are published', async (t) => {
  const core = await startCore(t);
  const { body } = await call(core, 'GET', '/v1/schemas/resource.put');
  assert.deepEqual(Object.keys(body.properties).sort(), ['name', 'node', 'resource', 'typeUrl', 'version']);
});

test('why: a raw resource wins, of the node before that of every node', async (t) => {
  const core = await startCore(t);
  const name = 'cart.shop:8080';
  await call(core, 'POST', '/v1/events', { events: [service('web'), service('cart'), endpoint('cart', 'a')] });
  core.proxies.set('web-1', { proxy: { id: 'web-1', service: 'web.shop', state: 'in-sync', holds: 1 }, resources: [] });
  const why = (type: string, of: string) =>
    call(core, 'GET', `/v1/proxies/web-1/why?type=${encodeURIComponent(type)}&name=${encodeURIComponent(of)}`);
  await call(core, 'PUT', `/v1/graph/edges/web.shop/${name}`);
  assert.equal((await why('cds', name)).body.because, 'edge');

  const put = (more: object) => ({ type: 'resource.put', typeUrl: CDS, name, resource: cluster(name), ...more });
  await call(core, 'POST', '/v1/events', { events: [put({ reason: 'canary' })] });
  const everywhere = (await why('cluster', name)).body;
  assert.equal(everywhere.because, 'raw');
  assert.equal(everywhere.edges.length, 1, 'the edge stays the reason that it is sent at all');
  assert.deepEqual(
    everywhere.builtFrom.map(({ of, offset, source, reason }: Record<string, unknown>) => [of, offset, source, reason]),
    [[`resource//${CDS}/${name}`, 5, 'local', 'canary']],
  );
  assert.match(everywhere.summary, /event 5 by local put it for every node, and it wins over what is compiled/);

  await call(core, 'POST', '/v1/events', { events: [put({ node: 'web-1', source: 'ops' })] });
  const own = (await why(CDS, name)).body;
  assert.deepEqual([own.builtFrom[0].offset, own.builtFrom[0].source], [6, 'ops']);
  assert.match(own.summary, /for this node/);

  await call(core, 'POST', '/v1/events', {
    events: [
      { type: 'resource.delete', node: 'web-1', typeUrl: CDS, name },
      { type: 'resource.clear' },
      { type: 'resource.put', typeUrl: OWN, name: 'x', resource: { '@type': OWN, value: '' } },
    ],
  });
  assert.equal((await why('cds', name)).body.because, 'edge', 'the compiled one shows again');
  const unknown = (await why(OWN, 'x')).body;
  assert.deepEqual([unknown.because, unknown.type, unknown.subject], ['raw', OWN, 'raw']);
  assert.equal((await why(OWN, 'y')).body.code, 'RESOURCE_UNKNOWN');
});
