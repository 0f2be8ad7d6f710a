/**
 * An application that is registered, through what happens to it in its life: the wall clock is set forward and back, another process
 * takes its endpoint, the control plane is away for longer than the lease and comes back.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type RunningServer, resolveConfig, startServer } from '../../../src/runtime/index.ts';
import { type Registration, register } from '../../../src/sidecar-client/index.ts';
import { cleanUp, sleep, temporaryFolder, until } from '../../cli/support/tendril.ts';
import { freePort } from '../../support/ports.ts';

after(cleanUp);

const CHILD = fileURLToPath(new URL('../../support/lease-child.js', import.meta.url));
const TTL = 3_000;
const HOUR = 3_600_000;

interface LogEvent {
  readonly type: string;
  readonly data: { readonly id?: string };
}

test('the wall clock jumps, a second process takes the id, the control plane is away beyond the lease: nobody who lives is dropped', async (t) => {
  const port = await freePort();
  const admin = [`http://127.0.0.1:${port}`];
  const data = temporaryFolder();
  const begin = async (): Promise<RunningServer> => {
    const flags = { xds: '127.0.0.1:0', admin: `127.0.0.1:${port}`, workers: '0', data, 'log-level': 'silent' };
    return startServer(resolveConfig({ flags, env: {} }));
  };
  let server = await begin();
  t.after(() => server.stop());
  const json = async <T>(path: string): Promise<T> => (await (await fetch(`${admin[0]}${path}`)).json()) as T;
  const served = async (): Promise<readonly string[]> => {
    type Answer = { readonly endpoints: readonly { readonly id: string }[] };
    return (await json<Answer>('/v1/services/shop/cart')).endpoints.map(({ id }) => id).sort();
  };
  const events = async (type: string): Promise<readonly string[]> => {
    const found = await json<{ readonly events: readonly LogEvent[] }>(`/v1/events?type=${type}`);
    return found.events.map((event) => event.data.id ?? '').sort();
  };
  const made = await fetch(`${admin[0]}/v1/events?wait=applied`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      events: [
        {
          type: 'service.registered',
          data: { namespace: 'shop', name: 'cart', ports: [{ port: 80, protocol: 'http' }] },
        },
      ],
    }),
  });
  assert.equal(made.status, 200);
  const start = (endpoint: string, holder: string): Registration => {
    const common = { admin, service: 'cart', namespace: 'shop', port: 80, address: '127.0.0.1', leaseMs: TTL };
    const registration = register({ ...common, endpoint, holder });
    t.after(() => registration.close());
    return registration;
  };
  const is = (registration: Registration, state: string): Promise<true> =>
    until(
      () => (registration.state.is === state ? true : undefined),
      () => `${state}: ${JSON.stringify(registration.state)}`,
    );

  const [lives, patient, hasty] = [start('lives', 'h'), start('patient', 'h'), start('hasty', 'h')];
  const child = spawn(process.execPath, [CHILD, 'shared', 'the-child', String(TTL), ...admin]);
  t.after(() => child.kill('SIGKILL'));
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  for (const each of [lives, patient, hasty]) await is(each, 'registered');
  const says = (what: RegExp): Promise<true> =>
    until(
      () => (what.test(said) ? true : undefined),
      () => `${what}: ${said}`,
    );
  await says(/registered healthy/);

  // The wall clock of holders and control plane: forward, while another process takes the endpoint of the child.
  const wall = Date.now;
  let ahead = 2 * HOUR;
  t.mock.method(Date, 'now', () => wall() + ahead);
  const taker = start('shared', 'here');
  await is(taker, 'registered');
  await says(/taken/);
  child.stdin.end();
  await once(child, 'exit');
  assert.deepEqual(await served(), ['hasty', 'lives', 'patient', 'shared'], 'who was taken from withdraws nothing');

  const awaySince = performance.now();
  await server.stop();
  // Back by five hours, while nobody answers.
  ahead = -3 * HOUR;
  const left = await hasty.drain(100);
  assert.deepEqual([left.withdrawn, left.acknowledged, hasty.state.is], [false, false, 'ended']);
  const draining = patient.drain(30_000);
  await is(lives, 'unreachable');
  await sleep(TTL + 200 - (performance.now() - awaySince));
  server = await begin();
  assert.equal((await draining).withdrawn, true, 'a control plane that is back is told what was to be told');
  for (const each of [lives, taker]) await is(each, 'registered');
  assert.deepEqual(await served(), ['hasty', 'lives', 'shared'], 'what was not withdrawn is left to run out');
  assert.deepEqual(await events('endpoint.expired'), []);
  assert.deepEqual(
    await events('endpoint.registered'),
    ['hasty', 'lives', 'patient', 'shared', 'shared'],
    'nobody had to register again',
  );
});
