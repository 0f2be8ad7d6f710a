/** A core that cannot start again: somebody says what is wrong, sidecars are served, and it runs again when it can (issue 6, 2.4). */
import assert from 'node:assert/strict';
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { delayAfter } from '../../src/runtime/core-starts.ts';
import { here } from '../cli/support/here.ts';
import { assertRefused, cleanUp, type Serve, serve, start, temporaryFolder, until } from '../cli/support/tendril.ts';
import { coreOf, endpointEvent, post, register, sidecar, writable } from './support.ts';

after(cleanUp);

interface Health {
  readonly status: string;
  readonly parts: readonly {
    readonly name: string;
    readonly code?: string;
    readonly message?: string;
    readonly remedy?: string;
  }[];
}

const MARK = '10.99.88.77';

/** Flips a bit of every copy of the mark; once more, and the file is as it was. */
const flip = (file: string, text: string): void => {
  const bytes = readFileSync(file);
  const handle = openSync(file, 'r+');
  let count = 0;
  for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at + 1), count++)
    writeSync(handle, Buffer.from([(bytes[at] ?? 0) ^ 1]), 0, 1, at);
  closeSync(handle);
  assert.ok(count > 0, `${text} is not in ${file}`);
};

const FLIPPED = `${String.fromCharCode(MARK.charCodeAt(0) ^ 1)}${MARK.slice(1)}`;

/** Kills the core; `meanwhile` happens before it is started again. */
const kill = async (server: Serve, meanwhile: () => void): Promise<void> => {
  const core = coreOf(server);
  server.child.kill('SIGSTOP');
  process.kill(core, 'SIGKILL');
  meanwhile();
  server.child.kill('SIGCONT');
};

const standsIn = (server: Serve, code: string): Promise<Health> =>
  until(
    async () => {
      const response = await fetch(`${server.api}/healthz`).catch(() => undefined);
      const health = (await response?.json().catch(() => undefined)) as Health | undefined;
      return health?.parts.some((part) => part.code === code) === true ? health : undefined;
    },
    () => `nobody says ${code}:\n${server.err()}`,
  );

describe('no core can start', { concurrency: false }, () => {
  test('a damaged log: health, readiness, metrics and every other answer have the code; sidecars are served; restored, it runs again', async (t) => {
    const data = join(temporaryFolder(), 'data');
    const server = await serve(['--data', data]);
    for (const name of ['cart', 'ratings', 'reviews']) assert.equal(await register(server, name), 200);
    assert.equal(await post(server, [endpointEvent('cart', MARK)]), 200);
    const client = sidecar(t, server);
    assert.equal(await client.hold('cart.shop:80'), true);
    const file = join(data, 'log', 'data.mdb');
    await kill(server, () => flip(file, MARK));
    const health = await standsIn(server, 'LOG_CORRUPT');
    assert.equal(health.status, 'failed');
    const [part] = health.parts;
    assert.equal(part?.name, 'log');
    assert.match(part?.remedy ?? '', /tendril verify|restore/);
    const ready = await fetch(`${server.api}/readyz`);
    assert.equal(ready.status, 503);
    assert.match(await ready.text(), /LOG_CORRUPT/);
    assert.match(
      await (await fetch(`${server.api}/metrics`)).text(),
      /tendril_core_failed_starts\{code="LOG_CORRUPT"\} [1-9]/,
    );
    const refused = await fetch(`${server.api}/v1/events`, { method: 'POST', body: '{}' });
    const problem = (await refused.json()) as { code?: string; remedy?: string };
    assert.deepEqual([refused.status, problem.code, refused.headers.get('retry-after')], [503, 'LOG_CORRUPT', '5']);
    assert.ok((problem.remedy ?? '') !== '');
    const foreign = await fetch(`${server.api}/v1/services`, { headers: { origin: 'http://evil.example' } });
    assert.equal(foreign.status, 403);
    assertRefused(await here(['get', 'services'], { server: server.api }), 'LOG_CORRUPT');
    const check = await here(['check'], { server: server.api });
    assert.equal(check.code, 1);
    assert.match(check.out, /FAIL {2}log: LOG_CORRUPT/);
    assert.equal(await client.hold('ratings.shop:80'), true, 'a question that nobody had asked');

    flip(file, FLIPPED);
    await writable(server, 'details');
    assert.equal(client.stats().connects, 1, 'the stream went on');
    const audit = await here(['audit', '--code', 'LOG_CORRUPT'], { server: server.api });
    assert.match(audit.out, /LOG_CORRUPT .*POST \/v1\/events/, 'what the stand-in refused is in the audit');
    assert.equal((await server.stop()).code, 0);
    const proof = await here(['verify', '--data', data], { server: '' });
    assert.equal(proof.code, 0, proof.out);
  });

  test('SIGTERM ends it in order also then; a first start is not tried again, it says what is wrong and ends', async () => {
    const data = join(temporaryFolder(), 'data');
    const server = await serve(['--data', data]);
    assert.equal(await register(server, 'cart'), 200);
    assert.equal(await post(server, [endpointEvent('cart', MARK)]), 200);
    await kill(server, () => flip(join(data, 'log', 'data.mdb'), MARK));
    await standsIn(server, 'LOG_CORRUPT');
    assert.equal((await server.stop()).code, 0);
    const again = start(['serve', '--data', data, '--xds', '127.0.0.1:0', '--admin', '127.0.0.1:0']);
    assertRefused(await again.ended, 'LOG_CORRUPT', 'tendril verify');
  });
});

test('each failed start is waited for twice as long as the one before, up to a minute', () => {
  assert.deepEqual([1, 2, 3, 6, 7, 100].map(delayAfter), [1_000, 2_000, 4_000, 32_000, 60_000, 60_000]);
});
