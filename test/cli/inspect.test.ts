/** What a running control plane tells: graph, proxies, proxy, why, events, check, version, bootstrap. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { validateBootstrapConfig } from '@grpc/grpc-js-xds/build/src/xds-bootstrap.js';
import { parse as parseYaml } from 'yaml';
import { connectSidecar, type SidecarClient } from '../../src/sidecar-client/index.ts';
import { portOf } from '../support/ports.ts';
import { here } from './support/here.ts';
import { refusingSidecar } from './support/refusing-sidecar.ts';
import { assertRefused, cleanUp, type Serve, serve, temporaryFolder, until } from './support/tendril.ts';

let server: Serve;
const clients: SidecarClient[] = [];

const run = (...args: string[]) => here(args, { server: server.api });
const ok = async (...args: string[]): Promise<string> => {
  const { code, out, err } = await run(...args);
  assert.equal(code, 0, `tendril ${args.join(' ')}: ${err}`);
  return out;
};
const json = async <T>(...args: string[]): Promise<T> => JSON.parse(await ok(...args, '-o', 'json')) as T;
/** Rows of a table: cells are divided by two spaces or more. */
const rows = (text: string): string[][] =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => line.trim().split(/ {2,}/));

const sidecar = async (id: string, service: string, namespace = 'shop'): Promise<SidecarClient> => {
  const client = connectSidecar({
    addresses: [{ host: '127.0.0.1', port: server.xdsPort }],
    node: { id, cluster: `${service}.${namespace}`, metadata: { service, namespace } },
  });
  clients.push(client);
  await client.start();
  return client;
};

const EVENTS = ['reviews', 'ratings', 'cart'].flatMap((name) => [
  {
    type: 'service.registered',
    source: 'k8s:prod',
    data: { namespace: 'shop', name, ports: [{ port: 9080, protocol: 'http' }] },
  },
  {
    type: 'endpoint.registered',
    source: 'k8s:prod',
    data: { namespace: 'shop', service: name, id: `${name}-1`, address: '127.0.0.1' },
  },
]);

const DOCUMENTS = `apiVersion: tendril.dev/v1
kind: Route
metadata: {name: reviews, namespace: shop}
spec: {timeout: 2s}
---
apiVersion: tendril.dev/v1
kind: Dependency
metadata: {name: web, namespace: shop}
spec: {to: {"ratings.shop:9080": {}}}
`;

before(async () => {
  server = await serve(['--workers', '0', '--log', 'memory']);
  const response = await fetch(`${server.api}/v1/events?wait=applied&timeout=60s`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ events: EVENTS }),
  });
  assert.equal(response.status, 200, await response.text());
  const applied = await here(['apply', '-f', '-', '-m', 'two seconds', '--wait', 'applied'], {
    server: server.api,
    input: DOCUMENTS,
  });
  assert.equal(applied.code, 0, applied.err);
  const web = await sidecar('web-1', 'web');
  assert.equal(await web.hold('reviews.shop:9080'), true);
  await sidecar('cart-1', 'cart');
  await sidecar('cart-2', 'cart');
  await until(
    async () => ((await ok('graph', '-o', 'name')).includes('reviews') ? true : undefined),
    () => 'no learned edge',
  );
  await until(
    async () => {
      const { proxies } = await json<{ proxies: { id: string; state: string; services: number }[] }>('proxies');
      const settled = proxies.length === 3 && proxies.every(({ state }) => state === 'in-sync');
      return settled && proxies.find(({ id }) => id === 'web-1')?.services === 2 ? true : undefined;
    },
    () => 'the sidecars do not settle',
  );
});
after(async () => {
  for (const client of clients) await client.close();
  await server.stop();
  cleanUp();
});

