/**
 * Every bound of docs/limits.md that a stream can reach, over gRPC: status, sentence, counter, and that others go on. Those of the
 * connection are in the contract of transports; `heldBytes` in `ads-server.test.ts`.
 */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { type AdsServer, createAdsServer, type ServerLimits } from '../../src/delta-xds/index.ts';
import { CDS, EDS, VHDS } from '../../src/proto/index.ts';
import { eventually } from '../contracts/transport-stand.ts';
import { assignmentBody, clusterBody, MemoryMesh, nodeOf, virtualHostBody } from './support/memory-mesh.ts';
import { RawClient } from './support/raw-client.ts';

const closing: { close(): unknown }[] = [];
after(async () => {
  for (const one of closing.reverse()) await one.close();
});

interface Stand {
  readonly server: AdsServer;
  readonly mesh: MemoryMesh;
  client(): RawClient;
}

const stand = async (limits: Partial<ServerLimits>): Promise<Stand> => {
  const mesh = new MemoryMesh();
  const server = createAdsServer({
    source: mesh,
    limits,
    transport: 'http2',
    clock: () => performance.now(),
    now: Date.now,
    random: Math.random,
    logger: { info: () => undefined, warn: () => undefined },
    identifier: 'tendril/test/0',
  });
  const { port } = await server.listen('127.0.0.1', 0);
  closing.push(server);
  return {
    server,
    mesh,
    client: () => {
      const client = new RawClient(port);
      closing.push(client);
      return client;
    },
  };
};

const names = (count: number, from = 0): string[] => Array.from({ length: count }, (_, at) => `s${from + at}.shop:80`);

/** A stream that is refused for `request`, on a server where another one goes on. */
const refused = async (
  limits: Partial<ServerLimits>,
  request: (client: RawClient) => void,
): Promise<{ readonly status: readonly [number, string]; readonly server: AdsServer }> => {
  const { server, client } = await stand(limits);
  const good = client();
  good.hello('good.shop');
  await good.response(0);
  const bad = client();
  bad.hello('bad.shop');
  request(bad);
  const { code, details } = await bad.status;
  good.send({ typeUrl: VHDS, subscribe: ['outbound/nobody.shop'] });
  await good.response(1);
  return { status: [code, details], server };
};

test('names-per-request', async () => {
  const { status, server } = await refused({ namesPerRequest: 10 }, (client) =>
    client.send({ typeUrl: EDS, subscribe: names(8), unsubscribe: names(3, 100) }),
  );
  assert.deepEqual(status, [8, '11 names in one request; allowed: 10']);
  assert.deepEqual([server.counters().tooManyNames, server.counters().overLimit], [1, 1]);
});

test('names-per-stream', async () => {
  const { status, server } = await refused({ namesPerStream: 10 }, (client) => {
    client.send({ typeUrl: EDS, subscribe: names(8) });
    client.send({ typeUrl: EDS, subscribe: names(8, 100) });
  });
  assert.equal(status[0], 8);
  assert.match(status[1], /^1[67] names asked for on one stream; allowed: 10$/);
  assert.deepEqual([server.counters().tooManyAsked, server.counters().overLimit], [1, 1]);
});

test('types-per-stream', async () => {
  const { status, server } = await refused({ typesPerStream: 3 }, (client) => {
    for (const type of ['a', 'b', 'c']) client.send({ typeUrl: `type.googleapis.com/test.${type}`, subscribe: ['x'] });
  });
  assert.deepEqual(status, [8, 'more than 3 resource types on one stream']);
  assert.deepEqual([server.counters().tooManyTypes, server.counters().overLimit], [1, 1]);
});

test('name-bytes: characters of several bytes are counted as such', async () => {
  const { status, server } = await refused({ nameBytes: 20 }, (client) =>
    client.send({ typeUrl: EDS, subscribe: ['12345678901234567890', 'ääääääääääö'] }),
  );
  assert.deepEqual(status, [3, 'a resource name has 22 bytes; allowed: 20']);
  assert.deepEqual([server.counters().namesTooLong, server.counters().overLimit], [1, 1]);
});

