/** `GET /v1/graph/stream`: a snapshot and patches of it make the document that the graph is; resume; bounds. */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import jsonPatch, { type Operation } from 'fast-json-patch';
import { type Core, call, service, startCore } from './core.ts';

interface Frame {
  readonly event: string | undefined;
  readonly id: number | undefined;
  // biome-ignore lint/suspicious/noExplicitAny: documents and patches
  readonly data: any;
}

/** A client that keeps what a browser's would: the document, and the last id. */
class Client {
  document: { edges: Record<string, unknown> } = { edges: {} };
  lastId = 0;
  readonly frames: Frame[] = [];
  readonly #leave = new AbortController();
  ended: Promise<void> = Promise.resolve();

  static async open(t: TestContext, core: Core, path: string, from?: Client): Promise<Client> {
    const client = new Client();
    t.after(() => client.leave());
    if (from !== undefined) client.document = structuredClone(from.document);
    const response = await fetch(`${core.url}${path}`, {
      headers: from === undefined ? {} : { 'last-event-id': String(from.lastId) },
      signal: client.#leave.signal,
    });
    assert.equal(response.status, 200);
    assert.match(response.headers.get('content-type') ?? '', /^text\/event-stream/);
    client.ended = client.#read(response).catch(() => undefined);
    return client;
  }

  async #read(response: Response): Promise<void> {
    let rest = '';
    const decoder = new TextDecoder();
    for await (const chunk of response.body ?? []) {
      rest += decoder.decode(chunk as Uint8Array, { stream: true });
      const blocks = rest.split('\n\n');
      rest = blocks.pop() ?? '';
      for (const block of blocks) this.#take(block);
    }
  }

  #take(block: string): void {
    const id = /^id: ([0-9]+)$/m.exec(block)?.[1];
    const event = /^event: (.*)$/m.exec(block)?.[1];
    const data = /^data: (.*)$/m.exec(block)?.[1];
    const frame = {
      event,
      id: id === undefined ? undefined : Number(id),
      data: data === undefined ? undefined : JSON.parse(data),
    };
    this.frames.push(frame);
    if (frame.event === 'snapshot') this.document = { edges: frame.data.edges };
    if (frame.event === 'patch')
      this.document = jsonPatch.applyPatch(this.document, frame.data as Operation[], true).newDocument;
    this.lastId = frame.id ?? this.lastId;
  }

  async until(look: () => boolean): Promise<void> {
    while (!look()) await new Promise((resolve) => setTimeout(resolve, 5));
  }

  async leave(): Promise<void> {
    this.#leave.abort();
    await this.ended;
  }
}

const learn = async (core: Core, from: string, to: string, node = `${from}-1`): Promise<number> => {
  core.learned.report([{ from, to, node }]);
  await core.learned.settled();
  return core.log.head().offset;
};

/** What GET /v1/graph says, as a document. */
const graph = async (core: Core, query = ''): Promise<Record<string, unknown>> => {
  const { body } = await call(core, 'GET', `/v1/graph${query}`);
  return Object.fromEntries(
    body.edges.map((edge: { from: string; to: string; port?: number }) => [
      `${edge.from}|${edge.to}${edge.port === undefined ? '' : `:${edge.port}`}`,
      edge,
    ]),
  );
};

const mesh = async (t: TestContext, options: Parameters<typeof startCore>[1] = {}): Promise<Core> => {
  const core = await startCore(t, options);
  await call(core, 'POST', '/v1/events', { events: [service('web'), service('cart'), service('ads')] });
  await learn(core, 'web.shop', 'cart.shop:8080');
  return core;
};

test('a snapshot, then patches: additions, changes, removals; ids are offsets', async (t) => {
  const core = await mesh(t);
  const client = await Client.open(t, core, '/v1/graph/stream');
  await client.until(() => client.frames.length > 0);
  assert.equal(client.frames[0]?.event, 'snapshot');
  assert.deepEqual(client.document.edges, await graph(core));
  await learn(core, 'web.shop', 'ads.shop:8080');
  await call(core, 'PUT', '/v1/graph/edges/cart.shop/ads.shop');
  await call(core, 'PUT', '/v1/graph/edges/web.shop/cart.shop:8080', { action: 'pin' });
  let head = core.log.head().offset;
  await client.until(() => client.lastId >= head);
  assert.deepEqual(client.document.edges, await graph(core));
  await call(core, 'DELETE', '/v1/graph/edges/cart.shop/ads.shop');
  head = core.log.head().offset;
  await client.until(() => client.lastId >= head);
  assert.deepEqual(client.document.edges, await graph(core));
  assert.ok(client.frames.every(({ event, data }) => event !== 'patch' || data.length > 0));
  assert.deepEqual([core.graphStreams.snapshots, core.graphStreams.edges], [1, 2]);
  await client.leave();
  await client.until(() => core.graphStreams.edges === 0);
});

test('Last-Event-ID: a patch from what the client has, also over a restart of its connection', async (t) => {
  const core = await mesh(t);
  const first = await Client.open(t, core, '/v1/graph/stream?focus=web.shop');
  await first.until(() => first.frames.length > 0);
  await first.leave();
  await learn(core, 'web.shop', 'ads.shop:8080');
  await learn(core, 'cart.shop', 'ads.shop:8080');
  await call(core, 'PUT', '/v1/graph/edges/web.shop/cart.shop:8080', { action: 'deny' });
  const second = await Client.open(t, core, '/v1/graph/stream?focus=web.shop', first);
  await second.until(() => second.frames.length > 0);
  assert.equal(second.frames[0]?.event, 'patch');
  assert.deepEqual(second.document.edges, await graph(core, '?focus=web.shop'));
  // Nothing happened since: nothing is said, and the id moves on.
  await second.leave();
  const third = await Client.open(t, core, '/v1/graph/stream?focus=web.shop', second);
  await third.until(() => third.lastId > 0);
  assert.deepEqual([third.frames[0]?.event, third.frames[0]?.data], [undefined, undefined]);
});

