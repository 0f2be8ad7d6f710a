/** The graph as it was: at any offset what a fold of the log up to there gives, without that fold. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { DependencyGraph } from '../../src/dependency-graph/index.ts';
import type { EventEnvelope } from '../../src/model/index.ts';
import { createFoldState } from '../../src/projector/index.ts';
import { feed, openSystem, type System, tempDir } from './harness.ts';
import { event, MESH, randomFrom, registered } from './mesh-events.ts';

/** The plain way: everything from the first event on. */
const replayed = async (system: System, at: number): Promise<DependencyGraph> => {
  const fold = createFoldState({ mesh: MESH });
  if (at > 0)
    for await (const records of system.log.read({ from: 1 }))
      for (const record of records) if (record.offset <= at) fold.apply(record);
  const graph = new DependencyGraph(fold.graphLookup);
  for (const caller of fold.callersWithEdges()) graph.setEdges(caller, fold.edges(caller));
  graph.affected(fold.graphInputs());
  return graph;
};

const dependency = (name: string, spec: object): EventEnvelope =>
  event('policy.applied', {
    document: { apiVersion: 'tendril.dev/v1', kind: 'Dependency', metadata: { name, namespace: 'shop' }, spec },
  });

const NAMES = ['a', 'b', 'c', 'd'] as const;
const FULL = NAMES.map((name) => `${name}.shop`);

/** One step of a mesh's life, by seed. Some are rejected, some change nothing: that, too, has to be told right. */
const step = (random: () => number): EventEnvelope[] => {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  const name = pick(NAMES);
  const edge = { from: pick(FULL), to: `${pick(FULL)}${random() < 0.5 ? ':80' : ''}` };
  switch (Math.floor(random() * 12)) {
    case 0:
      return [registered(name, random() < 0.5 ? { labels: { tier: 'x' } } : {})];
    case 1:
      return [event('service.deregistered', { namespace: 'shop', name })];
    case 2:
      return [dependency(name, { to: { [pick(FULL)]: random() < 0.3 ? { pin: true } : {} } })];
    case 3:
      return [event('policy.deleted', { kind: 'Dependency', namespace: 'shop', name })];
    case 4:
      return [event('dependency.denied', edge)];
    case 5:
      return [event('dependency.withdrawn', edge)];
    case 6:
      return [event('dependency.expired', edge)];
    case 7:
      return [event('dependency.renewed', { edges: [edge, { from: pick(FULL), to: pick(FULL) }] })];
    case 8: {
      // A batch is one step of the fold: an offset inside of it is still before it.
      const batch = [registered(name), event('dependency.declared', edge), event('dependency.pinned', edge)];
      const id = `batch-${random()}`;
      return batch.map((one, index) => ({ ...one, batch: { id, index, size: batch.length } }));
    }
    case 9:
      return random() < 0.2
        ? [
            dependency(name, {
              scope: { namespace: true },
              ...(random() < 0.5 ? { learn: false } : { to: { 'b.shop': {} } }),
            }),
          ]
        : [dependency(name, { select: { all: { labels: { tier: 'x' } } } })];
    default:
      return [event('dependency.observed', { ...edge, evidence: 'subscribed' }, { source: `node-${pick(NAMES)}` })];
  }
};

const QUERIES: readonly { readonly focus?: string; readonly depth?: number }[] = [
  {},
  { focus: 'a.shop' },
  { focus: 'b.shop', depth: 2 },
  { focus: 'nobody.shop' },
];

test('at every offset edges are those of a replay up to there: with a focus, with depth, all', async (t) => {
  const system = await openSystem(tempDir(t));
  t.after(async () => {
    await system.projector.close();
    await system.log.close();
  });
  const random = randomFrom(11);
  // Many events in one commit and single ones: images lie at some offsets only.
  for (let round = 0; round < 60; round++) {
    const events = Array.from({ length: 1 + Math.floor(random() * 8) }, () => step(random)).flat();
    system.clock.at += 1_000;
    await feed(system, ...events);
  }
  const head = system.log.head().offset;
  const plain = new Map<number, DependencyGraph>();
  for (let at = 0; at <= head; at += 1 + Math.floor(random() * 7)) plain.set(at, await replayed(system, at));
  let edges = 0;
  // One question for all offsets, then the next: each graph is read anew, none lives on what another question has loaded.
  for (const query of QUERIES)
    for (const [at, graph] of plain) {
      const past = await system.projector.past.graphAt(at);
      const found = await past.edges(query);
      assert.deepEqual(found, graph.edges(query), `at ${at} of ${head}, ${JSON.stringify(query)}`);
      edges += found.length;
    }
  assert.ok(edges > 1_000, `only ${edges} edges were compared`);
  assert.equal(system.projector.past.counters.read, QUERIES.length * plain.size);
  // All questions at once about one graph: none is answered from what another one has only half loaded.
  for (const [at, graph] of plain) {
    const past = await system.projector.past.graphAt(at);
    const found = await Promise.all(QUERIES.map((query) => past.edges(query)));
    assert.deepEqual(
      found,
      QUERIES.map((query) => graph.edges(query)),
      `all at once, at ${at} of ${head}`,
    );
  }
});

