/** Questions about earlier moments on the command line, with a real server and a sidecar: --at, history, diff, rollback. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { connectSidecar, type SidecarClient } from '../../src/sidecar-client/index.ts';
import { here } from './support/here.ts';
import { assertRefused, cleanUp, type Serve, serve, until } from './support/tendril.ts';

let server: Serve;
let web: SidecarClient;

const run = (args: readonly string[], input?: string) =>
  here(args, { server: server.api, ...(input === undefined ? {} : { input }) });
const ok = async (...args: string[]): Promise<string> => {
  const { code, out, err } = await run(args);
  assert.equal(code, 0, `tendril ${args.join(' ')}: ${err}`);
  return out;
};
const json = async <T>(...args: string[]): Promise<T> => JSON.parse(await ok(...args, '-o', 'json')) as T;

const apply = async (timeout: string, reason: string): Promise<number> => {
  const document = `apiVersion: tendril.dev/v1\nkind: Route\nmetadata: {name: cart, namespace: shop}\nspec: {timeout: ${timeout}}\n`;
  const { code, err } = await run(['apply', '-f', '-', '-m', reason, '--wait', 'applied'], document);
  assert.equal(code, 0, err);
  const { documents } = await json<{ documents: { offset: number }[] }>('get', 'routes');
  return documents[0]?.offset ?? 0;
};

const HOST = 'outbound/cart.shop:8080';
interface ThenRow {
  readonly type: string;
  readonly name: string;
  readonly version?: string;
  readonly held?: { readonly state: string; readonly version?: string };
}
const hostNow = async (): Promise<string | undefined> => {
  const { resources } = await json<{ resources: (ThenRow & { state: string })[] }>('proxy', 'web-1');
  return resources.find(({ name, state }) => name === HOST && state === 'acked')?.version;
};
const hostAt = async (at: string): Promise<ThenRow | undefined> => {
  const { resources } = await json<{ resources: ThenRow[] }>('proxy', 'web-1', '--at', at);
  return resources.find(({ name }) => name === HOST);
};

/** The version that the sidecar has acknowledged, when it is another one. */
const changed = (from: string | undefined): Promise<string> =>
  until(
    async () => {
      const version = await hostNow();
      return version === from ? undefined : version;
    },
    () => 'the virtual host does not change',
  );

let [first, second] = [0, 0];
let [old, present] = ['', ''];

before(async () => {
  server = await serve(['--workers', '0', '--log', 'memory']);
  const service = (name: string) => ({
    type: 'service.registered',
    data: { namespace: 'shop', name, ports: [{ port: 8080, protocol: 'http' }] },
  });
  const events = [
    service('web'),
    service('cart'),
    { type: 'dependency.declared', data: { from: 'web.shop', to: 'cart.shop' } },
  ];
  const response = await fetch(`${server.api}/v1/events?wait=applied&timeout=60s`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ events }),
  });
  assert.equal(response.status, 200, await response.text());
  first = await apply('2s', 'two seconds');
  web = connectSidecar({
    addresses: [{ host: '127.0.0.1', port: server.xdsPort }],
    node: { id: 'web-1', cluster: 'web.shop', metadata: { service: 'web', namespace: 'shop' } },
  });
  await web.start();
  old = await changed(undefined);
  second = await apply('5s', 'slow database');
  present = await changed(old);
});
after(async () => {
  await web.close();
  await server.stop();
  cleanUp();
});

describe('time', { concurrency: false }, () => {
  test('get, services and proxy as they were', async () => {
    assert.match(await ok('get', 'Route/shop/cart', '--at', String(first)), /timeout: 2s/);
    assert.match(await ok('get', 'Route/shop/cart'), /timeout: 5s/);
    assert.equal(await ok('get', 'services', '--at', '0', '-o', 'name'), '');
    assert.match(await ok('get', 'services', 'cart.shop', '--at', String(first)), /8080\/http/);
    assert.equal((await hostAt(String(first)))?.version, old);
    assert.equal((await hostAt(String(second)))?.version, present);
    assert.match(await ok('proxy', 'web-1', '--at', String(first)), /today's compiler/);
    // What it held a moment ago: the ledger hears of a delivery a moment later.
    const held = await until(
      async () => {
        const row = await hostAt(new Date().toISOString());
        return row?.held?.version === present ? row.held : undefined;
      },
      () => 'the ledger does not tell what the sidecar holds',
    );
    assert.equal(held.state, 'acked');
    assert.match(await ok('why', 'web-1', `cds/cart.shop:8080`, '--at', String(second)), /web.shop -> cart.shop/);
    await assertRefused(await run(['get', 'services', '--at', '999999']), 'OFFSET_INVALID');
  });

  test('diff: lines for people, patches for programs, exit codes', async () => {
    const out = await ok('diff', '--from', String(first), '--to', String(second));
    assert.match(out, /^~ Route\/shop\/cart\n {4}timeout 2s -> 5s\n1 entity differ/m);
    const patch = await ok('diff', 'Route/shop/cart', '--from', String(first), '-o', 'patch');
    assert.deepEqual(JSON.parse(patch).patch, [{ op: 'replace', path: '/spec/timeout', value: '5s' }]);
    assert.equal((await run(['diff', '--from', String(first), '--exit-code'])).code, 2);
    assert.equal((await run(['diff', '--from', String(second), '--exit-code'])).code, 0);
    await assertRefused(await run(['diff']), 'USAGE');
  });

  test('rollback writes a new event, and the sidecar gets what it had; the history tells all of it', async () => {
    await assertRefused(await run(['rollback', 'Route/shop/cart', '--to', String(first)]), 'USAGE');
    const args = ['rollback', 'Route/shop/cart', '--to', String(first), '--reason', '5xx since then'];
    assert.match(await ok(...args, '--dry-run'), /dry run/);
    assert.equal(await hostNow(), present);
    assert.match(await ok(...args), /configured: as it was at offset/);
    assert.equal(await changed(present), old);
    const { events } = await json<{
      events: {
        change: string;
        lines: string[];
        result: string;
        reason: string;
        reached?: { sidecars: number; acknowledged: number };
      }[];
    }>('history', 'Route/shop/cart');
    assert.deepEqual(
      events.map(({ reason, lines, change }) => [reason, change, lines]),
      [
        ['5xx since then', 'changed', ['timeout 5s -> 2s']],
        ['slow database', 'changed', ['timeout 2s -> 5s']],
        ['two seconds', 'added', []],
      ],
    );
    assert.equal(events[0]?.result, 'applied');
    assert.match(events[1]?.result ?? '', /^rolled back by [0-9]+$/);
    const table = await until(
      async () => {
        const text = await ok('history', 'Route/shop/cart');
        return text.split('\n').filter((line) => line.includes('1/1')).length >= 2 ? text : undefined;
      },
      () => 'the ledger does not tell whom it reached',
    );
    assert.match(table, /OFFSET +WHEN +WHO +WHY +CHANGE +REACHED +RESULT/);
    assert.match(await ok('history', 'service/cart.shop'), /added/);
    await assertRefused(await run(['history', 'Route/shop/nobody']), 'DOCUMENT_UNKNOWN');
    await assertRefused(await run(['history', 'service/nobody.shop']), 'SERVICE_UNKNOWN');
  });
});