test('name-bytes: a host is what an application wrote: too long a one is answered as unknown, and the stream lives', async () => {
  const { server, client } = await stand({ nameBytes: 200 });
  const long = ['x'.repeat(300), 'y'.repeat(4_000)].map((host) => `outbound/${host}`);
  const one = client();
  one.send({ typeUrl: VHDS, node: nodeOf('app.shop'), subscribe: [...long, 'outbound/nobody.shop'] });
  await eventually('all are answered', () => one.resources(VHDS).length === 3);
  const answers = new Map(one.resources(VHDS).map(({ name, version, body }) => [name, { version, body }]));
  for (const name of long) assert.equal(answers.get(name)?.body, undefined);
  assert.deepEqual([server.counters().namesTooLong, server.counters().overLimit], [2, 0]);
  one.close();

  // Envoy names all it has ever asked for when it comes back: that must not end every stream that it opens.
  const held = new Map([...answers].map(([name, { version }]) => [name, version]));
  const again = client();
  const first = { node: nodeOf('app.shop'), subscribe: ['*', ...held.keys()], initialResourceVersions: held };
  again.send({ typeUrl: VHDS, ...first });
  again.send({ typeUrl: VHDS, subscribe: ['outbound/other.shop'] });
  await eventually('a new question is answered', () => again.resources(VHDS).length > 0);
  assert.deepEqual(
    again.resources(VHDS).map(({ name }) => name),
    ['outbound/other.shop'],
    'and what it knows is not told again',
  );
});

test('name-bytes: too long hosts that pile up end the stream', async () => {
  const { status } = await refused({ nameBytes: 200, answersInFlight: 1 }, (client) => {
    for (let at = 0; at < 200; at++) client.send({ typeUrl: VHDS, subscribe: [`outbound/${at}${'x'.repeat(300)}`] });
  });
  assert.deepEqual(status[0], 3);
});

test('names-per-request: whoever comes back names every host that was ever tried', async () => {
  const { server, client } = await stand({ namesPerRequest: 100, namesPerStream: 10_000 });
  const hosts = (from: number): string[] =>
    Array.from({ length: 1_500 }, (_, at) => `outbound/no-${from + at}.nowhere`);
  const one = client();
  one.send({ typeUrl: VHDS, node: nodeOf('app.shop'), subscribe: ['*', ...hosts(0)] });
  for (let at = 0; one.resources(VHDS).length < 1_500; at++) {
    const { nonce } = await one.response(at);
    one.send({ typeUrl: VHDS, responseNonce: nonce });
  }
  one.send({ typeUrl: VHDS, subscribe: hosts(5_000) });
  const { code, details } = await one.status;
  assert.deepEqual([code, details], [8, '1500 names in one request; allowed: 100']);
  assert.equal(server.counters().tooManyNames, 1);
});

test('unknown-names: two streams of a node share the bound; beyond it hosts are answered, and not pushed later', async () => {
  const { server, mesh, client } = await stand({ unknownNames: 3 });
  const ask = async (one: RawClient, host: string, index: number): Promise<void> => {
    one.send({ typeUrl: VHDS, subscribe: [`outbound/${host}`], ...(index === 0 ? { node: nodeOf('app.shop') } : {}) });
    const { resources } = await one.response(index);
    assert.deepEqual(
      resources.map(({ name, body }) => [name, body]),
      [[`outbound/${host}`, undefined]],
    );
  };
  const [one, two] = [client(), client()];
  await ask(one, 'a.shop', 0);
  await ask(one, 'b.shop', 1);
  await ask(two, 'c.shop', 0);
  await ask(two, 'd.shop', 1);
  await ask(one, 'e.shop', 2);
  assert.equal(server.counters().unknownNotKept, 2);
  for (const name of ['c', 'd']) {
    mesh.set('cds', `${name}.shop:80`, clusterBody(`${name}.shop:80`, '1', false));
    mesh.set('vhds', `${name}.shop:80`, virtualHostBody('1', [`${name}.shop`], [`${name}.shop:80`]));
  }
  await server.wake();
  const has = (name: string): boolean =>
    two.responses.some(({ resources }) => resources.some((resource) => resource.name === `outbound/${name}.shop:80`));
  await eventually('the remembered one is pushed', () => has('c'));
  assert.equal(has('d'), false);
  two.send({ typeUrl: VHDS, subscribe: ['outbound/d.shop'] });
  await eventually('the other one at the next question', () => has('d'));
});