/** `b` and `c` call `a`; at offset 4 both do. */
const callers = async (t: TestContext): Promise<System> => {
  const system = await openSystem(tempDir(t));
  t.after(async () => {
    await system.projector.close();
    await system.log.close();
  });
  const uses = (from: string) => event('dependency.declared', { from, to: 'a.shop:80' });
  await feed(system, registered('a'), uses('b.shop'), uses('c.shop'), registered('d'));
  return system;
};

const BOTH = ['b.shop', 'c.shop'];
const fromOf = (edges: readonly { readonly from: string }[]): string[] => edges.map(({ from }) => from);

test('an edge that is taken away while a graph is kept is in that graph still', async (t) => {
  const system = await callers(t);
  const past = await system.projector.past.graphAt(4);
  assert.deepEqual(await past.edges({ focus: 'd.shop' }), []);
  for (const from of BOTH) await feed(system, event('dependency.withdrawn', { from, to: 'a.shop:80' }));
  assert.equal(await system.projector.past.graphAt(4), past, 'the graph is the one that was kept');
  assert.deepEqual(fromOf(await past.edges({ focus: 'a.shop' })), BOTH);
});

test('a question that fails in the middle leaves nothing half loaded for the next one', async (t) => {
  const system = await callers(t);
  // Something came later of all of them: what was then is folded from the log.
  await feed(system, registered('a', { labels: { tier: 'x' } }));
  for (const from of BOTH)
    await feed(system, event('dependency.observed', { from, to: 'd.shop:80', evidence: 'subscribed' }));
  for (let failing = 1; ; failing++) {
    const past = await system.projector.past.graphAt(4);
    const read = system.log.read;
    let reads = 0;
    system.log.read = (options) => {
      if (++reads === failing) throw new Error('the disk says no');
      return read.call(system.log, options);
    };
    const first = await past.edges({ focus: 'a.shop' }).catch((error: Error) => error.message);
    system.log.read = read;
    assert.deepEqual(fromOf(await past.edges({ focus: 'a.shop' })), BOTH, `read ${failing} failed`);
    if (typeof first !== 'string') break;
    assert.equal(first, 'the disk says no');
    // Two others, and the graph is read anew.
    for (const at of [1, 2]) await system.projector.past.graphAt(at);
    assert.ok(failing < 100);
  }
});

test('so many questions about one graph may wait; the next one is refused and counted', async (t) => {
  const system = await callers(t);
  const past = await system.projector.past.graphAt(4);
  const asked = await Promise.allSettled(Array.from({ length: 65 }, () => past.edges({ focus: 'a.shop' })));
  const refused = asked.filter(({ status }) => status === 'rejected');
  assert.deepEqual(
    refused.map((one) => (one as PromiseRejectedResult).reason.code),
    ['STATE_BUSY'],
  );
  assert.equal(system.projector.past.counters.refused, 1);
  assert.deepEqual(fromOf(await past.edges({ focus: 'a.shop' })), BOTH);
});

test('a service of then, with the ports of then; the time is that of the event', async (t) => {
  const system = await openSystem(tempDir(t));
  t.after(async () => {
    await system.projector.close();
    await system.log.close();
  });
  await feed(
    system,
    registered('a'),
    event('dependency.observed', { from: 'b.shop', to: 'a.shop:80', evidence: 'subscribed' }),
  );
  const first = system.clock.at;
  system.clock.at += 60_000;
  await feed(system, event('service.deregistered', { namespace: 'shop', name: 'a' }));
  const then = await system.projector.past.graphAt(2);
  assert.equal(then.recordedAt, first);
  assert.deepEqual(
    (await then.services(['a.shop'])).get('a.shop')?.ports.map(({ port }) => port),
    [80],
  );
  assert.deepEqual(
    (await then.edges({})).map(({ state }) => state),
    ['active'],
  );
  const now = await system.projector.past.graphAt(3);
  assert.equal((await now.services(['a.shop'])).size, 0);
  assert.deepEqual(
    (await now.edges({})).map(({ state }) => state),
    ['dangling'],
  );
  assert.deepEqual(await (await system.projector.past.graphAt(0)).edges({}), []);
});

test('what is not in the log, or beyond it, is refused with what can be asked for', async (t) => {
  const system = await openSystem(tempDir(t));
  t.after(async () => {
    await system.projector.close();
    await system.log.close();
  });
  await feed(system, registered('a'));
  await assert.rejects(system.projector.past.graphAt(2), { code: 'OFFSET_INVALID', remedy: 'ask for 0..1' });
  await assert.rejects(system.projector.past.graphAt(-1), { code: 'OFFSET_INVALID' });
});

test('so many questions may wait; the next one is refused, and the line goes on', async (t) => {
  const system = await openSystem(tempDir(t));
  t.after(async () => {
    await system.projector.close();
    await system.log.close();
  });
  await feed(system, ...Array.from({ length: 20 }, (_, index) => registered(`s-${index}`)));
  const asked = await Promise.allSettled(Array.from({ length: 20 }, (_, at) => system.projector.past.graphAt(at)));
  const refused = asked.filter(({ status }) => status === 'rejected');
  assert.ok(refused.length > 0 && refused.length < 20);
  for (const one of refused) assert.equal((one as PromiseRejectedResult).reason.code, 'STATE_BUSY');
  assert.equal(system.projector.past.counters.refused, refused.length);
  assert.equal((await system.projector.past.graphAt(3)).offset, 3);
});
