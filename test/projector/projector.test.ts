import assert from 'node:assert/strict';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { EventEnvelope } from '../../src/model/index.ts';
import { TendrilError } from '../../src/model/index.ts';
import { Projector } from '../../src/projector/index.ts';
import type { DiskGuard } from '../../src/store/index.ts';
import { closeSystem, feed, openModel, openSystem, stateOf, tempDir, withSystem } from './harness.ts';
import {
  changeEvents,
  endpoint,
  event,
  initialEvents,
  MESH,
  observed,
  policy,
  randomFrom,
  registered,
  route,
} from './mesh-events.ts';

const size = { services: 20, endpoints: 3 };

const keysOf = async (dir: string, since: number): Promise<readonly string[]> => {
  const model = await openModel(dir);
  const { keys, everything } = model.journalSince(since);
  await model.close();
  assert.equal(everything, false);
  return [...keys].sort();
};

test('an empty state is published at once, and events appear in it', async (t) => {
  const dir = tempDir(t);
  await withSystem(dir, async (system) => {
    assert.deepEqual(system.projector.notice, { epoch: 1, offset: 0 });
    const outcomes = await feed(system, registered('cart'), endpoint('cart', 'a'));
    assert.deepEqual(outcomes, [
      { offset: 1, status: 'applied' },
      { offset: 2, status: 'applied' },
    ]);
    assert.deepEqual(system.projector.totals().servicePorts, 1);
    assert.ok(system.projector.totals().fullPushBytes > 100);
    const model = await openModel(dir);
    assert.equal(model.service('cart.shop')?.defaultPort, 80);
    assert.ok(model.resource('cds||cart.shop:80') !== undefined);
    assert.ok(model.resource('eds||cart.shop:80') !== undefined);
    assert.equal(model.endpoint('cart.shop', 'a')?.address, '10.0.0.1');
    assert.equal(model.offset(), 2);
    await model.close();
  });
});

test('files opened ahead are used, or closed again', async (t) => {
  const dir = tempDir(t);
  const prepared = Projector.prepare({ dir, mesh: MESH });
  await withSystem(dir, (system) => feed(system, registered('cart')), { prepared });
  const abandoned = Projector.prepare({ dir, mesh: MESH });
  await abandoned.abandon();
  await withSystem(dir, async ({ projector }) => assert.equal(projector.notice.offset, 1));
  const foreign = Projector.prepare({ dir, mesh: 'foreign' });
  await assert.rejects(foreign.store, (error: TendrilError) => error.code === 'MESH_MISMATCH');
  await foreign.abandon();
});

test('a restart changes nothing: state, resources, outcomes, proof, totals', async (t) => {
  const dir = tempDir(t);
  const random = randomFrom(11);
  const before = await withSystem(dir, async (system) => {
    await feed(system, ...initialEvents(size));
    await feed(
      system,
      route('svc-1', { timeout: '2s', to: { v1: {} } }),
      policy('Upstream', 'svc-1', { subsets: { v1: { labels: { version: 'v1' } } } }),
      observed('svc-2.shop', 'svc-3.shop:80', 'node-1'),
      registered('', {}),
    );
    const next = changeEvents(size, random);
    for (let round = 0; round < 20; round++) await feed(system, ...Array.from({ length: round * 7 + 1 }, next));
    return {
      proof: system.projector.proof(),
      quarantine: system.projector.quarantine(),
      totals: system.projector.totals(),
    };
  });
  const state = await stateOf(dir);
  await withSystem(dir, async ({ projector, lines }) => {
    assert.deepEqual(projector.proof(), before.proof);
    assert.deepEqual(projector.quarantine(), before.quarantine);
    assert.deepEqual(projector.totals(), before.totals);
    assert.equal(projector.counters.compiled, 0, 'a clean load compiles nothing');
    assert.deepEqual(
      lines.all.filter((line) => line.level !== 'info'),
      [],
    );
  });
  assert.deepEqual(await stateOf(dir), state);
});

