/** Issue 6, 1.3: replicas on one topic of a real broker; sidecars that move between them; the odd one out. */
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { cleanUp, type Serve, serve, temporaryFolder, tendril, until } from '../cli/support/tendril.ts';
import { allConnected, allHold, post, quiet, ready, serviceEvents } from '../runtime/support.ts';
import { Fleet } from '../support/fleet.ts';
import { type Broker, startKafka } from '../support/kafka.ts';
import { requirePart } from '../support/parts.ts';
import { tamper } from './tamper.ts';

const SERVICES = ['cart', 'pay', 'ship'];
const SIZE = 30;

interface Proof {
  readonly offset: number;
  readonly hash: string;
  readonly foldVersion: number;
}

interface Answer {
  readonly replicas: readonly { readonly id: string; readonly state: string; readonly keeper: boolean }[];
  readonly comparison: { readonly verdict: string };
}

const json = async <T>(url: string): Promise<T> => (await (await fetch(url)).json()) as T;
const hashOf = (server: Serve): Promise<Proof> => json<Proof>(`${server.api}/v1/state/hash`);

/** Waits until all stand at one offset, and gives their hashes. */
const hashes = (servers: readonly Serve[]): Promise<readonly string[]> =>
  until(
    async () => {
      const proofs = await Promise.all(servers.map(hashOf));
      return new Set(proofs.map(({ offset }) => offset)).size === 1 ? proofs.map(({ hash }) => hash) : undefined;
    },
    () => 'the replicas do not come to one offset',
  );

