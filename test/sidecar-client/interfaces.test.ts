/** Services by an interface that they offer, with a real control plane: the first that this caller may call, and another one when it is gone. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type ClientOptions, createClient, type Endpoint, type TendrilClient } from '../../src/sidecar-client/index.ts';
import { isInterfaceName } from '../../src/sidecar-client/interface-names.ts';
import { until } from '../cli/support/tendril.ts';
import { type ServerHere, serveHere } from '../delta-xds/support/serve-here.ts';
import { freePort } from '../support/ports.ts';

const post = async ({ server }: ServerHere, events: readonly unknown[]): Promise<void> => {
  const answer = await fetch(`http://127.0.0.1:${server.admin.port}/v1/events?wait=applied&timeout=60s`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ events }),
  });
  assert.equal(answer.status, 200, await answer.text());
};

/** A service that offers shop.Cart/AddItem at 7070, and its one endpoint. */
const offers = (namespace: string, name: string, at: number, more: object = {}) => [
  {
    type: 'service.registered',
    data: {
      namespace,
      name,
      ports: [
        { port: 80, protocol: 'http' },
        { port: 7070, protocol: 'grpc' },
      ],
      interfaces: [{ name: 'shop.Cart', methods: ['AddItem'], port: 7070 }],
      ...more,
    },
  },
  {
    type: 'endpoint.registered',
    data: { namespace, service: name, id: 'one', address: '127.0.0.1', ports: { 7070: at } },
  },
];

const connect = async (t: TestContext, here: ServerHere, more: Partial<ClientOptions> = {}): Promise<TendrilClient> => {
  const client = await createClient({
    addresses: [`127.0.0.1:${here.port}`],
    admin: [`http://127.0.0.1:${here.server.admin.port}`],
    node: { service: 'web', namespace: 'shop', id: 'web-1' },
    ...more,
  });
  t.after(() => client.close());
  return client;
};

const portsOf = (endpoints: readonly Endpoint[]): readonly number[] => endpoints.map(({ port }) => port);

test('the first service that offers it and that this caller may call; when it is gone, the next; when none is left, a clear error', async (t) => {
  const here = await serveHere(t, 0);
  await post(here, [
    ...offers('away', 'a-hidden', 9001, { visibility: 'namespace' }),
    ...offers('shop', 'b-denied', 9002),
    { type: 'dependency.denied', data: { from: 'web.shop', to: 'b-denied.shop' } },
    ...offers('shop', 'cart', 9003),
    ...offers('shop', 'dcart', 9004),
  ]);
  const client = await connect(t, here);
  const cart = client.service('shop.Cart/AddItem');
  assert.equal(cart.authority, 'shop.Cart/AddItem');
  assert.equal(cart.pick(), 'no-cluster');
  assert.equal(await cart.ready(), true);
  assert.equal(cart.authority, 'cart.shop:7070');
  assert.deepEqual(portsOf(await cart.endpoints()), [9003]);
  const picked = cart.pick();
  if (typeof picked === 'string') assert.fail(picked);
  assert.equal(picked.endpoint.port, 9003);
  picked.release({ end: 'answered', status: 200 }, performance.now());

  const seen: string[] = [];
  const end = client.service('shop.Cart').watch((endpoints) => seen.push(portsOf(endpoints).join()));
  const sees = (what: string): Promise<true> =>
    until(
      () => (seen.at(-1) === what ? true : undefined),
      () => `${what}: ${JSON.stringify(seen)}`,
    );
  await sees('9003');
  await post(here, [{ type: 'service.deregistered', data: { namespace: 'shop', name: 'cart' } }]);
  await sees('9004');
  assert.deepEqual(portsOf(await cart.endpoints()), [9004]);
  assert.equal(cart.authority, 'dcart.shop:7070');
  end();

  await post(here, [{ type: 'service.deregistered', data: { namespace: 'shop', name: 'dcart' } }]);
  const refused = await until(
    () =>
      cart.ready().then(
        () => undefined,
        (error: Error & { code?: string }) => error,
      ),
    () => 'still ready',
  );
  assert.equal(refused.code, 'CLIENT_INTERFACE_UNKNOWN', refused.message);
  assert.match(refused.message, /2 offer it \(a-hidden\.away:7070, …\), and web\.shop may call none/);
  // What failed is not asked for again at once, and the next answer counts.
  await post(here, offers('shop', 'cart', 9005));
  await until(
    () =>
      cart.endpoints().then(
        (endpoints) => (portsOf(endpoints).join() === '9005' ? true : undefined),
        () => undefined,
      ),
    () => 'not found again',
  );
});

