/** Leases of one and of two replicas on a real fold and gateway: L1 to L4 of src/runtime/leases/leases.ts. Time is the test's. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Leases, leaseFamilies, leaseHealth } from '../../../src/runtime/leases/index.ts';
import { type Core, recordingLogger, startCore } from '../../admin/core.ts';

const TTL = 10_000;
const SERVICE = 'cart.shop';
/** Of one round. */
const MAX_OVERDUE = 20;

class Mesh {
  readonly core: Core;
  readonly replicas = new Map<string, Leases>();
  readonly silent = new Set<string>();
  readonly gone = new Set<string>();
  /** After each question of the keeper. */
  asked: (count: number) => unknown = () => undefined;
  readonly logger = recordingLogger();
  keeper = 'a';
  now = 0;
  term = 0;

  constructor(core: Core) {
    this.core = core;
  }

  static async start(t: TestContext, ids: readonly string[]): Promise<Mesh> {
    const mesh = new Mesh(await startCore(t));
    for (const id of ids) mesh.join(id);
    await mesh.elect('a');
    return mesh;
  }

  join(id: string): Leases {
    const others = (): string[] => [...this.replicas.keys()].filter((other) => other !== id && !this.gone.has(other));
    const leases = new Leases({
      state: this.core.projector.fold,
      ingest: this.core.ingest,
      others: {
        voters: others,
        ask: async (asked, voters) => {
          const answers = voters.map((other) =>
            this.silent.has(other) || this.gone.has(other) ? undefined : this.replicas.get(other)?.answer(asked),
          );
          await this.asked(asked.length);
          return answers;
        },
        choice: () => (this.keeper === id ? 'mine' : 'theirs'),
      },
      term: async () => this.term,
      refuse: () => undefined,
      monotonic: () => this.now,
      logger: this.logger,
      maxOverdue: MAX_OVERDUE,
    });
    this.replicas.set(id, leases);
    return leases;
  }

  async elect(id: string): Promise<void> {
    this.keeper = id;
    this.term += 1;
    const data = { keeper: 'edges', epoch: this.term, holder: `${id}/1` };
    await this.core.ingest.submit({ events: [{ type: 'keeper.elected', data }], caller: 'tendril', internal: true });
  }

  async register(count: number, holder = 'h', service = 'cart'): Promise<void> {
    const events = Array.from({ length: count }, (_, at) => ({
      type: 'endpoint.registered',
      source: 'lease:local',
      data: { namespace: 'shop', service, id: `e${at}`, address: '10.0.0.1', lease: { ttlMs: TTL, holder } },
    }));
    for (let from = 0; from < count; from += 1_000)
      await this.core.ingest.submit({ events: events.slice(from, from + 1_000), caller: 'lease:local' });
  }

  /** A second each, with heartbeats of these endpoints at a replica. */
  async run(ms: number, ids: readonly string[] = [], at = 'a'): Promise<void> {
    for (const end = this.now + ms; this.now < end; ) {
      this.now += 1_000;
      for (const id of ids) {
        const lease = this.core.projector.fold.lease(SERVICE, id, 'lease:local');
        if (lease !== undefined && lease.expired !== true) this.replicas.get(at)?.renew(lease, 'heartbeat');
      }
      for (const [id, leases] of this.replicas) if (!this.gone.has(id)) await leases.round();
    }
  }

  get served(): number {
    return this.core.projector.fold.endpointCount(SERVICE);
  }
}

test('a dead holder: its endpoint is served no longer, stands there as expired, and comes back when it registers again', async (t) => {
  const mesh = await Mesh.start(t, ['a']);
  await mesh.register(3);
  await mesh.run(2 * TTL, ['e0', 'e1']);
  const { fold } = mesh.core.projector;
  assert.equal(mesh.served, 2);
  assert.equal(fold.endpoint(SERVICE, 'e2'), undefined);
  assert.equal(fold.lease(SERVICE, 'e2', 'lease:local')?.expired, true);
  await mesh.register(3, 'h2');
  assert.equal(mesh.served, 3);
  assert.equal(fold.lease(SERVICE, 'e2', 'lease:local')?.expired, undefined);
  await mesh.run(2 * TTL, ['e0', 'e1', 'e2']);
  assert.equal(mesh.served, 3);
  assert.deepEqual(mesh.replicas.get('a')?.panics, []);
});

test('L1: a heartbeat at any replica counts; a keeper whose term is over changes nothing', async (t) => {
  const mesh = await Mesh.start(t, ['a', 'b']);
  await mesh.register(4);
  await mesh.run(4 * TTL, ['e0', 'e1', 'e2', 'e3'], 'b');
  assert.equal(mesh.served, 4);
  // Another one has begun a term that this keeper does not know of yet.
  const stale = mesh.term;
  await mesh.elect('b');
  mesh.keeper = 'a';
  mesh.term = stale;
  const { rejected } = mesh.core.projector.fold.counters;
  await mesh.run(3 * TTL);
  assert.equal(mesh.served, 4);
  assert.ok(mesh.core.projector.fold.counters.rejected > rejected, 'it was fenced, not idle');
});

