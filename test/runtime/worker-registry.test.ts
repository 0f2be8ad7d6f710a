/** Invariants as numbered in src/runtime/worker-registry.ts. */
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { channelPair } from '../../src/runtime/channel.ts';
import type { ToCore, ToWorker, UseReport } from '../../src/runtime/messages.ts';
import { WorkerRegistry } from '../../src/runtime/worker-registry.ts';

let now = 0;
let epoch = 0;
let dead: number[] = [];
let expected = 0;
let takesUse: (report: UseReport) => boolean;
let registry: WorkerRegistry;

beforeEach(() => {
  now = 0;
  epoch = 1;
  dead = [];
  expected = 0;
  takesUse = () => true;
  registry = new WorkerRegistry({
    clock: () => now,
    epoch: () => epoch,
    get expected() {
      return expected;
    },
    onLedger: () => undefined,
    onObserved: async () => true,
    onUse: (report) => takesUse(report),
    onDead: (pid) => dead.push(pid),
  });
});

const turn = (): Promise<void> => new Promise((done) => setImmediate(done));

const join = async (pid: number): Promise<{ say: (message: ToCore) => void; heard: ToWorker[]; leave: () => void }> => {
  const [core, worker] = channelPair<ToWorker, ToCore>();
  const heard: ToWorker[] = [];
  registry.accept(core);
  worker.onMessage = (message) => heard.push(message);
  worker.send({ t: 'hello', worker: 0, pid, xds: { host: '127.0.0.1', port: 1 } });
  await turn();
  return { say: (message) => worker.send(message), heard, leave: () => worker.close() };
};

test('1: a barrier waits for every live worker', async () => {
  const first = await join(1);
  const second = await join(2);
  assert.deepEqual(first.heard, [{ t: 'notice', epoch: 1 }]);
  let passed = false;
  const barrier = registry.applied(1, 5_000).then((value) => {
    passed = value;
  });
  first.say({ t: 'applied', epoch: 1 });
  await turn();
  assert.equal(passed, false);
  second.say({ t: 'applied', epoch: 1 });
  await barrier;
  assert.equal(passed, true);
});

test('1: a worker that dies leaves the barrier; without workers it is open', async () => {
  const only = await join(1);
  const barrier = registry.applied(1, 5_000);
  only.leave();
  assert.equal(await barrier, true);
  assert.equal(await registry.applied(1, 5_000), true);
});

test('2: a worker silent for 2 s leaves the barrier, and is reported once when it has been for 10 s', async () => {
  const quiet = await join(7);
  const barrier = registry.applied(1, 60_000);
  for (now = 500; now < 3_000; now += 500) registry.tick();
  assert.equal(await barrier, true);
  assert.deepEqual([registry.live.length, registry.counters.silent, dead], [0, 1, []]);
  for (; now < 13_000; now += 500) registry.tick();
  assert.deepEqual([registry.counters.silent, dead], [1, [7]]);
  quiet.say({ t: 'applied', epoch: 1 });
  await turn();
  assert.equal(registry.live.length, 1);
});

test('2: a slow worker that shows life delays the barrier and is left alone', async () => {
  const slow = await join(7);
  let passed = false;
  const barrier = registry.applied(1, 60_000).then(() => {
    passed = true;
  });
  for (now = 500; now < 10_000; now += 500) {
    slow.say({ t: 'alive' });
    await turn();
    registry.tick();
  }
  assert.deepEqual([passed, dead], [false, []]);
  slow.say({ t: 'applied', epoch: 1 });
  await barrier;
});

test('2: time in which the core stood still does not count against workers', async () => {
  await join(7);
  now = 30_000;
  registry.tick();
  assert.deepEqual([registry.live.length, dead], [1, []]);
});

