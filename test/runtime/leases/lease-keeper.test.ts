/** Which leases run out: K1 to K4 of src/runtime/leases/lease-keeper.ts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  FORGET_MS,
  type Lease,
  type LeaseDecision,
  LeaseKeeper,
  portionOf,
} from '../../../src/runtime/leases/index.ts';

const TTL = 10_000;
const leases = (count: number, service = 'cart.shop'): Lease[] =>
  Array.from({ length: count }, (_, at) => ({
    service,
    id: `e${at}`,
    source: 'lease:local',
    ttlMs: TTL,
    offset: at + 1,
  }));

/** A keeper and its leases; expiries are folded at once, as events do it: by another object. */
class Stand {
  now = 0;
  readonly keeper = new LeaseKeeper(0);
  all: Lease[];

  constructor(all: Lease[]) {
    this.all = all;
    this.round();
  }

  /** The process runs: a round each second. */
  run(ms: number, alive: (lease: Lease) => boolean = () => false): LeaseDecision[] {
    const decisions: LeaseDecision[] = [];
    for (const end = this.now + ms; this.now < end; ) {
      this.now += 1_000;
      for (const lease of this.all) if (lease.expired !== true && alive(lease)) this.keeper.renew(lease, this.now);
      decisions.push(this.round());
    }
    return decisions;
  }

  round(): LeaseDecision {
    const overdue = this.keeper.overdue(this.all, this.now);
    const decision = this.keeper.decide(
      overdue,
      (name) => this.all.filter(({ service }) => service === name),
      this.now,
    );
    this.all = this.all.flatMap((lease): Lease[] => {
      if (decision.forget.includes(lease)) return [];
      return [decision.expire.includes(lease) ? { ...lease, expired: true } : lease];
    });
    return decision;
  }

  get out(): number {
    return this.all.filter(({ expired }) => expired === true).length;
  }
}

test('K1: a silent one runs out after its TTL, not before, and those that are heard stay', () => {
  const stand = new Stand(leases(4));
  const alive = ({ id }: Lease) => id !== 'e0';
  stand.run(TTL - 1_000, alive);
  assert.equal(stand.out, 0);
  stand.run(1_000, alive);
  assert.deepEqual(
    stand.all.filter(({ expired }) => expired).map(({ id }) => id),
    ['e0'],
  );
  stand.run(5 * TTL, alive);
  assert.equal(stand.out, 1);
});

test('K1: while the process stands still no time passes, and a watch that begins gives whole TTLs', () => {
  const stand = new Stand(leases(4));
  stand.run(TTL - 1_000);
  stand.now += 3_600_000;
  stand.round();
  assert.equal(stand.out, 0);
  stand.keeper.begin(stand.now);
  stand.run(TTL - 1_000);
  assert.equal(stand.out, 0);
  stand.run(1_000);
  assert.equal(stand.out, 2);
});

test('K2: at most half of a service goes, the only one stays; the panic names the counts and ends with the heartbeats', () => {
  for (const count of [1, 2, 3, 7, 8]) {
    const stand = new Stand(leases(count));
    const decisions = stand.run(3 * TTL);
    const half = Math.floor(count / 2);
    assert.equal(stand.out, half);
    assert.deepEqual(decisions.at(-1)?.panics, [
      { service: 'cart.shop', leases: count, expired: half, overdue: count - half },
    ]);
    assert.deepEqual(stand.run(1_000, () => true)[0]?.panics, []);
  }
});

test('K2: another keeper, which has only what the log says, lets none of the other half go', () => {
  const stand = new Stand(leases(8));
  stand.run(2 * TTL);
  const next = new Stand(stand.all);
  next.run(3 * TTL);
  assert.equal(next.out, 4);
});

test('K3: who is silent for longest goes first', () => {
  const stand = new Stand(leases(4));
  stand.run(5_000, ({ id }) => id === 'e2' || id === 'e3');
  stand.run(2 * TTL);
  assert.deepEqual(
    stand.all.filter(({ expired }) => expired).map(({ id }) => id),
    ['e0', 'e1'],
  );
});

