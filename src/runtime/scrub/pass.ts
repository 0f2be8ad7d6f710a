/**
 * One pass of the scrub: every record of log, state and ledger against its checksum, the chain of the log against the proofs that the
 * state holds, the chain of the audit. Runs in a process of its own, because damage can end the process that reads it
 * (reference/reliability.md, finding 2), and so that nobody waits for it.
 *
 * Invariants
 * K1 A slice (256 KiB) is read within one turn of the event loop: no read transaction lasts longer.
 * K2 Over any slices at most `bytesPerSecond` are read, and nothing while it is told to pause.
 * K3 Every damaged record is one finding; the pass goes on behind it, and behind a table or part that cannot be read further.
 * K4 Part and table are told, and have left this process, before the first byte of them is read: its death is charged to them.
 * K5 Only what damaged bytes alone can cause is told as damage: every other error is `SCRUB_FAILED`, from which nothing follows.
 * K6 Events that retention removes while the log is read are not missing: the base of the log says so.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { verifyAudit } from '../../audit/index.ts';
import { LOG_SCHEMA, storedBase } from '../../log/index.ts';
import { TendrilError } from '../../model/index.ts';
import { chainOfProof, openStoredPart, PROOF_TABLE } from '../../projector/index.ts';
import {
  type Environment,
  headProblemOf,
  isDamage,
  openEnvironment,
  type Scan,
  scanTable,
  type TableKey,
} from '../../store/index.ts';
import { chainCheck, Gaps } from './log-checks.ts';
import type { FromScrub, ScrubFinding, ScrubJob, ScrubPart } from './messages.ts';

const SLICE_BYTES = 256 * 1024;
const SLICE_RECORDS = 2_000;

export interface ScrubPace {
  /** Resolves when so many more bytes may be read (K2). */
  after(bytes: number): Promise<void>;
}

type Tell = (message: FromScrub) => void | Promise<void>;
type OnRecord = (key: TableKey, body: Buffer) => void;

const REMEDIES: Readonly<Record<ScrubPart, string>> = {
  log: 'writes are refused; stop Tendril, `tendril verify --data DIR`, then restore data/log from a copy',
  state: 'it is made anew from the log at the next start; now: POST /v1/scrub?heal=1',
  ledger: 'nothing is decided from it; stop Tendril and remove data/ledger to begin it anew',
  audit: '`tendril verify --data DIR` names every entry; keep a copy of data/audit, then restore it or move it away',
};

const finding = (part: ScrubPart, code: string, where: string, message: string): ScrubFinding => ({
  part,
  code,
  where,
  message,
  remedy: REMEDIES[part],
});

const damageCode = (part: ScrubPart): string => (part === 'log' ? 'LOG_CORRUPT' : 'CORRUPT_RECORD');

/** K5 */
const failure = (part: ScrubPart, where: string, error: unknown): ScrubFinding => {
  const message = error instanceof TendrilError ? `${error.code}: ${error.message}` : String(error);
  if (isDamage(error) || (error instanceof TendrilError && error.code === 'LOG_CORRUPT'))
    return finding(part, damageCode(part), where, message);
  const remedy = 'the next pass tries again; if it comes back, look for the cause that it names';
  return { part, code: 'SCRUB_FAILED', where, message, remedy };
};

const isMissing = (error: unknown): boolean => error instanceof TendrilError && error.code === 'DATA_MISSING';

const keyText = (key: TableKey): string => (Array.isArray(key) ? key.join('/') : String(key)).slice(0, 200);

interface Totals {
  records: number;
  bytes: number;
}

class Pass {
  readonly #job: ScrubJob;
  readonly #pace: ScrubPace;
  readonly #tell: Tell;
  readonly #totals: Totals = { records: 0, bytes: 0 };

  constructor(job: ScrubJob, pace: ScrubPace, tell: Tell) {
    this.#job = job;
    this.#pace = pace;
    this.#tell = tell;
  }

