/**
 * Offline proof of a data directory (`tendril verify`): checksums of every record, the hash chain, and a replay from the first
 * event (or the checkpoint) whose state hash and resources must be those that are stored.
 *
 * Damaged files are read in a child process first, so they cannot end this one. Nothing is written; a running Tendril is refused
 * (`LOG_LOCKED`).
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { type EventLog, openEventLog } from '../log/index.ts';
import { TendrilError } from '../model/index.ts';
import { type CommitMode, checkEnvironment, headProblemOf, openEnvironment } from '../store/index.ts';
import type { FoldOptions } from './fold/index.ts';
import { type FoldRun, PROOF_EVERY } from './fold-run.ts';
import { decodeHead, type Head } from './head.ts';
import { createRun, derivationOf } from './parts.ts';
import { HEAD_KEY, openStateTables, REBUILD_KEY, STATE_NAME, STATE_SCHEMA, type StateTables } from './state-tables.ts';
import { nextTurn } from './turns.ts';
import { fromCheckpoint } from './verify-checkpoint.ts';
import { Findings, type VerifyProblem } from './verify-findings.ts';
import { compareEntities, compareModel } from './verify-state.ts';
import { decodeProof } from './write-changes.ts';

export interface VerifyProgress {
  readonly step: 'checksums' | 'replay' | 'resources';
  /** Events replayed, and events there are. */
  readonly offset: number;
  readonly head: number;
}

export interface VerifyOptions {
  /** Data directory. */
  readonly dir: string;
  readonly mesh: string;
  /** As the projector was given it: resources compiled by another version are not compared. */
  readonly version?: string;
  readonly fold?: Omit<FoldOptions, 'mesh'>;
  readonly onProgress?: (progress: VerifyProgress) => void;
  /** Problems named in the report (default 100); all are counted. */
  readonly maxProblems?: number;
}

export interface VerifyReport {
  readonly ok: boolean;
  /** Last offset of the log. */
  readonly offset: number;
  /** State hash and chain of the replay at `offset`, hexadecimal. */
  readonly hash: string;
  readonly chain: string;
  readonly foldVersion: number;
  /** Offset of the stored state; it may trail the log. */
  readonly stateOffset: number | undefined;
  readonly problems: readonly VerifyProblem[];
  readonly problemCount: number;
  /** What was left out, and why. */
  readonly notes: readonly string[];
}

const MAX_READERS = 1024;
const MAP_SIZE = 2 ** 40;
const RECORDS_PER_TURN = 1024;

/** @throws TendrilError `DATA_MISSING`, `LOG_LOCKED`, `MESH_MISMATCH`, `DATA_FROM_NEWER_VERSION`. */
export const verifyData = async (options: VerifyOptions): Promise<VerifyReport> => {
  const { dir } = options;
  const findings = new Findings(options.maxProblems ?? 100);
  if (!existsSync(join(dir, 'log', 'data.mdb'))) {
    throw new TendrilError('DATA_MISSING', `${dir} has no log`, {
      remedy: 'name the data directory of a server with --data',
    });
  }
  options.onProgress?.({ step: 'checksums', offset: 0, head: 0 });
  const isLogSound = await checkFile(dir, 'log', 'durable', findings);
  const isStateSound = await checkFile(dir, STATE_NAME, 'visible', findings);
  await checkFile(dir, 'ledger', 'visible', findings);
  const run = createRun(options);
  let stateOffset: number | undefined;
  if (isLogSound) {
    try {
      stateOffset = await replay(options, run, isStateSound === true, findings);
    } catch (error) {
      if (!(error instanceof TendrilError) || !['LOG_CORRUPT', 'DATA_CORRUPT', 'CORRUPT_RECORD'].includes(error.code))
        throw error;
      findings.add('log', `offset ${run.read + 1}`, error.message);
    }
  }
  const { problems, notes, count } = findings;
  return {
    ok: count === 0,
    offset: run.offset,
    hash: run.stateHash(),
    chain: run.chain,
    foldVersion: run.foldVersion,
    stateOffset,
    problems,
    problemCount: count,
    notes,
  };
};

/** Undefined: there is none. */
const checkFile = async (
  dir: string,
  name: 'log' | 'state' | 'ledger',
  mode: CommitMode,
  findings: Findings,
): Promise<boolean | undefined> => {
  const path = join(dir, name);
  if (!existsSync(join(path, 'data.mdb'))) {
    if (name === STATE_NAME) findings.notes.push('there is no state; it is made from the log at the next start');
    return undefined;
  }
  // What a start would refuse, though it can be read.
  const problem = headProblemOf(join(path, 'data.mdb'), mode);
  if (problem !== undefined) {
    findings.add(name, problem.where, problem.what);
    return false;
  }
  const result = await checkEnvironment({ path, mode, extent: 'full', maxReaders: MAX_READERS, mapSize: MAP_SIZE });
  if (!result.ok) findings.add(name, result.where, result.what);
  return result.ok;
};