test('1: an epoch of a state that was made anew since confirms nothing', async () => {
  const worker = await join(7);
  worker.say({ t: 'applied', epoch: 5_000 });
  await turn();
  assert.equal(await registry.applied(1, 5), false);
  registry.notice(1);
  await turn();
  assert.deepEqual(worker.heard.at(-1), { t: 'notice', epoch: 1 });
  worker.say({ t: 'applied', epoch: 1 });
  await turn();
  assert.equal(await registry.applied(1, 5), true);
});

test('1: a worker that should be there is waited for, but not for ever', async () => {
  expected = 1;
  assert.equal(await registry.applied(1, 5), false);
  now = 2_001;
  assert.equal(await registry.applied(1, 5), true);
});

test('a barrier that nobody confirms ends with its time-out', async () => {
  await join(1);
  assert.equal(await registry.applied(1, 5), false);
});

test('4: questions are answered by whoever is there', async () => {
  const worker = await join(1);
  const asked = registry.ask<number>({ what: 'proxies' });
  await turn();
  const question = worker.heard.find((message) => message.t === 'ask');
  assert.ok(question?.t === 'ask');
  worker.say({ t: 'answer', id: question.id, body: 42 });
  assert.deepEqual(await asked, [42]);
});

test('4: an answer is complete when every worker that should be there has answered', async () => {
  expected = 2;
  const answered = async (worker: Awaited<ReturnType<typeof join>>): Promise<void> => {
    await turn();
    const question = worker.heard.findLast((message) => message.t === 'ask');
    assert.ok(question?.t === 'ask');
    worker.say({ t: 'answer', id: question.id, body: 1 });
  };
  const first = await join(1);
  const alone = registry.askAll<number>({ what: 'proxies' });
  await answered(first);
  assert.deepEqual(await alone, { answers: [1], complete: false });
  const second = await join(2);
  const both = registry.askAll<number>({ what: 'proxies' });
  await answered(first);
  await answered(second);
  assert.deepEqual(await both, { answers: [1, 1], complete: true });
});

test('a node that connected is counted once, whatever channel its worker has, and not when it was there before the core', async () => {
  let counted = 0;
  registry.onJoined = (nodes) => {
    counted += nodes;
  };
  const alive = async (worker: Awaited<ReturnType<typeof join>>, joined: number): Promise<number> => {
    worker.say({ t: 'alive', nodes: 1, joined });
    await turn();
    return counted;
  };
  const first = await join(1);
  assert.equal(await alive(first, 5), 0, 'before the core');
  assert.equal(await alive(first, 7), 2);
  first.leave();
  await turn();
  const again = await join(1);
  assert.equal(await alive(again, 8), 3, 'the same process, one more');
  again.leave();
  await turn();
  assert.equal(await alive(await join(2), 4), 7, 'the process that took its place');
});

test('uses are confirmed when they are taken, and else not', async () => {
  const worker = await join(1);
  const report: UseReport = {
    uses: [{ from: 'web.shop', to: 'cart.shop:80', node: 'a', requests: 1, errors: 0, lastMs: 5 }],
  };
  const taken: UseReport[] = [];
  takesUse = (given) => {
    taken.push(given);
    return taken.length === 2;
  };
  const confirmed = (): readonly ToWorker[] => worker.heard.filter(({ t }) => t === 'used');
  worker.say({ t: 'use', upTo: 7, report });
  await turn();
  assert.deepEqual(confirmed(), []);
  worker.say({ t: 'use', upTo: 8, report });
  await turn();
  assert.deepEqual(confirmed(), [{ t: 'used', upTo: 8 }]);
  assert.deepEqual(taken, [report, report]);
});

test('what one worker says of long streams goes to all others, and not back', async () => {
  const [first, second, third] = [await join(1), await join(2), await join(3)];
  first.say({ t: 'long', statement: { nodes: [['web-1', 40_000]] } });
  await turn();
  const heard = { t: 'long', worker: 0, statement: { nodes: [['web-1', 40_000]] } };
  assert.deepEqual(second.heard.at(-1), heard);
  assert.deepEqual(third.heard.at(-1), heard);
  assert.ok(!first.heard.some(({ t }) => t === 'long'));
});
