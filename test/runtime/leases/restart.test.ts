/** Leases over a `kill -9` of the whole server: nobody who goes on loses its endpoint, and who does not is found out. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { here } from '../../cli/support/here.ts';
import {
  cleanUp,
  descendants,
  gone,
  type Serve,
  serve,
  sleep,
  temporaryFolder,
  until,
} from '../../cli/support/tendril.ts';

after(cleanUp);

const AT = '/v1/services/shop/cart/endpoints';
const ALIVE = ['e0', 'e1', 'e2'];

const send = (server: Serve, method: string, path: string, body: object): Promise<Response> =>
  fetch(`${server.api}${path}`, {
    method,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });

const beat = async (server: Serve): Promise<void> => {
  for (const id of ALIVE) {
    const answer = await send(server, 'POST', `${AT}/${id}:heartbeat`, { holder: 'h' });
    assert.equal(answer.status, 200, `${id}: ${await answer.text()}`);
  }
};

const shown = async (server: Serve, query = ''): Promise<{ readonly served: string[]; readonly expired: string[] }> => {
  const body = (await (await fetch(`${server.api}/v1/services/shop/cart${query}`)).json()) as {
    readonly endpoints: readonly { readonly id: string }[];
    readonly expired?: readonly { readonly id: string }[];
  };
  return { served: body.endpoints.map(({ id }) => id), expired: (body.expired ?? []).map(({ id }) => id) };
};

test('kill -9 for longer than the TTL: every lease begins anew, 0 wrong expiries, the dead one goes', async () => {
  const folder = temporaryFolder();
  const data = join(folder, 'data');
  const args = ['--data', data, '--workers', '0'];
  const first = await serve(args);
  const event = {
    type: 'service.registered',
    data: { namespace: 'shop', name: 'cart', ports: [{ port: 80, protocol: 'http' }] },
  };
  assert.equal((await send(first, 'POST', '/v1/events', { events: [event] })).status, 200);
  for (const id of [...ALIVE, 'dead'])
    assert.equal((await send(first, 'PUT', `${AT}/${id}?lease=3s&holder=h`, { address: '10.0.0.1' })).status, 200);
  await beat(first);
  const rows = descendants(first.pid);
  process.kill(first.pid, 'SIGKILL');
  for (const { pid } of rows) process.kill(pid, 'SIGKILL');
  await gone(rows);
  await sleep(3_000);
  const second = await serve(args);
  assert.deepEqual(await shown(second), { served: ['dead', ...ALIVE], expired: [] });
  const end = await until(
    async () => {
      await beat(second);
      const now = await shown(second);
      return now.expired.length > 0 ? now : undefined;
    },
    () => second.err(),
  );
  assert.deepEqual(end, { served: ALIVE, expired: ['dead'] });
  const { out } = await here(['get', 'endpoints', 'cart.shop'], { server: second.api });
  assert.match(out, /^ENDPOINT +ADDRESS .* LEASE +HOLDER\n/);
  assert.match(out, /^e0 +10\.0\.0\.1 .* healthy .* 3s, (heard [0-9.]+s ago|silent for [0-9.]+s) +h$/m);
  assert.match(out, /^dead +- .* expired .* 3s +h$/m);
  assert.match(out, /^3 endpoints, 1 expired(, [1-3] silent for longer than the lease)?$/m);

  // It comes back; the past has it as it was, each time.
  const put = (server: Serve) => send(server, 'PUT', `${AT}/dead?lease=24h&holder=h2`, { address: '10.0.0.1' });
  const back = (await (await put(second)).json()) as { readonly offsets: readonly [number] };
  const all = ['dead', ...ALIVE];
  const offsets = [back.offsets[0] - 2, back.offsets[0] - 1, back.offsets[0]];
  const past = async (server: Serve): Promise<readonly (readonly string[])[]> =>
    Promise.all(offsets.map(async (offset) => (await shown(server, `?at=${offset}`)).served));
  assert.deepEqual(await past(second), [all, ALIVE, all]);

  // A snapshot carries the leases, and a replay of the log comes to the same state.
  const file = join(folder, 'mesh.snapshot');
  const copy = join(folder, 'copy');
  const run = async (...words: string[]): Promise<void> => {
    const { code, err } = await here(words, { server: second.api });
    assert.equal(code, 0, `tendril ${words.join(' ')}: ${err}`);
  };
  await run('snapshot', 'export', file);
  await second.stop();
  await run('verify', '--data', data);
  await run('snapshot', 'import', file, '--data', copy);
  await run('verify', '--data', copy);
  const third = await serve(['--data', copy, '--workers', '0']);
  assert.deepEqual(await shown(third), { served: all, expired: [] });
  assert.deepEqual(await past(third), [all, ALIVE, all]);
  await beat(third);
  const known = (await (await put(third)).json()) as { readonly offsets: readonly number[] };
  assert.deepEqual(known.offsets, [], 'the lease is known as it was: nothing is written');
});