test('nobody offers it, the name is none, nobody to ask: each has its code', async (t) => {
  const here = await serveHere(t, 1);
  const client = await connect(t, here);
  await assert.rejects(client.service('shop.Nobody').ready(), { code: 'CLIENT_INTERFACE_UNKNOWN' });
  await assert.rejects(client.service('shop.Cart/').ready(), { code: 'E104' });
  await assert.rejects(client.service('svc-0', { interface: true }).ready(), { code: 'E104' });
  assert.equal(await client.service('SVC-0.Shop', { interface: false }).ready(), true);
  const alone = await connect(t, here, { admin: [], node: { service: 'web', namespace: 'shop', id: 'web-2' } });
  assert.throws(() => alone.service('shop.Cart'), { code: 'CLIENT_NO_ADMIN' });
  const { port } = here.server.admin;
  await here.server.stop();
  await assert.rejects(client.service('shop.Other').ready(), { code: 'SERVER_UNREACHABLE' }, `port ${port}`);
  await client.close();
  await assert.rejects(client.service('shop.Cart').ready(), { code: 'SIDECAR_CLOSED' });
});

test('which names are interfaces', () => {
  const is = ['shop.Cart', 'shop.v1.Cart/AddItem', 'Cart', 'shop.cart/add'];
  const isNot = ['cart.shop', 'CART.shop', 'cart.shop:7070', 'Cart.Shop:7070', 'maps.example.com', '10.0.0.1', 'a-B.c'];
  assert.deepEqual(
    is.filter((name) => !isInterfaceName(name)),
    [],
  );
  assert.deepEqual(isNot.filter(isInterfaceName), []);
});

test('K1: found by an earlier process, it is used while no control plane is there, and follows a move afterwards', async (t) => {
  const cacheDir = mkdtempSync(join(tmpdir(), 'tendril-interfaces-'));
  t.after(() => rmSync(cacheDir, { recursive: true, force: true }));
  const here = await serveHere(t, 0);
  await post(here, [...offers('shop', 'cart', 9003), ...offers('shop', 'dcart', 9004)]);
  const before = await connect(t, here, { cacheDir });
  assert.equal(await before.service('shop.Cart/AddItem').ready(), true);
  assert.equal(await before.service('shop.Cart').ready(), true);
  await before.close();

  const nobody = await freePort();
  const away = await connect(t, here, {
    cacheDir,
    addresses: [`127.0.0.1:${nobody}`],
    admin: [`http://127.0.0.1:${nobody}`],
  });
  const cart = away.service('shop.Cart/AddItem');
  assert.notEqual(typeof cart.pick(), 'string');
  assert.deepEqual(portsOf(await cart.endpoints()), [9003]);
  assert.equal(cart.authority, 'cart.shop:7070');
  await assert.rejects(away.service('shop.Other').ready(), { code: 'SERVER_UNREACHABLE' });
  await away.close();

  // It offers that no longer, and is there all the same; the other interface stays where it was although the first by name is another.
  const [moved] = offers('shop', 'cart', 9003, { interfaces: [{ name: 'shop.Cart', methods: ['Empty'], port: 7070 }] });
  await post(here, [moved, ...offers('shop', 'a-cart', 9001)]);
  const back = await connect(t, here, { cacheDir });
  const seen: string[] = [];
  t.after(back.service('shop.Cart/AddItem').watch((endpoints) => seen.push(portsOf(endpoints).join())));
  await until(
    () => (seen.at(-1) === '9001' ? true : undefined),
    () => JSON.stringify(seen),
  );
  assert.equal(seen[0], '9003');
  const whole = back.service('shop.Cart');
  assert.equal(await whole.ready(), true);
  assert.equal(whole.authority, 'cart.shop:7070');
  await post(
    here,
    ['cart', 'dcart', 'a-cart'].map((name) => ({ type: 'service.deregistered', data: { namespace: 'shop', name } })),
  );
  await back.close();

  const last = await connect(t, here, { cacheDir });
  await until(
    () =>
      last
        .service('shop.Cart')
        .ready()
        .then(
          () => undefined,
          ({ code }) => (code === 'CLIENT_INTERFACE_UNKNOWN' ? true : undefined),
        ),
    () => 'still found',
  );
});
