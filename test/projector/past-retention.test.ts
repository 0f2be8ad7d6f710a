/** The state as it was where the history does not begin with the first event: behind a cut, and in a copy. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { DependencyGraph } from '../../src/dependency-graph/index.ts';
import { type LogRecord, openEventLog } from '../../src/log/index.ts';
import type { EventEnvelope } from '../../src/model/index.ts';
import { createFoldState, type FoldState, Projector, type StateThen } from '../../src/projector/index.ts';
import { hasCode } from '../store/support.ts';
import { closeSystem, feed, Lines, ManualClock, openSystem, type System, tempDir } from './harness.ts';
import { endpoint, event, MESH, policy, randomFrom, registered } from './mesh-events.ts';
import { meshStep } from './past-events.ts';
import { told } from './past-told.ts';
import { bytesOf, installed } from './snapshot-support.ts';

const SEED = Number(process.env.TENDRIL_PAST_SEED ?? 7);
const KEPT = 300;
/** Moments that are compared. */
const SAMPLES = 12;

const open = async (dir: string, clock: ManualClock): Promise<System> => {
  const lines = new Lines();
  const log = await openEventLog({ kind: 'lmdb', dir, mesh: MESH, clock });
  const retain = { events: KEPT, leastEvents: 10, prune: log.prune.bind(log) };
  const projector = await Projector.open({ dir, log, mesh: MESH, clock, logger: lines, retain });
  return { dir, log, projector, clock, lines };
};

const graphOf = (fold: FoldState): DependencyGraph => {
  const graph = new DependencyGraph(fold.graphLookup);
  for (const caller of fold.callersWithEdges()) graph.setEdges(caller, fold.edges(caller));
  graph.affected(fold.graphInputs());
  return graph;
};

const QUERIES = [{}, { focus: 'a.shop' }, { focus: 'b.shop', depth: 2 }];

/** What a fold of all records up to some offsets tells, by offset. */
const plainOf = (records: readonly LogRecord[], wanted: ReadonlySet<number>) => {
  const fold = createFoldState({ mesh: MESH });
  const found = new Map<number, object>();
  for (const record of records) {
    fold.apply(record);
    if (!wanted.has(record.offset)) continue;
    const graph = graphOf(fold);
    found.set(record.offset, {
      ...told(fold, [...fold.rawKeys()].sort()),
      counts: fold.entityCounts,
      edges: QUERIES.map((query) => graph.edges(query)),
    });
  }
  return found;
};

const pastOf = async ({ projector }: System, at: number): Promise<object> => {
  const past = await projector.past.stateAt(at);
  const then = await past.read((state) => told(state, state.rawKeys('')));
  const graph = await projector.past.graphAt(at);
  const edges = [];
  for (const query of QUERIES) edges.push(await graph.edges(query));
  return { ...then, counts: await past.counts(), edges };
};

/** The history of a system is that of a fold from `first - 1` on, and gone before. */
const compare = async (
  system: System,
  records: readonly LogRecord[],
  first: number,
  random: () => number,
): Promise<void> => {
  const { offset: head } = system.log.head();
  const offsets = new Set([first - 1, first, first + 1, head]);
  while (offsets.size < SAMPLES && offsets.size < head - first + 2)
    offsets.add(first + Math.floor(random() * (head - first + 1)));
  for (const [at, plain] of plainOf(records, offsets))
    assert.deepEqual(await pastOf(system, at), plain, `at ${at} of ${first} to ${head}, seed ${SEED}`);
  for (const at of [1, first - 2]) {
    if (at >= first - 1) continue;
    await assert.rejects(system.projector.past.stateAt(at), hasCode('OFFSET_GONE'));
    await assert.rejects(system.projector.past.graphAt(at), hasCode('OFFSET_GONE'));
    await assert.rejects(system.projector.past.diff({ from: at, to: head, limit: 10 }), hasCode('OFFSET_GONE'));
  }
};

const ofService = (state: StateThen | FoldState, name: string) => ({
  service: state.service(name),
  endpoints: state.compileInputs.endpoints(name).flatMap((block) => block.endpoints()),
});

/** One service, and how many entities there are, from an offset on: as a fold of all records tells them. */
const compareService = async (
  { projector }: System,
  records: readonly LogRecord[],
  name: string,
  from: number,
): Promise<void> => {
  const fold = createFoldState({ mesh: MESH });
  for (const record of records) {
    fold.apply(record);
    const { offset } = record;
    if (offset < from) continue;
    const past = await projector.past.stateAt(offset);
    const found = { ...(await past.read((state) => ofService(state, name))), counts: await past.counts() };
    assert.deepEqual(found, { ...ofService(fold, name), counts: fold.entityCounts }, `at ${offset}, from ${from}`);
  }
};

/** Feeds a system, and keeps the records: those that it removes, too. */
class Feeder {
  readonly records: LogRecord[] = [];
  readonly #random: () => number;

  constructor(random: () => number) {
    this.#random = random;
  }

  async round(system: System): Promise<void> {
    const random = this.#random;
    await this.give(system, ...Array.from({ length: 1 + Math.floor(random() * 30) }, () => meshStep(random)).flat());
  }

  async give(system: System, ...events: readonly EventEnvelope[]): Promise<void> {
    system.clock.at += 1_000;
    const from = system.log.head().offset + 1;
    await feed(system, ...events);
    const { offset } = system.log.head();
    for await (const records of system.log.read({ from })) {
      this.records.push(...records);
      if ((records.at(-1)?.offset ?? 0) >= offset) break;
    }
  }
}