describe('a mesh with sidecars', { concurrency: false }, () => {
  test('graph: one row an edge, with what proves it; around one service; in one state', async () => {
    const [head, ...edges] = rows(await ok('graph'));
    assert.deepEqual(head, ['EDGE', 'STATE', 'ORIGIN', 'EVIDENCE', 'LAST USE', 'EXPIRES']);
    assert.deepEqual(
      edges.slice(0, 2).map((row) => row.slice(0, 4)),
      [
        ['web.shop -> ratings.shop:9080', 'active', 'declared', 'Dependency/shop/web'],
        ['web.shop -> reviews.shop:9080', 'active', 'learned', 'subscribed'],
      ],
    );
    assert.match(edges[1]?.[4] ?? '', /^(?:now|[0-9]+s ago)$/);
    assert.deepEqual(edges[2], ['2 edges']);
    assert.match(await ok('graph', '-o', 'wide'), /FIRST EVENT$/m);
    assert.equal(await ok('graph', '--origin', 'learned', '-o', 'name'), 'web.shop->reviews.shop:9080\n');
    assert.equal(await ok('graph', 'reviews.shop', '-o', 'name'), 'web.shop->reviews.shop:9080\n');
    assert.match(await ok('graph', 'cart.shop'), /^no edges at cart\.shop; next: tendril graph\n$/);
    assert.match(await ok('graph', 'nobody.shop'), /no service of that name; next: tendril get services/);
    assert.deepEqual(await json('graph', '--state', 'denied'), { edges: [] });
  });

  test('graph at an offset; diff between two, with exit code and RFC 6902', async () => {
    assert.equal(
      await ok('graph', '--at', '0'),
      'no edges yet: they are learned from what sidecars ask for, or declared by Dependency documents; next: tendril proxies\n',
    );
    const { offset } = await json<{ offset: number }>('graph', 'export');
    const before = (await json<{ edges: { firstOffset?: number }[] }>('graph')).edges[1]?.firstOffset ?? 0;
    assert.equal(await ok('graph', '--at', String(before - 1), '-o', 'name'), 'web.shop->ratings.shop:9080\n');
    const diff = await run('graph', 'diff', '--from', String(before - 1), '--to', String(offset), '--exit-code');
    assert.equal(diff.code, 2);
    assert.equal(
      diff.out,
      `+ web.shop -> reviews.shop:9080  learned  active\n1 came, 0 went, 0 changed from offset ${before - 1} to ${offset}\n`,
    );
    const { patch } = await json<{ patch: { op: string; path: string }[] }>(
      'graph',
      'diff',
      '--from',
      String(before - 1),
    );
    assert.deepEqual(
      patch.map(({ op, path }) => [op, path]),
      [['add', '/edges/web.shop|reviews.shop:9080']],
    );
    assert.match(await ok('graph', 'diff', '--from', String(offset)), /^no edge came, went or changed/);
    assertRefused(await run('graph', 'diff'), 'USAGE', '--from is missing', 'tendril graph diff --from');
    assertRefused(await run('graph', '--at', 'noon'), 'E102', 'an offset, an RFC 3339 time');
    assertRefused(await run('graph', '--at', '99999'), 'OFFSET_INVALID', 'ask for 0..');
  });

  test('graph export: documents that apply takes as they are; audit agrees then', async () => {
    const audit = await run('graph', 'audit', '--exit-code');
    assert.equal(audit.code, 2);
    assert.match(audit.out, /^used, not declared +web\.shop -> reviews\.shop:9080 +\S+.* +Dependency\/shop\/web$/m);
    assert.match(audit.out, /^next: tendril graph audit --documents$/m);
    const text = await ok('graph', 'export', '--as', 'dependency');
    assert.deepEqual(Object.keys(parseYaml(text).spec.to), ['ratings.shop:9080', 'reviews.shop:9080']);
    assert.equal((await ok('graph', 'audit', '--documents')).replace(/^---\n/, ''), text);
    const file = join(temporaryFolder(), 'dependencies.yaml');
    const written = await run('graph', 'export', '--as', 'dependency', '--out', file);
    assert.deepEqual([written.out, written.err], ['', `${file} written; next: tendril apply -f ${file}\n`]);
    const planned = await here(['apply', '-f', file, '--dry-run'], { server: server.api });
    assert.equal(planned.code, 0, planned.err);
    assert.match(planned.out, /Dependency\/shop\/web +would be configured|Dependency\/shop\/web +configured/);
    assert.match(await ok('graph', 'export', 'web.shop', '--as', 'dot'), /^digraph tendril \{/);
    assertRefused(await run('graph', 'export', '--out', '/nowhere/x'), 'FILE_NOT_WRITABLE', '/nowhere/x');
  });

  test('never more than 20 lines without --all: the rest is counted, and how to see it is said', async () => {
    const events = Array.from({ length: 30 }, (_, index) => ({
      type: 'dependency.declared',
      data: { from: 'many.other', to: `s${String(index).padStart(2, '0')}.other` },
    }));
    await fetch(`${server.api}/v1/events?wait=applied&timeout=60s`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ events }),
    });
    const lines = (await ok('graph', 'many.other')).trimEnd().split('\n');
    assert.equal(lines.length, 20);
    assert.equal(lines.at(-1), '18 edges of 30; all: tendril graph many.other --all');
    assert.equal((await ok('graph', 'many.other', '--all')).trimEnd().split('\n').length, 32);
    const diff = (await ok('graph', 'diff', 'many.other', '--from', '1')).trimEnd().split('\n');
    assert.equal(diff.length, 20);
    assert.match(diff.at(-1) ?? '', /^30 came, 0 went, 0 changed .*; 11 lines more with --all$/);
    const audit = (await ok('graph', 'audit', 'many.other')).trimEnd().split('\n');
    assert.ok(audit.length <= 20, `${audit.length} lines`);
    await fetch(`${server.api}/v1/events?wait=applied&timeout=60s`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ events: events.map(({ data }) => ({ type: 'dependency.withdrawn', data })) }),
    });
    assert.deepEqual(await json('graph', 'many.other'), { edges: [] });
  });

  test('who holds a service, a port, a document; who calls it', async () => {
    const text = await ok('who', 'reviews.shop:9080');
    assert.match(text, /^reviews\.shop:9080 is held by 1 sidecar, called by 1 service\n/);
    assert.match(text, /^web-1 +web\.shop +[0-9]+ +reviews\.shop:9080$/m);
    assert.match(text, /^CALLED BY +web\.shop -> reviews\.shop:9080 {2}learned {2}active {2}last used /m);
    assert.match(text, /^next: tendril proxy web-1$/m);
    assert.equal(await ok('who', 'cart.shop', '-o', 'name'), '');
    assert.match(
      await ok('who', 'cart.shop'),
      /^cart\.shop is held by 0 sidecars, called by 0 services\nnext: tendril proxies\n$/,
    );
    assert.match(await ok('who', 'nobody.shop'), /called by 0 services; it is not registered/);
    assert.equal(await ok('who', 'reviews.shop:1', '-o', 'name'), '');
    assert.equal(await ok('who', 'Route/shop/reviews', '-o', 'name'), 'web-1\n');
    assert.match(
      await ok('who', 'Dependency/shop/web'),
      /^Dependency\/shop\/web \(scope svc:web\.shop\) concerns 1 sidecar\n/,
    );
    const { offset } = (await (await fetch(`${server.api}/v1/state`)).json()) as { readonly offset: number };
    const then = await ok('who', 'reviews.shop:9080', '--at', String(offset));
    assert.match(then, new RegExp(`^reviews\\.shop:9080 was called by 1 service at ${offset} \\(`));
    assert.match(then, /^CALLED BY +web\.shop -> reviews\.shop:9080 {2}learned {2}active/m);
    assert.match(await ok('who', 'reviews.shop', '--at', '1'), /was called by 0 services at 1 \(/);
    assert.equal(await ok('who', 'reviews.shop', '--at', String(offset), '-o', 'name'), 'web.shop\n');
    assertRefused(await run('who', 'Route/shop/nothing'), 'DOCUMENT_UNKNOWN', 'tendril get Route');
    assertRefused(await run('who', 'a.b.c'), 'USAGE', 'SERVICE.NAMESPACE[:PORT] or KIND/NAMESPACE/NAME');
  });

  test('savings: what each holds of services, and all together, against a full mesh', async () => {
    interface Savings {
      readonly resources: number;
      readonly bytes: number;
      readonly fullResources: number;
      readonly fullBytes: number;
      readonly ratio: number;
    }
    const { proxies, savings } = await json<{
      proxies: { id: string; savings: Savings }[];
      savings: Savings & { pushedBytes: number; fullPushedBytes: { connect: number } };
    }>('proxies', '--savings');
    const [cart, , web] = proxies.map((proxy) => proxy.savings);
    // Three services of a cluster, an assignment and a virtual host each; web holds two of them.
    assert.deepEqual([web?.resources, web?.fullResources, cart?.resources], [6, 9, 0]);
    assert.ok(web !== undefined && web.bytes > 0 && web.bytes < web.fullBytes);
    assert.equal(web.ratio, Number((web.bytes / web.fullBytes).toFixed(6)));
    assert.deepEqual([savings.resources, savings.bytes, savings.fullBytes], [6, web.bytes, 3 * web.fullBytes]);
    assert.ok(savings.pushedBytes >= web.bytes);
    assert.match(
      await ok('proxies', '--savings'),
      /^held: 6 resources, .* in 3 sidecars; in a full mesh 27 resources/m,
    );
    const one = (await (await fetch(`${server.api}/v1/proxies/web-1`)).json()) as { savings: Savings };
    assert.deepEqual(one.savings, web);
    const metrics = await (await fetch(`${server.api}/metrics`)).text();
    assert.match(metrics, new RegExp(`^tendril_savings_held_bytes ${web.bytes}$`, 'm'));
    assert.match(metrics, new RegExp(`^tendril_savings_full_mesh_bytes ${3 * web.fullBytes}$`, 'm'));
    assert.match(metrics, /^tendril_savings_full_mesh_pushed_bytes_total\{cause="connect"\} [1-9]/m);
  });

  test('proxies: what each holds, of how many; counted at the end; by service', async () => {
    const table = rows(await ok('proxies'));
    assert.deepEqual(table[0], ['PROXY', 'SERVICE', 'STATE', 'LAST ACK', 'HOLDS', 'OF', 'BYTES SENT']);
    assert.deepEqual(
      table.slice(1).map(([id, service, state, , holds, of]) => [id, service, state, holds, of]),
      [
        ['cart-1', 'cart.shop', 'in-sync', '0', '3'],
        ['cart-2', 'cart.shop', 'in-sync', '0', '3'],
        ['web-1', 'web.shop', 'in-sync', '2', '3'],
        ['3 proxies: 3 in-sync', undefined, undefined, undefined, undefined],
      ],
    );
    assert.equal(await ok('proxies', '--service', 'cart.shop', '-o', 'name'), 'cart-1\ncart-2\n');
    assert.match(await ok('proxies', '--state', 'refused'), /0 proxies; next: tendril bootstrap --help/);
    const { proxies } = parseYaml(await ok('proxies', '-o', 'yaml')) as { proxies: { id: string }[] };
    assert.equal(proxies.length, 3);
  });

  test('proxy: by id, or by its service where that has only one', async () => {
    const text = await ok('proxy', 'web-1');
    assert.match(text, /^web-1 {2}service web\.shop {2}in-sync {2}holds 2 of 3 service ports/);
    assert.match(text, /^cds\/reviews\.shop:9080 +acked +\S+ +[0-9]+ /m);
    assert.match(text, /^next: tendril why web-1 cds\//m);
    const names = (await ok('proxy', 'web.shop', '-o', 'name')).trimEnd().split('\n');
    const { resources } = await json<{ resources: { type: string; name: string }[] }>('proxy', 'web-1');
    assert.deepEqual(
      names,
      resources.map(({ type, name }) => `${type}/${name}`),
    );
    assertRefused(await run('proxy', 'nobody'), 'PROXY_UNKNOWN', '"nobody"', 'tendril proxies');
    assertRefused(
      await run('proxy', 'cart.shop'),
      'PROXY_AMBIGUOUS',
      '2 sidecars',
      'cart-1',
      'tendril proxies --service cart.shop',
    );
  });

  test('why names edge, documents and events; each line of advice works', async () => {
    const learned = await ok('why', 'web-1', 'host/reviews.shop:9080');
    assert.match(
      learned,
      /^vhds\/outbound\/reviews\.shop:9080 {2}version \S+ {2}[0-9]+ B {2}sent .* {2}acked \+[0-9]+ ms$/m,
    );
    assert.match(
      learned,
      /held because +edge web\.shop -> reviews\.shop:9080 {2}learned {2}active {2}by subscribed {2}since event [0-9]+/,
    );
    assert.match(learned, /built from +reviews\.shop {2}event 2 {2}k8s:prod/);
    assert.match(learned, /Route\/shop\/reviews {2}event 8 {2}local .* {2}"two seconds" {2}stdin:1/);
    const declared = await ok('why', 'web.shop', 'cds/ratings.shop:9080');
    assert.match(declared, /edge web\.shop -> ratings\.shop:9080 {2}declared {2}active/);
    assert.match(declared, /declared by +Dependency\/shop\/web {2}event 9 {2}local .* {2}stdin:6/);
    assert.match(learned, /first seen \S+.* {2}last seen /);
    assert.match(learned, /held by +web-1 {2}of web\.shop {2}in-sync {2}connected /);
    for (const text of [learned, declared]) assert.ok(text.trimEnd().split('\n').length <= 20);
    const answer = await json<{ because: string; edges: unknown[]; builtFrom: { offset: number }[] }>(
      'why',
      'web-1',
      'eds/reviews.shop:9080',
    );
    assert.equal(answer.because, 'edge');
    assert.deepEqual(answer.builtFrom.map(({ offset }) => offset)[0], 2);
    assertRefused(
      await run('why', 'web-1', 'cds/cart.shop:9080'),
      'RESOURCE_UNKNOWN',
      'web.shop has no edge to it',
      'tendril proxy web-1',
    );
    assertRefused(
      await run('why', 'web-1', 'nds/cart.shop:9080'),
      'E102',
      'cds, eds, lds, rds, vhds',
      'tendril proxy web-1',
    );
    assertRefused(await run('why', 'nobody', 'cds/cart.shop:9080'), 'PROXY_UNKNOWN', 'tendril proxies');
  });

  test('why: however many documents took part, 20 lines; the rest is counted, and how to see it is said', async () => {
    const limits = ['connections', 'pending', 'requests', 'perEndpoint', 'requestsPerConnection', 'minRetries'];
    const upstreams = limits
      .map(
        (limit) =>
          `apiVersion: tendril.dev/v1\nkind: Upstream\nmetadata: {name: ${limit.toLowerCase()}, namespace: shop}\nspec: {scope: {service: ratings}, limits: {${limit}: 7}}\n`,
      )
      .join('---\n');
    const applied = await here(['apply', '-f', '-', '--wait', 'applied'], { server: server.api, input: upstreams });
    assert.equal(applied.code, 0, applied.err);
    const lines = (await ok('why', 'web-1', 'cds/ratings.shop:9080')).trimEnd().split('\n');
    assert.ok(lines.length <= 20, `${lines.length} lines`);
    assert.ok(
      lines.some((line) => /^ +… 3 more; all: -o json$/.test(line)),
      lines.join('\n'),
    );
    const { builtFrom } = await json<{ builtFrom: { of: string }[] }>('why', 'web-1', 'cds/ratings.shop:9080');
    assert.equal(builtFrom.length, 1 + limits.length);
    await ok('delete', ...limits.map((limit) => `Upstream/shop/${limit.toLowerCase()}`));
  });

  test('apply --wait acked tells who acknowledged; a refusal is named, shown everywhere, and exit 1', async () => {
    const change = (seconds: number): string => DOCUMENTS.replace('timeout: 2s', `timeout: ${seconds}s`);
    const good = await here(['apply', '-f', '-', '--wait', 'acked'], { server: server.api, input: change(3) });
    assert.match(good.out, /^acknowledged by 3 of 3 sidecars$/m);
    const refusing = await refusingSidecar(server.xdsPort, 'web-bad', 'web.shop');
    try {
      await refusing.holds('reviews.shop:9080');
      refusing.refuse('no regular expressions on Sundays');
      const bad = await here(['apply', '-f', '-', '--wait', 'acked'], { server: server.api, input: change(4) });
      assert.equal(bad.code, 1, bad.err);
      assert.match(bad.out, /Route\/shop\/reviews +configured/);
      assert.match(bad.out, /^acknowledged by 3 of 4 sidecars, REFUSED by 1$/m);
      assert.match(
        bad.err,
        /error REFUSED: web-bad: no regular expressions on Sundays\n {2}try: tendril proxy web-bad/,
      );
      const listed = await ok('proxies');
      assert.match(listed, /^web-bad +web\.shop +REFUSED .*no regular expressions on Sundays$/m);
      assert.match(listed, /^4 proxies: 3 in-sync, 1 REFUSED; next: tendril proxy web-bad$/m);
      const one = await until(
        async () => {
          const text = await ok('proxy', 'web-bad');
          return text.includes('was refused') ? undefined : text; // until the ledger has the words
        },
        () => 'no words of the refusal',
      );
      assert.match(one, /^vhds\/outbound\/reviews\.shop:9080 +REFUSED .*Sundays$/m);
      assert.match(one, /^next: tendril why web-bad vhds\/outbound\/reviews\.shop:9080$/m);
      assert.match(
        await ok('why', 'web-bad', 'vhds/outbound/reviews.shop:9080'),
        /REFUSED: no regular expressions on Sundays/,
      );
      const event = await until(
        async () => {
          const { events } = await json<{ events: { data: unknown }[] }>('events', '--type', 'policy.refused');
          return events[0];
        },
        () => 'no policy.refused',
      );
      const { node, name } = event.data as { node: string; name: string };
      assert.deepEqual([node, name], ['web-bad', 'reviews']);
      // A refusal of before is told, and is not blamed on the next change.
      const next = await here(['apply', '-f', '-', '--wait', 'acked'], { server: server.api, input: change(4) });
      assert.equal(next.code, 0);
      assert.match(next.out, /1 refused something before; next: tendril proxies/);
    } finally {
      await refusing.close();
    }
  });

  test('a sidecar that has left: proxies forgets it, proxy tells what it was last sent', async () => {
    await until(
      async () => ((await ok('proxies', '-o', 'name')).includes('web-bad') ? undefined : true),
      () => 'web-bad is still listed',
    );
    const text = await ok('proxy', 'web-bad');
    assert.match(text, /^web-bad {2}service web\.shop {2}offline {2}what it was last sent:/);
    assert.match(text, /^cds\/reviews\.shop:9080 +acked/m);
  });

  test('events: the last ones, from an offset, by type, subject and status; all formats', async () => {
    const offsets = async (...args: string[]): Promise<number[]> =>
      (await json<{ events: { offset: number }[] }>('events', ...args)).events.map(({ offset }) => offset);
    const all = await offsets('--from', '1', '--limit', '1000');
    assert.deepEqual(
      all,
      all.map((_, index) => index + 1),
      'every event once, in order',
    );
    assert.deepEqual(await offsets(), all.slice(-50));
    assert.deepEqual(await offsets('--limit', '3'), all.slice(-3));
    assert.deepEqual(await offsets('--from=-2'), all.slice(-2));
    assert.deepEqual(await offsets('--from', '2', '--limit', '2'), [2, 3]);
    assert.deepEqual(await offsets('--type', 'endpoint.*'), [3, 5, 7]);
    assert.deepEqual(await offsets('--type', 'endpoint.*', '--limit', '1'), [7], 'the last one, not the first');
    assert.deepEqual(await offsets('--subject', 'service/shop/*'), [2, 4, 6]);
    assert.deepEqual(rows(await ok('events', '--from', '2', '--limit', '1')), [
      ['EVENT', 'RECORDED', 'STATUS', 'TYPE', 'SUBJECT', 'SOURCE'],
      [
        '2',
        (rows(await ok('events', '--from', '2', '--limit', '1'))[1] ?? [])[1],
        'applied',
        'service.registered',
        'service/shop/reviews',
        'k8s:prod',
      ],
    ]);
    const before = all.length;
    const rejected = await here(['apply', '-f', '-'], {
      server: server.api,
      input: DOCUMENTS.replace('timeout: 2s', 'to: {v7: {weight: 1}}'),
    });
    assert.equal(rejected.code, 1);
    assert.match(
      await ok('events', '--status', 'rejected', '-o', 'wide'),
      new RegExp(`^${before + 1} .* rejected E301 .*Subset "v7" is not defined`, 'm'),
    );
    assert.match(await ok('events', '--type', 'nothing.such'), /0 events of that kind; next: tendril events --from 1/);
  });

  test('check: one line a part, exit 0; what does not answer like Tendril is said', async () => {
    assert.match(await ok('check'), /^ok {4}log\n(?:.*\n)*all checks passed\n$/);
    assert.equal(await ok('check', '-o', 'name'), '', 'names are of what is not well');
    const { parts } = await json<{ parts: { name: string; status: string }[] }>('check');
    assert.deepEqual([...new Set(parts.map(({ status }) => status))], ['ok']);
    const other = createServer((_, response) => response.end('hello'));
    await new Promise<void>((done) => other.listen(0, '127.0.0.1', done));
    try {
      assertRefused(
        await here(['check'], { server: `http://127.0.0.1:${portOf(other)}` }),
        'SERVER_UNKNOWN',
        '--server',
      );
      const asked = await here(['proxies'], { server: `http://127.0.0.1:${server.xdsPort}` });
      assertRefused(asked, 'SERVER_UNKNOWN', /is the xDS port, which speaks gRPC/, '--server');
    } finally {
      other.close();
      other.closeAllConnections();
    }
  });

  test('bootstrap: a complete one on stdout; a control plane by name is resolved by Envoy', async () => {
    const made = async (...args: string[]) =>
      JSON.parse(await ok('bootstrap', 'envoy', '--service', 'web.shop', '--admin-port', '19000', ...args)) as {
        node: { id: string; cluster: string; locality?: unknown; metadata: Record<string, unknown> };
        static_resources: { clusters: { name: string; type: string }[] };
      };
    const plain = await made('--xds', '127.0.0.1:18000');
    assert.equal(plain.node.id, 'sidecar~127.0.0.1~web.shop');
    assert.deepEqual(
      plain.static_resources.clusters.map(({ name, type }) => [name, type]),
      [
        ['xds', 'STATIC'],
        ['local', 'EDS'],
      ],
    );
    const full = await made(
      ...[
        '--xds',
        'tendril.internal:18000',
        '--bind',
        '127.0.0.2',
        '--outbound-port',
        '15005',
        '--inbound-port',
        '15006',
      ],
      ...['--id', 'me', '--endpoint', 'web-1', '--service-account', 'web', '--region', 'eu', '--zone', 'a'],
    );
    assert.equal(full.static_resources.clusters[0]?.type, 'STRICT_DNS');
    assert.deepEqual(full.node, {
      id: 'me',
      cluster: 'web.shop',
      locality: { region: 'eu', zone: 'a' },
      metadata: {
        service: 'web',
        namespace: 'shop',
        endpoint: 'web-1',
        serviceAccount: 'web',
        listen: { address: '127.0.0.2', outbound: 15005, inbound: 15006 },
      },
    });
  });

  test('bootstrap of a gRPC application: one that the real client takes', async () => {
    const args = ['bootstrap', 'grpc', '--service', 'web.shop', '--xds'];
    const plain = validateBootstrapConfig(JSON.parse(await ok(...args, '127.0.0.1:18000')));
    assert.equal(plain.node.id, `grpc~${hostname()}~web.shop`);
    assert.equal(plain.node.cluster, 'web.shop');
    assert.deepEqual(plain.xdsServers, [
      {
        server_uri: '127.0.0.1:18000',
        channel_creds: [{ type: 'insecure', config: undefined }],
        server_features: ['xds_v3'],
      },
    ]);
    const full = JSON.parse(
      await ok(
        ...[...args, '[::1]:18000', '--endpoint', 'web-1', '--service-account', 'web', '--region', 'eu', '--zone', 'a'],
      ),
    ) as { node: unknown; xds_servers: { server_uri: string }[] };
    assert.equal(full.xds_servers[0]?.server_uri, '[::1]:18000');
    assert.deepEqual(full.node, {
      id: 'grpc~web-1~web.shop',
      cluster: 'web.shop',
      locality: { region: 'eu', zone: 'a' },
      metadata: { service: 'web', namespace: 'shop', endpoint: 'web-1', serviceAccount: 'web' },
    });
    assert.match(await ok(...args, '127.0.0.1:18000', '--id', 'me'), /"id": "me"/);
  });

  test('version', async () => {
    assert.match(await ok('version'), /^tendril [0-9]+\.[0-9]+\.[0-9]+ \(node v[0-9.]+\)\n$/);
    assert.equal(await ok('--version'), await ok('version'));
    assert.match((await json<{ version: string }>('version')).version, /^[0-9]+\./);
  });
});
