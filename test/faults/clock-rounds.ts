/** F-clock of reference/reliability.md, section 4b: clocks that jump, go back, and run at another speed. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { EdgeKeeper } from '../../src/dependency-graph/index.ts';
import { openEventLog } from '../../src/log/index.ts';
import { Projector } from '../../src/projector/index.ts';
import { EdgeKeeping } from '../../src/runtime/edge-keeping.ts';
import { type Core, recordingLogger, startCore } from '../admin/core.ts';
import { feed, tempDir, withSystem } from '../projector/harness.ts';
import { changeEvents, initialEvents, MESH, observed, registered, route } from '../projector/mesh-events.ts';
import { nextMessage, startChild } from '../store/support.ts';
import { faultRun } from './fault-run.ts';
import { Replay, readLog } from './replay.ts';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

export const clockRounds = async (context: TestContext, count: number): Promise<void> => {
  const run = faultRun('CLOCK', count);
  const dir = tempDir(context);
  let now = Date.UTC(2026, 0, 1);
  let speed = 1;
  const clock = { now: () => now };
  const log = await openEventLog({ kind: 'lmdb', dir, mesh: MESH, clock });
  const projector = await Projector.open({ dir, log, mesh: MESH, clock });
  const sent = [registered('svc-0')];
  await log.append(sent);
  let duplicates = 0;
  for (let round = 0; round < run.count; round++) {
    const what = run.random();
    if (what < 0.1) now += HOUR;
    else if (what < 0.2) now -= HOUR;
    else if (what < 0.25) now -= 30 * HOUR;
    else if (what < 0.3) now += 30 * HOUR;
    else if (what < 0.4) speed = run.random() < 0.5 ? 2 : 1;
    now += speed * run.between(0, MINUTE);
    if (run.random() < 0.3) {
      duplicates++;
      const { offsets } = await log.append([sent[run.between(0, sent.length - 1)] ?? assert.fail()]);
      await projector.waitFor(offsets[0] ?? 0);
      assert.equal(projector.outcomesOf(offsets)[0]?.status, 'duplicate');
    } else {
      const fresh = registered(`svc-${round}`);
      sent.push(fresh);
      await log.append([fresh]);
    }
  }
  await projector.waitFor(log.head().offset);
  const hash = projector.proof()?.hash;
  await projector.close();
  await log.close();
  const records = await readLog(dir, MESH);
  for (const [at, { recordedAt }] of records.entries())
    assert.ok(
      recordedAt >= (records[at - 1]?.recordedAt ?? 0),
      `event ${at + 1} was recorded before the one before it`,
    );
  assert.equal(hash, await new Replay(dir, MESH).hashAt(records.length));
  context.diagnostic(`${run.count} moves of the clock, ${records.length} events, ${duplicates} of them sent again`);
};

export const clocklessRounds = async (context: TestContext, count: number): Promise<void> => {
  const run = faultRun('CLOCKLESS', count);
  const dir = tempDir(context);
  const hash = await withSystem(dir, async (system) => {
    const size = { services: 15, endpoints: 5 };
    await feed(
      system,
      ...initialEvents(size),
      route('svc-1', { timeout: '2s' }),
      observed('svc-2.shop', 'svc-3.shop:80', 'n'),
    );
    const change = changeEvents(size, run.random);
    await feed(system, ...Array.from({ length: run.count }, change));
    return system.projector.proof()?.hash;
  });
  const child = startChild(context, new URL('./clockless-child.js', import.meta.url), [dir, MESH]);
  const told = (await nextMessage(child)) as {
    readonly hash: string;
    readonly resources: number;
    readonly throws: number;
  };
  assert.equal(told.throws, 4, 'the clocks of the child work');
  assert.ok(told.resources > 30);
  assert.equal(told.hash, hash);
};

/** ms. */
interface Time {
  real: number;
  wall: number;
}

/** A core with an edge keeper, time as the test makes it: real time passes, the wall clock does what it likes. */
class KeeperStand {
  readonly #core: Core;
  readonly #keeping: EdgeKeeping;
  readonly #time: Time;

  private constructor(core: Core, keeping: EdgeKeeping, time: Time) {
    this.#core = core;
    this.#keeping = keeping;
    this.#time = time;
  }

  static async start(context: TestContext): Promise<KeeperStand> {
    const time = { real: 0, wall: Date.UTC(2026, 0, 1) };
    const core = await startCore(context, { now: () => time.wall });
    const { fold } = core.projector;
    const keeping = new EdgeKeeping({
      keeper: new EdgeKeeper(
        {
          callersWithEdges: () => fold.callersWithEdges(),
          edges: (caller) => fold.edges(caller),
          ttlMs: () => TTL,
        },
        { all: 0, callers: [] },
      ),
      ingest: core.ingest,
      learned: core.learned,
      askHolders: () => Promise.resolve({ rows: [], complete: true }),
      epoch: () => fold.keeperEpoch('edges'),
      holder: 'test',
      now: () => time.wall,
      monotonic: () => time.real,
      logger: recordingLogger(),
    });
    context.after(() => keeping.stop());
    return new KeeperStand(core, keeping, time);
  }

  /** @param wall ms that the wall clock shows more, or less */
  pass(ms: number, wall: number): void {
    this.#time.real += ms;
    this.#time.wall += wall;
  }

  get real(): number {
    return this.#time.real;
  }

  async use(from: string): Promise<void> {
    this.#keeping.used([{ from, to: 'cart.shop:80', node: from, requests: 1, errors: 0, lastMs: this.#time.wall }]);
    await this.#core.learned.settled();
  }

  async round(): Promise<void> {
    await this.#keeping.round();
    await this.#core.learned.settled();
  }

  /** Edges that have expired, by caller, with how often. */
  async expired(): Promise<readonly string[]> {
    const from: string[] = [];
    for await (const batch of this.#core.log.read({ from: 1 }))
      for (const { event } of batch)
        if (event?.type === 'dependency.expired') from.push((event.data as { readonly from: string }).from);
    return from;
  }
}

const TTL = 10 * MINUTE;

export const keeperRounds = async (context: TestContext, count: number): Promise<void> => {
  const run = faultRun('KEEPER', count);
  const stand = await KeeperStand.start(context);
  // Each is used again well within its life, in real time.
  const callers = [1, 3, 6, 9].map((minutes) => ({ name: `web-${minutes}.shop`, every: minutes * MINUTE, next: 0 }));
  let speed = 1;
  for (let round = 0; round < run.count; round++) {
    for (const caller of callers)
      if (stand.real >= caller.next) {
        await stand.use(caller.name);
        caller.next = stand.real + caller.every;
      }
    const what = run.random();
    const jump = what < 0.05 ? HOUR : what < 0.1 ? -HOUR : 0;
    if (what > 0.95) speed = [0.5, 1, 2][run.between(0, 2)] ?? 1;
    stand.pass(MINUTE, speed * MINUTE + jump);
    await stand.round();
    assert.deepEqual(await stand.expired(), [], `round ${round}, speed ${speed}, jump ${jump}`);
  }
  // A clock that is right again, and holds: what nobody uses goes, so the keeper was awake.
  stand.pass(MINUTE, run.count * HOUR);
  await stand.round();
  for (let round = 0; round < 30; round++) {
    stand.pass(MINUTE, MINUTE);
    await stand.round();
  }
  assert.deepEqual([...(await stand.expired())].sort(), callers.map(({ name }) => name).sort());
  context.diagnostic(`${run.count} minutes, ${callers.length} edges`);
};
