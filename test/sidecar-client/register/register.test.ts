/** An application registers itself at a real control plane: in, out, in again, forgotten, taken, drained (docs/agent.md). */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import {
  connectSidecar,
  type RegisterOptions,
  type Registration,
  register,
} from '../../../src/sidecar-client/index.ts';
import { until } from '../../cli/support/tendril.ts';
import { type ServerHere, serveHere } from '../../delta-xds/support/serve-here.ts';
import { freePort } from '../../support/ports.ts';

interface EndpointItem {
  readonly id: string;
  readonly health: string;
  readonly address: string;
  readonly ports?: Readonly<Record<string, number>>;
}

const api = ({ server }: ServerHere): string => `http://127.0.0.1:${server.admin.port}`;

/** Endpoints that are served, by id. */
const endpoints = async (here: ServerHere): Promise<ReadonlyMap<string, EndpointItem>> => {
  const answer = await fetch(`${api(here)}/v1/services/shop/svc-0`);
  const { endpoints } = (await answer.json()) as { readonly endpoints: readonly EndpointItem[] };
  return new Map(endpoints.map((endpoint) => [endpoint.id, endpoint]));
};

const is = (registration: Registration, state: string, health?: string): Promise<true> =>
  until(
    () =>
      registration.state.is === state && (health === undefined || registration.state.health === health)
        ? true
        : undefined,
    () => `${state} ${health}: ${JSON.stringify(registration.state)}`,
  );

const start = (t: TestContext, here: ServerHere, more: Partial<RegisterOptions>): Registration => {
  const registration = register({
    admin: [api(here)],
    service: 'svc-0',
    namespace: 'shop',
    port: 80,
    endpoint: 'here',
    leaseMs: 3_000,
    ...more,
  });
  t.after(() => registration.close());
  return registration;
};

test('ready, not ready, ready again, and drained: the sidecar that holds it has taken the withdrawal when drain says so', async (t) => {
  const here = await serveHere(t, 1);
  let status = 503;
  const application = createServer((_request, response) => {
    response.statusCode = status;
    response.end('so it is');
  }).listen(0, '127.0.0.1');
  await once(application, 'listening');
  t.after(() => {
    application.closeAllConnections();
    application.close();
  });
  const { port } = application.address() as AddressInfo;
  const sidecar = connectSidecar({
    addresses: [{ host: '127.0.0.1', port: here.port }],
    node: { id: 'web-1', cluster: 'web.shop', metadata: { service: 'web', namespace: 'shop' } },
  });
  t.after(() => sidecar.close());
  const healthy = (): boolean =>
    sidecar.endpoints('svc-0.shop:80')?.some((endpoint) => endpoint.port === port && endpoint.healthy) === true;
  const held = (): boolean => sidecar.endpoints('svc-0.shop:80')?.some((endpoint) => endpoint.port === port) === true;
  const sees = (look: () => boolean, what: string): Promise<true> =>
    until(
      () => (look() ? true : undefined),
      () => `${what}: ${JSON.stringify(sidecar.endpoints('svc-0.shop:80'))}`,
    );
  assert.equal(await sidecar.hold('svc-0.shop:80'), true);

  const states: string[] = [];
  const registration = start(t, here, {
    port: { 80: port },
    health: { probe: `http://127.0.0.1:${port}/`, intervalMs: 100, timeoutMs: 1_000 },
  });
  registration.on(({ is, health }) => states.push(`${is} ${health}`));
  await until(
    () => (registration.state.probe?.ok === false ? true : undefined),
    () => JSON.stringify(registration.state),
  );
  assert.equal(registration.state.is, 'waiting');
  assert.equal((await endpoints(here)).has('here'), false, 'not before it is ready');
  assert.deepEqual(
    [registration.state.probe?.why, registration.state.probe?.output],
    [`GET http://127.0.0.1:${port}/: status 503`, 'so it is'],
  );

  status = 200;
  await is(registration, 'registered', 'healthy');
  await sees(healthy, 'healthy');
  assert.deepEqual((await endpoints(here)).get('here')?.address, '127.0.0.1', 'as the control plane sees it');
  status = 500;
  await is(registration, 'registered', 'unhealthy');
  await sees(() => !healthy(), 'out');
  status = 204;
  await is(registration, 'registered', 'healthy');
  await sees(healthy, 'in again');
  assert.equal(held(), true);

  const drained = await registration.drain(20_000);
  assert.equal(held(), false, 'drain comes after the acknowledgement');
  const { withdrawn, acknowledged, waiting, silent } = drained;
  assert.deepEqual([withdrawn, acknowledged, waiting, silent], [true, true, [], []]);
  assert.equal((await endpoints(here)).has('here'), false);
  assert.deepEqual(states.at(-1), 'ended draining');
  assert.deepEqual(await registration.drain(), drained, 'a second drain is the first');
});