test('only what really changed gets a new version', async (t) => {
  const dir = tempDir(t);
  await withSystem(dir, async (system) => {
    const { projector } = system;
    await feed(
      system,
      registered('cart', {
        ports: [
          { port: 80, protocol: 'http' },
          { port: 81, protocol: 'http' },
        ],
      }),
      registered('other'),
      endpoint('cart', 'a'),
      endpoint('cart', 'b', { address: '10.0.0.2' }),
    );
    const changedBy = async (...events: readonly EventEnvelope[]): Promise<readonly string[]> => {
      const { epoch } = projector.notice;
      await feed(system, ...events);
      return keysOf(dir, epoch);
    };
    const health = (value: 'healthy' | 'unhealthy'): EventEnvelope =>
      event('endpoint.health-changed', { namespace: 'shop', service: 'cart', id: 'a', health: value });

    // `local` carries no health.
    assert.deepEqual(await changedBy(health('unhealthy')), ['eds||cart.shop:80', 'eds||cart.shop:81']);
    assert.deepEqual(await changedBy(health('unhealthy')), [], 'said again');
    assert.deepEqual(await changedBy(endpoint('cart', 'a', { address: '10.0.0.9' })), [
      'eds||cart.shop:80',
      'eds||cart.shop:81',
      'local||cart.shop',
      'own|cart.shop|a',
    ]);
    assert.deepEqual(
      await changedBy(
        event('endpoint.deregistered', { namespace: 'shop', service: 'cart', id: 'a' }),
        endpoint('cart', 'a', { address: '10.0.0.8' }),
        endpoint('cart', 'a', { address: '10.0.0.9' }),
      ),
      [],
      'away and back within one commit',
    );
    assert.deepEqual(await changedBy(event('endpoint.deregistered', { namespace: 'shop', service: 'cart', id: 'b' })), [
      'eds||cart.shop:80',
      'eds||cart.shop:81',
      'local||cart.shop',
      'own|cart.shop|b',
    ]);
    assert.deepEqual(
      await changedBy(route('cart', { scope: { service: 'cart', port: 81 }, timeout: '3s' })),
      ['vhds|ns:shop|cart.shop:81', 'vhds||cart.shop:81'],
      'a time-out of one port touches the virtual hosts of that port',
    );
    assert.deepEqual(await changedBy(route('cart', { scope: { service: 'cart', port: 81 }, timeout: '3s' })), []);
    assert.deepEqual(await changedBy(event('policy.deleted', { kind: 'Route', namespace: 'shop', name: 'cart' })), [
      'vhds|ns:shop|cart.shop:81',
      'vhds||cart.shop:81',
    ]);
    // A caller with its first edge gets a record of its own.
    assert.deepEqual(await changedBy(observed('other.shop', 'cart.shop:80', 'n1')), ['caller|other.shop']);
  });
});

test('a subset that is no longer used loses its resources', async (t) => {
  const dir = tempDir(t);
  await withSystem(dir, async (system) => {
    const upstream = (subsets: object): EventEnvelope => policy('Upstream', 'cart', { subsets });
    await feed(system, registered('cart'), endpoint('cart', 'a', { labels: { version: 'v1' } }));
    const bare = await stateOf(dir);
    await feed(system, upstream({ v1: { labels: { version: 'v1' } } }), route('cart', { to: { v1: {} } }));
    const model = await openModel(dir);
    assert.ok(model.resource('eds||cart.shop:80/v1') !== undefined);
    const { epoch } = system.projector.notice;
    await feed(
      system,
      event('policy.deleted', { kind: 'Route', namespace: 'shop', name: 'cart' }),
      event('policy.deleted', { kind: 'Upstream', namespace: 'shop', name: 'cart' }),
    );
    const { keys } = model.journalSince(epoch);
    assert.ok(keys.includes('eds||cart.shop:80/v1') && keys.includes('cds||cart.shop:80/v1'));
    assert.equal(model.resource('eds||cart.shop:80/v1'), undefined);
    assert.equal(model.resource('cds||cart.shop:80/v1'), undefined);
    await model.close();
    assert.deepEqual((await stateOf(dir)).resource, bare.resource);
    await feed(system, event('service.deregistered', { namespace: 'shop', name: 'cart' }));
    assert.deepEqual((await stateOf(dir)).resource, {});
    assert.deepEqual((await stateOf(dir)).unit, {});
    assert.equal(system.projector.totals().fullPushBytes, 0);
  });
});

