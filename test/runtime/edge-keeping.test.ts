/** The edge keeper at work on a real log, fold and graph; time is the test's. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { EdgeKeeper, type HolderRow } from '../../src/dependency-graph/index.ts';
import type { RecordedEvent } from '../../src/model/index.ts';
import { EdgeKeeping } from '../../src/runtime/edge-keeping.ts';
import type { KeeperChoice } from '../../src/runtime/replicas/index.ts';
import { type Core, recordingLogger, startCore } from '../admin/core.ts';

const HOUR = 3_600_000;
const TTL = 24 * HOUR;
const edge = { from: 'web.shop', to: 'cart.shop:80' };
const use = (node: string, lastMs: number) => ({ ...edge, node, requests: 5, errors: 1, lastMs });

class Stand {
  readonly core: Core;
  readonly keeping: EdgeKeeping;
  readonly logger = recordingLogger();
  readonly #clock: { now: number; set: number };
  choice: KeeperChoice = 'mine';
  answer: () => Promise<{ readonly rows: readonly HolderRow[]; readonly complete: boolean }> = () =>
    Promise.resolve({ rows: [], complete: true });

  private constructor(core: Core, clock: { now: number; set: number }, maxPauseMs: number) {
    this.core = core;
    this.#clock = clock;
    const { fold } = core.projector;
    this.keeping = new EdgeKeeping({
      keeper: new EdgeKeeper(
        {
          callersWithEdges: () => fold.callersWithEdges(),
          edges: (caller) => fold.edges(caller),
          ttlMs: (caller) => fold.graphLookup.dependency(caller).ttlMs,
        },
        { all: 0, callers: [] },
      ),
      ingest: core.ingest,
      learned: core.learned,
      askHolders: () => this.answer(),
      choice: () => this.choice,
      epoch: () => fold.keeperEpoch('edges'),
      holder: 'test',
      now: () => clock.now,
      monotonic: () => clock.now - clock.set,
      maxPauseMs,
      logger: this.logger,
    });
  }

  /** `maxPauseMs`: time passes in leaps here, without the rounds of every minute. */
  static async start(t: TestContext, maxPauseMs = Number.POSITIVE_INFINITY): Promise<Stand> {
    const clock = { now: Date.UTC(2026, 0, 1), set: 0 };
    const core = await startCore(t, { now: () => clock.now });
    const stand = new Stand(core, clock, maxPauseMs);
    await core.ingest.submit({
      events: ['web', 'cart'].map((name) => ({
        type: 'service.registered',
        data: { namespace: 'shop', name, ports: [{ port: 80, protocol: 'http' }] },
      })),
      caller: 'test',
    });
    return stand;
  }

  get now(): number {
    return this.#clock.now;
  }

  pass(ms: number): void {
    this.#clock.now += ms;
  }

  /** The wall clock is set; no time passes. */
  setClock(ms: number): void {
    this.#clock.now += ms;
    this.#clock.set += ms;
  }

  async use(node: string): Promise<void> {
    this.keeping.used([use(node, this.now)]);
    await this.core.learned.settled();
  }

  async round(): Promise<void> {
    await this.keeping.round();
    await this.core.learned.settled();
  }

  async events(): Promise<readonly RecordedEvent[]> {
    const events: RecordedEvent[] = [];
    for await (const batch of this.core.log.read({ from: 3 }))
      for (const { event } of batch) if (event) events.push(event);
    return events;
  }

  async types(): Promise<readonly string[]> {
    return (await this.events()).map(({ type }) => type.replace('dependency.', ''));
  }

  get state(): string | undefined {
    return this.core.projector.graph.edgesOf(edge.from, this.now)[0]?.state;
  }
}

test('an edge in use is observed, renewed, ages, expires in a term of the keeper, and comes back with the next use', async (t) => {
  const stand = await Stand.start(t);
  await stand.use('web-1');
  await stand.use('web-1');
  await stand.round();
  assert.deepEqual(await stand.types(), ['observed']);
  assert.equal((await stand.events())[0]?.source, 'sidecar:web-1');
  stand.pass(4 * HOUR);
  await stand.use('web-1');
  await stand.round();
  await stand.round();
  assert.deepEqual(await stand.types(), ['observed', 'renewed']);
  assert.equal(stand.state, 'active');
  stand.pass(TTL / 2);
  assert.equal(stand.state, 'quiet');
  stand.pass(TTL / 2);
  assert.equal(stand.state, 'expiring');
  await stand.round();
  assert.deepEqual(await stand.types(), ['observed', 'renewed']);
  assert.deepEqual(stand.core.projector.graph.record(edge.from).preload, ['cart.shop:80']);
  stand.pass(TTL / 4);
  await stand.round();
  assert.deepEqual(await stand.types(), ['observed', 'renewed', 'keeper.elected', 'expired']);
  assert.equal(stand.state, 'expired');
  assert.deepEqual(stand.core.projector.graph.record(edge.from).preload, []);
  await stand.use('web-1');
  assert.deepEqual((await stand.types()).slice(4), ['observed']);
  assert.deepEqual([stand.state, stand.core.projector.fold.edges(edge.from).find(edge.to)?.returned], ['active', 1]);
  await stand.keeping.close();
});

