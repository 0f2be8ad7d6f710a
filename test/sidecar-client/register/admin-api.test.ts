/** HTTP to several control planes in turn (src/sidecar-client/register/admin-api.ts), some of them ill. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { AdminApi } from '../../../src/sidecar-client/register/admin-api.ts';
import { freePort } from '../../support/ports.ts';

const open = async (t: TestContext, listener: RequestListener): Promise<string> => {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
};

const apiOf = (t: TestContext, addresses: readonly string[]): AdminApi => {
  const api = new AdminApi(addresses);
  t.after(() => api.close());
  return api;
};

const GET = { method: 'GET', path: '/v1/x', timeoutMs: 100 } as const;

test('dead, hanging, broken and overloaded ones are passed over; who answered is asked first from then on', async (t) => {
  const asked: string[] = [];
  const counted =
    (name: string, listener: RequestListener): RequestListener =>
    (request, response) => {
      asked.push(name);
      listener(request, response);
    };
  const api = apiOf(t, [
    `http://127.0.0.1:${await freePort()}`,
    await open(
      t,
      counted('hangs', () => undefined),
    ),
    await open(
      t,
      counted('breaks', (_request, response) => {
        response.writeHead(200, { 'content-length': 100 });
        response.write('{');
        setImmediate(() => response.destroy());
      }),
    ),
    await open(
      t,
      counted('busy', (_request, response) => {
        response.statusCode = 429;
        response.end('{"code":"BACK_PRESSURE"}');
      }),
    ),
    await open(
      t,
      counted('well', (_request, response) => {
        response.setHeader('etag', '"12"');
        response.end('{"a":1}');
      }),
    ),
  ]);
  assert.deepEqual(await api.request(GET), { status: 200, offset: 12, body: { a: 1 } });
  assert.deepEqual(asked, ['hangs', 'breaks', 'busy', 'well']);
  await api.request(GET);
  assert.deepEqual(asked.slice(4), ['well']);
});

test('nobody answers: SERVER_UNREACHABLE, or what the last one said of itself', async (t) => {
  const alone = apiOf(t, [`http://127.0.0.1:${await freePort()}`]);
  await assert.rejects(alone.request(GET), { code: 'SERVER_UNREACHABLE', message: /ECONNREFUSED/ });
  await assert.rejects(alone.localAddress(), { code: 'SERVER_UNREACHABLE' });
  const full = apiOf(t, [
    await open(t, (_request, response) => {
      response.statusCode = 503;
      response.end('{"code":"CORE_AWAY","detail":"the core is starting"}');
    }),
  ]);
  await assert.rejects(full.request(GET), { code: 'CORE_AWAY', message: /the core is starting/ });
});

test('a refusal is an answer; what is no JSON has no fields; too much of it is cut', async (t) => {
  const api = apiOf(t, [
    await open(t, (request, response) => {
      if (request.url === '/big') {
        response.end(Buffer.alloc(3_000_000, 'x'));
        return;
      }
      response.statusCode = 404;
      response.end('<html>');
    }),
  ]);
  assert.deepEqual(await api.request(GET), { status: 404, offset: undefined, body: {} });
  await assert.rejects(api.request({ ...GET, path: '/big', timeoutMs: 5_000 }), { code: 'SERVER_UNKNOWN' });
  assert.equal(await api.localAddress(), '127.0.0.1');
});

test('a kept connection that the other end closed meanwhile is no failure', async (t) => {
  let connections = 0;
  const server = createServer((_request, response) => response.end('{}'));
  server.on('connection', () => connections++);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const api = apiOf(t, [`http://127.0.0.1:${(server.address() as AddressInfo).port}`]);
  await api.request(GET);
  await api.request(GET);
  assert.equal(connections, 1);
  server.closeAllConnections();
  assert.equal((await api.request(GET)).status, 200);
  assert.equal(connections, 2);
});