test('outcomes: rejected, quarantined, duplicate and batch are kept; applied ones cost nothing', async (t) => {
  const dir = tempDir(t);
  const once = registered('cart');
  const batch = (index: number, ...more: readonly EventEnvelope[]): EventEnvelope[] =>
    more.map((each, at) => ({ ...each, batch: { id: `b${index}`, index: at, size: more.length } }));
  const first = await withSystem(dir, async (system) => {
    const { projector } = system;
    await feed(system, once);
    const outcomes = await feed(
      system,
      once,
      { ...registered('cart', { labels: { a: 'b' } }), expect: 999 },
      { ...registered('x'), data: { namespace: 'shop', name: 'x', ports: 'none' } } as unknown as EventEnvelope,
      ...batch(1, endpoint('cart', 'a'), { ...endpoint('cart', 'b'), expect: 77 }),
      ...batch(2, endpoint('cart', 'c'), endpoint('cart', 'd')),
    );
    assert.deepEqual(
      outcomes.map(({ status, code, duplicateOf }) => [status, code, duplicateOf]),
      [
        ['duplicate', undefined, 1],
        ['rejected', 'expect', undefined],
        ['quarantined', outcomes[2]?.code, undefined],
        ['rejected', 'batch', undefined],
        ['rejected', 'expect', undefined],
        ['applied', undefined, undefined],
        ['applied', undefined, undefined],
      ],
    );
    assert.equal(projector.outcomeOf(99), undefined);
    assert.equal(projector.outcomeOf(1)?.status, 'applied');
    assert.deepEqual(
      projector.quarantine().map(({ offset }) => offset),
      [4],
    );
    assert.deepEqual(projector.quarantine({ after: 4 }), []);
    // Far apart, so each is looked up alone.
    assert.deepEqual(
      projector.outcomesOf([1, 2, 8]).map(({ status }) => status),
      ['applied', 'duplicate', 'applied'],
    );
    return { outcomes, fold: { ...projector.fold.counters } };
  });
  await withSystem(dir, async ({ projector }) => {
    assert.deepEqual(projector.outcomesOf([2, 3, 4, 5, 6, 7, 8]), first.outcomes);
    assert.deepEqual(projector.queries.quarantineCount(), 1);
  });
});

test('idempotency survives restarts', async (t) => {
  const dir = tempDir(t);
  const once = registered('cart');
  await withSystem(dir, (system) => feed(system, once));
  for (let restart = 0; restart < 3; restart++) {
    await withSystem(dir, async (system) => {
      const [outcome] = await feed(system, once);
      assert.deepEqual([outcome?.status, outcome?.duplicateOf], ['duplicate', 1]);
    });
  }
});

test('P2: notices are numbered without gaps, follow the commit, and a bad listener hurts nobody', async (t) => {
  const dir = tempDir(t);
  await withSystem(dir, async (system) => {
    const { projector, log, lines } = system;
    const model = await openModel(dir);
    const seen: number[] = [];
    projector.onNotice(() => {
      throw new Error('listener');
    });
    const end = projector.onNotice(({ epoch, offset }) => {
      seen.push(epoch);
      assert.ok(model.journalSince(epoch - 1).epoch >= epoch, 'visible before the notice');
      assert.ok(model.offset() >= offset);
    });
    await Promise.all(Array.from({ length: 50 }, async (_, at) => log.append([registered(`s${at}`)])));
    await projector.waitFor(log.head().offset);
    assert.deepEqual(
      seen,
      Array.from({ length: seen.length }, (_, at) => at + 2),
    );
    end();
    await feed(system, registered('last'));
    assert.equal(seen.length, projector.notice.epoch - 2);
    assert.ok(lines.has('error', 'a listener of notices failed'));
    await model.close();
  });
});

