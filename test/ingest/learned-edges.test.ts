/** Learned edges: the log gets edges, not requests. Numbers are the invariants of learned-edges.ts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LearnedEdges, type Submission, type SubmitAnswer, sidecarSource } from '../../src/ingest/index.ts';
import { TendrilError } from '../../src/model/index.ts';
import { recordingLogger, startCore } from '../admin/core.ts';

const observed = (core: Awaited<ReturnType<typeof startCore>>) => [...core.projector.fold.edges('web.shop')];

test('an edge becomes one event of the sidecar, and an edge of the graph', async (t) => {
  const core = await startCore(t);
  core.learned.report([{ from: 'web.shop', to: 'cart.shop:8080', node: 'web-1' }]);
  await core.learned.settled();
  const [edge] = observed(core);
  assert.deepEqual([edge?.to, edge?.evidence, edge?.witnesses], ['cart.shop:8080', ['subscribed'], ['sidecar:web-1']]);
  for await (const [record] of core.log.read({ from: 1 })) {
    assert.equal(record?.event?.source, 'sidecar:web-1');
    assert.equal(record?.event?.batch, undefined);
  }
});

test('2: known already, by the first two witnesses: nothing is written; new evidence is', async (t) => {
  const core = await startCore(t);
  const see = async (node: string, evidence?: 'observed'): Promise<number> => {
    core.learned.report([
      { from: 'web.shop', to: 'cart.shop:8080', node, ...(evidence === undefined ? {} : { evidence }) },
    ]);
    await core.learned.settled();
    return core.log.head().offset;
  };
  assert.equal(await see('web-1'), 1);
  assert.equal(await see('web-1'), 1);
  assert.equal(await see('web-2'), 2);
  assert.equal(await see('web-3'), 2);
  assert.equal(await see('web-3', 'observed'), 3);
  assert.equal(await see('web-1', 'observed'), 3);
  assert.deepEqual(observed(core)[0]?.witnesses, ['sidecar:web-1', 'sidecar:web-2']);
  assert.equal(core.learned.counters.known, 3);
});

test('2: an edge that has expired is written again when it is proved again, once', async (t) => {
  const core = await startCore(t);
  const edge = { from: 'web.shop', to: 'cart.shop:8080' };
  const see = async (...nodes: readonly string[]): Promise<number> => {
    core.learned.report(nodes.map((node) => ({ ...edge, node })));
    await core.learned.settled();
    return core.log.head().offset;
  };
  assert.equal(await see('web-1'), 1);
  await core.ingest.submit({
    events: [{ type: 'dependency.expired', data: edge }],
    caller: 'tendril',
    atomic: false,
    internal: true,
    wait: 'applied',
  });
  assert.equal(observed(core)[0]?.expired, true);
  assert.equal(await see('web-1', 'web-1', 'web-2'), 3);
  assert.equal(observed(core)[0]?.expired, undefined);
});

test('2: a thousand reports of one edge at once are two events', async (t) => {
  const core = await startCore(t);
  core.learned.report(
    Array.from({ length: 1000 }, (_, index) => ({ from: 'web.shop', to: 'cart.shop:8080', node: `web-${index % 50}` })),
  );
  await core.learned.settled();
  assert.equal(core.log.head().offset, 2);
});

test('many edges go together, in bounded appends', async (t) => {
  const core = await startCore(t);
  core.learned.report(
    Array.from({ length: 1200 }, (_, index) => ({ from: 'web.shop', to: `s${index}.shop:80`, node: 'web-1' })),
  );
  await core.learned.settled();
  assert.equal(observed(core).length, 1200);
  assert.ok(core.log.counters.appends <= 4, `${core.log.counters.appends} appends`);
});

test('1: identities that are long or odd become a source that the log takes', async (t) => {
  const core = await startCore(t);
  const nodes = ['x'.repeat(2000), 'line\nbreak', `half ${'\ud800'}`, 'ok'];
  core.learned.report(nodes.map((node, index) => ({ from: 'web.shop', to: `s${index}.shop:80`, node })));
  await core.learned.settled();
  assert.equal(observed(core).length, nodes.length);
  for (const node of nodes) assert.ok(sidecarSource(node).length <= 256);
  assert.equal(sidecarSource('ok'), 'sidecar:ok');
  assert.notEqual(sidecarSource('x'.repeat(2000)), sidecarSource(`${'x'.repeat(1999)}y`));
});

test('names that are no edge are counted, not written', async (t) => {
  const core = await startCore(t);
  core.learned.report([
    { from: 'web', to: 'cart.shop:80', node: 'a' },
    { from: 'web.shop', to: 'cart.shop', node: 'a' },
    { from: 'web.shop', to: 'cart.shop:99999', node: 'a' },
    { from: 'web.shop', to: 'cart.shop:80', node: '' },
  ]);
  await core.learned.settled();
  assert.equal(core.learned.counters.malformed, 4);
  assert.equal(core.log.head().offset, 0);
});

/** An ingest that does as it is told. */
const scripted = () => {
  const timers: (() => void)[] = [];
  const sent: Submission[] = [];
  let failure: TendrilError | undefined;
  let hold: Promise<void> = Promise.resolve();
  const edges = new LearnedEdges({
    ingest: {
      submit: async (submission: Submission): Promise<SubmitAnswer> => {
        await hold;
        if (failure !== undefined) throw failure;
        sent.push(submission);
        return { result: 'applied', offsets: [], events: [], findings: [] };
      },
    },
    graph: { edge: () => undefined },
    logger: recordingLogger(),
    timers: {
      after: (_ms, task) => {
        timers.push(task);
        return () => {
          timers.splice(timers.indexOf(task), 1);
        };
      },
    },
    maxPending: 10,
  });
  return {
    edges,
    sent,
    timers,
    fail: (error: TendrilError | undefined) => {
      failure = error;
    },
    block: (until: Promise<void>) => {
      hold = until;
    },
  };
};

