/** Issue 5, section 4.4: Dependency documents that name what is not there (yet), or ask for absurd things. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CDS } from '../../src/proto/index.ts';
import { type ServerHere, serveHere } from '../delta-xds/support/serve-here.ts';
import { WholeClient } from '../support/whole-client.ts';

interface Finding {
  readonly code: string;
  readonly message: string;
  readonly pointer?: string;
}

interface Answer {
  readonly status: number;
  readonly body: { readonly findings?: readonly Finding[]; readonly code?: string; readonly pointer?: string };
}

const apply = async ({ server }: ServerHere, spec: string): Promise<Answer> => {
  const answer = await fetch(`http://127.0.0.1:${server.admin.port}/v1/docs:apply?wait=applied&timeout=60s`, {
    method: 'POST',
    headers: { 'content-type': 'application/yaml' },
    body: `apiVersion: tendril.dev/v1\nkind: Dependency\nmetadata: {name: web, namespace: shop}\nspec: ${spec}\n`,
  });
  return { status: answer.status, body: (await answer.json()) as Answer['body'] };
};

const api = async ({ server }: ServerHere, path: string, body?: unknown): Promise<Record<string, unknown>> => {
  const answer = await fetch(`http://127.0.0.1:${server.admin.port}${path}`, {
    ...(body === undefined
      ? {}
      : { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  });
  assert.equal(answer.status, 200);
  return (await answer.json()) as Record<string, unknown>;
};

test('a service that is not registered is kept, warned of, and delivered as soon as it is there', async (t) => {
  const here = await serveHere(t, 1);
  const { status, body } = await apply(here, '{to: {ghost.shop: {}, svc-0.shop: {}, "svc-0.shop:81": {}}}');
  assert.equal(status, 200);
  assert.deepEqual(
    (body.findings ?? []).map(({ code, pointer }) => [code, pointer]),
    [
      ['W101', '/spec/to/ghost.shop'],
      ['W101', '/spec/to/svc-0.shop:81'],
    ],
  );
  const pod = new WholeClient({ port: here.port, id: 'web-1', service: 'web.shop' });
  t.after(() => pod.disconnect());
  pod.connect();
  await pod.until(() => pod.held(CDS).size === 1);
  const { edges } = (await api(here, '/v1/graph?focus=web.shop&depth=1')) as { edges: { to: string; state: string }[] };
  assert.ok(edges.some(({ to, state }) => to === 'ghost.shop' && state === 'dangling'));
  const ports = [{ port: 80, protocol: 'http' }];
  const register = (name: string, more: readonly object[] = []): unknown => ({
    type: 'service.registered',
    data: { namespace: 'shop', name, ports: [...ports, ...more] },
  });
  await api(here, '/v1/events?wait=applied&timeout=60s', { events: [register('ghost')] });
  await pod.until(() => pod.held(CDS).has('ghost.shop:80'));
  await api(here, '/v1/events?wait=applied&timeout=60s', {
    events: [register('svc-0', [{ port: 81, protocol: 'http' }])],
  });
  await pod.until(() => pod.held(CDS).has('svc-0.shop:81'));
  assert.deepEqual([...pod.held(CDS).keys()].sort(), ['ghost.shop:80', 'svc-0.shop:80', 'svc-0.shop:81']);
});

test('absurd times to live are refused, by place', async (t) => {
  const here = await serveHere(t, 1);
  for (const ttl of [
    '0s',
    '1s',
    '599s',
    '8761h',
    '99999999999h',
    '-1h',
    '1 day',
    'never',
    '1h30m',
    '24',
    '""',
    'true',
    '[]',
    '{}',
  ])
    for (const [spec, place] of [
      [`{ttl: ${ttl}}`, '/spec/ttl'],
      [`{to: {svc-0.shop: {ttl: ${ttl}}}}`, '/spec/to/svc-0.shop/ttl'],
    ] as const) {
      const { status, body } = await apply(here, spec);
      assert.equal(status, 400, `${spec}: ${JSON.stringify(body)}`);
      const places = [body.pointer, ...(body.findings ?? []).map(({ pointer }) => pointer)];
      assert.ok(places.includes(place), `${spec}: ${JSON.stringify(body)}`);
    }
});