test('what the client had cannot be told: a snapshot, with the reason', async (t) => {
  const core = await mesh(t);
  const stranger = new Client();
  stranger.lastId = 999_999;
  const client = await Client.open(t, core, '/v1/graph/stream', stranger);
  await client.until(() => client.frames.length > 0);
  assert.equal(client.frames[0]?.event, 'snapshot');
  assert.match(client.frames[0]?.data.reason, /offset 999999 is not in this log, which ends at/);
});

/** Services `n0`, `n1`, … of a namespace of their own, each of which depends on all of them: few events, many edges. */
const registerMany = (core: Core, count: number) =>
  call(core, 'POST', '/v1/events', {
    events: Array.from({ length: count }, (_, index) => ({
      type: 'service.registered',
      data: { namespace: 'many', name: `n${index}`, ports: [{ port: 80, protocol: 'http' }] },
    })),
  });

const allOnAll = (core: Core, target: object) =>
  call(
    core,
    'POST',
    '/v1/docs:apply',
    JSON.stringify({
      apiVersion: 'tendril.dev/v1',
      kind: 'Dependency',
      metadata: { name: 'all', namespace: 'many' },
      spec: { scope: { namespace: true }, to: { '*.many': target } },
    }),
    { 'content-type': 'application/yaml' },
  );

test('more edges than a stream may have: refused before it begins, ended with the reason when they come later', async (t) => {
  const core = await mesh(t);
  const client = await Client.open(t, core, '/v1/graph/stream');
  await client.until(() => client.frames.length > 0);
  await registerMany(core, 150);
  await allOnAll(core, {});
  await client.ended;
  assert.equal(client.frames.at(-1)?.event, 'end');
  assert.match(client.frames.at(-1)?.data.reason, /more than 20000 edges/);
  const refused = await call(core, 'GET', '/v1/graph/stream');
  assert.deepEqual([refused.status, refused.body.code], [413, 'GRAPH_TOO_LARGE']);
  assert.match(refused.body.remedy, /focus/);
  assert.equal(core.graphStreams.refused, 2);
  const deep = await call(core, 'GET', '/v1/graph/stream?focus=n0.many&depth=10');
  assert.deepEqual([deep.status, deep.body.code], [413, 'GRAPH_TOO_LARGE']);
  assert.match(deep.body.remedy, /smaller depth/);
  assert.equal(core.graphStreams.refused, 3);
  const around = await Client.open(t, core, '/v1/graph/stream?focus=web.shop');
  await around.until(() => around.frames.length > 0);
  assert.deepEqual(Object.keys(around.document.edges), ['web.shop|cart.shop:8080']);
});

test('streams of the same part, woken by the same change, read the graph once', async (t) => {
  const core = await mesh(t);
  const path = '/v1/graph/stream?focus=web.shop';
  const clients = [await Client.open(t, core, path), await Client.open(t, core, path)];
  for (const client of clients) await client.until(() => client.frames.length > 0);
  const { graph: read } = core.projector;
  const edges = read.edges.bind(read);
  let reads = 0;
  read.edges = (query) => {
    reads++;
    return edges(query);
  };
  const head = await learn(core, 'web.shop', 'ads.shop:8080');
  for (const client of clients) await client.until(() => client.lastId >= head);
  assert.equal(reads, 1);
  for (const client of clients) assert.deepEqual(client.document.edges, await graph(core, '?focus=web.shop'));
});

test('more edges than all streams may have: the reason is theirs, not that of the one that is refused or ended', async (t) => {
  const core = await mesh(t);
  const client = await Client.open(t, core, '/v1/graph/stream');
  await client.until(() => client.frames.length > 0);
  // As many as the other streams may have at most.
  core.graphStreams.edges += 200_000;
  const refused = await call(core, 'GET', '/v1/graph/stream');
  assert.deepEqual([refused.status, refused.body.code], [503, 'STREAMS_FULL']);
  await learn(core, 'web.shop', 'ads.shop:8080');
  await client.ended;
  assert.equal(client.frames.at(-1)?.event, 'end');
  assert.match(client.frames.at(-1)?.data.reason, /streams of the graph have more than 200000 edges together/);
  assert.deepEqual([core.graphStreams.edges, core.graphStreams.refused], [200_000, 2]);
});

test('a client that reads nothing is ended and counted; the others go on', async (t) => {
  const core = await mesh(t, { admin: { stallMs: 50 } });
  await registerMany(core, 100);
  await allOnAll(core, {});
  const client = await Client.open(t, core, '/v1/graph/stream?focus=cart.shop');
  const { port } = new URL(core.url);
  const socket = connect(Number(port), '127.0.0.1');
  t.after(() => socket.destroy());
  socket.pause();
  socket.write(`GET /v1/graph/stream HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`);
  // Buffers of the sockets take some of it; each change of all edges is another patch of all of them.
  for (let round = 0; core.graphStreams.slow === 0; round++) {
    await allOnAll(core, { pin: round % 2 === 0 });
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  assert.equal(core.graphStreams.slow, 1);
  assert.ok(core.logger.lines.some(({ message }) => message.includes('took nothing for too long')));
  const head = await learn(core, 'cart.shop', 'ads.shop:8080');
  await client.until(() => client.lastId >= head);
  assert.ok('cart.shop|ads.shop:8080' in client.document.edges);
});
