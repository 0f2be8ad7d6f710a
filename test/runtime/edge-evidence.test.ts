/**
 * Issue 5, section 1.1: what a sidecar or an application asks for by name becomes evidence `subscribed` for caller service -> callee
 * service port: once per edge, with two witnesses at most, whatever pods and requests there are.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { CDS, EDS, LDS, RDS, VHDS } from '../../src/proto/index.ts';
import { nodeOf } from '../delta-xds/support/memory-mesh.ts';
import { RawClient, RawStateClient } from '../delta-xds/support/raw-client.ts';
import { type ServerHere, serveHere } from '../delta-xds/support/serve-here.ts';

interface Edge {
  readonly to: string;
  readonly port?: number;
  readonly origin: string;
  readonly evidence: readonly string[];
}

class Stand {
  readonly #here: ServerHere;
  readonly #t: TestContext;

  constructor(here: ServerHere, t: TestContext) {
    this.#here = here;
    this.#t = t;
  }

  async #json(path: string, body?: unknown): Promise<Record<string, unknown>> {
    const answer = await fetch(`http://127.0.0.1:${this.#here.server.admin.port}${path}`, {
      ...(body === undefined
        ? {}
        : { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    assert.equal(answer.status, 200, text);
    return JSON.parse(text) as Record<string, unknown>;
  }

  post(...events: readonly unknown[]): Promise<unknown> {
    return this.#json('/v1/events?wait=applied&timeout=60s', { events });
  }

  async edges(caller: string): Promise<readonly Edge[]> {
    const { edges } = (await this.#json(`/v1/graph?focus=${caller}&depth=1`)) as { edges: (Edge & { from: string })[] };
    return edges.filter(({ from }) => from === caller);
  }

  /** Waits for the edges of a caller; then they must be just these. */
  async expect(caller: string, ...targets: readonly string[]): Promise<void> {
    const found = async (): Promise<string[]> =>
      (await this.edges(caller)).map(({ to, port }) => (port === undefined ? to : `${to}:${port}`)).sort();
    for (const end = Date.now() + 60_000; Date.now() < end && (await found()).length < targets.length; )
      await new Promise((next) => setTimeout(next, 20));
    assert.deepEqual(await found(), [...targets].sort());
    for (const { origin, evidence } of await this.edges(caller))
      assert.deepEqual([origin, evidence], ['learned', ['subscribed']]);
  }

  /** Events that the log has of the edges of a caller. */
  async events(caller: string): Promise<number> {
    const { events } = (await this.#json('/v1/events?type=dependency.observed&limit=1000')) as {
      events: { data: { from: string } }[];
    };
    return events.filter(({ data }) => data.from === caller).length;
  }

  /** A delta stream of a pod; its wildcards are open. */
  async pod(caller: string, id: string): Promise<RawClient> {
    const client = new RawClient(this.#here.port);
    this.#t.after(() => client.close());
    client.send({ typeUrl: CDS, node: nodeOf(caller, id) });
    client.send({ typeUrl: RDS, subscribe: ['outbound'] });
    client.send({ typeUrl: VHDS });
    await client.response(2);
    return client;
  }

  state(): RawStateClient {
    const client = new RawStateClient(this.#here.port);
    this.#t.after(() => client.close());
    return client;
  }
}

const stand = async (t: TestContext): Promise<Stand> => {
  const made = new Stand(await serveHere(t, 6), t);
  await made.post({
    type: 'service.registered',
    data: { namespace: 'shop', name: 'db', ports: [{ port: 5432, protocol: 'tcp' }] },
  });
  return made;
};

const register = (name: string, port: number, protocol: string): unknown => ({
  type: 'service.registered',
  data: { namespace: 'shop', name, ports: [{ port, protocol }] },
});

test('hosts: every spelling is the same service port; three pods and many requests are one edge with two witnesses', async (t) => {
  const it = await stand(t);
  for (const id of ['web-1', 'web-2', 'web-3']) {
    const pod = await it.pod('web.shop', id);
    for (const host of ['svc-1', 'svc-1.shop', 'svc-1.shop:80', 'svc-1.shop.mesh.local', 'SVC-1.shop'])
      for (let time = 0; time < 3; time++) pod.send({ typeUrl: VHDS, subscribe: [`outbound/${host}`] });
    pod.send({ typeUrl: CDS, subscribe: ['svc-1.shop:80'] });
    await it.expect('web.shop', 'svc-1.shop:80');
  }
  // Something that comes behind all of that: then whatever there was to come has come.
  const last = await it.pod('web.shop', 'web-4');
  last.send({ typeUrl: VHDS, subscribe: ['outbound/svc-2.shop'] });
  await it.expect('web.shop', 'svc-1.shop:80', 'svc-2.shop:80');
  assert.equal(await it.events('web.shop'), 3, 'two of the one edge, one of the other');
});

test('clusters by name, as the on-demand filters of HTTP and TCP ask for them', async (t) => {
  const it = await stand(t);
  const pod = await it.pod('batch.shop', 'batch-1');
  pod.send({ typeUrl: CDS, subscribe: ['svc-3.shop:80'] });
  pod.send({ typeUrl: CDS, subscribe: ['db.shop:5432'] });
  await it.expect('batch.shop', 'db.shop:5432', 'svc-3.shop:80');
});

test('what was asked for before it was there is an edge as soon as it is', async (t) => {
  const it = await stand(t);
  const pod = await it.pod('early.shop', 'early-1');
  pod.send({ typeUrl: VHDS, subscribe: ['outbound/late.shop'] });
  pod.send({ typeUrl: CDS, subscribe: ['later.shop:5000'] });
  pod.send({ typeUrl: VHDS, subscribe: ['outbound/svc-0.shop'] });
  await it.expect('early.shop', 'svc-0.shop:80');
  const client = it.state();
  client.send({
    typeUrl: LDS,
    names: ['late.shop:80'],
    node: { ...nodeOf('grpc-early.shop', 'g-1'), userAgentName: 'gRPC Node' },
  });
  client.send({ typeUrl: RDS, names: ['late.shop:80'] });
  // As its routes say, until there is something to call too.
  client.send({ typeUrl: CDS, names: ['late.shop:80'] });
  await client.response(2);
  await it.expect('grpc-early.shop');
  await it.post(register('late', 80, 'http'), register('later', 5000, 'tcp'));
  await it.expect('early.shop', 'late.shop:80', 'later.shop:5000', 'svc-0.shop:80');
  await it.expect('grpc-early.shop', 'late.shop:80');
});

test('applications without a proxy: the target they name', async (t) => {
  const it = await stand(t);
  const client = it.state();
  client.send({
    typeUrl: LDS,
    names: ['svc-1.shop:80'],
    node: { ...nodeOf('app.shop', 'app-1'), userAgentName: 'gRPC Node' },
  });
  await it.expect('app.shop', 'svc-1.shop:80');
});

test('an Envoy without delta: clusters it asks for by name, and assignments of clusters that it has from elsewhere', async (t) => {
  const it = await stand(t);
  const client = it.state();
  client.send({ typeUrl: CDS, names: ['svc-1.shop:80'], node: nodeOf('old.shop', 'old-1') });
  client.send({ typeUrl: EDS, names: ['svc-1.shop:80', 'svc-2.shop:80'] });
  await it.expect('old.shop', 'svc-1.shop:80', 'svc-2.shop:80');
});

test('no evidence: assignments behind a wildcard, what is not there, what may not be held, and nodes that do not say who they are', async (t) => {
  const it = await stand(t);
  await it.post(
    { type: 'dependency.declared', data: { from: 'old.shop', to: 'svc-1.shop:80' } },
    { type: 'dependency.declared', data: { from: 'new.shop', to: 'svc-1.shop:80' } },
    { type: 'dependency.denied', data: { from: 'new.shop', to: 'svc-4.shop' } },
    {
      type: 'service.registered',
      data: { namespace: 'vault', name: 'secret', visibility: 'namespace', ports: [{ port: 80, protocol: 'http' }] },
    },
  );
  const state = it.state();
  state.send({ typeUrl: CDS, names: [], node: nodeOf('old.shop', 'old-1') });
  await state.response(0);
  state.send({ typeUrl: EDS, names: ['svc-1.shop:80'] });
  await state.response(1);
  const pod = await it.pod('new.shop', 'new-1');
  pod.send({ typeUrl: EDS, subscribe: ['svc-1.shop:80', 'local'] });
  for (const host of ['svc-4.shop', 'secret.vault', 'nobody.shop', 'svc-1.shop:81', 'example.org', '[::1]:80'])
    pod.send({ typeUrl: VHDS, subscribe: [`outbound/${host}`] });
  for (const name of ['svc-4.shop:80', 'secret.vault:80', 'nobody.shop:80', 'svc-1.shop:81', 'inbound:80'])
    pod.send({ typeUrl: CDS, subscribe: [name] });
  const stranger = await it.pod('unknown.default', 'stranger');
  stranger.send({ typeUrl: VHDS, subscribe: ['outbound/svc-1.shop'] });
  // An edge that counts, asked for behind all of these.
  const other = await it.pod('other.shop', 'other-1');
  other.send({ typeUrl: VHDS, subscribe: ['outbound/svc-5.shop'] });
  await it.expect('other.shop', 'svc-5.shop:80');
  assert.deepEqual(
    [await it.events('old.shop'), await it.events('new.shop'), await it.events('unknown.default')],
    [0, 0, 0],
  );
  assert.deepEqual(
    (await it.edges('old.shop')).map(({ origin }) => origin),
    ['declared'],
  );
});

test('a service that calls itself through its sidecar: an edge like any other, learned and declared', async (t) => {
  const it = await stand(t);
  const pod = await it.pod('svc-1.shop', 'svc-1-a');
  pod.send({ typeUrl: VHDS, subscribe: ['outbound/svc-1.shop'] });
  await it.expect('svc-1.shop', 'svc-1.shop:80');
  await it.post(
    { type: 'dependency.declared', data: { from: 'svc-2.shop', to: 'svc-2.shop' } },
    {
      type: 'policy.applied',
      data: {
        document: {
          apiVersion: 'tendril.dev/v1',
          kind: 'Dependency',
          metadata: { name: 'svc-3', namespace: 'shop' },
          spec: { to: { 'svc-3.shop': {} } },
        },
      },
    },
  );
  for (const name of ['svc-1', 'svc-2', 'svc-3']) {
    const sibling = await it.pod(`${name}.shop`, `${name}-b`);
    for (let at = 0; !sibling.resources(VHDS).some((one) => one.name === `outbound/${name}.shop:80`); at++)
      await sibling.response(at);
  }
  assert.deepEqual(
    (await it.edges('svc-3.shop')).map(({ to, origin }) => [to, origin]),
    [['svc-3.shop', 'declared']],
  );
});