test('L2: nothing expires while a replica that may have heard of it does not answer', async (t) => {
  const mesh = await Mesh.start(t, ['a', 'b']);
  await mesh.register(4);
  mesh.silent.add('b');
  await mesh.run(5 * TTL);
  assert.equal(mesh.served, 4);
  assert.ok((mesh.replicas.get('a')?.counters.incomplete ?? 0) > 0);
  mesh.silent.delete('b');
  await mesh.run(2_000);
  assert.equal(mesh.served, 2);
});

test('L3: a replica dies, keeper or not: whole TTLs from then on, no wrong expiry, and the dead go afterwards', async (t) => {
  const mesh = await Mesh.start(t, ['a', 'b']);
  await mesh.register(4);
  const alive = ['e0', 'e1', 'e2'];
  await mesh.run(TTL - 2_000, alive, 'a');
  // The keeper dies; its clients are at the other one a moment later.
  mesh.gone.add('a');
  await mesh.elect('b');
  await mesh.run(TTL - 3_000, [], 'b');
  assert.equal(mesh.served, 4);
  await mesh.run(2_000, alive, 'b');
  assert.equal(mesh.served, 4);
  await mesh.run(TTL, alive, 'b');
  assert.equal(mesh.served, 3);
  assert.equal(mesh.core.projector.fold.lease(SERVICE, 'e3', 'lease:local')?.expired, true);
  // One that is no keeper dies, with all that it had heard.
  mesh.join('c');
  await mesh.run(2 * TTL, alive, 'c');
  mesh.gone.add('c');
  await mesh.run(TTL - 3_000, [], 'b');
  await mesh.run(2 * TTL, alive, 'b');
  assert.equal(mesh.served, 3);
});

test('a replica that has just started says of leases that it has not heard: not for longer than it lives', async (t) => {
  const mesh = await Mesh.start(t, ['a', 'b']);
  await mesh.register(2);
  await mesh.run(TTL - 1_000, ['e0', 'e1'], 'b');
  mesh.join('b');
  await mesh.run(TTL - 3_000);
  assert.equal(mesh.served, 2);
});

test('L2: a replica that leaves between two questions of a round has not answered', async (t) => {
  const mesh = await Mesh.start(t, ['a', 'b']);
  await mesh.register(600);
  mesh.asked = () => mesh.gone.add('b');
  await mesh.run(TTL + 1_000);
  assert.equal(mesh.served, 600);
  assert.equal(mesh.replicas.get('a')?.counters.incomplete, 1);
});

test('while its expiry is written a lease is shown as expired: a heartbeat gets 404, and a registration is an event', async (t) => {
  const mesh = await Mesh.start(t, ['a']);
  await mesh.register(2);
  const seen: unknown[] = [];
  const { ingest } = mesh.core;
  const submit = ingest.submit.bind(ingest);
  t.mock.method(ingest, 'submit', (request: Parameters<typeof submit>[0]) => {
    const lease = (id: string) => mesh.replicas.get('a')?.lease(SERVICE, id, 'lease:local')?.expired;
    if ((request.events[0] as { type?: string }).type === 'endpoint.expired') seen.push(lease('e0'), lease('e1'));
    return submit(request);
  });
  await mesh.run(2 * TTL, ['e1']);
  assert.deepEqual(seen, [true, undefined]);
  assert.equal(mesh.served, 1);
});

test('more overdue leases than one round looks at: those behind have their turn, and each panic is told', async (t) => {
  const mesh = await Mesh.start(t, ['a']);
  const lease = { ttlMs: TTL, holder: 'h' };
  const events = Array.from({ length: MAX_OVERDUE + 1 }, (_, at) => ({
    type: 'endpoint.registered',
    source: 'lease:local',
    data: { namespace: 'shop', service: `a${at}`, id: 'x', address: '10.0.0.1', lease },
  }));
  await mesh.core.ingest.submit({ events, caller: 'lease:local' });
  await mesh.register(4);
  await mesh.run(TTL + 4_000, ['e0', 'e1', 'e2']);
  assert.equal(mesh.served, 3);
  const leases = mesh.replicas.get('a');
  assert.deepEqual([leases?.panics.length, leases?.panicCount], [MAX_OVERDUE + 1, MAX_OVERDUE + 1]);
});

