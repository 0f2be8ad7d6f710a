/** Callers of everything (issue 5, section 2.5), over real gRPC, in a mesh large enough that it goes in portions. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { CDS, EDS, RDS, VHDS } from '../../src/proto/index.ts';
import { type ServerHere, serveHere } from '../delta-xds/support/serve-here.ts';
import { WholeClient, type WholeClientOptions } from '../support/whole-client.ts';

const SERVICES = 2_000;

const clientOf = (t: TestContext, { port }: ServerHere, options: Omit<WholeClientOptions, 'port'>): WholeClient => {
  const client = new WholeClient({ port, ...options });
  t.after(() => client.disconnect());
  return client;
};

const post = async ({ server }: ServerHere, events: readonly unknown[]): Promise<void> => {
  const answer = await fetch(`http://127.0.0.1:${server.admin.port}/v1/events?wait=applied&timeout=60s`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ events }),
  });
  assert.equal(answer.status, 200, await answer.text());
};

const apply = async ({ server }: ServerHere, yaml: string): Promise<void> => {
  const answer = await fetch(`http://127.0.0.1:${server.admin.port}/v1/docs:apply?wait=applied&timeout=60s`, {
    method: 'POST',
    headers: { 'content-type': 'application/yaml' },
    body: `apiVersion: tendril.dev/v1\n${yaml}`,
  });
  assert.equal(answer.status, 200, await answer.text());
};

const service = (name: string, fields: Readonly<Record<string, unknown>> = {}): unknown => ({
  type: 'service.registered',
  data: { namespace: 'shop', name, ports: [{ port: 80, protocol: 'http' }], ...fields },
});

/** Everything on its way has arrived: whoever asks now is answered behind it. */
const settled = async (client: WholeClient): Promise<void> => {
  const name = `no-${Math.random().toString(36).slice(2)}`;
  client.send({ typeUrl: RDS, subscribe: [name] });
  const before = client.stats.responses;
  await client.until(() => client.stats.removed.includes(name) || client.stats.responses > before + 1_000);
};

test('a node that needs all is preloaded with every service, comes back for nothing, and hears of one change as one', async (t) => {
  const here = await serveHere(t, SERVICES);
  const gateway = clientOf(t, here, { id: 'gw-1', service: 'gateway.edge', needs: 'all' });
  const sibling = clientOf(t, here, { id: 'gw-2', service: 'gateway.edge' });
  sibling.connect();
  gateway.connect();
  await gateway.until(() => gateway.complete() === SERVICES);
  await settled(sibling);
  assert.equal(sibling.complete(), 0, 'the wish is that of the node, not of its caller');
  const seen = new Set(gateway.stats.names);
  assert.equal(seen.size, gateway.stats.names.length, 'each resource came once');

  const graph = await (await fetch(`http://127.0.0.1:${here.server.admin.port}/v1/graph?focus=gateway.edge`)).json();
  assert.deepEqual((graph as { edges: unknown[] }).edges, [], 'no edge was made of it');
  const path = `http://127.0.0.1:${here.server.admin.port}/v1/proxies/gw-1/why?type=cds&name=svc-7.shop:80`;
  const why = (await (await fetch(path)).json()) as { because: string; summary: string };
  assert.equal(why.because, 'needs', why.summary);

  gateway.disconnect();
  gateway.reset();
  gateway.connect();
  await settled(gateway);
  // A change goes out when all portions of what it brought have been compared: what came until then came for the reconnect.
  await post(here, [
    { type: 'endpoint.registered', data: { namespace: 'shop', service: 'svc-7', id: 'new', address: '127.0.0.2' } },
  ]);
  await gateway.until(() => gateway.stats.names.length > 0);
  await post(here, [
    service('late'),
    { type: 'endpoint.registered', data: { namespace: 'shop', service: 'late', id: 'l', address: '127.0.0.1' } },
  ]);
  await gateway.until(() => gateway.complete() === SERVICES + 1);
  await settled(gateway);
  assert.deepEqual(
    gateway.stats.removed.filter((name) => !name.startsWith('no-')),
    [],
  );
  assert.deepEqual(
    [...new Set(gateway.stats.names)].sort(),
    [`${CDS} late.shop:80`, `${EDS} late.shop:80`, `${EDS} svc-7.shop:80`, `${VHDS} outbound/late.shop:80`].sort(),
    'the reconnect cost nothing; one endpoint is one assignment, one service its three resources, of two thousand',
  );

  await post(here, [{ type: 'service.deregistered', data: { namespace: 'shop', name: 'svc-7' } }]);
  await gateway.until(() => gateway.stats.removed.includes('svc-7.shop:80'));
  assert.equal(gateway.held(VHDS).has('outbound/svc-7.shop:80'), false);
  assert.equal(gateway.complete(), SERVICES);
  assert.equal(gateway.ended, undefined);
});

