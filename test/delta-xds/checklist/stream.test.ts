/** Checklist rules 54 to 73: the stream and its messages, mostly as they show over gRPC. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Hub } from '../../../src/delta-xds/hub.ts';
import { DEFAULT_SESSION_LIMITS, SharedShapes, zeroSessionCounters } from '../../../src/delta-xds/index.ts';
import { XDS_METHODS } from '../../../src/delta-xds/methods.ts';
import { typeOf } from '../../../src/delta-xds/resource-type.ts';
import {
  CDS,
  Cluster,
  ClusterLoadAssignment,
  DeltaDiscoveryResponse,
  EDS,
  encodeDeltaRequest,
  encodeStateRequest,
  LDS,
  Listener,
  RDS,
  RouteConfiguration,
  SDS,
  VHDS,
  VirtualHost,
} from '../../../src/proto/index.ts';
import { WireReader } from '../../../src/proto/wire-reader.ts';
import {
  assignmentBody,
  clusterBody,
  listenerBody,
  MemoryMesh,
  nodeOf,
  virtualHostBody,
} from '../support/memory-mesh.ts';
import { says } from '../support/says.ts';
import { isType, SimEnvoy } from '../support/sim-envoy.ts';
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

test('rule 66: an alias is answered under the canonical name with all aliases; an unknown host without a body', () =>
  says(`
    mesh service cart.shop:80 1 domains cart,cart.shop.mesh.local
    > rds sub outbound
    < rds 1: outbound@rc
    > vhds
    < vhds 2: removed outbound/-
    > vhds sub outbound/cart
    ! learned app.shop -> cart.shop:80
    < vhds 3: outbound/cart.shop:80@h-1 [cart.shop cart.shop:80 cart cart.shop.mesh.local]
    > vhds sub outbound/nx.shop
    < vhds 4: outbound/nx.shop (nothing, neg-t1-1)
    # Removed by the canonical name.
    mesh service cart.shop:80 gone
    < vhds 5: removed outbound/cart.shop:80
  `));

test('rule 66: on the wire the aliases are whole names and the negative answer has no resource field', async () => {
  const { mesh, port } = await standUp();
  putService(mesh, 'cart.shop:80', '1');
  const client = stream(port);
  client.send({ typeUrl: VHDS, node: nodeOf('app.shop'), subscribe: ['outbound/cart.shop', 'outbound/nx'] });
  await client.response(0);
  const [message] = client.messages;
  const resources = DeltaDiscoveryResponse.decode(message ?? new Uint8Array()).resources;
  assert.deepEqual(
    resources.map(({ name, aliases, resource }) => [name, aliases, (resource ?? null) !== null]),
    [
      ['outbound/cart.shop:80', ['outbound/cart.shop', 'outbound/cart.shop:80'], true],
      ['outbound/nx', ['outbound/nx'], false],
    ],
  );
});

test('rule 67: an on-demand cluster beside the wildcard; an absent one is answered at once and stands for nothing', () =>
  says(`
    mesh service a.shop:80 1
    > cds
    < cds 1: (empty)
    > cds ack 1
    > cds sub a.shop:80
    ! learned app.shop -> a.shop:80
    < cds 2: a.shop:80@c-1
    < eds 3: a.shop:80@e-1
    > cds sub gone.shop:80
    < cds 4: gone.shop:80@empty
    # After a restart of the server Envoy asks again for what it was told is gone: the answer is the same, no edge is learned.
    reconnect
    > cds sub * a.shop:80 gone.shop:80 irv a.shop:80=c-1
    ! learned app.shop -> a.shop:80
    < cds 1: gone.shop:80@empty
  `));

const BASE = 'xdstp://mesh/envoy.config.cluster.v3.Cluster';

test('rule 68: xdstp context parameters count in any order, and the answer has the spelling of the question', () =>
  says(`
    mesh raw cds ${BASE}/a?x=1&y=2 c1 static; raw ecds ${BASE}/f?x=1&y=2 f1
    > cds sub ${BASE}/a?y=2&x=1 ${BASE}/a?x=1 ${BASE}/a
    < cds 1: ${BASE}/a?y=2&x=1@c1, ${BASE}/a?x=1@empty, ${BASE}/a@empty
    > ecds sub ${BASE}/f?y=2&x=1 ${BASE}/f?x=1&y=2
    < ecds 2: ${BASE}/f?y=2&x=1@f1, ${BASE}/f?x=1&y=2@f1
    > cds ack 1
    > ecds ack 2
    mesh raw cds ${BASE}/a?x=1&y=2 c2 static; raw ecds ${BASE}/f?x=1&y=2 f2
    < cds 3: ${BASE}/a?y=2&x=1@c2
    < ecds 4: ${BASE}/f?x=1&y=2@f2, ${BASE}/f?y=2&x=1@f2
    > cds ack 3
    > ecds ack 4
    mesh raw ecds ${BASE}/f?x=1&y=2 gone
    < ecds 5: removed ${BASE}/f?x=1&y=2 ${BASE}/f?y=2&x=1
    # What the client brings is compared under its own spelling.
    reconnect
    > cds sub ${BASE}/a?y=2&x=1 irv ${BASE}/a?y=2&x=1=c2
    sotw
    > cds names ${BASE}/a?y=2&x=1
    < cds 1: ${BASE}/a?y=2&x=1@c2
    > cds names ${BASE}/a?y=2&x=1 ack 1
    mesh raw cds ${BASE}/a?x=1&y=2 c3 static
    < cds 2: ${BASE}/a?y=2&x=1@c3
    # A wildcard has the spelling of the mesh.
    reconnect
    > cds
    < cds 1: ${BASE}/a?x=1&y=2@c3
    > cds ack 1
    mesh raw cds ${BASE}/a?x=1&y=2 c4 static
    < cds 2: ${BASE}/a?x=1&y=2@c4
  `));

test('rule 68: a collection does not exist, and is answered at once', () =>
  says(`
    mesh raw cds ${BASE}/a c1 static; raw lds ${BASE}/l l1
    > cds sub ${BASE}/* ${BASE}/*?x=1 a.shop:80
    < cds 1: a.shop:80@empty; removed ${BASE}/* ${BASE}/*?x=1
    > lds sub ${BASE}/*
    < lds 2: removed ${BASE}/*
    > eds sub ${BASE}/*
    < eds 3: removed ${BASE}/*
    > ecds sub ${BASE}/*
    < ecds 4: removed ${BASE}/*
    > vhds sub ${BASE}/*
    < vhds 5: ${BASE}/* (nothing, neg-t1-1)
    > cds ack 1
    > lds ack 2
    > eds ack 3
    mesh lost
    mesh raw cds ${BASE}/b c1 static
    > cds unsub ${BASE}/*
  `));

/** One field with a length, as bytes. */
const field = (number: number, ...parts: readonly (string | Buffer)[]): Buffer => {
  const value = Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)));
  return Buffer.concat([Buffer.from([(number << 3) | 2, value.length]), value]);
};
/** ResourceLocator {name 1, dynamic_parameters 2}. */
const LOCATOR = [field(1, 'b.shop:80'), field(2, field(1, 'env'), field(2, 'prod'))];

