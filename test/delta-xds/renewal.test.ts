/** When a generation is renewed (R1 to R4), and how long that is remembered. What is sent then: transcripts `renewal*`, model. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createAdsServer } from '../../src/delta-xds/index.ts';
import { decideRenewal, type RenewalFacts } from '../../src/delta-xds/renewal.ts';
import { RenewalMemory } from '../../src/delta-xds/renewal-memory.ts';
import { LDS, RDS, VHDS } from '../../src/proto/index.ts';
import {
  assignmentBody,
  clusterBody,
  listenerBody,
  MemoryMesh,
  nodeOf,
  virtualHostBody,
} from './support/memory-mesh.ts';
import { RawClient } from './support/raw-client.ts';

const DAY = 86_400_000;
const LIMITS = { renewalStale: 100, renewalPercent: 25, renewalEveryMs: DAY, renewalUnseen: 0 };
/** Nothing holds it back. */
const FREE: RenewalFacts = {
  stale: 100,
  held: 400,
  ready: true,
  drains: false,
  last: undefined,
  longest: 0,
  drainMs: 600_000,
};

const wordOf = (facts: Partial<RenewalFacts>, limits: Partial<typeof LIMITS> = {}, now = 5 * DAY): string => {
  const verdict = decideRenewal({ ...FREE, ...facts }, { ...LIMITS, ...limits }, now);
  return verdict.is === 'held' ? verdict.why.replace('renewalsHeld', '') : verdict.is;
};

test('enough must have gathered, in number and in share (R1)', () => {
  assert.equal(wordOf({}), 'renew');
  assert.equal(wordOf({ stale: 99 }), 'rest');
  assert.equal(wordOf({ held: 401 }), 'rest');
  assert.equal(wordOf({ stale: 3, held: 12 }, { renewalStale: 3 }), 'renew');
  assert.equal(wordOf({ stale: 1, held: 10_000 }, { renewalStale: 1, renewalPercent: 0 }), 'renew');
});

test('two renewals are a day apart, to the millisecond (R2)', () => {
  assert.equal(wordOf({ last: 4 * DAY }), 'renew');
  assert.equal(wordOf({ last: 4 * DAY + 1 }), 'Recent');
  assert.equal(wordOf({ last: 4 * DAY + 1 }, { renewalEveryMs: 1_000 }), 'renew');
  const near = decideRenewal({ ...FREE, last: 4 * DAY + 1 }, LIMITS, 5 * DAY);
  assert.deepEqual(near, { is: 'held', why: 'renewalsHeldRecent', at: 5 * DAY + 1 });
});

test('not while an earlier generation drains, or before the listener is acknowledged (R3)', () => {
  assert.equal(wordOf({ drains: true }), 'Draining');
  assert.equal(wordOf({ ready: false }), 'Unready');
  assert.equal(wordOf({ drains: true, stale: 1 }), 'rest', 'that is no reason to count');
});

test('not while a stream outlives the drain time, nor where nothing is known of streams (R4)', () => {
  assert.equal(wordOf({ longest: 600_000 }), 'renew');
  assert.equal(wordOf({ longest: 600_001 }), 'Streams');
  assert.equal(wordOf({ longest: 5_001, drainMs: 5_000 }), 'Streams');
  assert.equal(wordOf({ longest: undefined }), 'Unseen');
  assert.equal(wordOf({ longest: undefined }, { renewalUnseen: 1 }), 'renew');
  assert.equal(wordOf({ longest: 600_001 }, { renewalUnseen: 1 }), 'Streams', 'what is known counts all the same');
});

test('whatever the facts: no verdict breaks a rule, and whoever waits looks again, later and within an hour (R1 to R4)', () => {
  const facts = fc.record({
    stale: fc.nat({ max: 300 }),
    held: fc.nat({ max: 1_200 }),
    ready: fc.boolean(),
    drains: fc.boolean(),
    last: fc.option(fc.nat({ max: 5 * DAY }), { nil: undefined }),
    longest: fc.option(fc.nat({ max: 1_000_000 }), { nil: undefined }),
    drainMs: fc.nat({ max: 1_000_000 }),
  });
  const limits = fc.record({
    renewalStale: fc.integer({ min: 1, max: 200 }),
    renewalPercent: fc.nat({ max: 100 }),
    renewalEveryMs: fc.integer({ min: 1_000, max: 30 * DAY }),
    renewalUnseen: fc.constantFrom(0, 1),
  });
  let renewed = 0;
  fc.assert(
    fc.property(facts, limits, fc.integer({ min: 5 * DAY, max: 6 * DAY }), (given, bounds, now) => {
      const verdict = decideRenewal(given, bounds, now);
      if (verdict.is === 'held') {
        const byMessage = given.drains || !given.ready;
        if (byMessage) assert.equal(verdict.at, 0);
        else assert.ok(verdict.at > now && verdict.at <= now + 3_600_000);
      }
      if (verdict.is !== 'renew') return;
      renewed++;
      assert.ok(given.stale >= bounds.renewalStale && given.stale * 100 >= given.held * bounds.renewalPercent);
      assert.ok(given.last === undefined || now - given.last >= bounds.renewalEveryMs);
      assert.ok(given.ready && !given.drains);
      assert.ok(given.longest === undefined ? bounds.renewalUnseen === 1 : given.longest <= given.drainMs);
    }),
    { numRuns: 5_000 },
  );
  assert.ok(renewed > 50, `only ${renewed} renewals`);
});