/** Gives the offset of the stored state. */
const replay = async (
  options: VerifyOptions,
  run: FoldRun,
  hasState: boolean,
  findings: Findings,
): Promise<number | undefined> => {
  const { dir, mesh } = options;
  const log = await openEventLog({ kind: 'lmdb', dir, mesh, clock: { now: () => 0 }, readingOnly: true });
  try {
    if (log.head().first > 1 && !(await fromCheckpoint(options, log, run, findings))) return undefined;
    if (!hasState) {
      await fold(options, log, run, log.head().offset);
      return undefined;
    }
    const environment = await openEnvironment({
      dir,
      mesh,
      name: STATE_NAME,
      schema: STATE_SCHEMA,
      mode: 'visible',
      readOnly: true,
    });
    try {
      return await replayWithState(options, log, run, openStateTables(environment), findings);
    } finally {
      await environment.close();
    }
  } finally {
    await log.close();
  }
};

const replayWithState = async (
  options: VerifyOptions,
  log: EventLog,
  run: FoldRun,
  tables: StateTables,
  findings: Findings,
): Promise<number | undefined> => {
  const body = tables.head.get(HEAD_KEY);
  const rebuilding = tables.head.get(REBUILD_KEY);
  const end = log.head().offset;
  const head = body === undefined ? undefined : decodeHead(body);
  if (head === undefined || rebuilding !== undefined) {
    findings.notes.push('the state is not complete; it is made from the log at the next start');
    await fold(options, log, run, end);
    return head?.offset;
  }
  if (head.offset > end) {
    findings.add(
      'state',
      'head',
      `the state stands at offset ${head.offset}, the log ends at ${end}: events are missing`,
    );
    await fold(options, log, run, end);
    return head.offset;
  }
  if (head.offset < run.read) {
    findings.notes.push(`the state stands at offset ${head.offset}, before the checkpoint: it is not compared`);
    await fold(options, log, run, end);
    return head.offset;
  }
  await fold(options, log, run, head.offset, (offset) => compareProof(tables, run, offset, findings));
  await compareAt(options, head, run, tables, findings);
  await fold(options, log, run, end);
  return head.offset;
};

/** Folds up to an offset that is not inside a batch. */
const fold = async (
  options: VerifyOptions,
  log: EventLog,
  run: FoldRun,
  to: number,
  onProof?: (offset: number) => void,
): Promise<void> => {
  if (run.read >= to) return;
  const head = log.head().offset;
  for await (const records of log.read({ from: run.read + 1, maxBatch: RECORDS_PER_TURN })) {
    for (const record of records) {
      if (record.offset > to) return;
      run.apply(record);
      if (record.offset % PROOF_EVERY === 0) onProof?.(record.offset);
    }
    run.forget();
    options.onProgress?.({ step: 'replay', offset: run.read, head });
    await nextTurn();
  }
};

const compareProof = (tables: StateTables, run: FoldRun, offset: number, findings: Findings): void => {
  const body = tables.proof.get(offset);
  const own = run.lastProof;
  if (own === undefined) return;
  if (body === undefined) {
    findings.add('state', `proof[${offset}]`, 'the proof is missing');
    return;
  }
  const stored = decodeProof(offset, body);
  if (stored.foldVersion !== own.foldVersion || !isDeepStrictEqual(stored.base, own.base)) return;
  if (stored.chain !== own.chain)
    findings.add('log', `offset ${offset}`, `chain ${own.chain}, stored with the state: ${stored.chain}`);
  if (stored.hash !== own.hash)
    findings.add('state', `proof[${offset}]`, `replay gives ${own.hash}, stored is ${stored.hash}`);
};

const compareAt = async (
  options: VerifyOptions,
  head: Head,
  run: FoldRun,
  tables: StateTables,
  findings: Findings,
): Promise<void> => {
  if (head.foldVersion !== run.foldVersion) {
    findings.notes.push(
      `the state was folded by version ${head.foldVersion} of the fold, this is ${run.foldVersion}: it is made anew at the next start`,
    );
    return;
  }
  if (!isDeepStrictEqual(head.base, run.base)) {
    findings.notes.push('the state was taken over at another offset than the checkpoint: they are not compared');
    return;
  }
  if (head.chain !== run.chain) {
    findings.add('log', `offset ${head.offset}`, `chain ${run.chain}, stored with the state: ${head.chain}`);
  }
  const hash = run.stateHash();
  if (head.hash !== hash) findings.add('state', 'head', `replay gives state hash ${hash}, stored is ${head.hash}`);
  compareEntities(tables, run, findings);
  const derivation = derivationOf(options.version);
  if (head.derivation !== derivation) {
    findings.notes.push(
      `resources were compiled by version ${head.derivation}, this is ${derivation}: they are not compared`,
    );
    return;
  }
  options.onProgress?.({ step: 'resources', offset: run.read, head: head.offset });
  await compareModel(tables, run, findings);
};