suite('replicas on one topic', { skip: requirePart('kafka') }, () => {
  let broker: Broker;
  let log: string;
  const servers = new Map<string, Serve>();
  const folders = new Map<string, string>();
  let fleet: Fleet;
  /** Where sidecars connect. */
  let at = 'a';

  const server = (id: string): Serve => servers.get(id) ?? assert.fail(id);
  const start = async (id: string): Promise<Serve> => {
    const data = folders.get(id) ?? temporaryFolder();
    folders.set(id, data);
    const started = await serve(['--data', data, '--log', log, '--replica', id]);
    servers.set(id, started);
    return started;
  };
  const verdict = (id: string, wanted: string): Promise<true> =>
    until(
      async () =>
        (await json<Answer>(`${server(id).api}/v1/replicas`)).comparison.verdict === wanted ? true : undefined,
      () => `${id} does not come to ${wanted}`,
    );
  /** Leads all sidecars to another replica; gives the resources they were sent there. */
  const move = async (id: string): Promise<number> => {
    const before = fleet.sum('resources');
    at = id;
    fleet.cut();
    await until(
      () => (fleet.connected < SIZE ? true : undefined),
      () => 'the connections are not cut',
    );
    await allConnected(fleet);
    await quiet(fleet);
    return fleet.sum('resources') - before;
  };

  before(async () => {
    broker = await startKafka();
    log = `kafka://${broker.address}/mesh`;
    await start('a');
    await start('b');
    fleet = new Fleet({ port: () => server(at).xdsPort, size: SIZE });
    await allConnected(fleet);
  });
  after(async () => {
    fleet?.close();
    for (const started of servers.values()) await started.stop();
    cleanUp();
    await broker?.end();
  });

  test('a write is read at once where it was made, and soon at the other; both come to one hash', async () => {
    for (const [index, name] of SERVICES.entries()) {
      const here = server(index % 2 === 0 ? 'a' : 'b');
      assert.equal(await post(here, serviceEvents(name)), 200);
      assert.equal((await fetch(`${here.api}/v1/services/shop/${name}`)).status, 200);
    }
    const [a, b] = await hashes([server('a'), server('b')]);
    assert.equal(a, b);
    await verdict('a', 'agree');
    await verdict('b', 'agree');
  });

  test('sidecars that move between two replicas get no resource', async () => {
    for (const sidecar of fleet.sidecars) for (const name of SERVICES) sidecar.ask(`${name}.shop`);
    for (const name of SERVICES) await allHold(fleet, `outbound/${name}.shop:80`);
    await quiet(fleet);
    assert.equal(await move('b'), 0);
    // What they learned on a is known on b: it went through the log.
    assert.equal(await post(server('a'), serviceEvents('cart', '127.0.0.9')), 200);
    await until(
      () =>
        fleet.sidecars.every(({ received }) =>
          [...received.keys()].some((key) => key.includes('ClusterLoadAssignment cart.shop:80')),
        )
          ? true
          : undefined,
      () => 'a change written to a does not reach the sidecars of b',
    );
    await quiet(fleet);
    assert.equal(await move('a'), 0);
  });

  test('a third replica folds the topic from its beginning: the same hash, and nothing for the sidecars that come', async () => {
    await start('c');
    const all = await hashes(['a', 'b', 'c'].map(server));
    assert.equal(new Set(all).size, 1);
    assert.equal(await move('c'), 0);
    for (const id of ['a', 'b', 'c']) await verdict(id, 'agree');
    const { replicas } = await until(
      async () => {
        const answer = await json<Answer>(`${server('c').api}/v1/replicas`);
        return answer.replicas.some(({ keeper }) => keeper) ? answer : undefined;
      },
      () => 'nobody keeps the edges',
    );
    assert.deepEqual(
      replicas.map(({ id, state, keeper }) => [id, state, keeper]),
      [
        ['a', 'serving', true],
        ['b', 'serving', false],
        ['c', 'serving', false],
      ],
    );
  });

  test('the odd one of three goes out of service: it sends its sidecars away, and the others say which it is', async () => {
    await server('c').stop();
    at = 'a';
    await allConnected(fleet);
    await quiet(fleet);
    await tamper(folders.get('c') ?? '', 'default', 'svc/pay.shop', '"http"', '"http2"');
    const c = await start('c');
    await verdict('c', 'odd');
    await verdict('a', 'others');
    await verdict('b', 'others');
    assert.equal(await ready(c), 503);
    assert.equal(await post(c, serviceEvents('late')), 503);
    const health = await json<{ readonly parts: readonly { readonly code?: string }[] }>(`${c.api}/healthz`);
    assert.ok(health.parts.some(({ code }) => code === 'STATE_DIVERGED'));
    assert.equal(await ready(server('a')), 200);
    // Nobody gets a connection there any more.
    const strays = new Fleet({ port: c.xdsPort, size: 1 });
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    assert.equal(strays.connected, 0);
    strays.close();
    await c.stop();
    servers.delete('c');
    const again = await tendril(['serve', '--data', folders.get('c') ?? '', '--log', log, '--replica', 'c']);
    assert.equal(again.code, 1);
    assert.match(again.err, /STATE_DIVERGED[\s\S]*tendril recover/);
  });

  test('one command brings it the state of another replica, proven by its hash; then it serves and agrees', async () => {
    const data = folders.get('c') ?? '';
    const recovered = await tendril(['recover', '--data', data, '--from', server('a').api, '-o', 'json']);
    assert.equal(recovered.code, 0, recovered.err);
    const told = JSON.parse(recovered.out) as { readonly offset: number; readonly hash: string };
    const c = await start('c');
    await verdict('c', 'agree');
    await verdict('a', 'agree');
    assert.equal(new Set(await hashes(['a', 'b', 'c'].map(server))).size, 1);
    assert.ok(told.offset > 0 && /^[0-9a-f]{64}$/.test(told.hash));
    assert.equal(await ready(c), 200);
    assert.equal(await move('c'), 0);
  });

  test('a gap of the topic: the replica that needs what is gone says the range, serves no new state, and is recovered by one command', async () => {
    at = 'a';
    await allConnected(fleet);
    await server('b').stop();
    for (let number = 0; number < 3; number++)
      assert.equal(await post(server('a'), serviceEvents(`gap-${number}`)), 200);
    const { offset } = await hashOf(server('a'));
    const admin = await broker.admin();
    await admin.deleteTopicRecords({ topic: 'mesh', partitions: [{ partition: 0, offset: String(offset - 1) }] });
    await admin.disconnect();
    const b = await start('b');
    const health = await until(
      async () => {
        const { parts } = await json<{
          readonly parts: readonly { readonly code?: string; readonly message?: string }[];
        }>(`${b.api}/healthz`);
        return parts.find(({ code }) => code === 'LOG_GAP');
      },
      () => 'no gap is told',
    );
    assert.match(health.message ?? '', /events? [0-9]+ to [0-9]+|event [0-9]+/);
    assert.equal(await ready(b), 503);
    assert.equal((await fetch(`${b.api}/v1/services/shop/cart`)).status, 200, 'what it has is still told');
    assert.equal((await fetch(`${b.api}/v1/services/shop/gap-0`)).status, 404);
    assert.equal(await post(b, serviceEvents('late')), 503);
    await b.stop();
    const recovered = await tendril([
      'recover',
      '--data',
      folders.get('b') ?? '',
      '--from',
      server('a').api,
      '--no-log',
    ]);
    assert.equal(recovered.code, 0, recovered.err);
    await start('b');
    await verdict('b', 'agree');
    assert.equal(await post(server('b'), serviceEvents('after')), 200);
    assert.equal(new Set(await hashes(['a', 'b', 'c'].map(server))).size, 1);
    assert.equal(await move('b'), 0);
  });
});
