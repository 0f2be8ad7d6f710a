/** Checklist rules 54 to 58: the stream, over gRPC. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { XDS_METHODS } from '../../../src/delta-xds/methods.ts';
import { typeOf } from '../../../src/delta-xds/resource-type.ts';
import { CDS, EDS, LDS, RDS, VHDS } from '../../../src/proto/index.ts';
import { clusterBody, nodeOf } from '../support/memory-mesh.ts';
import { eventually, putService, standUp, stateStream, stream } from '../support/wire-stand.ts';

const THING = 'type.googleapis.com/acme.Thing';

test('rule 54: the node comes once per stream, not once per type; a stream without it ends INVALID_ARGUMENT', async () => {
  const { mesh, port } = await standUp();
  putService(mesh, 'a.shop:80', '1');
  const client = stream(port);
  client.send({ typeUrl: EDS, node: nodeOf('app.shop'), subscribe: ['a.shop:80'] });
  client.send({ typeUrl: CDS, subscribe: ['a.shop:80'] });
  client.send({ typeUrl: LDS });
  client.send({ typeUrl: RDS, subscribe: ['nx'] });
  await client.response(4);
  assert.deepEqual(
    client.responses.map(({ typeUrl }) => typeUrl),
    [EDS, CDS, EDS, LDS, RDS],
  );
  const nameless = stream(port);
  nameless.send({ typeUrl: LDS });
  const { code, details } = await nameless.status;
  assert.equal(code, 3);
  assert.match(details, /node/);
});

test('rule 54: the same for state-of-the-world streams', async () => {
  const { mesh, port } = await standUp();
  putService(mesh, 'a.shop:80', '1');
  const client = stateStream(port);
  client.send({ typeUrl: EDS, node: nodeOf('app.shop'), names: ['a.shop:80'] });
  client.send({ typeUrl: CDS, names: ['a.shop:80'] });
  assert.equal((await client.response(1)).typeUrl, CDS);
  const nameless = stateStream(port);
  nameless.send({ typeUrl: CDS });
  assert.equal((await nameless.status).code, 3);
});

test('rule 55: an aggregated stream without a type_url ends INVALID_ARGUMENT', async () => {
  const { port } = await standUp();
  for (const first of [true, false]) {
    const client = stream(port);
    if (!first) client.hello('app.shop');
    client.send({ typeUrl: '', ...(first ? { node: nodeOf('app.shop') } : {}), subscribe: ['a'] });
    const { code, details } = await client.status;
    assert.equal(code, 3);
    assert.match(details, /type_url/);
  }
});

test('rule 55: the same for state-of-the-world streams', async () => {
  const { port } = await standUp();
  const client = stateStream(port);
  client.send({ typeUrl: '', node: nodeOf('app.shop'), names: ['a'] });
  const { code, details } = await client.status;
  assert.equal(code, 3);
  assert.match(details, /type_url/);
});

test('rule 55: a method of one type needs no type_url, and takes no other one', async () => {
  const { mesh, port } = await standUp();
  putService(mesh, 'a.shop:80', '1');
  const service = '/envoy.service.endpoint.v3.EndpointDiscoveryService';
  const delta = stream(port, {}, `${service}/DeltaEndpoints`);
  delta.send({ typeUrl: '', node: nodeOf('app.shop'), subscribe: ['a.shop:80'] });
  assert.equal((await delta.response(0)).typeUrl, EDS);
  delta.send({ typeUrl: CDS });
  assert.equal((await delta.status).code, 3);
  const state = stateStream(port, `${service}/StreamEndpoints`);
  state.send({ typeUrl: '', node: nodeOf('app.shop'), names: ['a.shop:80'] });
  assert.equal((await state.response(0)).typeUrl, EDS);
  state.send({ typeUrl: CDS });
  assert.equal((await state.status).code, 3);
});

test('rule 56: an unknown type is answered with nothing of it, the stream lives', async () => {
  const { port } = await standUp();
  const client = stream(port);
  client.send({ typeUrl: THING, node: nodeOf('app.shop'), subscribe: ['x'] });
  const answer = await client.response(0);
  assert.deepEqual([answer.typeUrl, answer.resources, answer.removed], [THING, [], ['x']]);
  client.send({ typeUrl: THING, responseNonce: answer.nonce });
  client.send({ typeUrl: `${THING}2`, responseNonce: '', subscribe: [] });
  const empty = await client.response(1);
  assert.deepEqual([empty.typeUrl, empty.resources, empty.removed], [`${THING}2`, [], []]);
  client.send({ typeUrl: LDS });
  assert.equal((await client.response(2)).typeUrl, LDS);
});

test('rule 56: on a state-of-the-world stream an unknown type is silence; virtual hosts end it with a sentence', async () => {
  const { port } = await standUp();
  const client = stateStream(port);
  client.send({ typeUrl: THING, node: nodeOf('app.shop'), names: ['x'] });
  client.send({ typeUrl: `${THING}2` });
  client.send({ typeUrl: LDS });
  const first = await client.response(0);
  assert.deepEqual([first.typeUrl, first.nonce], [LDS, '1']);
  client.send({ typeUrl: VHDS, names: ['outbound/a.shop'] });
  const { code, details } = await client.status;
  assert.equal(code, 3);
  assert.match(details, /delta/);
});

test('rule 57: a half-close of the client ends the stream with OK and frees its session', async () => {
  const { mesh, server, port } = await standUp();
  putService(mesh, 'a.shop:80', '1');
  const client = stream(port);
  client.send({ typeUrl: EDS, node: nodeOf('app.shop'), subscribe: ['a.shop:80'] });
  await client.response(0);
  assert.equal(server.sessions().length, 1);
  client.stream.end();
  assert.equal((await client.status).code, 0);
  await eventually('the session is gone', () => server.sessions().length === 0);
  putService(mesh, 'a.shop:80', '2');
  await server.wake();
  assert.equal(server.counters().responses, 1);
});

test('rule 58: every service has its methods, delta and state of the world, VHDS delta alone', async () => {
  const { mesh, port } = await standUp();
  const services = XDS_METHODS.flatMap(({ path, protocol, typeUrl }) =>
    typeUrl === undefined ? [] : [{ path, protocol, typeUrl }],
  );
  assert.equal(services.length, 17);
  const nameOf = (typeUrl: string): string => (typeUrl === VHDS ? 'outbound/x' : 'x');
  for (const { typeUrl } of services)
    mesh.raw.set(`${typeOf(typeUrl)} ${nameOf(typeUrl)}`, {
      version: 'r1',
      body: Buffer.from('opaque'),
      domains: ['x'],
      clusters: [],
    });
  for (const { path, protocol, typeUrl } of services) {
    const names = [nameOf(typeUrl)];
    if (protocol === 'delta') {
      const client = stream(port, {}, path);
      client.send({ typeUrl, node: nodeOf('app.shop'), subscribe: names });
      const { resources, ...answer } = await client.response(0);
      assert.deepEqual([answer.typeUrl, resources.map(({ name }) => name)], [typeUrl, names], path);
      client.close();
    } else {
      const client = stateStream(port, path);
      client.send({ typeUrl, node: nodeOf('app.shop'), names });
      const { resources, ...answer } = await client.response(0);
      assert.deepEqual([answer.typeUrl, resources.map((any) => any.typeUrl)], [typeUrl, [typeUrl]], path);
      client.close();
    }
  }
});

test('rule 58: on a method of one type nothing of another type is pushed', async () => {
  const { mesh, server, port } = await standUp();
  putService(mesh, 'a.shop:80', '1');
  mesh.preloads.set('app.shop', ['a.shop:80']);
  const clusters = stream(port, {}, '/envoy.service.cluster.v3.ClusterDiscoveryService/DeltaClusters');
  clusters.send({ typeUrl: CDS, node: nodeOf('app.shop') });
  await clusters.response(0);
  mesh.set('cds', 'a.shop:80', clusterBody('a.shop:80', 'c-2', true));
  await server.wake();
  await clusters.response(1);
  clusters.send({ typeUrl: CDS, subscribe: ['nx.shop:80'] });
  await clusters.response(2);
  assert.deepEqual(
    clusters.responses.map(({ typeUrl }) => typeUrl),
    [CDS, CDS, CDS],
  );
});
