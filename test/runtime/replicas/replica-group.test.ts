/** Replicas on one log, each with a real fold and gateway; who answers whom is the test's. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { ReplicaGroup, type ReplicaStatement } from '../../../src/runtime/replicas/index.ts';
import { type Core, recordingLogger, startCore } from '../../admin/core.ts';

class Mesh {
  readonly core: Core;
  readonly groups = new Map<string, ReplicaGroup>();
  readonly odd: string[] = [];
  /** Replicas that answer nobody. */
  readonly silent = new Set<string>();
  /** What each proves; absent: what the others do. */
  readonly hashes = new Map<string, string>();
  /** Replicas that serve nobody any more. */
  readonly out = new Set<string>();
  /** Who was to begin a term, in order. */
  readonly begins: string[] = [];
  now = 0;

  constructor(core: Core) {
    this.core = core;
  }

  #statement(id: string): ReplicaStatement {
    const proof = this.core.projector.proof();
    return {
      id,
      mesh: 'default',
      version: '1',
      state: this.out.has(id) ? 'out' : 'serving',
      offset: proof?.offset ?? 0,
      sidecars: 3,
      proofs: proof === undefined ? [] : [{ ...proof, hash: this.hashes.get(id) ?? proof.hash }],
    };
  }

  join(t: TestContext, id: string): ReplicaGroup {
    const group = new ReplicaGroup({
      self: id,
      holderName: `${id}/1`,
      mesh: 'default',
      state: this.core.projector.fold,
      statement: () => this.#statement(id),
      ingest: this.core.ingest,
      monotonic: () => this.now,
      onBegin: async () => void this.begins.push(id),
      isOut: () => this.out.has(id),
      onOdd: (why) => this.odd.push(`${id}: ${why}`),
      logger: recordingLogger(),
      peer: (admin) => ({
        statement: async () => {
          const peer = admin.slice('http://'.length);
          if (this.silent.has(peer)) throw new Error('no answer');
          return this.#statement(peer);
        },
        ask: async () => {
          const peer = admin.slice('http://'.length);
          if (this.silent.has(peer)) throw new Error('no answer');
          return { answers: [peer], complete: true };
        },
      }),
      roundMs: 3_600_000,
      lostMs: 1_000,
    });
    t.after(() => group.close());
    this.groups.set(id, group);
    group.start(`http://${id}`);
    return group;
  }

  async rounds(): Promise<void> {
    for (const group of this.groups.values()) await group.round();
  }
}

const start = async (t: TestContext, ...ids: string[]): Promise<Mesh> => {
  const mesh = new Mesh(await startCore(t));
  for (const id of ids) await mesh.join(t, id).round();
  await mesh.rounds();
  await mesh.rounds();
  return mesh;
};

const statesOf = (mesh: Mesh, id: string) =>
  mesh.groups
    .get(id)
    ?.rows()
    .map((row) => `${row.id} ${row.state}`);

test('replicas find each other through the log, once', async (t) => {
  const mesh = await start(t, 'a', 'b');
  const joined = mesh.core.log.head().offset;
  assert.deepEqual(statesOf(mesh, 'a'), ['a serving', 'b serving']);
  assert.deepEqual(statesOf(mesh, 'b'), ['a serving', 'b serving']);
  assert.equal(mesh.groups.get('a')?.verdict.verdict, 'agree');
  await mesh.rounds();
  assert.equal(mesh.core.log.head().offset, joined, 'nothing more is written');
});

test('the odd one of three takes itself out, and the others say which it is', async (t) => {
  const mesh = await start(t, 'a', 'b', 'c');
  mesh.hashes.set('b', 'another');
  await mesh.rounds();
  assert.equal(mesh.odd.length, 1);
  assert.match(mesh.odd[0] ?? '', /^b: its state at offset \d+ differs from that of a, c/);
  assert.equal(mesh.groups.get('a')?.verdict.verdict, 'others');
  await mesh.rounds();
  assert.equal(mesh.odd.length, 1, 'told once');
});

test('two that differ: both alarm, nobody goes', async (t) => {
  const mesh = await start(t, 'a', 'b');
  mesh.hashes.set('b', 'another');
  await mesh.rounds();
  assert.deepEqual(mesh.odd, []);
  assert.equal(mesh.groups.get('a')?.verdict.verdict, 'tied');
  assert.equal(mesh.groups.get('b')?.verdict.verdict, 'tied');
});

test('a question to all is complete only when all answer', async (t) => {
  const mesh = await start(t, 'a', 'b', 'c');
  const ask = () => mesh.groups.get('a')?.ask({ what: 'reporting' });
  assert.deepEqual(await ask(), { answers: ['b', 'c'], complete: true });
  mesh.silent.add('b');
  assert.deepEqual(await ask(), { answers: ['c'], complete: false });
  await mesh.rounds();
  mesh.now += 5_000;
  assert.deepEqual(statesOf(mesh, 'a'), ['a serving', 'b silent', 'c serving']);
});