test('waitFor: at once, later, aborted, closed', async (t) => {
  const dir = tempDir(t);
  const system = await openSystem(dir);
  const { projector, log } = system;
  assert.deepEqual(await projector.waitFor(0), { epoch: 1, offset: 0 });
  const waiting = [5, 3, 4, 3, 1].map((offset) => projector.waitFor(offset));
  const abort = new AbortController();
  const aborted = assert.rejects(projector.waitFor(2, abort.signal), /enough/);
  abort.abort(new Error('enough'));
  await aborted;
  await assert.rejects(projector.waitFor(2, AbortSignal.abort(new Error('before'))), /before/);
  await log.append(['a', 'b', 'c', 'd', 'e'].map((name) => registered(name)));
  for (const notice of await Promise.all(waiting)) assert.equal(notice.offset, 5);
  const never = assert.rejects(projector.waitFor(6), (error: TendrilError) => error.code === 'STATE_CLOSED');
  await closeSystem(system);
  await never;
  await assert.rejects(projector.waitFor(7), (error: TendrilError) => error.code === 'STATE_CLOSED');
});

test('P4: a full disk pauses the state and it goes on by itself; reading goes on meanwhile', async (t) => {
  const dir = tempDir(t);
  let isFull = false;
  const guard: DiskGuard = {
    admit: () => {
      if (isFull) throw new TendrilError('DISK_FULL', 'no room');
    },
    condition: () => ({ state: isFull ? 'full' : 'ok', freeBytes: 0, reserveBytes: 0 }),
    refused: 0,
    poll: () => undefined,
    close: () => undefined,
  };
  await withSystem(
    dir,
    async (system) => {
      const { projector, log, lines, clock } = system;
      await feed(system, registered('before'));
      isFull = true;
      await log.append([registered('cart')]);
      await log.append([registered('more')]);
      while (projector.condition().state !== 'waiting-for-disk') await new Promise((done) => setTimeout(done, 5));
      assert.equal(projector.condition().code, 'DISK_FULL');
      assert.equal(projector.outcomeOf(1)?.status, 'applied');
      assert.equal(projector.lag().events, 2);
      clock.at += 6_000;
      assert.deepEqual([projector.lag().ms, projector.lag().tooFar], [6_000, true]);
      isFull = false;
      await projector.waitFor(3);
      assert.deepEqual(projector.condition(), { state: 'live', failedUnits: 0 });
      assert.deepEqual(projector.lag(), { events: 0, ms: 0, tooFar: false });
      assert.ok(lines.has('warn', 'waits for room'));
    },
    { guard },
  );
  await withSystem(dir, async ({ projector }) => {
    assert.equal(projector.notice.offset, 3);
    assert.ok(projector.fold.service('more.shop') !== undefined);
  });
});

test('P4: a log that ends under the projector ends it, loudly', async (t) => {
  const dir = tempDir(t);
  const { projector, log, lines } = await openSystem(dir);
  const waiting = assert.rejects(projector.waitFor(1), (error: TendrilError) => error.code === 'LOG_CLOSED');
  await log.close();
  await waiting;
  assert.deepEqual([projector.condition().state, projector.condition().code], ['failed', 'LOG_CLOSED']);
  assert.ok(lines.has('error', 'the projector has stopped'));
  await projector.close();
});

test('P4: a failed commit makes the state read-only, loudly; a restart goes on', async (t) => {
  const dir = tempDir(t);
  const system = await openSystem(dir);
  const { projector, log, lines } = system;
  await feed(system, registered('cart'));
  // Somebody else has taken the writer's place.
  for (const name of readdirSync(join(dir, 'state'))) if (/^writer-/.test(name)) rmSync(join(dir, 'state', name));
  await log.append([registered('late')]);
  await assert.rejects(projector.waitFor(2), (error: TendrilError) => error.code === 'DATA_READ_ONLY');
  assert.deepEqual([projector.condition().state, projector.condition().code], ['failed', 'DATA_READ_ONLY']);
  assert.ok(lines.has('error', 'the projector has stopped'));
  assert.equal(projector.outcomeOf(1)?.status, 'applied');
  assert.equal(projector.lag().events, 1);
  await assert.rejects(projector.waitFor(2), (error: TendrilError) => error.code === 'DATA_READ_ONLY');
  const model = await openModel(dir);
  assert.ok(model.service('cart.shop') !== undefined);
  assert.equal(model.service('late.shop'), undefined);
  await model.close();
  await closeSystem(system);
  await withSystem(dir, async (again) => {
    assert.equal(again.projector.notice.offset, 2);
    assert.ok(again.projector.fold.service('late.shop') !== undefined);
  });
});