test('nothing expires while a holder is silent, or while workers do not answer', async (t) => {
  const stand = await Stand.start(t);
  await stand.use('web-1');
  stand.pass(3 * TTL);
  stand.answer = async () => ({ rows: [{ caller: edge.from, nodes: 2, silent: 1, returned: 0 }], complete: true });
  await stand.round();
  stand.pass(3 * TTL);
  stand.answer = async () => ({ rows: [], complete: false });
  await stand.round();
  stand.answer = () => Promise.reject(new Error('no worker'));
  await stand.round();
  assert.match(JSON.stringify(stand.logger.lines), /a round of the edge keeper failed/);
  assert.deepEqual(await stand.types(), ['observed']);
  await stand.keeping.close();
});

test('a keeper that another one has overtaken takes a term of its own before it speaks again', async (t) => {
  const stand = await Stand.start(t);
  await stand.use('web-1');
  stand.pass(2 * TTL);
  await stand.round();
  await stand.core.ingest.submit({
    events: [{ type: 'keeper.elected', data: { keeper: 'edges', epoch: 2, holder: 'other' } }],
    caller: 'tendril',
    internal: true,
  });
  await stand.use('web-1');
  stand.pass(3 * TTL);
  await stand.round();
  assert.deepEqual(
    (await stand.events()).flatMap(({ type, data }) =>
      type === 'keeper.elected' || type === 'dependency.expired' ? [(data as { epoch?: number }).epoch] : [],
    ),
    [1, 1, 2, 3, 3],
  );
  assert.equal(stand.state, 'expired');
  await stand.keeping.close();
});

test('what the log does not have yet is written at an orderly end', async (t) => {
  const stand = await Stand.start(t);
  await stand.use('web-1');
  stand.pass(60_000);
  stand.keeping.asked([edge]);
  await stand.round();
  assert.deepEqual(await stand.types(), ['observed']);
  await stand.keeping.close();
  assert.deepEqual(await stand.types(), ['observed', 'renewed']);
});

test('a clock that is set ahead lets nothing expire; time that passes from then on does', async (t) => {
  const stand = await Stand.start(t);
  await stand.use('web-1');
  await stand.round();
  stand.setClock(10 * TTL);
  await stand.round();
  assert.deepEqual(await stand.types(), ['observed']);
  assert.match(JSON.stringify(stand.logger.lines), /the clock was set/);
  stand.pass(1.25 * TTL);
  await stand.round();
  assert.deepEqual(await stand.types(), ['observed', 'keeper.elected', 'expired']);
  await stand.keeping.close();
});

test('a second pod that uses an edge becomes its second witness, a third one does not', async (t) => {
  const stand = await Stand.start(t);
  for (const pod of ['web-1', 'web-1', 'web-2', 'web-3', 'web-2']) await stand.use(pod);
  assert.deepEqual(await stand.types(), ['observed', 'observed']);
  const found = stand.core.projector.fold.edges(edge.from).find(edge.to);
  assert.deepEqual(found?.witnesses, ['sidecar:web-1', 'sidecar:web-2']);
  await stand.keeping.close();
});

test('a process that stood still takes none of that time for silence', async (t) => {
  const stand = await Stand.start(t, 600_000);
  await stand.use('web-1');
  await stand.round();
  stand.pass(10 * TTL);
  await stand.round();
  stand.pass(600_000);
  await stand.round();
  assert.deepEqual(await stand.types(), ['observed']);
  await stand.keeping.close();
});

test('another replica keeps the edges: this one renews, asks nobody, and lets nothing expire; after a change silence counts anew', async (t) => {
  const stand = await Stand.start(t);
  stand.choice = 'theirs';
  let asked = 0;
  stand.answer = async () => {
    asked += 1;
    return { rows: [], complete: true };
  };
  await stand.use('web-1');
  stand.pass(4 * HOUR);
  await stand.use('web-1');
  await stand.round();
  stand.pass(3 * TTL);
  await stand.round();
  assert.deepEqual(await stand.types(), ['observed', 'renewed']);
  assert.equal(asked, 0);
  // It follows the other keeper: its term begins before it asks, and what was before does not count.
  stand.choice = 'begin';
  await stand.round();
  assert.deepEqual(await stand.types(), ['observed', 'renewed', 'keeper.elected']);
  assert.equal(asked, 1);
  stand.choice = 'mine';
  stand.pass(TTL);
  await stand.round();
  assert.equal((await stand.types()).length, 3);
  stand.pass(TTL / 2);
  await stand.round();
  assert.deepEqual((await stand.types()).slice(3), ['expired']);
  await stand.keeping.close();
});

test('a keeper that another one followed meanwhile neither expires edges nor takes the term back', async (t) => {
  const stand = await Stand.start(t);
  await stand.use('web-1');
  await stand.round();
  stand.pass(3 * TTL);
  stand.answer = async () => {
    // While it asks, another replica begins the next term.
    await stand.core.ingest.submit({
      events: [{ type: 'keeper.elected', data: { keeper: 'edges', epoch: 1, holder: 'other/1' } }],
      caller: 'tendril',
      internal: true,
    });
    stand.choice = 'theirs';
    return { rows: [], complete: true };
  };
  await stand.round();
  assert.deepEqual(await stand.types(), ['observed', 'keeper.elected']);
  assert.equal(stand.state, 'expiring');
  await stand.keeping.close();
});