test('a selector takes what fits, follows labels, and adds the edges of its caller', async (t) => {
  const here = await serveHere(t, 3);
  await post(here, [
    service('a', { labels: { tier: 'public' } }),
    service('b', { labels: { tier: 'public' } }),
    service('c', { labels: { tier: 'inner' } }),
    { type: 'dependency.declared', data: { from: 'probe.ops', to: 'svc-1.shop:80' } },
  ]);
  const probe = clientOf(t, here, { id: 'p', service: 'probe.ops', needs: { labels: { tier: 'public' } } });
  probe.connect();
  const holds = (): string[] => [...probe.held(CDS).keys()].sort();
  await probe.until(() => holds().length === 3);
  assert.deepEqual(holds(), ['a.shop:80', 'b.shop:80', 'svc-1.shop:80']);
  await post(here, [service('b', { labels: { tier: 'inner' } }), service('c', { labels: { tier: 'public' } })]);
  await probe.until(() => holds().join() === 'a.shop:80,c.shop:80,svc-1.shop:80');
  await post(here, [{ type: 'dependency.withdrawn', data: { from: 'probe.ops', to: 'svc-1.shop:80' } }]);
  await probe.until(() => holds().join() === 'a.shop:80,c.shop:80');
});

test('it widens nothing: visibility, deny and learn: false count for it as for everybody', async (t) => {
  const here = await serveHere(t, 2);
  await post(here, [
    service('hidden', { visibility: 'namespace' }),
    service('shared', { visibility: ['edge'] }),
    { type: 'dependency.denied', data: { from: 'gateway.edge', to: 'svc-1.shop' } },
  ]);
  await apply(
    here,
    'kind: Dependency\nmetadata: {name: strict, namespace: edge}\nspec: {learn: false, to: {svc-0.shop: {}}}\n',
  );
  const gateway = clientOf(t, here, { id: 'g', service: 'gateway.edge', needs: 'all' });
  const strict = clientOf(t, here, { id: 's', service: 'strict.edge', needs: 'all' });
  gateway.connect();
  strict.connect();
  await gateway.until(() => gateway.held(CDS).size === 2);
  await strict.until(() => strict.held(CDS).size === 1);
  await settled(gateway);
  await settled(strict);
  assert.deepEqual([...gateway.held(CDS).keys()].sort(), ['shared.shop:80', 'svc-0.shop:80']);
  assert.deepEqual([...strict.held(CDS).keys()], ['svc-0.shop:80'], 'only what is declared, whatever the node wants');
  // The denial ends, and the service becomes its own.
  await post(here, [{ type: 'dependency.withdrawn', data: { from: 'gateway.edge', to: 'svc-1.shop' } }]);
  await gateway.until(() => gateway.held(CDS).has('svc-1.shop:80'));
  await post(here, [service('shared', { visibility: 'namespace' })]);
  await gateway.until(() => !gateway.held(CDS).has('shared.shop:80'));
});

test('a wish that does not fit is ignored and counted', async (t) => {
  const here = await serveHere(t, 2);
  const node = clientOf(t, here, { id: 'n', service: 'app.edge', needs: { label: { tier: 'public' } } });
  node.connect();
  await settled(node);
  assert.equal(node.held(CDS).size, 0);
  assert.equal(await here.metric('tendril_xds_needs_ignored_total'), 1);
});

test('a document that depends on all services does the same for a whole caller, with a warning', async (t) => {
  const here = await serveHere(t, SERVICES);
  const yaml =
    'apiVersion: tendril.dev/v1\nkind: Dependency\nmetadata: {name: gateway, namespace: edge}\nspec: {to: {"*.*": {}}}\n';
  const answer = await fetch(`http://127.0.0.1:${here.server.admin.port}/v1/docs:apply?wait=applied&timeout=60s`, {
    method: 'POST',
    headers: { 'content-type': 'application/yaml' },
    body: yaml,
  });
  const text = await answer.text();
  assert.equal(answer.status, 200, text);
  assert.match(text, /W601/);
  const gateway = clientOf(t, here, { id: 'gw-1', service: 'gateway.edge' });
  gateway.connect();
  await gateway.until(() => gateway.complete() === SERVICES);
  await post(here, [service('late')]);
  await gateway.until(() => gateway.complete() === SERVICES + 1);
});
