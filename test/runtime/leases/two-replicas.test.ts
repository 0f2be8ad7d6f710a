/**
 * The lease keeper of two replicas of one log, with the real choice of a keeper and its spans (`ReplicaGroup`): L1 to L3 of
 * src/runtime/leases/leases.ts. Time and who hears whom are the test's.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Leases } from '../../../src/runtime/leases/index.ts';
import { ReplicaGroup, type ReplicaQuestion, type ReplicaStatement } from '../../../src/runtime/replicas/index.ts';
import { type Core, recordingLogger, startCore } from '../../admin/core.ts';

const TTL = 3_000;
const LOST = 5_000;
const SERVICE = 'cart.shop';

interface Replica {
  readonly group: ReplicaGroup;
  readonly leases: Leases;
}

class Mesh {
  readonly core: Core;
  readonly replicas = new Map<string, Replica>();
  readonly dead = new Set<string>();
  now = 0;

  constructor(core: Core) {
    this.core = core;
  }

  get keeper(): string {
    return this.core.projector.fold.keeperHolder('edges') ?? '';
  }

  get term(): number {
    return this.core.projector.fold.keeperEpoch('edges');
  }

  get served(): number {
    return this.core.projector.fold.endpointCount(SERVICE);
  }

  join(t: TestContext, id: string): void {
    const { ingest, projector } = this.core;
    const statement = (of: string): ReplicaStatement => {
      if (this.dead.has(of)) throw new Error('no answer');
      return { id: of, mesh: 'default', version: '1', state: 'serving', offset: 0, sidecars: 0, proofs: [] };
    };
    const group = new ReplicaGroup({
      self: id,
      holderName: `${id}/1`,
      mesh: 'default',
      state: projector.fold,
      statement: () => statement(id),
      ingest,
      monotonic: () => this.now,
      onBegin: () => this.#begin(id),
      isOut: () => false,
      onOdd: (why) => assert.fail(why),
      logger: recordingLogger(),
      peer: (admin) => ({
        statement: async () => statement(admin.slice('http://'.length)),
        ask: async (_term: number, question: ReplicaQuestion) => {
          const peer = admin.slice('http://'.length);
          statement(peer);
          assert.equal(question.what, 'leases');
          const answers = question.what === 'leases' ? this.replicas.get(peer)?.leases.answer(question.leases) : [];
          return { answers: answers ?? [], complete: true };
        },
      }),
      roundMs: 3_600_000,
      lostMs: LOST,
    });
    t.after(() => group.close());
    const leases = new Leases({
      state: projector.fold,
      ingest,
      others: {
        voters: () => group.voters(),
        ask: (asked, voters) => group.askLeases(asked, voters),
        choice: () => group.keeper(),
      },
      term: async () => this.term,
      refuse: () => undefined,
      monotonic: () => this.now,
      logger: recordingLogger(),
    });
    this.replicas.set(id, { group, leases });
    group.start(`http://${id}`);
  }

  async #begin(id: string): Promise<void> {
    const data = { keeper: 'edges', epoch: this.term + 1, holder: `${id}/1` };
    await this.core.ingest.submit({ events: [{ type: 'keeper.elected', data }], caller: 'tendril', internal: true });
  }

  async register(count: number): Promise<void> {
    const lease = { ttlMs: TTL, holder: 'h' };
    const events = Array.from({ length: count }, (_, at) => ({
      type: 'endpoint.registered',
      source: 'lease:local',
      data: { namespace: 'shop', service: 'cart', id: `e${at}`, address: '10.0.0.1', lease },
    }));
    await this.core.ingest.submit({ events, caller: 'lease:local' });
  }

  /** A second each: heartbeats of these endpoints at a replica, then a look of everybody who lives. */
  async run(ms: number, ids: readonly string[], at: string, each: () => void = () => undefined): Promise<void> {
    for (const end = this.now + ms; this.now < end; ) {
      this.now += 1_000;
      for (const id of ids) {
        const lease = this.core.projector.fold.lease(SERVICE, id, 'lease:local');
        if (lease !== undefined && lease.expired !== true) this.replicas.get(at)?.leases.renew(lease, 'heartbeat');
      }
      for (const [id, { group, leases }] of this.replicas) {
        if (this.dead.has(id)) continue;
        await group.round();
        await leases.round();
      }
      each();
    }
  }
}

const start = async (t: TestContext): Promise<Mesh> => {
  const mesh = new Mesh(await startCore(t));
  for (const id of ['a', 'b']) mesh.join(t, id);
  await mesh.run(3_000, [], 'a');
  assert.equal(mesh.keeper, 'a/1');
  await mesh.register(4);
  return mesh;
};

const ALIVE = ['e0', 'e1', 'e2'];
const ALL = [...ALIVE, 'e3'];

test('the keeper dies, heartbeats go on at the other replica: 0 wrong expiries, and a client that dies then does expire', async (t) => {
  const mesh = await start(t);
  await mesh.run(3 * TTL, ALL, 'b', () => assert.equal(mesh.served, 4));
  mesh.dead.add('a');
  const whole = () => assert.equal(mesh.served, 4, `at ${mesh.now}`);
  await mesh.run(LOST + 3 * TTL, ALL, 'b', whole);
  assert.equal(mesh.keeper, 'b/1');
  // The client dies while the dead keeper is still waited for: it may have heard of it, so nothing expires before that is over.
  await mesh.run(12 * LOST, ALIVE, 'b', () => assert.ok(mesh.served >= 3));
  assert.equal(mesh.served, 3);
  assert.equal(mesh.core.projector.fold.lease(SERVICE, 'e3', 'lease:local')?.expired, true);
});

test('the keeper dies with all signs of life: its clients come to the other replica a TTL later, and none has expired', async (t) => {
  const mesh = await start(t);
  await mesh.run(2 * TTL, ALL, 'a');
  mesh.dead.add('a');
  await mesh.run(TTL, [], 'b', () => assert.equal(mesh.served, 4));
  await mesh.run(12 * LOST, ALL, 'b', () => assert.equal(mesh.served, 4, `at ${mesh.now}`));
  assert.equal(mesh.keeper, 'b/1');
});

test('the other replica dies, with what it had heard: nothing expires while it may still take signs of life, the dead go after', async (t) => {
  const mesh = await start(t);
  await mesh.run(2 * TTL, ALL, 'b');
  mesh.dead.add('b');
  // No client is heard until it is no longer waited for, and a moment after: no expiry, all leases begin anew then.
  const incomplete = (): number => mesh.replicas.get('a')?.leases.counters.incomplete ?? 0;
  await mesh.run(2 * LOST, [], 'a');
  for (let before = 0; before !== incomplete() && mesh.now < 40 * LOST; ) {
    before = incomplete();
    await mesh.run(1_000, [], 'a');
  }
  assert.ok(incomplete() > 0 && mesh.now < 40 * LOST, 'it was waited for, and then no longer');
  assert.equal(mesh.served, 4);
  await mesh.run(6 * LOST, ALIVE, 'a', () => assert.ok(mesh.served >= 3));
  assert.equal(mesh.served, 3);
  assert.equal(mesh.core.projector.fold.lease(SERVICE, 'e3', 'lease:local')?.expired, true);
});