test('L4, K6: a heartbeat that crosses its expiry at another replica is told at once; the registration that follows overtakes it', async (t) => {
  const mesh = await Mesh.start(t, ['a', 'b']);
  await mesh.register(4);
  const { ingest, projector } = mesh.core;
  const { fold } = projector;
  const atB = (id: string) => mesh.replicas.get('b')?.lease(SERVICE, id, 'lease:local')?.expired;
  await mesh.run(TTL - 1_000, ['e0', 'e1', 'e2'], 'b');
  assert.deepEqual(['e0', 'e3'].map(atB), [undefined, undefined], 'nobody has asked yet');
  const seen: unknown[] = [];
  mesh.asked = async () => {
    mesh.asked = () => undefined;
    seen.push(...['e0', 'e1', 'e2', 'e3'].map(atB));
    const data = {
      namespace: 'shop',
      service: 'cart',
      id: 'e3',
      address: '10.0.0.1',
      lease: { ttlMs: TTL, holder: 'h' },
    };
    await ingest.submit({
      events: [{ type: 'endpoint.registered', source: 'lease:local', data }],
      caller: 'lease:local',
    });
  };
  const { rejected } = fold.counters;
  await mesh.run(2_000, ['e0', 'e1', 'e2'], 'b');
  assert.deepEqual(seen, [undefined, undefined, undefined, true]);
  assert.equal(fold.counters.rejected, rejected + 1, 'the expiry was on its way, and is overtaken');
  assert.deepEqual([mesh.served, atB('e3')], [4, undefined]);
  // Told to be overdue, and kept: who comes back then need not register for ever.
  mesh.keeper = 'nobody';
  await mesh.run(TTL, ['e0'], 'b');
  mesh.replicas
    .get('b')
    ?.answer([[SERVICE, 'e1', 'lease:local', fold.lease(SERVICE, 'e1', 'lease:local')?.offset ?? 0]]);
  await mesh.run(60_000, ['e0'], 'b');
  assert.equal(atB('e1'), true);
  await mesh.run(1_000, ['e0'], 'b');
  assert.equal(atB('e1'), undefined);
});

test('L4: questions that take too long: nothing is written so late, smaller services have their turn, and fewer are asked about', async (t) => {
  const mesh = await Mesh.start(t, ['a', 'b']);
  const { fold } = mesh.core.projector;
  const incomplete = () => mesh.replicas.get('a')?.counters.incomplete ?? 0;
  // Two questions of 500 take too long: the third one is not asked.
  await mesh.register(1_100);
  const asked = new Set<number>();
  const small = Array.from({ length: MAX_OVERDUE / 2 }, (_, at) => `s${at}`);
  for (const service of small) await mesh.register(2, 'h', service);
  const left = () => small.map((service) => fold.endpointCount(`${service}.shop`));
  mesh.asked = (count) => {
    asked.add(count);
    mesh.now += count > MAX_OVERDUE ? 2_800 : 300 * count;
  };
  await mesh.run(12 * TTL);
  assert.equal(mesh.served, 1_100);
  assert.ok(incomplete() > 0);
  assert.ok(asked.has(500) && !asked.has(100));
  assert.deepEqual(
    left(),
    small.map(() => 1),
  );
  mesh.asked = () => undefined;
  await mesh.run(3_000);
  assert.equal(mesh.served, 550);
});

test('L4: a write that takes too long is the last one of its round; the next round asks again, and writes the rest', async (t) => {
  const mesh = await Mesh.start(t, ['a', 'b']);
  await mesh.register(1_100);
  const { ingest } = mesh.core;
  const submit = ingest.submit.bind(ingest);
  const served: number[] = [];
  t.mock.method(ingest, 'submit', (request: Parameters<typeof submit>[0]) => {
    if (served.length === 0) mesh.now += 6_000;
    served.push(mesh.served);
    return submit(request);
  });
  await mesh.run(TTL + 1_000);
  assert.deepEqual([served, mesh.served, mesh.replicas.get('a')?.counters.incomplete], [[1_100], 600, 1]);
  await mesh.run(1_000);
  assert.deepEqual([served, mesh.served], [[1_100, 600], 550]);
});

test('a panic is told with service and counts, by /healthz, metrics and one line of the log when it begins and when it is over', async (t) => {
  const mesh = await Mesh.start(t, ['a']);
  const leases = mesh.replicas.get('a') ?? assert.fail();
  const metric = (name: string) => leaseFamilies(leases).find((each) => each.name === name)?.samples;
  const lines = () =>
    mesh.logger.lines.map(({ level, message }) => [level, message]).filter(([, text]) => /panic/.test(text ?? ''));
  await mesh.register(5);
  await mesh.run(2 * TTL);
  const health = leaseHealth(leases);
  assert.deepEqual([health.status, health.code], ['degraded', 'LEASES_PANIC']);
  assert.deepEqual(health.services, [{ service: SERVICE, leases: 5, expired: 2, overdue: 3 }]);
  assert.match(health.message ?? '', /cart\.shop \(5 leases, 2 out, 3 silent and kept\)$/);
  assert.deepEqual(metric('tendril_leases_panic'), [{ value: 1 }]);
  assert.deepEqual(metric('tendril_leases_panic_silent'), [{ labels: { service: SERVICE }, value: 3 }]);
  await mesh.run(2_000, ['e0', 'e1', 'e2', 'e3', 'e4']);
  assert.deepEqual(leaseHealth(leases), { name: 'leases', status: 'ok', leases: 5 });
  assert.deepEqual(
    [metric('tendril_leases_panic_silent'), metric('tendril_leases_panics_total')],
    [[], [{ value: 1 }]],
  );
  assert.deepEqual(lines(), [
    ['error', 'panic: too many leases of cart.shop are silent; at most half expire, the others stay'],
    ['info', 'the panic of cart.shop is over'],
  ]);
});