const edgeTo = (index: number) => ({ from: 'web.shop', to: `s${index}.shop:80`, node: 'web-1' });
const targets = (submission: Submission | undefined) =>
  submission?.events.map((event) => (event as { data: { to: string } }).data.to) ?? [];

test('3: at the bound the oldest is dropped and counted', async () => {
  const { edges, sent, block } = scripted();
  let free: () => void = () => undefined;
  block(
    new Promise((resolve) => {
      free = resolve;
    }),
  );
  edges.report(Array.from({ length: 25 }, (_, index) => edgeTo(index)));
  assert.deepEqual([edges.counters.pending, edges.counters.dropped], [10, 15]);
  free();
  await edges.settled();
  assert.deepEqual(
    targets(sent[0]),
    Array.from({ length: 10 }, (_, index) => `s${index + 15}.shop:80`),
  );
});

test('4: a failed append is tried again later, nothing is lost; what comes meanwhile joins', async () => {
  const { edges, sent, timers, fail } = scripted();
  fail(new TendrilError('DISK_FULL', 'full'));
  edges.report([edgeTo(1)]);
  await edges.settled();
  assert.equal(edges.counters.failedAppends, 1);
  assert.equal(timers.length, 1);
  edges.report([edgeTo(2)]);
  assert.equal(sent.length, 0);
  fail(undefined);
  timers.shift()?.();
  await edges.settled();
  assert.deepEqual(targets(sent[0]), ['s1.shop:80', 's2.shop:80']);
  assert.equal(edges.counters.pending, 0);
});

test('4: events that the gateway finds malformed are not tried for ever', async () => {
  const { edges, timers, fail } = scripted();
  fail(new TendrilError('E104', 'no'));
  edges.report([edgeTo(1)]);
  await edges.settled();
  assert.deepEqual([edges.counters.pending, timers.length], [0, 0]);
});

test('close writes what is pending and takes no more', async () => {
  const { edges, sent } = scripted();
  edges.report([edgeTo(1)]);
  await edges.close();
  edges.report([edgeTo(2)]);
  await edges.settled();
  assert.deepEqual(
    sent.flatMap((submission) => targets(submission)),
    ['s1.shop:80'],
  );
});
