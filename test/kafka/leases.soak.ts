/**
 * Issue 7, 1.5: two replicas on one topic of a real broker, each a process of its own; applications that register themselves and beat at
 * either; SIGKILL of the replica that keeps the leases and, at the same moment, of an application. Nobody who lives loses the endpoint,
 * and the dead one goes. Takes as long as the rules of docs/leases.md say: 30 s until the other one keeps the leases, two minutes in which
 * the dead one counts, and a TTL.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { after, before, suite, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Registration, register } from '../../src/sidecar-client/index.ts';
import { cleanUp, type Serve, serve, sleep, temporaryFolder, until } from '../cli/support/tendril.ts';
import { post } from '../runtime/support.ts';
import { type Broker, startKafka } from '../support/kafka.ts';
import { requirePart } from '../support/parts.ts';

const CHILD = fileURLToPath(new URL('../support/lease-child.js', import.meta.url));
const TTL = 3_000;
const LIVING = 6;
/** Longer than every span of the rules together. */
const PATIENCE_MS = 300_000;

interface LogEvent {
  readonly type: string;
  readonly data: { readonly id?: string };
}

const json = async <T>(url: string): Promise<T> => (await (await fetch(url)).json()) as T;

suite('leases of two replicas on one topic', { skip: requirePart('kafka') }, () => {
  let broker: Broker;
  const servers = new Map<string, Serve>();
  const registrations: Registration[] = [];
  const children: ChildProcess[] = [];

  before(async () => {
    broker = await startKafka();
    for (const id of ['a', 'b']) {
      const args = ['--data', temporaryFolder(), '--log', `kafka://${broker.address}/leases`];
      servers.set(id, await serve([...args, '--replica', id, '--workers', '0']));
    }
  });
  after(async () => {
    for (const child of children) child.kill('SIGKILL');
    for (const registration of registrations) await registration.close();
    for (const started of servers.values()) await started.stop();
    cleanUp();
    await broker?.end();
  });

  const server = (id: string): Serve => servers.get(id) ?? assert.fail(id);
  const keeper = (at: Serve): Promise<string | undefined> =>
    json<{ readonly replicas: readonly { readonly id: string; readonly keeper: boolean }[] }>(
      `${at.api}/v1/replicas`,
    ).then(({ replicas }) => replicas.find((replica) => replica.keeper)?.id);
  const served = async (at: Serve): Promise<readonly string[]> => {
    const { endpoints } = await json<{ readonly endpoints: readonly { readonly id: string }[] }>(
      `${at.api}/v1/services/shop/cart`,
    );
    return endpoints.map(({ id }) => id).sort();
  };

  test('SIGKILL of the keeper: 0 expiries of those that live; the one that died with it goes', async (t) => {
    const data = { namespace: 'shop', name: 'cart', ports: [{ port: 80, protocol: 'http' }] };
    assert.equal(await post(server('a'), [{ type: 'service.registered', data }]), 200);
    const first = await until(
      () => keeper(server('a')),
      () => 'nobody keeps the leases',
    );
    const other = first === 'a' ? 'b' : 'a';
    const survivor = server(other);
    for (let at = 0; at < LIVING; at++) {
      const order = at % 2 === 0 ? [first, other] : [other, first];
      registrations.push(
        register({
          admin: order.map((id) => server(id).api),
          service: 'cart',
          namespace: 'shop',
          port: 80,
          endpoint: `living-${at}`,
          address: '127.0.0.1',
          leaseMs: TTL,
        }),
      );
    }
    const dying = spawn(process.execPath, [CHILD, 'dying', 'h', String(TTL), server(first).api, survivor.api], {
      stdio: ['pipe', 'ignore', 'inherit'],
    });
    children.push(dying);
    const living = registrations.map((_, at) => `living-${at}`);
    const all = ['dying', ...living];
    await until(
      async () => ((await served(survivor)).join() === all.join() ? true : undefined),
      () => 'not all are registered',
    );
    // Beyond a TTL: by now each of the two has heard signs of life of its own.
    await sleep(2 * TTL);
    assert.deepEqual(await served(survivor), all);

    const from = performance.now();
    server(first).child.kill('SIGKILL');
    dying.kill('SIGKILL');
    servers.delete(first);
    let least = all.length;
    let takenAt: number | undefined;
    for (;;) {
      const now = await served(survivor);
      least = Math.min(least, now.length);
      for (const id of living) assert.ok(now.includes(id), `${id} is gone: ${JSON.stringify(now)}`);
      if (takenAt === undefined && (await keeper(survivor)) === other) takenAt = performance.now() - from;
      if (!now.includes('dying')) break;
      assert.ok(performance.now() - from < PATIENCE_MS, 'the dead one never goes');
      await sleep(250);
    }
    const tookMs = performance.now() - from;
    await sleep(3 * TTL);
    assert.deepEqual(await served(survivor), living);

    const { events } = await json<{ readonly events: readonly LogEvent[] }>(`${survivor.api}/v1/events?limit=1000`);
    const counts = (type: string): readonly (string | undefined)[] =>
      events.filter((event) => event.type === type).map((event) => event.data.id);
    assert.deepEqual(counts('endpoint.expired'), ['dying'], 'of the log');
    assert.deepEqual([...counts('endpoint.registered')].sort(), all, 'nobody had to register again');
    t.diagnostic(
      `0 expiries of ${LIVING} living ones; another keeper after ${Math.round((takenAt ?? 0) / 1_000)} s; the dead one out after ${Math.round(tookMs / 1_000)} s`,
    );
  });
});