test('K4: what ran out is forgotten later, and not while others of its service are overdue', () => {
  const stand = new Stand(leases(4));
  const alive = ({ id }: Lease) => id !== 'e0';
  stand.run(TTL, alive);
  stand.run(FORGET_MS - 1_000, alive);
  assert.equal(stand.all.length, 4);
  stand.run(2_000, alive);
  assert.deepEqual(
    stand.all.map(({ id }) => id),
    ['e1', 'e2', 'e3'],
  );
  const panic = new Stand(leases(4));
  panic.run(2 * TTL + FORGET_MS);
  assert.deepEqual([panic.all.length, panic.out], [4, 2]);
});

test('K4: a process that crashes and returns with new ids, at most twice in ten minutes: the dead endpoints go, in the end', () => {
  const crash = fc.record({ count: fc.integer({ min: 1, max: 2 }), afterMs: fc.integer({ min: 0, max: FORGET_MS }) });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 3 }), fc.array(crash, { minLength: 1, maxLength: 4 }), (count, crashes) => {
      const stand = new Stand(leases(count));
      let life = 0;
      const alive = ({ id }: Lease) => id.endsWith(`/${life}`) || (life === 0 && !id.includes('/'));
      for (const { count: times, afterMs } of crashes) {
        for (let at = 0; at < times; at += 1) {
          life += 1;
          for (const lease of leases(count))
            stand.all.push({ ...lease, id: `${lease.id}/${life}`, offset: life * 100 + lease.offset });
          stand.run(2 * TTL + (at === times - 1 ? afterMs : 0), alive);
          assert.ok(stand.all.every((lease) => lease.expired !== true || !alive(lease)));
          assert.ok(stand.out <= Math.floor(stand.all.length / 2));
        }
        stand.run(2 * FORGET_MS + 2 * TTL, alive);
        assert.deepEqual(
          stand.all.filter((lease) => !alive(lease) && lease.expired !== true),
          [],
        );
      }
    }),
    { numRuns: 15 },
  );
});

test('a portion of what is overdue: whole services, and each has its turn', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 12 }),
      fc.integer({ min: 1, max: 10 }),
      (sizes, limit) => {
        const all = sizes.flatMap((size, at) => leases(size, `s${at}.shop`));
        const had = new Set<string>();
        let after = '';
        for (let round = 0; round < sizes.length; round += 1) {
          const portion = portionOf(all, limit, after);
          after = portion.after;
          const names = new Set(portion.taken.map(({ service }) => service));
          assert.ok(names.size > 0 && (names.size === 1 || portion.taken.length <= limit));
          for (const name of names) had.add(name);
          assert.equal(portion.taken.length, all.filter(({ service }) => names.has(service)).length);
        }
        assert.equal(had.size, sizes.length);
      },
    ),
  );
});

test('K1, K2: whoever falls silent, whenever the process stands still: no holder that is heard in time loses its lease', () => {
  const step = fc.record({
    ms: fc.integer({ min: 1, max: 4 * TTL }),
    isPause: fc.boolean(),
    silent: fc.array(fc.nat(9), { maxLength: 10 }),
    begins: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 10 }), fc.array(step, { maxLength: 12 }), (count, steps) => {
      const stand = new Stand(leases(count));
      const wasSilent = new Set<string>();
      for (const { ms, isPause, silent, begins } of steps) {
        if (begins) stand.keeper.begin(stand.now);
        for (const at of silent) if (!isPause) wasSilent.add(`e${at}`);
        if (isPause) {
          stand.now += 3_000 + ms;
          stand.round();
        } else stand.run(ms, ({ id }) => !silent.includes(Number(id.slice(1))));
        for (const { id, expired } of stand.all)
          assert.ok(expired !== true || wasSilent.has(id), `${id} was never silent`);
        assert.ok(stand.out <= Math.floor(stand.all.length / 2));
      }
    }),
    { numRuns: 200 },
  );
});