test('generations: a host under one route configuration too many is answered as unknown', async () => {
  const { server, mesh, client } = await stand({ generations: 2 });
  mesh.set('cds', 'a.shop:80', clusterBody('a.shop:80', '1', false));
  mesh.set('vhds', 'a.shop:80', virtualHostBody('1', ['a.shop'], ['a.shop:80']));
  const one = client();
  one.send({ typeUrl: VHDS, node: nodeOf('app.shop'), subscribe: ['r1/a.shop'] });
  one.send({ typeUrl: VHDS, subscribe: ['r2/a.shop'] });
  one.send({ typeUrl: VHDS, subscribe: ['r3/a.shop'] });
  const answered = (name: string) =>
    one.responses
      .flatMap(({ resources }) => resources)
      .find((found) => found.name === name || found.aliases.includes(name));
  await eventually('all three are answered', () => ['r1', 'r2', 'r3'].every((at) => answered(`${at}/a.shop`)));
  assert.ok(answered('r1/a.shop')?.body !== undefined && answered('r2/a.shop')?.body !== undefined);
  assert.equal(answered('r3/a.shop')?.body, undefined);
  assert.equal(server.counters().generationsFull, 1);
});

test('answers-in-flight: questions beyond wait, and go together when one is acknowledged', async () => {
  const { server, client } = await stand({ answersInFlight: 2 });
  const one = client();
  one.send({ typeUrl: VHDS, node: nodeOf('app.shop'), subscribe: ['outbound/h0.shop'] });
  for (let at = 1; at < 6; at++) one.send({ typeUrl: VHDS, subscribe: [`outbound/h${at}.shop`] });
  await one.response(1);
  await eventually('the others wait', () => server.counters().questionsDelayed >= 4);
  assert.equal(one.responses.length, 2);
  one.send({ typeUrl: VHDS, responseNonce: one.responses[0]?.nonce ?? '' });
  const { resources } = await one.response(2);
  assert.equal(resources.length, 4);
});

test('response-bytes: a large answer comes in parts, none of them larger', async () => {
  const { mesh, client } = await stand({ responseBytes: 20_000, burstBytes: 40_000 });
  const asked = names(20);
  for (const name of asked) {
    mesh.set('cds', name, clusterBody(name, '1', true));
    mesh.set('eds', name, assignmentBody(name, '1', [80], 9_000));
  }
  const one = client();
  one.send({ typeUrl: EDS, node: nodeOf('app.shop'), subscribe: asked });
  const all = (): string[] => one.responses.flatMap(({ resources }) => resources.map(({ name }) => name));
  await eventually('everything is there', () => all().length === 20);
  assert.deepEqual(all().sort(), asked.sort());
  assert.ok(one.responses.length >= 10, `${one.responses.length} responses`);
  for (const { resources } of one.responses) assert.ok(resources.length <= 2, 'of 9,000 bytes each');
});

test('reset-bytes: a stream with more than that on its way loses its connection', async () => {
  const { server, mesh, client } = await stand({
    burstBytes: 50_000_000,
    resetBytes: 4_000_000,
    responseBytes: 1_000_000,
  });
  const asked = names(10);
  for (const name of asked) {
    mesh.set('cds', name, clusterBody(name, '1', true));
    mesh.set('eds', name, assignmentBody(name, '1', [80], 900_000));
  }
  const bad = client();
  bad.send({ typeUrl: EDS, node: nodeOf('bad.shop'), subscribe: asked });
  assert.equal((await bad.status).code, 14);
  assert.deepEqual([server.counters().resets, server.sessions().length], [1, 0]);
  const good = client();
  good.hello('good.shop');
  await good.response(0);
});

test('cache-bytes: resources beyond are encoded again', async () => {
  const { server, mesh, client } = await stand({ cacheBytes: 20_000 });
  const asked = names(20);
  for (const name of asked) {
    mesh.set('cds', name, clusterBody(name, '1', true));
    mesh.set('eds', name, assignmentBody(name, '1', [80], 3_000));
  }
  const one = client();
  one.send({ typeUrl: EDS, node: nodeOf('app.shop'), subscribe: asked });
  await eventually('all are there', () => one.responses.flatMap(({ resources }) => resources).length === 20);
  assert.ok(server.counters().cacheEvicted >= 10);
  assert.ok(server.counters().cacheBytes <= 20_000);
});

test('a request that names the wildcard alone is none of these', async () => {
  const { server, client } = await stand({ namesPerRequest: 1, namesPerStream: 1, typesPerStream: 1 });
  const one = client();
  one.send({ typeUrl: CDS, node: nodeOf('app.shop'), subscribe: ['*'] });
  await one.response(0);
  assert.equal(server.counters().overLimit, 0);
});
