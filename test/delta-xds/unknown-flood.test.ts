/** Distinct unknown hosts without end from one sidecar (issue 5, section 4.4): bounded, limited, counted, others unharmed. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { CDS, RDS, VHDS } from '../../src/proto/index.ts';
import { until } from '../cli/support/tendril.ts';
import { RawClient } from './support/raw-client.ts';
import { type ServerHere, serveHere } from './support/serve-here.ts';

const flooder = async (t: TestContext, { port }: ServerHere): Promise<RawClient> => {
  const client = new RawClient(port);
  t.after(() => client.close());
  client.hello('flood.shop');
  client.send({ typeUrl: RDS, subscribe: ['outbound'] });
  client.send({ typeUrl: VHDS });
  await client.response(2);
  return client;
};

/** Answers to questions that have come. */
const answered = (client: RawClient): number => client.resources(VHDS).length;

/** `each`: names of one request. */
const askMany = (client: RawClient, from: number, count: number, each = 1): void => {
  for (let at = from; at < from + count; at += each) {
    const subscribe = Array.from({ length: each }, (_, more) => `outbound/no-${at + more}.nowhere`);
    client.send({ typeUrl: VHDS, subscribe });
  }
};

/** Takes what has come, and waits for more, until so many questions have been answered. */
const drain = async (client: RawClient, count: number): Promise<void> => {
  let at = 0;
  for (let seen = 0; seen < count; at++) {
    const { typeUrl, nonce, resources } = await client.response(at);
    client.send({ typeUrl, responseNonce: nonce });
    if (typeUrl === VHDS) seen += resources.length;
  }
};

const nodeOf = async ({ server }: ServerHere): Promise<{ readonly id: string; readonly resources: number }> => {
  const api = `http://127.0.0.1:${server.admin.port}/v1/proxies`;
  const { proxies } = (await (await fetch(api)).json()) as { proxies: { id: string }[] };
  const id = proxies[0]?.id ?? '';
  let resources = 0;
  for (let next: string | undefined = ''; next !== undefined; ) {
    const page = (await (
      await fetch(
        `${api}/${encodeURIComponent(id)}/resources?limit=5000${next === '' ? '' : `&after=${encodeURIComponent(next)}`}`,
      )
    ).json()) as { resources: unknown[]; next?: string };
    resources += page.resources.length;
    next = page.next ?? undefined;
  }
  return { id, resources };
};

test('50,000 hosts: each is answered, those beyond the bound are remembered nowhere', async (t) => {
  const here = await serveHere(t, 3, { 'xds-limits': 'unknown-per-second=1000000' });
  const client = await flooder(t, here);
  const HOSTS = 50_000;
  const done = drain(client, HOSTS);
  for (let from = 0; from < HOSTS; from += 1_000) {
    askMany(client, from, 1_000, 20);
    await new Promise((next) => setImmediate(next));
  }
  await done;
  const answers = client.resources(VHDS);
  assert.equal(new Set(answers.map(({ name }) => name)).size, HOSTS);
  assert.ok(answers.every(({ body }) => body === undefined));
  assert.equal(await here.metric('tendril_xds_unknown_not_kept_total'), HOSTS - 10_000);
  assert.equal(await here.metric('tendril_edges_reported_total'), 0, 'nothing of it is evidence');
  const { resources } = await nodeOf(here);
  assert.ok(resources <= 10_000 + 10, `the delivery ledger has ${resources} rows of this node`);
});

test('beyond its rate a sidecar is read no further, counted, and another one is answered meanwhile', async (t) => {
  const here = await serveHere(t, 3, { 'xds-limits': 'unknown-names=10,unknown-per-second=100' });
  const client = await flooder(t, here);
  const other = new RawClient(here.port);
  t.after(() => other.close());
  other.hello('app.shop');
  const ASKED = 400;
  const done = drain(client, ASKED);
  // In few messages: on a slow machine one for each name would come no faster than they are allowed.
  askMany(client, 0, ASKED, 20);
  await until(
    async () => ((await here.metric('tendril_xds_unknown_throttled_total')) > 0 ? true : undefined),
    () => `${answered(client)} are answered, and it was never held back`,
  );
  other.send({ typeUrl: VHDS, subscribe: ['outbound/svc-1.shop'] });
  for (let at = 0; !other.resources(VHDS).some(({ name }) => name === 'outbound/svc-1.shop:80'); at++)
    await other.response(at);
  assert.ok(answered(client) < ASKED, 'the flood is still held back');
  await done;
  assert.equal(answered(client), ASKED, 'it lost nothing but time');
});

test('known hosts cost nothing of the rate, and a reconnect with what was answered before neither', async (t) => {
  const here = await serveHere(t, 30, { 'xds-limits': 'unknown-names=10,unknown-per-second=10' });
  const client = await flooder(t, here);
  client.send({ typeUrl: VHDS, subscribe: Array.from({ length: 30 }, (_, at) => `outbound/svc-${at}.shop`) });
  client.send({ typeUrl: VHDS, subscribe: Array.from({ length: 10 }, (_, at) => `outbound/no-${at}.nowhere`) });
  await drain(client, 40);
  const held = new Map(client.resources(VHDS).map(({ name, version }) => [name, version]));
  client.close();
  const again = new RawClient(here.port);
  t.after(() => again.close());
  again.hello('flood.shop');
  again.send({ typeUrl: RDS, subscribe: ['outbound'] });
  const asked = Array.from({ length: 10 }, (_, at) => `outbound/no-${at}.nowhere`);
  again.send({ typeUrl: VHDS, subscribe: ['*', ...asked], initialResourceVersions: held });
  again.send({ typeUrl: CDS, subscribe: ['svc-1.shop:80'] });
  for (
    let at = 0;
    !again.responses.some(
      ({ typeUrl, resources }) => typeUrl === CDS && resources.some(({ name }) => name === 'svc-1.shop:80'),
    );
    at++
  )
    await again.response(at);
  assert.equal(await here.metric('tendril_xds_unknown_throttled_total'), 0);
});

test('unknown clusters count too, and questions that wait for an answer are bounded like names', async (t) => {
  const here = await serveHere(t, 3, {
    'xds-limits': 'unknown-names=10,unknown-per-second=10,names-per-stream=100,answers-in-flight=1',
  });
  const clusters = await flooder(t, here);
  clusters.send({ typeUrl: CDS, subscribe: Array.from({ length: 20 }, (_, at) => `no-${at}.shop:80`) });
  for (let at = 0; clusters.resources(CDS).length < 20; at++) await clusters.response(at);
  assert.equal(await here.metric('tendril_xds_unknown_throttled_total'), 1);

  const silent = await flooder(
    t,
    await serveHere(t, 3, { 'xds-limits': 'names-per-stream=100,answers-in-flight=1,unknown-names=10' }),
  );
  // It acknowledges nothing: the questions behind the first answer wait.
  for (let at = 0; at < 200; at++) silent.send({ typeUrl: VHDS, subscribe: [`outbound/no-${at}.nowhere`] });
  const { code, details } = await silent.status;
  assert.equal(code, 8);
  assert.match(details, /names asked for on one stream; allowed: 100/);
});
