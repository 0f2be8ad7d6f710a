/** Which leases run out: K1 to K6 of src/runtime/leases/lease-keeper.ts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  FORGET_MS,
  type Lease,
  type LeaseDecision,
  LeaseKeeper,
  PEAK_MS,
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

test('K4, K2: a restart during TTLs that are longer than what ran out is kept: no other half goes', () => {
  const long = 3 * FORGET_MS;
  const stand = new Stand(leases(8).map((lease) => ({ ...lease, ttlMs: long })));
  const two = ({ id }: Lease) => id === 'e0' || id === 'e1';
  stand.run(long + 1_000, two);
  assert.equal(stand.out, 4);
  stand.keeper.begin(stand.now);
  stand.run(long + 2 * FORGET_MS, two);
  assert.deepEqual([stand.all.length, stand.out], [8, 4]);
  // All of the others are heard: the four are forgotten.
  stand.run(1_000, () => true);
  assert.deepEqual([stand.all.length, stand.out], [4, 0]);
});

test('K4, K5: processes that crash and return with new ids, as often and as fast as they like: the dead go, in the end', () => {
  const crash = fc.record({
    times: fc.integer({ min: 1, max: 12 }),
    everyMs: fc.integer({ min: 1_000, max: 6 * TTL }),
    afterMs: fc.integer({ min: 0, max: FORGET_MS }),
  });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 3 }), fc.array(crash, { minLength: 1, maxLength: 3 }), (count, crashes) => {
      const stand = new Stand(leases(count));
      let life = 0;
      const alive = ({ id }: Lease) => id.endsWith(`/${life}`) || (life === 0 && !id.includes('/'));
      for (const { times, everyMs, afterMs } of crashes)
        for (let at = 0; at < times; at += 1) {
          life += 1;
          for (const lease of leases(count))
            stand.all.push({ ...lease, id: `${lease.id}/${life}`, offset: life * 100 + lease.offset });
          stand.run(everyMs + (at === times - 1 ? afterMs : 0), alive);
          assert.ok(stand.all.every((lease) => lease.expired !== true || !alive(lease)));
        }
      const decisions = stand.run(2 * PEAK_MS + FORGET_MS + 3 * TTL, alive);
      assert.deepEqual(decisions.at(-1)?.panics, []);
      assert.deepEqual(
        stand.all.filter((lease) => !alive(lease)),
        [],
      );
    }),
    { numRuns: 10 },
  );
});

test('K5: crashes one after another are no panic; while fewer are heard than usual, half stay for as long as that is so', () => {
  const stand = new Stand(leases(2));
  let life = 0;
  const alive = ({ id }: Lease) => id.endsWith(`/${life}`);
  for (life = 1; life <= 8; life += 1) {
    for (const lease of leases(2)) stand.all.push({ ...lease, id: `${lease.id}/${life}` });
    assert.deepEqual(stand.run(2 * TTL, alive).at(-1)?.panics, [], `life ${life}`);
    assert.equal(stand.all.length - stand.out, 2);
  }
  // A few are left at once: half stay until that is usual, although what ran out could be forgotten long before (K4).
  for (const [count, heard] of [
    [8, 2],
    [10, 3],
    [4, 1],
    [100, 25],
  ] as const) {
    const few = new Stand(leases(count));
    const alive = ({ id }: Lease) => Number(id.slice(1)) < heard;
    few.run(TTL, () => true);
    few.run(PEAK_MS, alive);
    assert.deepEqual([few.all.length, few.out], [count, count / 2]);
    few.run(PEAK_MS + 2 * TTL, alive);
    assert.equal(few.all.length - few.out, heard);
  }
});

test('K5: where nobody is heard half stay for good', () => {
  const stand = new Stand(leases(10));
  stand.run(4 * PEAK_MS);
  assert.equal(stand.all.length - stand.out, 5);
  // The first that is heard again proves nothing about the others.
  stand.run(TTL, ({ id }) => id === 'e9');
  assert.equal(stand.all.length - stand.out, 5);
  assert.deepEqual(stand.run(1_000, () => true).at(-1)?.panics, []);
});

test('H2, K2: two of eight are heard: a restart, or another keeper, takes none of the four that are left', () => {
  const ids = ({ all }: Stand) => all.flatMap(({ id, expired }) => (expired === true ? [] : [id]));
  const heard =
    (...names: string[]) =>
    ({ id }: Lease) =>
      names.includes(id);
  const stand = new Stand(leases(8));
  stand.run(TTL, () => true);
  stand.run(60_000, heard('e0', 'e1'));
  const left = ids(stand);
  assert.equal(left.length, 4);
  const next = new Stand(stand.all);
  const decisions = next.run(60_000, heard('e0', 'e1'));
  assert.deepEqual(ids(next), left);
  assert.deepEqual(decisions.at(-1)?.panics, [{ service: 'cart.shop', leases: 8, expired: 4, overdue: 2 }]);
  // A replica that had heard of them is lost (L3), and fewer are heard than before.
  next.keeper.begin(next.now);
  next.run(60_000, heard('e0'));
  assert.deepEqual(ids(next), left);
  // Half of all are heard again: that is usual.
  next.run(60_000, heard(...left));
  assert.deepEqual(next.run(1_000, heard(...left))[0]?.panics, []);
});

test('K2, K4, K5: whatever falls silent, comes, returns, and is kept by whom: half of all stay, or half of what was heard at one time in the last half hour is heard', () => {
  const step = fc.record({
    ms: fc.integer({ min: 1_000, max: PEAK_MS / 2 }),
    silent: fc.array(fc.nat(11), { maxLength: 12 }),
    comes: fc.nat(2),
    begins: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 10 }), fc.array(step, { minLength: 1, maxLength: 6 }), (count, steps) => {
      const stand = new Stand(leases(count));
      const beats = new Map(stand.all.map(({ id }) => [id, 0]));
      let heardAt: number[] = [];
      /** Forgotten while others were silent, and fewer heard than usual: those count on. */
      let kept = 0;
      for (const { ms, silent, comes, begins } of steps) {
        if (begins) stand.keeper.begin(stand.now);
        for (let at = 0; at < comes; at += 1) {
          const id = `e${beats.size}`;
          beats.set(id, stand.now + 1_000);
          stand.all.push({ ...leases(1)[0], id, offset: 100 + beats.size } as Lease);
        }
        for (const end = stand.now + ms; stand.now < end; ) {
          const before = stand.all;
          stand.run(1, ({ id }) => {
            if (silent.includes(Number(id.slice(1)))) return false;
            beats.set(id, stand.now);
            return true;
          });
          const held = before.filter(({ expired }) => expired !== true);
          const heard = held.filter(({ id }) => stand.now - (beats.get(id) ?? 0) < TTL).length;
          // Time in which nobody is heard does not count.
          if (heard > 0) heardAt.push(heard);
          const most = Math.max(...heardAt.slice(-(PEAK_MS - 60_000) / 1_000));
          const isUsual = heard > 0 && 2 * heard >= most;
          const forgotten = before.length - stand.all.length;
          if (forgotten > 0 && heard < held.length && !isUsual) kept += forgotten;
          else if (forgotten > 0) {
            // Of what is forgotten rightly a watch that begins later does not know.
            heardAt = heardAt.map((each) => Math.min(each, stand.all.length + kept));
          }
          if (held.length === stand.all.length - stand.out) continue;
          assert.ok(
            stand.out + kept <= Math.floor((before.length + kept) / 2) || isUsual,
            `${stand.out} and ${kept} of ${before.length} out, ${heard} heard, ${most} at most`,
          );
        }
      }
    }),
    { numRuns: 40 },
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
