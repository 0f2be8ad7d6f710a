/**
 * Issue 4, section 3.1: a core and workers that are killed or stand still under 1,000 streams. Times are printed, not judged:
 * whatever does not come at all ends the test.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, describe, type TestContext, test } from 'node:test';
import { cleanUp, type Serve, serve, sleep, temporaryFolder, until } from '../cli/support/tendril.ts';
import { Fleet } from '../support/fleet.ts';
import {
  allConnected,
  allHold,
  coreOf,
  endpointEvent,
  knock,
  metric,
  ownMemory,
  post,
  quiet,
  serviceEvents,
  workersOf,
  writable,
} from './support.ts';

after(cleanUp);

const SIDECARS = 1_000;
/** Services that every sidecar holds, and as many that nobody has asked for. */
const SERVICES = 5;

interface World {
  readonly server: Serve;
  readonly fleet: Fleet;
}

const start = async (t: TestContext, workers: number, size = SIDECARS): Promise<World> => {
  const server = await serve(['--data', join(temporaryFolder(), 'data'), '--workers', String(workers)]);
  const names = Array.from({ length: 2 * SERVICES }, (_, index) => `svc-${index}`);
  assert.equal(
    await post(
      server,
      names.flatMap((name) => serviceEvents(name)),
    ),
    200,
  );
  const fleet = new Fleet({
    port: server.xdsPort,
    size,
    caller: (index) => `web-${index % 20}.shop`,
    streamsPerConnection: 50,
  });
  t.after(() => fleet.close());
  await allConnected(fleet);
  for (const sidecar of fleet.sidecars) for (let index = 0; index < SERVICES; index++) sidecar.ask(`svc-${index}`);
  for (let index = 0; index < SERVICES; index++) await allHold(fleet, `outbound/svc-${index}.shop:80`);
  await quiet(fleet);
  return { server, fleet };
};

const end = async ({ server, fleet }: World): Promise<void> => {
  fleet.close();
  assert.equal((await server.stop()).code, 0);
};

/** How many see this endpoint of `svc-0`. */
const seeing = (fleet: Fleet, address: string): number =>
  fleet.sidecars.filter(({ session }) => session.endpoints('svc-0.shop:80')?.[0]?.address === address).length;

const allSee = (fleet: Fleet, address: string): Promise<true> =>
  until(
    () => (seeing(fleet, address) === fleet.sidecars.length ? true : undefined),
    () => `${seeing(fleet, address)} sidecars see ${address}`,
  );

const took = (t: TestContext, what: string, since: number): void => {
  t.diagnostic(`${what}: ${Math.round(performance.now() - since)} ms`);
};

/** The core: streams live on, known services are answered without it, writes come back. */
const killCore = async (t: TestContext, { server, fleet }: World): Promise<void> => {
  const worker = workersOf(server);
  // The supervisor stands still, so there is no core until it goes on.
  server.child.kill('SIGSTOP');
  process.kill(coreOf(server), 'SIGKILL');
  assert.equal(await post(server, serviceEvents('refused')), 0, 'no core, no write');
  const asked = performance.now();
  for (const sidecar of fleet.sidecars) sidecar.ask(`svc-${SERVICES}`);
  await allHold(fleet, `outbound/svc-${SERVICES}.shop:80`);
  took(t, '1,000 questions about a known service, answered without a core', asked);
  server.child.kill('SIGCONT');
  await writable(server, 'after-1');

  const killed = performance.now();
  process.kill(coreOf(server), 'SIGKILL');
  await writable(server, 'after-2');
  took(t, 'writes are back', killed);
  assert.equal(await post(server, [endpointEvent('svc-0', '10.0.0.1')]), 200);
  await allSee(fleet, '10.0.0.1');
  assert.deepEqual([fleet.sum('streams'), fleet.sum('refused')], [SIDECARS, 0], server.err());
  assert.deepEqual(workersOf(server), worker);
};

/** One of the workers: its sidecars are back with 0 resource bytes, no connection is refused. */
const killWorker = async (t: TestContext, { server, fleet }: World, workers: number): Promise<void> => {
  await quiet(fleet);
  const bytes = fleet.sum('resourceBytes');
  const [victim = 0, ...others] = workersOf(server);
  const knocking = knock(server.xdsPort);
  t.after(() => knocking.stop());
  await sleep(100); // some connections before
  const killed = performance.now();
  process.kill(victim, 'SIGKILL');
  await until(
    () => (fleet.sum('streams') > SIDECARS && fleet.connected === SIDECARS ? true : undefined),
    () => `${fleet.sum('streams')} streams, ${fleet.connected} connected: ${server.err()}`,
  );
  took(t, 'all are connected', killed);
  await quiet(fleet);
  const { made, refused } = await knocking.stop();
  assert.equal(refused, 0, `${made} connections made`);
  assert.ok(made > 0);
  const again = fleet.sum('streams') - SIDECARS;
  t.diagnostic(`${again} streams were its`);
  assert.ok(workers === 1 ? again === SIDECARS : again < SIDECARS, `${again} streams anew`);
  assert.equal(fleet.sum('resourceBytes') - bytes, 0, 'resource bytes after the kill');
  const now = workersOf(server);
  assert.equal(now.length, workers);
  assert.ok(!now.includes(victim) && others.every((pid) => now.includes(pid)));
  assert.equal(await post(server, [endpointEvent('svc-0', '10.0.0.2')]), 200);
  await allSee(fleet, '10.0.0.2');
};

