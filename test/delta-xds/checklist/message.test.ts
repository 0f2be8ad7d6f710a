/** Checklist rules 59 to 65: what a response looks like, over gRPC. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  CDS,
  Cluster,
  ClusterLoadAssignment,
  DeltaDiscoveryResponse,
  EDS,
  LDS,
  Listener,
  RDS,
  RouteConfiguration,
  SDS,
  VHDS,
  VirtualHost,
} from '../../../src/proto/index.ts';
import { assignmentBody, clusterBody, listenerBody, nodeOf } from '../support/memory-mesh.ts';
import { eventually, putService, standUp, stateStream, stream } from '../support/wire-stand.ts';

const THING = 'type.googleapis.com/acme.Thing';

test('rule 59: a client with a receive limit of 4 MiB takes 12 MB of clusters and assignments, split into responses', async () => {
  const { mesh, port } = await standUp();
  const names = Array.from({ length: 120 }, (_, index) => `big${index}.shop:80`);
  for (const name of names) {
    mesh.set('cds', name, clusterBody(name, 'c-1', true));
    mesh.set('eds', name, assignmentBody(name, 'e-1', [8_080], 100_000));
  }
  mesh.preloads.set('app.shop', names);
  const client = stream(port, {}, undefined, 4 * 1024 * 1024);
  client.hello('app.shop');
  await eventually('all is there', () => client.resources(EDS).length === names.length);
  const assignments = client.responses.filter(({ typeUrl }) => typeUrl === EDS);
  assert.ok(assignments.length >= 4, `${assignments.length} responses`);
  assert.equal(new Set(client.responses.map(({ nonce }) => nonce)).size, client.responses.length);
  for (const { resources } of client.responses)
    assert.equal(new Set(resources.map(({ name }) => name)).size, resources.length);
  for (const { length } of client.messages) assert.ok(length <= 3 * 1024 * 1024, `${length} bytes`);
  assert.deepEqual(
    client
      .resources(CDS)
      .map(({ name }) => name)
      .sort(),
    [...names].sort(),
  );
});

test('rule 60: a client that does not read is held, and gets the newest state when it does, not the backlog', async () => {
  const { mesh, server, port } = await standUp({ limits: { heldBytes: 64 * 1024 } });
  const names = Array.from({ length: 20 }, (_, index) => `big${index}.shop:80`);
  const change = (version: number): void => {
    for (const name of names) mesh.set('eds', name, assignmentBody(name, `e-${version}`, [8_080], 100_000));
  };
  change(0);
  const client = stream(port);
  client.send({ typeUrl: EDS, node: nodeOf('app.shop'), subscribe: names });
  const { nonce } = await client.response(0);
  client.send({ typeUrl: EDS, responseNonce: nonce });
  client.stream.pause();
  for (let version = 1; version <= 100; version++) {
    change(version);
    await server.wake();
  }
  const bytes = server.sessions()[0]?.sent.bytes ?? 0;
  assert.ok(bytes <= 8 * 1024 * 1024, `${bytes} bytes were written for a client that reads nothing`);
  assert.ok(server.counters().held >= 1);
  client.stream.resume();
  await eventually('the newest is there', () => {
    for (const response of client.responses) client.send({ typeUrl: EDS, responseNonce: response.nonce });
    return names.every(
      (name) => client.resources(EDS).findLast((resource) => resource.name === name)?.version === 'e-100',
    );
  });
  const versions = new Set(client.resources(EDS).map(({ version }) => version));
  assert.ok(versions.size <= 5, `it was sent ${[...versions].join(' ')}`);
});

test('rule 59: on a state-of-the-world stream assignments are split, a state of clusters is one response', async () => {
  const { mesh, port } = await standUp();
  const names = Array.from({ length: 80 }, (_, index) => `big${index}.shop:80`);
  for (const name of names) {
    mesh.set('cds', name, clusterBody(name, 'c-1', true));
    mesh.set('eds', name, assignmentBody(name, 'e-1', [8_080], 100_000));
  }
  const client = stateStream(port);
  client.send({ typeUrl: CDS, node: nodeOf('app.shop'), names });
  assert.equal((await client.response(0)).resources.length, names.length);
  client.send({ typeUrl: EDS, names });
  const assignments = (): number =>
    client.responses.reduce((sum, { typeUrl, resources }) => sum + (typeUrl === EDS ? resources.length : 0), 0);
  await eventually('all is there', () => assignments() === names.length);
  assert.ok(client.responses.length >= 4);
  for (const { length } of client.messages) assert.ok(length <= 3 * 1024 * 1024, `${length} bytes`);
  assert.equal(new Set(client.responses.map(({ nonce }) => nonce)).size, client.responses.length);
});

test('rule 61: every response names the replica', async () => {
  const { mesh, port } = await standUp({ identifier: 'tendril/east/3' });
  putService(mesh, 'a.shop:80', '1');
  const client = stream(port);
  client.hello('app.shop');
  client.send({ typeUrl: EDS, subscribe: ['a.shop:80'] });
  client.send({ typeUrl: THING, subscribe: ['x'] });
  await client.response(2);
  assert.deepEqual(
    client.responses.map(({ typeUrl, controlPlaneId }) => [typeUrl, controlPlaneId]),
    [
      [CDS, 'tendril/east/3'],
      [EDS, 'tendril/east/3'],
      [THING, 'tendril/east/3'],
    ],
  );
});

test('rule 61: so does every response of a state-of-the-world stream', async () => {
  const { mesh, port } = await standUp({ identifier: 'tendril/east/3' });
  putService(mesh, 'a.shop:80', '1');
  const client = stateStream(port);
  client.send({ typeUrl: CDS, node: nodeOf('app.shop') });
  client.send({ typeUrl: EDS, names: ['a.shop:80'] });
  await client.response(1);
  assert.deepEqual(
    client.responses.map(({ controlPlaneId }) => controlPlaneId),
    ['tendril/east/3', 'tendril/east/3'],
  );
});

test('rule 62: every response of resources says the offset of the state that it was made from', async () => {
  let offset = 7;
  const { mesh, server, port } = await standUp({ offset: () => offset });
  mesh.set('eds', 'a.shop:80', assignmentBody('a.shop:80', 'e-1', [80]));
  const client = stream(port);
  client.send({ typeUrl: EDS, node: nodeOf('app.shop'), subscribe: ['a.shop:80'] });
  assert.equal((await client.response(0)).systemVersionInfo, '7');
  offset = 8;
  mesh.set('eds', 'a.shop:80', assignmentBody('a.shop:80', 'e-2', [80]));
  await server.wake();
  assert.equal((await client.response(1)).systemVersionInfo, '8');
});

test('rule 62: the label of raw resources stands in its place, and is the version_info of a state', async () => {
  const { mesh, server, port } = await standUp();
  mesh.raw.set('sds cert', { version: 'r1', body: Buffer.from('opaque') });
  mesh.labels.set('sds', 'week-48');
  const client = stream(port);
  client.send({ typeUrl: SDS, node: nodeOf('app.shop'), subscribe: ['cert'] });
  client.send({ typeUrl: LDS });
  await client.response(1);
  const state = stateStream(port);
  state.send({ typeUrl: SDS, node: nodeOf('app.shop'), names: ['cert'] });
  const labelled = await state.response(0);
  assert.equal(labelled.versionInfo, 'week-48');
  state.ack(labelled, ['cert']);
  assert.deepEqual(
    client.responses.map(({ systemVersionInfo }) => systemVersionInfo),
    ['week-48', '42'],
  );
  // Without a label the version of a state is a hash of what is in it.
  mesh.labels.clear();
  mesh.raw.set('sds cert', { version: 'r2', body: Buffer.from('opaque too') });
  mesh.changed(`raw||${SDS}|cert`, `rawset||${SDS}`);
  await server.wake();
  assert.match((await state.response(1)).versionInfo, /^[\w-]{16}$/);
});

test('rule 63: every Any has the type URL of its response, and every resource the name that is inside it', async () => {
  const { mesh, server, port } = await standUp();
  putService(mesh, 'a.shop:80', '1');
  putService(mesh, 'b.shop:80', '1');
  mesh.preloads.set('app.shop', ['a.shop:80']);
  mesh.inbound.set('inbound:80', clusterBody('inbound:80', 'i1', false));
  mesh.listeners.set('outbound', listenerBody('outbound', 'l1'));
  const client = stream(port);
  client.hello('app.shop');
  client.send({ typeUrl: LDS });
  client.send({ typeUrl: RDS, subscribe: ['outbound', 'outbound~1'] });
  client.send({ typeUrl: VHDS });
  client.send({ typeUrl: VHDS, subscribe: ['outbound/b.shop', 'outbound~1/b.shop:80'] });
  client.send({ typeUrl: CDS, subscribe: ['nx.shop:80'] });
  client.send({ typeUrl: EDS, subscribe: ['nx.shop:80', 'local'] });
  await eventually('all is there', () => client.responses.length >= 9 && server.counters().requests === 7);
  const inner: Record<string, (body: Uint8Array) => string> = {
    [CDS]: (body) => Cluster.decode(body).name,
    [EDS]: (body) => ClusterLoadAssignment.decode(body).clusterName,
    [LDS]: (body) => Listener.decode(body).name,
    [RDS]: (body) => RouteConfiguration.decode(body).name,
    [VHDS]: (body) => VirtualHost.decode(body).name,
  };
  let seen = 0;
  for (const { typeUrl, resources } of client.responses)
    for (const resource of resources) {
      seen++;
      assert.equal(resource.typeUrl, typeUrl);
      assert.equal(inner[typeUrl]?.(resource.body ?? new Uint8Array()), resource.name);
    }
  assert.ok(seen >= 14, `${seen} resources`);
});

test('rule 64: no resource has a TTL, not even for a client that announces the feature', async () => {
  const { mesh, port } = await standUp();
  putService(mesh, 'a.shop:80', '1');
  mesh.preloads.set('app.shop', ['a.shop:80']);
  mesh.listeners.set('outbound', listenerBody('outbound', 'l1'));
  const client = stream(port);
  client.send({ typeUrl: CDS, node: { ...nodeOf('app.shop'), clientFeatures: ['xds.config.supports-resource-ttl'] } });
  client.send({ typeUrl: LDS });
  client.send({ typeUrl: RDS, subscribe: ['outbound'] });
  client.send({ typeUrl: VHDS, subscribe: ['*', 'outbound/nx.shop'] });
  await client.response(4);
  const resources = client.messages.flatMap((bytes) => DeltaDiscoveryResponse.decode(bytes).resources);
  assert.equal(resources.length, 6);
  for (const { name, ttl } of resources) assert.equal(ttl ?? null, null, name ?? '');
});

test('rule 65: resources of a state are never wrapped, whatever the client announces', async () => {
  const { mesh, port } = await standUp();
  putService(mesh, 'a.shop:80', '1');
  const features = ['xds.config.resource-in-sotw', 'xds.config.supports-resource-in-sotw'];
  for (const clientFeatures of [[], features]) {
    const client = stateStream(port);
    client.send({ typeUrl: CDS, node: { ...nodeOf('app.shop'), clientFeatures }, names: ['a.shop:80'] });
    client.send({ typeUrl: EDS, names: ['a.shop:80', 'nx.shop:80'] });
    client.send({ typeUrl: RDS, names: ['outbound'] });
    await client.response(2);
    for (const { typeUrl, resources } of client.responses)
      for (const resource of resources) assert.equal(resource.typeUrl, typeUrl);
    const [cluster] = client.responses[0]?.resources ?? [];
    assert.equal(Cluster.decode(cluster?.value ?? new Uint8Array()).name, 'a.shop:80');
  }
});