const TYPE_URL = 'type.googleapis.com/envoy.config.cluster.v3.Cluster';

/** A raw resource that no later event names: only the images of the base know it. */
const put = (node: string): EventEnvelope =>
  event('resource.put', { node, typeUrl: TYPE_URL, name: 'early', resource: { '@type': TYPE_URL, name: 'early' } });

const clear = (node: string): EventEnvelope => event('resource.clear', { node });

/** Feeds until the log was cut `times` times. */
const cut = async (system: System, feeder: Feeder, times: number): Promise<void> => {
  let cuts = 0;
  while (cuts < times) {
    await feeder.round(system);
    for (let step = ''; step !== 'nothing'; ) {
      step = (await system.projector.retention?.tick()) ?? 'nothing';
      if (step === 'cut') cuts++;
    }
  }
};

const copyOf = async (t: TestContext, parent: string, bytes: Buffer, clock: ManualClock): Promise<System> => {
  const copy = await installed(parent, bytes);
  const system = await openSystem(copy.dir, {}, clock);
  t.after(() => closeSystem(system));
  return system;
};

test('behind a cut every moment is that of a fold from the first event on; and in copies, with and without the log', async (t) => {
  const parent = tempDir(t);
  const random = randomFrom(SEED);
  const clock = new ManualClock();
  const system = await open(join(parent, 'data'), clock);
  t.after(() => closeSystem(system));
  const feeder = new Feeder(random);
  await feeder.give(system, put('early/1'), put('early/2'));
  await cut(system, feeder, 1);
  const once = system.log.head().first;
  assert.ok(once > 1);
  await compare(system, feeder.records, once, random);
  // The base of the second history holds what the first one had as its base.
  await cut(system, feeder, 2);
  const { first } = system.log.head();
  assert.ok(first > once);
  await feeder.give(system, clear('early/1'));
  await compare(system, feeder.records, first, random);

  const { offset } = system.log.head();
  const withLog = await bytesOf(await system.projector.snapshots.open({ withLog: true }));
  const without = await bytesOf(await system.projector.snapshots.open({ withLog: false }));
  const whole = await copyOf(t, parent, withLog, clock);
  assert.equal(whole.log.head().first, first);
  await compare(whole, feeder.records, first, random);
  const bare = await copyOf(t, parent, without, clock);
  assert.equal(bare.log.head().first, offset + 1);
  await compare(bare, feeder.records, offset + 1, random);
  // Each goes on by itself from the same records.
  for (const [copy, from] of [
    [whole, first],
    [bare, offset + 1],
  ] as const) {
    const own = new Feeder(randomFrom(SEED + 1));
    own.records.push(...feeder.records);
    await own.give(copy, clear('early/2'));
    for (let round = 0; round < 12; round++) await own.round(copy);
    await compare(copy, own.records, from, random);
  }
});

test('endpoints of a service that has become small behind a cut are told where it was large', async (t) => {
  const clock = new ManualClock();
  const system = await open(join(tempDir(t), 'data'), clock);
  t.after(() => closeSystem(system));
  const feeder = new Feeder(randomFrom(SEED));
  const ids = Array.from({ length: 400 }, (_, index) => `big-${1_000 + index}`);
  const gone = (id: string): EventEnvelope => event('endpoint.deregistered', { namespace: 'shop', service: 'big', id });
  await feeder.give(system, registered('big'), ...ids.map((id) => endpoint('big', id)));
  // Block numbers have gaps.
  await feeder.give(system, ...ids.slice(100, 200).map(gone));
  const { offset } = system.log.head();
  await cut(system, feeder, 2);
  const { first } = system.log.head();
  assert.ok(first - 1 > offset);
  // One stays: only block 0 is left, or one of the first.
  const after = system.log.head().offset;
  await feeder.give(system, ...ids.slice(200).map(gone), ...ids.slice(1, 100).map(gone));
  for (const at of [first - 1, first, after - 1, system.log.head().offset - 50])
    await compareService(system, feeder.records.slice(0, at + 1), 'big.shop', at);
});

test('an inline endpoint that a patch adds behind a cut is there', async (t) => {
  const clock = new ManualClock();
  const system = await open(join(tempDir(t), 'data'), clock);
  t.after(() => closeSystem(system));
  const feeder = new Feeder(randomFrom(SEED));
  const ports = [{ port: 80, protocol: 'http' }];
  await feeder.give(system, policy('Service', 'doc', { ports, endpoints: [{ id: 'old', address: '10.3.0.1' }] }));
  await cut(system, feeder, 1);
  const patched = (path: string, value: object): EventEnvelope =>
    event('policy.patched', { kind: 'Service', namespace: 'shop', name: 'doc', patch: [{ op: 'add', path, value }] });
  const { offset } = system.log.head();
  // In one commit: the first patch has no image.
  const late = { id: 'late', address: '10.3.0.2' };
  await feeder.give(system, patched('/spec/endpoints/-', late), patched('/metadata/labels', { team: 'one' }));
  await compareService(system, feeder.records, 'doc.shop', offset + 1);
});

test('an event that only says it lies inside of a batch takes nothing away from what was before it', async (t) => {
  const clock = new ManualClock();
  const system = await open(join(tempDir(t), 'data'), clock);
  t.after(() => closeSystem(system));
  const feeder = new Feeder(randomFrom(SEED));
  const loose = { ...endpoint('one', 'c'), batch: { id: 'loose', index: 2, size: 5 } };
  await feeder.give(system, registered('one'), endpoint('one', 'a'), endpoint('one', 'b'), loose);
  await compareService(system, feeder.records, 'one.shop', 1);
});