test('an orderly end leaves the list; a silent one stays until somebody takes it out', async (t) => {
  const mesh = await start(t, 'a', 'b', 'c');
  await mesh.groups.get('c')?.close();
  mesh.groups.delete('c');
  mesh.silent.add('b');
  mesh.groups.delete('b');
  await mesh.rounds();
  assert.deepEqual(statesOf(mesh, 'a'), ['a serving', 'b silent']);
  assert.equal(await mesh.groups.get('a')?.remove('b', 'local', 'gone'), true);
  assert.equal(await mesh.groups.get('a')?.remove('b', 'local', 'gone'), false);
  await mesh.rounds();
  assert.deepEqual(statesOf(mesh, 'a'), ['a serving']);
});

test('one that was taken out and lives joins again', async (t) => {
  const mesh = await start(t, 'a', 'b');
  await mesh.groups.get('a')?.remove('b', 'local', 'a mistake');
  assert.deepEqual(statesOf(mesh, 'a'), ['a serving']);
  await mesh.rounds();
  await mesh.rounds();
  assert.deepEqual(statesOf(mesh, 'a'), ['a serving', 'b serving']);
});

const elect = (mesh: Mesh, epoch: number, id: string) =>
  mesh.core.ingest.submit({
    events: [{ type: 'keeper.elected', data: { keeper: 'edges', epoch, holder: `${id}/1` } }],
    caller: 'tendril',
    internal: true,
  });

test('a keeper that is out of service is followed by another; itself it begins nothing, and writes nothing', async (t) => {
  const mesh = await start(t, 'a', 'b');
  await elect(mesh, 1, 'a');
  assert.deepEqual([mesh.groups.get('a')?.keeper(), mesh.groups.get('b')?.keeper()], ['mine', 'theirs']);
  mesh.out.add('a');
  await mesh.rounds();
  assert.deepEqual([mesh.groups.get('a')?.keeper(), mesh.groups.get('b')?.keeper()], ['theirs', 'begin']);
  assert.deepEqual(mesh.begins.slice(-1), ['b']);
});

test('replicas that hear each other only by the log begin terms ever more seldom', async (t) => {
  const mesh = new Mesh(await startCore(t));
  mesh.silent.add('a').add('b');
  await mesh.join(t, 'a').round();
  await mesh.join(t, 'b').round();
  await mesh.rounds();
  let epoch = 0;
  const terms: number[] = [];
  for (let second = 0; second < 600; second++) {
    mesh.now += 1_000;
    mesh.begins.length = 0;
    await mesh.rounds();
    for (const id of new Set(mesh.begins)) {
      await elect(mesh, ++epoch, id);
      terms.push(second);
      break;
    }
  }
  assert.ok(terms.length >= 2 && terms.length < 30, `${terms.length} terms in ten minutes: ${terms}`);
});

test('a name that somebody else uses is said once, not fought for', async (t) => {
  const mesh = await start(t, 'a');
  const joined = (admin: string) =>
    mesh.core.ingest.submit({
      events: [{ type: 'replica.joined', data: { replica: 'a', admin } }],
      caller: 'tendril',
      internal: true,
    });
  await joined('http://another');
  await mesh.rounds();
  const { offset } = mesh.core.log.head();
  await joined('http://another');
  await mesh.rounds();
  await mesh.rounds();
  assert.equal(mesh.core.log.head().offset, offset + 1, 'nothing more is written for some minutes');
});

test('leases: a replica that is not heard counts for twice the time after which it would follow the keeper; one that is out does not', async (t) => {
  const mesh = await start(t, 'a', 'b', 'c');
  await elect(mesh, 1, 'a');
  await mesh.rounds();
  const voters = () => mesh.groups.get('a')?.voters();
  assert.deepEqual(voters(), ['b', 'c']);
  mesh.silent.add('b');
  // One that does not hear the beginning of a term waits twice as long as lostMs.
  mesh.now += 4_000;
  await mesh.groups.get('a')?.round();
  assert.deepEqual(voters(), ['b', 'c']);
  assert.deepEqual(await mesh.groups.get('a')?.askLeases([], ['b', 'c']), [undefined, ['c']]);
  mesh.now += 1;
  assert.deepEqual(voters(), ['c']);
  // Who counted when the round began is waited for to its end.
  assert.deepEqual(await mesh.groups.get('a')?.askLeases([], ['b', 'c', 'gone']), [undefined, ['c'], undefined]);
  mesh.out.add('c');
  await mesh.groups.get('a')?.round();
  assert.deepEqual(voters(), []);
});
