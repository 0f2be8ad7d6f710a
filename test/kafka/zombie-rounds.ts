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
import { type LogRecord, openEventLog } from '../../src/log/index.ts';
import type { RecordedEvent } from '../../src/model/index.ts';
import type { FoldOutcome } from '../../src/projector/index.ts';
import { createRun } from '../../src/projector/parts.ts';
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

/** A fresh replay is the judge: of every event, and of the state at which each replica ended. */
const check = async (
  dir: string,
  kind: string,
  replicas: readonly Replica[],
  rounds: number,
): Promise<ZombieResult> => {
  const log = await openEventLog({ kind, dir, mesh: 'default', clock: { now: Date.now } });
  const ends = replicas.map(({ id, proof }) => ({
    id,
    offset: Number(proof.split(' ')[0]),
    hash: proof.split(' ')[1],
  }));
  const newest = Math.max(...ends.map(({ offset }) => offset));
  const run = createRun({ mesh: 'default' });
  const ended = new AbortController();
  let [term, applied, stale, compared] = [0, 0, 0, 0];
  const judge = ({ event, offset }: LogRecord, outcome: FoldOutcome | undefined): void => {
    if (event?.type === 'keeper.elected') {
      const { epoch } = (event as RecordedEvent<'keeper.elected'>).data;
      // The rule itself, not the fold's word for it.
      assert.equal(outcome?.status === 'applied', epoch === term + 1, `term ${epoch} at ${offset}`);
      if (epoch === term + 1) term = epoch;
    }
    if (event?.type !== 'dependency.expired') return;
    const { epoch } = (event as RecordedEvent<'dependency.expired'>).data;
    if (outcome?.status === 'applied') {
      assert.equal(epoch, term, `event ${offset} of term ${epoch} was applied in term ${term}`);
      applied += 1;
    } else if (outcome?.code === 'stale-epoch') stale += 1;
    else assert.equal(epoch, term, `event ${offset}: ${outcome?.code}`);
  };
  try {
    for await (const batch of log.follow({ from: 1, signal: ended.signal })) {
      for (const record of batch) {
        judge(
          record,
          run.apply(record).find(({ offset }) => offset === record.offset),
        );
        for (const { id, offset, hash } of ends) {
          if (offset !== record.offset) continue;
          assert.equal(hash, run.stateHash(), `the state of ${id} at ${offset}`);
          compared += 1;
        }
      }
      run.forget();
      if (run.read >= newest) ended.abort();
    }
    assert.equal(compared, replicas.length, 'every replica is compared');
    return { rounds, terms: term, applied, stale };
  } finally {
    await log.close();
  }
};