test('rule 69: resource locators and dynamic parameters are passed over', async () => {
  const { mesh, port } = await standUp();
  putService(mesh, 'a.shop:80', '1');
  const client = stream(port);
  // Fields 8 (subscribe) and 9 (unsubscribe) of a delta request.
  client.sendBytes(
    Buffer.concat([
      encodeDeltaRequest({
        node: nodeOf('app.shop'),
        typeUrl: EDS,
        subscribe: ['a.shop:80'],
        unsubscribe: [],
        initialResourceVersions: new Map(),
        responseNonce: '',
      }),
      field(8, ...LOCATOR),
      field(9, ...LOCATOR),
    ]),
  );
  assert.deepEqual(
    (await client.response(0)).resources.map(({ name }) => name),
    ['a.shop:80'],
  );
  // Field 7 of a request of the state of the world.
  const state = stateStream(port);
  const request = { node: nodeOf('app.shop'), typeUrl: EDS, names: ['a.shop:80'], versionInfo: '', responseNonce: '' };
  state.sendBytes(Buffer.concat([encodeStateRequest(request), field(7, ...LOCATOR)]));
  assert.equal((await state.response(0)).resources.length, 1);
});

test('rule 70: what a node may not have is answered like what does not exist; resource_errors is not used', async () => {
  const { mesh, port } = await standUp();
  putService(mesh, 'secret.shop:80', '1');
  mesh.denied.add('app.shop secret.shop:80');
  const client = stream(port);
  client.send({ typeUrl: CDS, node: nodeOf('app.shop'), subscribe: ['secret.shop:80', 'absent.shop:80'] });
  client.send({ typeUrl: VHDS, subscribe: ['outbound/secret.shop', 'outbound/absent.shop'] });
  await client.response(1);
  const [clusters, hosts] = client.messages.map((bytes) => DeltaDiscoveryResponse.decode(bytes));
  assert.deepEqual(
    clusters?.resources.map(({ name, version }) => [name, version]),
    [
      ['secret.shop:80', 'empty'],
      ['absent.shop:80', 'empty'],
    ],
  );
  assert.deepEqual(
    hosts?.resources.map(({ name, resource }) => [name, resource ?? null]),
    [
      ['outbound/secret.shop', null],
      ['outbound/absent.shop', null],
    ],
  );
  // resource_errors is field 9; what stands on the wire is version 1, resources 2, type 4, nonce 5, removed 6, control plane 7.
  for (const message of client.messages) {
    const reader = new WireReader(message);
    while (reader.at < reader.end) {
      const tag = reader.tag();
      assert.ok([1, 2, 4, 5, 6, 7].includes(tag >>> 3), `field ${tag >>> 3}`);
      reader.skip(tag);
    }
  }
});

