/** A control plane, a client, and real HTTP and gRPC servers: calls by name, from documents to endpoints, with and without the control plane. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as grpc from '@grpc/grpc-js';
import { callerFor, createClient, registerTendril } from '../../src/sidecar-client/index.ts';
import { serveHere } from '../delta-xds/support/serve-here.ts';
import { ECHO_PATHS } from '../support/stream-backends.ts';
import { grpcServers, httpServers } from './fields/world.ts';

const DOCUMENTS = `apiVersion: tendril.dev/v1
kind: Upstream
metadata: {name: pay, namespace: shop}
spec:
  subsets: {v1: {labels: {v: "1"}}, v2: {labels: {v: "2"}}}
  outlier: {consecutiveGateway: 2, ejectTime: 5m}
---
apiVersion: tendril.dev/v1
kind: Route
metadata: {name: pay, namespace: shop}
spec:
  to: {v1: {weight: 90}, v2: {weight: 10}}
  retry: {attempts: 1, when: {connect: true, status: [503]}}
  rules:
    beta: {match: {headers: {x-beta: "1"}}, to: {v2: {}}}
`;

test('weights, header route, retry elsewhere, ejection, gRPC; and calls go on when the control plane is gone', async (t) => {
  const { server, port } = await serveHere(t, 0);
  const [http, echo] = [await httpServers(), await grpcServers()];
  t.after(() => Promise.all([http.close(), echo.close()]));
  const api = `http://127.0.0.1:${server.admin.port}/v1`;
  const post = async (path: string, type: string, body: string): Promise<void> => {
    const headers = { 'content-type': type };
    const answer = await fetch(`${api}${path}?wait=applied&timeout=60s`, { method: 'POST', headers, body });
    assert.equal(answer.status, 200, await answer.text());
  };
  const service = (name: string, protocol: string) => ({
    type: 'service.registered',
    data: { namespace: 'shop', name, ports: [{ port: 80, protocol }] },
  });
  const endpoint = (of: string, id: string, at: number, v: string) => ({
    type: 'endpoint.registered',
    data: { namespace: 'shop', service: of, id, address: '127.0.0.1', ports: { 80: at }, labels: { v } },
  });
  const events = [
    service('pay', 'http'),
    service('echo', 'grpc'),
    endpoint('pay', 'a', http.a.port, '1'),
    endpoint('pay', 'b', http.b.port, '1'),
    endpoint('pay', 'c', http.c.port, '2'),
    endpoint('echo', 'a', echo.a.port, '1'),
    endpoint('echo', 'b', echo.b.port, '1'),
  ];
  await post('/events', 'application/json', JSON.stringify({ events }));
  await post('/docs:apply', 'application/yaml', DOCUMENTS);

  const client = await createClient({
    addresses: [`127.0.0.1:${port}`],
    node: { service: 'web', namespace: 'shop', id: 'web-1' },
  });
  const caller = await callerFor(client);
  t.after(registerTendril(client, { name: 'joined' }));
  const stub = new grpc.Client('tendril://joined/echo.shop:80', grpc.credentials.createInsecure());
  t.after(async () => {
    stub.close();
    await caller.close({ now: true });
    await client.close();
  });
  const visit = async (headers: Record<string, string> = {}): Promise<string> => {
    const answer = await caller.fetch('http://pay.shop/', { headers });
    await answer.arrayBuffer();
    return answer.status === 200 ? (answer.headers.get('x-backend') ?? '') : String(answer.status);
  };
  const bytes = (value: Buffer): Buffer => value;
  const say = (): Promise<string> =>
    new Promise((done) => {
      stub.makeUnaryRequest(ECHO_PATHS.unary, bytes, bytes, Buffer.from('x'), (error, answer) =>
        done(error === null ? String(answer) : error.message),
      );
    });
  const many = async (count: number, one: () => Promise<string>): Promise<Record<string, number>> => {
    const seen: Record<string, number> = {};
    for (let call = 0; call < count; call++) {
      const who = await one();
      seen[who] = (seen[who] ?? 0) + 1;
    }
    return seen;
  };

  const shares = await many(200, visit);
  assert.equal((shares.a ?? 0) + (shares.b ?? 0) + (shares.c ?? 0), 200, JSON.stringify(shares));
  assert.ok((shares.c ?? 0) >= 4 && (shares.c ?? 0) <= 45, JSON.stringify(shares));
  assert.deepEqual(await many(5, () => visit({ 'x-beta': '1' })), { c: 5 });
  const said = await many(20, say);
  assert.deepEqual(Object.keys(said).sort(), ['a:x', 'b:x']);

  // An endpoint fails: its calls are answered elsewhere, then it is out.
  http.a.fail(503);
  const rest = await many(40, visit);
  assert.equal((rest.b ?? 0) + (rest.c ?? 0), 40, JSON.stringify(rest));
  const out = caller.core
    .cluster('pay.shop:80/v1')
    ?.endpoints()
    .filter(({ ejected }) => ejected);
  assert.deepEqual(
    out?.map((one) => one.port),
    [http.a.port],
  );
  const before = http.a.hits();
  await many(20, visit);
  assert.equal(http.a.hits(), before);

  // An endpoint dies, and with it the control plane: what is held goes on.
  await server.stop();
  assert.equal(client.status().source, 'cache');
  await echo.a.close();
  assert.deepEqual(
    Object.keys(await many(40, visit)).filter((who) => !/^[bc]$/.test(who)),
    [],
  );
  const later = await many(10, say);
  assert.ok((later['b:x'] ?? 0) >= 9, JSON.stringify(later));
});