  async run(): Promise<void> {
    const { dir, mesh } = this.#job;
    const state = await this.#open('state', () => openStoredPart(dir, mesh, 'state'));
    const log = await this.#open('log', () =>
      openEnvironment({ dir, mesh, name: 'log', schema: LOG_SCHEMA, readOnly: true }),
    );
    const ledger = await this.#open('ledger', () => openStoredPart(dir, mesh, 'ledger'));
    // First and as a part of the state: damage of its proofs is not charged to the log (K4).
    const chains = state === undefined ? new Map<number, string>() : await this.#chains(state);
    if (log !== undefined)
      await this.#environment('log', log, { events: chainCheck(chains, (at) => this.#otherChain(at)) });
    if (state !== undefined) await this.#environment('state', state, {}, PROOF_TABLE);
    if (ledger !== undefined) await this.#environment('ledger', ledger);
    await this.#audit();
    for (const environment of [log, state, ledger]) await environment?.close();
    await this.#tell({ t: 'end', ...this.#totals });
  }

  async #progress(part: ScrubPart, table: string): Promise<void> {
    await this.#tell({ t: 'progress', part, table, ...this.#totals });
  }

  async #open(part: ScrubPart, open: () => Promise<Environment>): Promise<Environment | undefined> {
    const file = join(this.#job.dir, part, 'data.mdb');
    if (!existsSync(file)) return undefined;
    await this.#progress(part, '');
    try {
      // LMDB may die of it. The lenient mode: what it asks holds at every moment of a writer too.
      const problem = headProblemOf(file, 'visible');
      if (problem === undefined) return await open();
      this.#found(finding(part, damageCode(part), problem.where, `${file}: ${problem.what}`));
      return undefined;
    } catch (error) {
      // Being made just now.
      if (!isMissing(error)) this.#found(failure(part, 'opening', error));
      return undefined;
    }
  }

  /** Chain values of the log that the state holds, hexadecimal, by offset: one of 1,024 events. */
  async #chains(state: Environment): Promise<ReadonlyMap<number, string>> {
    const chains = new Map<number, string>();
    await this.#table('state', state, PROOF_TABLE, (key, proof) => {
      const chain = chainOfProof(Number(key), proof);
      if (chain !== undefined) chains.set(Number(key), chain);
    });
    return chains;
  }

  /** `done`: a table that has been read already. */
  async #environment(
    part: ScrubPart,
    environment: Environment,
    onRecord: Readonly<Record<string, OnRecord>> = {},
    done?: string,
  ): Promise<void> {
    await this.#progress(part, '');
    let names: readonly string[] = [];
    try {
      names = environment.tableNames();
    } catch (error) {
      this.#found(failure(part, 'the list of its tables', error));
    }
    for (const name of names) if (name !== done) await this.#table(part, environment, name, onRecord[name]);
  }

  /** K3: never rejects for what it reads. */
  async #table(part: ScrubPart, environment: Environment, name: string, onRecord?: OnRecord): Promise<void> {
    const gaps = part === 'log' && name === 'events' ? new Gaps() : undefined;
    let after: TableKey | undefined;
    for (;;) {
      await this.#progress(part, name);
      let scan: Scan<TableKey>;
      try {
        environment.refresh();
        scan = scanTable(environment.table<TableKey>(name), {
          after,
          records: SLICE_RECORDS,
          bytes: SLICE_BYTES,
          onKey: (key) => gaps?.take(Number(key)),
          ...(onRecord === undefined ? {} : { onRecord }),
        });
        for (const { from, to } of gaps?.missing(() => this.#baseOf(environment)) ?? [])
          this.#found(finding(part, 'LOG_CORRUPT', `offset ${from}`, `events ${from} to ${to} are missing`));
      } catch (error) {
        const where = after === undefined ? `table ${name}` : `table ${name}, behind ${keyText(after)}`;
        if (!isMissing(error)) this.#found(failure(part, where, error));
        return;
      }
      for (const key of scan.bad) {
        const where = gaps === undefined ? `${name}[${keyText(key)}]` : `offset ${keyText(key)}`;
        this.#found(finding(part, damageCode(part), where, 'the record fails its checksum'));
      }
      this.#totals.records += scan.records;
      this.#totals.bytes += scan.bytes;
      if (scan.last === undefined) return;
      after = scan.last;
      await this.#pace.after(scan.bytes);
    }
  }

  /** K6 */
  #baseOf(log: Environment): number {
    try {
      return storedBase(log)?.offset ?? 0;
    } catch (error) {
      this.#found(failure('log', 'meta[base]', error));
      // Nobody knows what was cut off.
      return Number.POSITIVE_INFINITY;
    }
  }

  async #audit(): Promise<void> {
    const { dir, mesh } = this.#job;
    await this.#progress('audit', '');
    const onPiece = async (bytes: number): Promise<void> => {
      this.#totals.bytes += bytes;
      await this.#progress('audit', '');
      await this.#pace.after(bytes);
    };
    try {
      const proof = await verifyAudit({ dir, mesh, onPiece });
      this.#totals.records += proof?.entries ?? 0;
      for (const { seq, message } of proof?.problems ?? [])
        this.#found(finding('audit', 'AUDIT_CORRUPT', `entry ${seq}`, message));
    } catch (error) {
      this.#found(failure('audit', 'reading', error));
    }
  }

  #otherChain(offset: number): void {
    const message = `the chain of the log up to event ${offset} is not the one that was folded`;
    this.#found(finding('log', 'LOG_CORRUPT', `offset ${offset}`, message));
  }

  #found(found: ScrubFinding): void {
    void this.#tell({ t: 'finding', finding: found });
  }
}

/** Resolves when everything has been read once. */
export const scrubPass = (job: ScrubJob, pace: ScrubPace, tell: Tell): Promise<void> => new Pass(job, pace, tell).run();