test('rule 71: a filter configuration that is absent is answered at once; one put in its place is a change, a deleted one goes', () =>
  says(`
    > ecds sub fault
    < ecds 1: removed fault
    > ecds ack 1
    mesh raw ecds fault f1
    < ecds 2: fault@f1
    > ecds ack 2
    mesh raw ecds fault pass-through
    < ecds 3: fault@pass-through
    > ecds ack 3
    mesh raw ecds fault gone
    < ecds 4: removed fault
  `));

test('rule 72: an identical put is no push; put and delete in one commit are what they are together', () =>
  says(`
    mesh service a.shop:80 1; preload a.shop:80; lds outbound l1
    > cds
    < cds 1: a.shop:80@c-1
    < eds 2: a.shop:80@e-1
    > lds
    < lds 3: outbound@l1
    > rds sub outbound
    < rds 4: outbound@rc
    > vhds
    < vhds 5: outbound/a.shop:80@h-1 [a.shop a.shop:80]
    > cds ack 1
    > eds ack 2
    > lds ack 3
    > rds ack 4
    > vhds ack 5
    mesh service a.shop:80 1; lds outbound l1
    mesh service a.shop:80 2; service a.shop:80 gone; service a.shop:80 1
    mesh lds outbound gone; lds outbound l1
    mesh service b.shop:80 1; service b.shop:80 gone
    mesh service a.shop:80 gone; service a.shop:80 2; lds outbound l2; lds outbound gone
    < cds 6: a.shop:80@c-2
    < eds 7: a.shop:80@e-2
    < lds 8: removed outbound
    < vhds 9: outbound/a.shop:80@h-2 [a.shop a.shop:80]
  `));

test('rule 73: a change at any point of the set-up of a stream is not lost', () => {
  // Points: before and after the node is read, before and after every request; the notice comes at once or when all is set up.
  const name = 'a.shop:80';
  const put = (mesh: MemoryMesh, version: string): void => {
    mesh.set('cds', name, clusterBody(name, `c-${version}`, true));
    mesh.set('eds', name, assignmentBody(name, `e-${version}`, [80]));
    mesh.set('vhds', name, virtualHostBody(`h-${version}`, ['a.shop', name], [name]));
    mesh.listeners.set('outbound', listenerBody('outbound', `l-${version}`));
    // The preload list names what exists, so it changed with the first put.
    mesh.changed('own|app.shop|1', 'caller|app.shop');
  };
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 30 }), { maxLength: 5 }), fc.boolean(), (points, atOnce) => {
      const mesh = new MemoryMesh();
      mesh.preloads.set('app.shop', [name]);
      const turns: (() => void)[] = [];
      const hub = new Hub({
        source: mesh,
        shapes: new SharedShapes(),
        session: { limits: DEFAULT_SESSION_LIMITS, counters: zeroSessionCounters() },
        clock: () => 0,
        later: (run) => turns.push(run),
        after: () => () => undefined,
        tag: () => 't',
      });
      let version = 0;
      let point = 0;
      const step = (): void => {
        for (const at of points)
          if (at === point) {
            put(mesh, String(++version));
            if (atOnce) void hub.wake();
          }
        point++;
      };
      const envoy = new SimEnvoy(nodeOf('app.shop'));
      envoy.askedRoutes.add('outbound');
      envoy.connect();
      step();
      const view = mesh.attach(nodeOf('app.shop'));
      step();
      const inbox: Parameters<SimEnvoy['receive']>[0][] = [];
      const member = hub.join(view, {
        execute: (effect) => {
          if (effect.kind !== 'send' || !isType(effect.type)) return;
          inbox.push({ ...effect, type: effect.type });
          step();
        },
        fail: (error) => {
          throw error;
        },
      });
      step();
      const exchange = (): void => {
        for (let rounds = 0; rounds < 100; rounds++) {
          const request = envoy.outbox.shift();
          if (request !== undefined) hub.request(member, request);
          step();
          const response = inbox.shift();
          if (response !== undefined) envoy.receive(response);
          step();
          if (atOnce) turns.shift()?.();
        }
      };
      exchange();
      void hub.wake();
      while (turns.length > 0) turns.shift()?.();
      exchange();
      if (version === 0) return;
      assert.equal(envoy.clusters.get(name)?.version, `c-${version}`);
      assert.equal(envoy.clusters.get(name)?.warming, false);
      assert.equal(envoy.assignments.get(name), `e-${version}`);
      assert.equal(envoy.hosts.get(`outbound/${name}`)?.version, `h-${version}`);
      assert.equal(envoy.listeners.get('outbound'), `l-${version}`);
      assert.deepEqual(envoy.refusals, []);
    }),
    { numRuns: 200 },
  );
});