test('renewals are remembered by node, those of longest ago are forgotten first (R2)', () => {
  const memory = new RenewalMemory(3);
  for (const [at, node] of ['a', 'b', 'c'].entries()) memory.note(node, at);
  memory.note('a', 3);
  memory.note('d', 4);
  assert.deepEqual(
    ['a', 'b', 'c', 'd'].map((node) => memory.last(node)),
    [3, undefined, 2, 4],
  );
  assert.equal(memory.size, 3);
});

test('over gRPC: two streams of one node, its streams as the access logs tell, one renewal for both (R2, R4)', async () => {
  const mesh = new MemoryMesh();
  mesh.renewable = true;
  mesh.listeners.set('outbound', listenerBody('outbound', 'l-0'));
  mesh.set('cds', 'old.shop:80', clusterBody('old.shop:80', 'c-1', true));
  mesh.set('eds', 'old.shop:80', assignmentBody('old.shop:80', 'e-1', [8_080]));
  mesh.set('vhds', 'old.shop:80', virtualHostBody('h-1', ['old.shop'], ['old.shop:80']));
  const asked: string[] = [];
  let longest: number | undefined = 600_001;
  const server = createAdsServer({
    source: mesh,
    transport: 'http2',
    limits: { renewalStale: 1 },
    clock: () => performance.now(),
    now: Date.now,
    random: Math.random,
    logger: { info: () => undefined, warn: () => undefined },
    identifier: 'tendril/test/0',
    longStream: (node) => {
      asked.push(node);
      return longest;
    },
  });
  const { port } = await server.listen('127.0.0.1', 0);
  const clients = [new RawClient(port), new RawClient(port)];
  /** Listener, route configuration, the opening of VHDS, one host: the client's side of it. */
  const begin = async (client: RawClient): Promise<void> => {
    client.send({ typeUrl: LDS, node: nodeOf('app.shop') });
    const { nonce } = await client.response(0);
    client.send({ typeUrl: LDS, responseNonce: nonce });
    client.send({ typeUrl: RDS, subscribe: ['outbound'] });
    client.send({ typeUrl: VHDS });
    client.send({ typeUrl: VHDS, subscribe: ['outbound/old.shop'] });
    await client.response(3);
  };
  const expire = async (): Promise<void> => {
    mesh.expired.set('app.shop', ['old.shop:80']);
    mesh.changed('caller|app.shop');
    await server.wake();
  };
  try {
    for (const client of clients) await begin(client);
    await expire();
    assert.deepEqual(asked, ['sidecar~1~app.shop', 'sidecar~1~app.shop']);
    assert.equal(server.counters().renewalsHeldStreams, 2);
    assert.equal(server.counters().staleHosts, 2);
    longest = 600_000;
    await expire();
    const generations = server.sessions().map(({ generation, stale }) => [generation, stale]);
    assert.deepEqual(generations, [
      [1, 0],
      [0, 1],
    ]);
    const { renewals, renewalsHeldRecent, staleHosts } = server.counters();
    assert.deepEqual([renewals, renewalsHeldRecent, staleHosts], [1, 1, 1]);
    const [renewed] = clients;
    await renewed?.response(6);
    const versions = renewed?.resources(LDS).map(({ version }) => version);
    assert.deepEqual(versions, ['l-0', 'l-0~1']);
    assert.deepEqual(
      renewed?.resources(RDS).map(({ name }) => name),
      ['outbound', 'outbound~1'],
    );
    assert.deepEqual(renewed?.responses.at(-1)?.removed, ['outbound~1/-']);
  } finally {
    for (const client of clients) client.close();
    await server.close();
  }
});