test('forgotten by the control plane: registered anew; taken by another process: says so, and is quiet', async (t) => {
  const here = await serveHere(t, 1);
  // Of two addresses, one that nobody answers: the other one is tried in its turn.
  const admin = [`http://127.0.0.1:${await freePort()}`, api(here)];
  const first = start(t, here, { holder: 'first-holder', admin });
  await is(first, 'registered', 'healthy');
  // What keeps one from being called is looked at again with each heartbeat: beside the rest, which waits for heartbeats too.
  const nobody = start(t, here, { service: 'nobody', endpoint: 'lonely' });
  const noPort = start(t, here, { port: 81, endpoint: 'lonely' });
  for (const [lonely, words] of [
    [nobody, /^nobody\.shop is not a registered service/],
    [noPort, /^svc-0\.shop has no port 81/],
  ] as const)
    await until(
      () => (words.test(lonely.state.obstacle ?? '') ? true : undefined),
      () => JSON.stringify(lonely.state),
    );
  const data = { namespace: 'shop', name: 'nobody', ports: [{ port: 80, protocol: 'http' }] };
  const made = await fetch(`${api(here)}/v1/events`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ events: [{ type: 'service.registered', data }] }),
  });
  assert.equal(made.status, 200);
  const gone = await fetch(`${api(here)}/v1/services/shop/svc-0/endpoints/here`, { method: 'DELETE' });
  assert.equal(gone.status, 200);
  await until(
    async () => ((await endpoints(here)).has('here') ? true : undefined),
    () => `not registered anew: ${JSON.stringify(first.state)}`,
  );
  const second = start(t, here, { holder: 'second-holder', labels: { version: 'v2' } });
  await is(second, 'registered', 'healthy');
  await is(first, 'taken');
  assert.equal(first.state.takenBy, 'second-holder');
  await first.close();
  assert.equal((await endpoints(here)).get('here')?.health, 'healthy', 'it withdraws nothing of another');
  assert.equal(second.state.obstacle, undefined);
  await second.close();
  assert.equal((await endpoints(here)).has('here'), false);
  await until(
    () => (nobody.state.obstacle === undefined ? true : undefined),
    () => `the service is there: ${JSON.stringify(nobody.state)}`,
  );
  assert.match(noPort.state.obstacle ?? '', /^svc-0\.shop has no port 81 \(but 80\)/);
  await Promise.all([nobody.close(), noPort.close()]);
});

test('what the control plane refuses is said with its code; nobody there is said too', async (t) => {
  const here = await serveHere(t, 1);
  const refused = start(t, here, { labels: { '': 'no name' } });
  await is(refused, 'refused');
  assert.match(`${refused.state.error?.code} ${refused.state.error?.message}`, /^E10[0-9] label name/);
  const nothing = await refused.drain();
  assert.deepEqual([nothing.withdrawn, nothing.remains], [false, false], 'the control plane said that it is not there');
  const alone = start(t, here, { admin: [`http://127.0.0.1:${await freePort()}`] });
  await is(alone, 'unreachable');
  assert.equal(alone.state.error?.code, 'SERVER_UNREACHABLE');
  const drained = await alone.drain(50);
  assert.deepEqual([drained.withdrawn, drained.remains, drained.acknowledged], [false, true, false]);
  for (const wrong of [
    { admin: [] },
    { admin: ['localhost:1'] },
    { service: 'Cart' },
    { namespace: 'a.b' },
    { port: 0 },
    { port: {} },
    { leaseMs: 10 },
    { leaseMs: 3_333.5 },
    { health: { probe: 'tcp://127.0.0.1:1', intervalMs: 0 } },
    { health: { probe: 'tcp://127.0.0.1:1', timeoutMs: Number.NaN } },
    { inbound: { 80: 70_000 } },
    { address: '300.1.1.1' },
    { address: 'fe80::1%eth0' },
    { address: 'cart.shop' },
  ])
    assert.throws(() => start(t, here, wrong), { code: 'REGISTER_OPTIONS' }, JSON.stringify(wrong));
});

test('a listener that throws becomes a warning: the lease goes on, and others are told', async (t) => {
  const here = await serveHere(t, 1);
  const warnings: string[] = [];
  const note = ({ message }: Error): number => warnings.push(message);
  process.on('warning', note);
  t.after(() => process.off('warning', note));
  const registration = start(t, here, {});
  registration.on(() => {
    throw new Error('no disk');
  });
  const told: string[] = [];
  registration.on((state) => told.push(state.is));
  await is(registration, 'registered', 'healthy');
  assert.equal((await registration.drain()).withdrawn, true);
  assert.deepEqual([told[0], told.at(-1)], ['registering', 'ended']);
  assert.match(warnings[0] ?? '', /a listener of the registration threw: Error: no disk/);
});
