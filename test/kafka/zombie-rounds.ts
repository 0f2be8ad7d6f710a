/**
 * F-zombie: of three replicas the keeper is stopped (SIGSTOP) in the midst of writing, another one follows it, and it is let go on
 * (SIGCONT). What it then writes is of a term that is over: 0 of it is applied, on any replica.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openEventLog } from '../../src/log/index.ts';
import type { RecordedEvent } from '../../src/model/index.ts';
import { Projector } from '../../src/projector/index.ts';
import type { Broker } from '../support/kafka.ts';

const CHILD = fileURLToPath(new URL('./zombie-child.js', import.meta.url));
const IDS = ['a', 'b', 'c'];
const PATIENCE_MS = 60_000;

class Replica {
  readonly id: string;
  readonly child: ChildProcess;
  /** Terms this one began. */
  readonly terms: number[] = [];
  proof = '';
  #out = '';
  #err = '';

  constructor(id: string, dir: string, log: string) {
    this.id = id;
    this.child = spawn(process.execPath, [CHILD, join(dir, id), log, id], { stdio: ['pipe', 'pipe', 'pipe'] });
    this.child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
      this.#out += chunk;
      const lines = this.#out.split('\n');
      this.#out = lines.pop() ?? '';
      for (const line of lines) {
        const [word, value = ''] = [line.split(' ')[0], line.slice(line.indexOf(' ') + 1)];
        if (word === 'keeper') this.terms.push(Number(value));
        else if (word === 'proof') this.proof = value;
      }
    });
    this.child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
      this.#err = (this.#err + chunk).slice(-4096);
    });
  }

  get lastTerm(): number {
    return this.terms.at(-1) ?? 0;
  }

  get err(): string {
    return this.#err;
  }
}

const sleep = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

const newestTerm = async (replicas: readonly Replica[], above: number): Promise<Replica> => {
  for (const end = Date.now() + PATIENCE_MS; Date.now() < end; await sleep(5)) {
    const found = replicas.find(({ lastTerm }) => lastTerm > above);
    if (found !== undefined) return found;
    for (const { child, id, err } of replicas) assert.equal(child.exitCode, null, `${id} has ended: ${err}`);
  }
  return assert.fail(`no term above ${above}: ${replicas.map(({ err }) => err).join('\n')}`);
};

export interface ZombieResult {
  readonly rounds: number;
  readonly terms: number;
  /** Events of keepers that were applied, and that were refused because their term was over. */
  readonly applied: number;
  readonly stale: number;
}

/** @param random 0..1, for how long a keeper works before it is stopped, and how long it lies */
export const zombieRounds = async (
  broker: Broker,
  topic: string,
  rounds: number,
  random: () => number,
): Promise<ZombieResult> => {
  const dir = mkdtempSync(join(tmpdir(), 'tendril-zombie-'));
  const kind = `kafka://${broker.address}/${topic}`;
  const replicas = IDS.map((id) => new Replica(id, dir, kind));
  try {
    let keeper = await newestTerm(replicas, 0);
    for (let round = 0; round < rounds; round++) {
      await sleep(20 + random() * 60);
      keeper.child.kill('SIGSTOP');
      const stopped = keeper;
      keeper = await newestTerm(
        replicas.filter((replica) => replica !== stopped),
        stopped.lastTerm,
      );
      await sleep(random() * 30);
      stopped.child.kill('SIGCONT');
    }
    await sleep(300);
    for (const { child } of replicas) child.stdin?.write('stop\n');
    await Promise.all(replicas.map(({ child }) => (child.exitCode === null ? once(child, 'exit') : undefined)));
    for (const { id, proof, err } of replicas) assert.notEqual(proof, '', `${id} gave no proof: ${err}`);
    return await check(join(dir, 'fresh'), kind, replicas, rounds);
  } finally {
    for (const { child } of replicas) child.kill('SIGKILL');
    rmSync(dir, { recursive: true, force: true });
  }
};

/** A fresh replay is the judge. */
const check = async (
  dir: string,
  kind: string,
  replicas: readonly Replica[],
  rounds: number,
): Promise<ZombieResult> => {
  const clock = { now: Date.now };
  const log = await openEventLog({ kind, dir, mesh: 'default', clock });
  const hashes = new Map<number, string>();
  const projector = await Projector.open({ dir, log, mesh: 'default', clock });
  try {
    // Those that ended first stand at earlier offsets: compared where the replay passes them.
    for (const { proof } of replicas) hashes.set(Number(proof.split(' ')[0]), proof.split(' ')[1] ?? '');
    const [newest = 0] = [...hashes.keys()].sort((a, b) => b - a);
    await projector.waitFor(newest);
    let term = 0;
    let [applied, stale] = [0, 0];
    for await (const batch of log.read({ from: 1 })) {
      const outcomes = projector.outcomesOf(batch.map(({ offset }) => offset));
      for (const [index, { event, offset }] of batch.entries()) {
        const outcome = outcomes[index];
        if (event?.type === 'keeper.elected') {
          const { epoch } = (event as RecordedEvent<'keeper.elected'>).data;
          // The rule itself, not the fold's word for it.
          assert.equal(outcome?.status === 'applied', epoch === term + 1, `term ${epoch} at ${offset}`);
          if (epoch === term + 1) term = epoch;
        }
        if (event?.type !== 'dependency.expired') continue;
        const { epoch } = (event as RecordedEvent<'dependency.expired'>).data;
        if (outcome?.status === 'applied') {
          assert.equal(epoch, term, `event ${offset} of term ${epoch} was applied in term ${term}`);
          applied += 1;
        } else if (outcome?.code === 'stale-epoch') stale += 1;
        else assert.equal(epoch, term, `event ${offset}: ${outcome?.code}`);
      }
    }
    const head = projector.proof();
    const own = hashes.get(head?.offset ?? -1);
    if (own !== undefined) assert.equal(own, head?.hash);
    const groups = new Map<string, Set<string>>();
    for (const { proof } of replicas) {
      const [offset = '', hash = ''] = proof.split(' ');
      groups.set(offset, (groups.get(offset) ?? new Set()).add(hash));
    }
    for (const [offset, found] of groups) assert.equal(found.size, 1, `two states at ${offset}`);
    return { rounds, terms: term, applied, stale };
  } finally {
    await projector.close();
    await log.close();
  }
};