describe('kill -9 under 1,000 streams', { concurrency: false }, () => {
  test('of the core: streams live on, writes come back; then of the only worker: its sidecars are back with 0 resource bytes', async (t) => {
    const world = await start(t, 1);
    await killCore(t, world);
    await killWorker(t, world, 1);
    await end(world);
  });

  test('of one of 2 workers: its sidecars are back with 0 resource bytes, no connection is refused', async (t) => {
    const world = await start(t, 2);
    await killWorker(t, world, 2);
    await end(world);
  });
});

// Both wait for 10 s of silence: at the same time.
describe('a worker that stands still while changes pour in', { concurrency: 2 }, () => {
  /** Writes changes of `svc-0` until told to stop; gives how many were taken and the last address. */
  const pour = (server: Serve): { readonly stop: () => Promise<{ count: number; last: string }> } => {
    let on = true;
    let count = 0;
    let last = '';
    const loop = (async () => {
      while (on) {
        last = `10.1.${count >> 8}.${count & 255}`;
        assert.equal(await post(server, [endpointEvent('svc-0', last)], 'folded'), 200);
        count++;
      }
      return { count, last };
    })();
    return {
      stop: () => {
        on = false;
        return loop;
      },
    };
  };
  /** Nothing that stands still outlives the test. */
  const stop = (t: TestContext, pid: number): void => {
    process.kill(pid, 'SIGSTOP');
    t.after(() => {
      try {
        process.kill(pid, 'SIGCONT');
      } catch {
        // Gone already.
      }
    });
  };
  const total = async (server: Serve, name: string): Promise<number> =>
    [...(await metric(server, name)).values()].reduce((sum, value) => sum + value, 0);

  test('it leaves the barrier, and once it goes on it has the newest state, not every change', async (t) => {
    const world = await start(t, 2, 100);
    const { server, fleet } = world;
    const [still = 0] = workersOf(server);
    const core = coreOf(server);
    const before = { memory: ownMemory(core), responses: fleet.sum('responses') };
    // Without a supervisor nobody ends it: it stays there, connected, reading nothing.
    server.child.kill('SIGSTOP');
    stop(t, still);
    const pouring = pour(server);
    await until(
      async () => ((await total(server, 'tendril_workers_silent_total')) > 0 ? true : undefined),
      () => 'nobody finds it silent',
    );
    assert.equal(await post(server, [endpointEvent('svc-1', '10.0.0.9')]), 200, 'wait=applied does not wait for it');
    assert.equal((await metric(server, 'tendril_workers_live')).get(''), 1);
    await until(
      async () => ((await total(server, 'tendril_notices_held_total')) > 0 ? true : undefined),
      () => 'notices are sent to it without end',
    );
    const { count, last } = await pouring.stop();
    const grown = ownMemory(core) - before.memory;
    t.diagnostic(`${count} changes meanwhile; core ${Math.round(grown / 1e6)} MB more`);
    assert.ok(grown < 128e6, `the core needs ${grown} bytes more`);
    const counted = fleet.sum('responses');
    process.kill(still, 'SIGCONT');
    await allSee(fleet, last);
    // Half of the sidecars, give or take, were served all along; the others are served now, in a few responses each.
    const late = fleet.sum('responses') - counted;
    t.diagnostic(`${late} responses after it went on`);
    assert.ok(late <= 100 * 8, `${late} responses for ${count} changes`);
    assert.equal(fleet.sum('streams'), 100, 'nobody was cut off');
    server.child.kill('SIGCONT');
    await end(world);
  });

  test('the supervisor replaces it, and the next one serves the newest state', async (t) => {
    const world = await start(t, 2, 100);
    const { server, fleet } = world;
    const [still = 0, other = 0] = workersOf(server);
    stop(t, still);
    const pouring = pour(server);
    await until(
      () => {
        const now = workersOf(server);
        return now.length === 2 && !now.includes(still) ? true : undefined;
      },
      () => server.err(),
    );
    const { last } = await pouring.stop();
    assert.match(server.err(), /xDS worker did not answer for 10 s; restarting it/);
    assert.ok(workersOf(server).includes(other));
    await allSee(fleet, last);
    assert.equal(await post(server, [endpointEvent('svc-0', '10.0.0.3')]), 200);
    await allSee(fleet, '10.0.0.3');
    await end(world);
  });
});
