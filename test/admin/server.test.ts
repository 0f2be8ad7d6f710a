/** The server itself: where it listens, what it says when it cannot, how it stops, what a failure inside looks like. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, test } from 'node:test';
import { createAdminServer } from '../../src/admin/index.ts';
import type { TendrilError } from '../../src/model/index.ts';
import { call, recordingLogger, service, startCore } from './core.ts';

const codeOf = (code: string) => (error: TendrilError) => {
  assert.equal(error.code, code);
  assert.ok((error.remedy ?? '').length > 5);
  return true;
};

describe('listening', () => {
  test('port in use, unknown address, an address that is not loopback', async (t) => {
    const core = await startCore(t);
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    t.after(() => other.close());
    const { port } = other.address() as AddressInfo;
    const server = () =>
      createAdminServer(
        { health: { parts: () => [], ready: () => ({ ready: true, offset: 0, reasons: [] }) } } as never,
        { logger: recordingLogger(), version: '0' },
      );
    await assert.rejects(server().listen('127.0.0.1', port), codeOf('PORT_IN_USE'));
    await assert.rejects(server().listen('0.0.0.0', 0), codeOf('BIND_REFUSED'));
    await assert.rejects(server().listen('127.0.0.1', core.server.address()?.port ?? 0), codeOf('PORT_IN_USE'));
    const insecure = createAdminServer(
      { health: { parts: () => [], ready: () => ({ ready: true, offset: 0, reasons: [] }) } } as never,
      {
        logger: recordingLogger(),
        version: '0',
        insecureBind: true,
      },
    );
    await assert.rejects(insecure.listen('198.51.100.7', 0), codeOf('ADDRESS_UNKNOWN'));
    assert.equal(insecure.address(), undefined);
  });

  test('--insecure-bind: listens, says so in every /healthz, takes addresses but no foreign names as Host', async (t) => {
    const inner = await startCore(t);
    const server = createAdminServer(
      {
        state: inner.projector.fold,
        health: { parts: () => [], ready: () => ({ ready: true, offset: 0, reasons: [] }) },
      } as never,
      { logger: recordingLogger(), version: '0', insecureBind: true, allowedHosts: ['tendril.internal'] },
    );
    t.after(() => server.close());
    const { port } = await server.listen('0.0.0.0', 0);
    const core = { url: `http://127.0.0.1:${port}` };
    const health = await call(core, 'GET', '/healthz');
    assert.equal(health.body.status, 'degraded');
    assert.equal(health.body.parts[0].code, 'INSECURE_BIND');
    for (const [host, status] of [
      ['10.1.2.3:18001', 200],
      ['tendril.internal', 200],
      ['evil.example', 403],
    ] as const) {
      const answer = await new Promise<number>((resolve, reject) => {
        import('node:http').then(
          ({ get }) =>
            get(`${core.url}/healthz`, { headers: { host } }, (response) => resolve(response.statusCode ?? 0)).on(
              'error',
              reject,
            ),
          reject,
        );
      });
      assert.equal(answer, status, host);
    }
  });
});

describe('stopping and failing', () => {
  test('a request that runs is finished; new ones are refused', async (t) => {
    let free: () => void = () => undefined;
    const blocked = new Promise<undefined>((resolve) => {
      free = () => resolve(undefined);
    });
    const core = await startCore(t, {
      ingest: { fold: { outcomes: () => blocked, visible: async () => false, lag: () => ({ events: 0, ms: 0 }) } },
    });
    const running = call(core, 'POST', '/v1/events', { events: [service('cart')] });
    while (core.ingest.counters.waiting === 0) await new Promise((resolve) => setImmediate(resolve));
    const closing = core.server.close();
    setTimeout(free, 20);
    assert.equal((await running).status, 202);
    await closing;
    await assert.rejects(call(core, 'GET', '/healthz'));
  });

  test('an error nobody foresaw: 500 with a code and the request id, the details only in the log', async (t) => {
    const core = await startCore(t, {
      ports: {
        proof: () => {
          throw new Error('secret detail');
        },
      },
    });
    const reply = await call(core, 'GET', '/v1/state/hash');
    assert.equal(reply.status, 500);
    assert.equal(reply.body.code, 'INTERNAL');
    assert.equal(reply.text.includes('secret'), false);
    const line = core.logger.lines.find(({ level }) => level === 'error');
    assert.equal((line?.fields as { request?: string } | undefined)?.request, reply.body.request);
    assert.equal(reply.headers.get('x-request-id'), reply.body.request);
    assert.equal(core.server.counters.byStatus.get(500), 1);
  });

  test('what the log refuses has its status: 507 disk full, 503 read-only, 429 back-pressure', async (t) => {
    const { TendrilError } = await import('../../src/model/index.ts');
    for (const [code, status] of [
      ['DISK_FULL', 507],
      ['LOG_READ_ONLY', 503],
      ['LOG_CLOSED', 503],
      ['LOG_BACKPRESSURE', 429],
      ['EVENT_TOO_LARGE', 413],
    ] as const) {
      const core = await startCore(t, {
        ingest: {
          log: {
            mesh: 'default',
            append: () => Promise.reject(new TendrilError(code, 'the log says no', { remedy: 'wait' })),
          },
        },
      });
      const reply = await call(core, 'POST', '/v1/events', { events: [service('cart')] });
      assert.equal(reply.status, status, code);
      assert.equal(reply.body.code, code);
      assert.equal(reply.body.remedy, 'wait');
      assert.equal(reply.headers.get('retry-after') !== null, status !== 413);
      await core.close();
    }
  });

  test('the projector stops after the append: 202, because the events are durable', async (t) => {
    const { TendrilError } = await import('../../src/model/index.ts');
    const core = await startCore(t, {
      ingest: {
        fold: {
          outcomes: () => Promise.reject(new TendrilError('STATE_FAILED', 'stopped')),
          visible: async () => false,
          lag: () => ({ events: 0, ms: 0 }),
        },
      },
    });
    const reply = await call(core, 'POST', '/v1/events', { events: [service('cart')] });
    assert.equal(reply.status, 202);
    assert.deepEqual(reply.body.offsets, [1]);
    assert.equal(reply.body.findings[0].code, 'STATE_FAILED');
  });

  test('writes are logged with their request, refusals are not errors', async (t) => {
    const core = await startCore(t);
    const reply = await call(core, 'POST', '/v1/events', { events: [service('cart')] });
    await call(core, 'POST', '/v1/events', '{');
    const writes = core.logger.lines.filter(({ message }) => message === 'write');
    assert.equal(writes.length, 1);
    assert.equal((writes[0]?.fields as { request?: string } | undefined)?.request, reply.headers.get('x-request-id'));
    assert.deepEqual(
      core.logger.lines.filter(({ level }) => level === 'error' || level === 'warn'),
      [],
    );
  });
});
