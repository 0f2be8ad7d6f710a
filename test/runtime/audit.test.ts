/** Issue 6, 3.3: every write and every refused write of a running `serve`, with who, from where, what and why; `verify` proves it. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { here } from '../cli/support/here.ts';
import { cleanUp, type Serve, serve, temporaryFolder, until } from '../cli/support/tendril.ts';
import { coreOf, register, writable } from './support.ts';

after(cleanUp);

interface Entry {
  readonly seq: number;
  readonly kind: string;
  readonly who?: string;
  readonly from?: string;
  readonly result?: string;
  readonly method?: string;
  readonly target?: string;
  readonly status?: number;
  readonly code?: string;
  readonly types?: Readonly<Record<string, number>>;
  readonly subjects?: readonly string[];
  readonly offsets?: readonly (readonly [number, number])[];
  readonly statuses?: Readonly<Record<string, number>>;
  readonly reason?: string;
  readonly request?: string;
}

const entries = async (server: Serve, query = ''): Promise<readonly Entry[]> => {
  const response = await fetch(`${server.api}/v1/audit?from=1&limit=1000${query}`);
  return ((await response.json()) as { entries: Entry[] }).entries;
};

const route = (timeout: string): string =>
  JSON.stringify({
    apiVersion: 'tendril.dev/v1',
    kind: 'Route',
    metadata: { name: 'cart', namespace: 'shop' },
    spec: { timeout },
  });

const call = (server: Serve, method: string, path: string, body?: string, headers: Record<string, string> = {}) =>
  fetch(`${server.api}${path}`, {
    method,
    headers: { 'content-type': 'application/json', ...headers },
    ...(body === undefined ? {} : { body }),
  });

describe('audit', { concurrency: false }, () => {
  test('accepted and refused writes, with request id, offsets, reason and code; reads and dry runs leave no trace', async () => {
    const data = join(temporaryFolder(), 'data');
    const server = await serve(['--data', data]);
    assert.equal(await register(server, 'cart'), 200);
    const put = await call(server, 'PUT', '/v1/docs/Route/shop/cart?reason=slow', route('2s'));
    assert.equal(put.status, 200);
    await call(server, 'GET', '/v1/services');
    await call(server, 'POST', '/v1/docs:apply?dryRun=1', route('3s'));
    const refusals = [
      await call(server, 'PUT', '/v1/docs/Route/shop/cart?reason=late', route('9s'), { 'if-match': '"1"' }),
      await call(server, 'POST', '/v1/events', '{"events":'),
      await call(server, 'DELETE', '/v1/nothing/here'),
      await call(server, 'POST', '/v1/events', '{"events":[]}', { origin: 'http://evil.example' }),
      await call(server, 'POST', '/v1/services'),
    ];
    assert.deepEqual(
      refusals.map(({ status }) => status),
      [412, 400, 404, 403, 405],
    );
    const writes = (await entries(server)).filter(({ kind, method }) => kind === 'write' && method !== undefined);
    assert.deepEqual(
      writes.map(({ method, target, status, code, result }) => [method, target, status, result, code]),
      [
        ['POST', '/v1/events', 200, 'accepted', undefined],
        ['PUT', '/v1/docs/Route/shop/cart', 200, 'accepted', undefined],
        ['PUT', '/v1/docs/Route/shop/cart', 412, 'refused', 'expect'],
        ['POST', '/v1/events', 400, 'refused', 'E100'],
        ['DELETE', '/v1/nothing/here', 404, 'refused', 'ROUTE_UNKNOWN'],
        ['POST', '/v1/events', 403, 'refused', 'ORIGIN_REFUSED'],
        ['POST', '/v1/services', 405, 'refused', 'METHOD_NOT_ALLOWED'],
      ],
    );
    const [first, second, third] = writes;
    assert.match(first?.from ?? '', /^127\.0\.0\.1:[0-9]+$/);
    assert.deepEqual(first?.types, { 'service.registered': 1, 'endpoint.registered': 1 });
    assert.deepEqual(first?.statuses, { applied: 2 });
    assert.equal(second?.reason, 'slow');
    assert.equal(second?.request, put.headers.get('x-request-id'));
    assert.deepEqual(second?.subjects, ['policy/Route/shop/cart']);
    assert.deepEqual([third?.statuses, third?.offsets?.length, third?.reason], [{ rejected: 1 }, 1, 'late']);
    // Offsets are those of the log.
    const { events } = (await (
      await fetch(`${server.api}/v1/events?from=${second?.offsets?.[0]?.[0]}&limit=1`)
    ).json()) as {
      events: { type: string }[];
    };
    assert.equal(events[0]?.type, 'policy.applied');

    const cli = await here(['audit', '--refused', '-o', 'wide'], { server: server.api });
    assert.equal(cli.code, 0, cli.err);
    assert.match(cli.out, /ORIGIN_REFUSED .*POST \/v1\/events/);
    assert.doesNotMatch(cli.out, /accepted/);
    assert.match((await here(['audit', '--code', 'E100'], { server: server.api })).out, /E100/);
    assert.match((await here(['audit', '--who', 'nobody'], { server: server.api })).out, /0 entries/);
    await server.stop();
    const proof = await here(['verify', '--data', data], { server: '' });
    assert.equal(proof.code, 0, proof.out + proof.err);
    assert.match(proof.out, /audit: \d+ entries/);
  });

  test('`--dir` is audited as `dir`; the audit goes on over kill -9 of the core; verify finds what does not fit', async () => {
    const folder = temporaryFolder();
    const data = join(folder, 'data');
    const dir = join(folder, 'docs');
    mkdirSync(dir);
    writeFileSync(join(dir, 'cart.json'), route('2s'));
    const server = await serve(['--data', data, '--dir', dir]);
    assert.equal(await register(server, 'cart'), 200);
    await entries(server); // everything so far is in the file
    process.kill(coreOf(server), 'SIGKILL');
    await writable(server, 'ratings');
    const rows = await until(
      async () => {
        const all = await entries(server);
        return all.filter(({ kind }) => kind === 'opened').length === 2 ? all : undefined;
      },
      () => 'no second start in the audit',
    );
    const byDir = rows.find(({ who }) => who === 'dir');
    assert.deepEqual([byDir?.from, byDir?.result, byDir?.types], ['dir', 'accepted', { 'policy.applied': 1 }]);
    assert.equal((await server.stop()).code, 0);
    assert.equal((await here(['verify', '--data', data], { server: '' })).code, 0);

    // A flipped byte, and an entry that claims an event of somebody else.
    const path = join(data, 'audit', readdirSync(join(data, 'audit')).find((name) => name.startsWith('audit-')) ?? '');
    const before = readFileSync(path, 'utf8');
    writeFileSync(path, before.replace('"who":"dir"', '"who":"dis"'));
    const { code, out } = await here(['verify', '--data', data], { server: '' });
    assert.equal(code, 1);
    assert.match(out, new RegExp(`audit entry ${byDir?.seq}: the entry was changed`));
    assert.match(out, new RegExp(`audit entry ${byDir?.seq}: event \\d+ is of dir in the log`));
  });

  test('accepted events that have no entry are a number in the notes of verify, and no problem', async () => {
    const data = join(temporaryFolder(), 'data');
    const first = await serve(['--data', data]);
    assert.equal(await register(first, 'cart'), 200);
    await first.stop();
    rmSync(join(data, 'audit'), { recursive: true });
    const second = await serve(['--data', data]);
    assert.equal(await register(second, 'ratings'), 200);
    await second.stop();
    const { code, out } = await here(['verify', '--data', data, '-o', 'json'], { server: '' });
    assert.equal(code, 0, out);
    assert.match(out, /[1-9]\d* events of the log have no entry in the audit/);
  });
});
