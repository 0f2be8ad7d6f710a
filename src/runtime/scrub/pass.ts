/**
 * One pass of the scrub: every record of log, state and ledger against its checksum, the chain of the log against the proofs that the
 * state holds, the chain of the audit. Runs in a process of its own, because damage can end the process that reads it
 * (reference/reliability.md, finding 2), and so that nobody waits for it.
 *
 * Invariants
 * K1 A slice (256 KiB) is read within one turn of the event loop: no read transaction lasts longer.
 * K2 Over any slices at most `bytesPerSecond` are read, and nothing while it is told to pause.
 * K3 Every damaged record is one finding; the pass goes on behind it.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { verifyAudit } from '../../audit/index.ts';
import { chainStart, LOG_SCHEMA, nextChain } from '../../log/index.ts';
import { TendrilError } from '../../model/index.ts';
import { openStoredPart, storedChains } from '../../projector/index.ts';
import { type Environment, openEnvironment, scanTable, type TableKey } from '../../store/index.ts';
import type { FromScrub, ScrubFinding, ScrubJob, ScrubPart } from './messages.ts';

const SLICE_BYTES = 256 * 1024;
const SLICE_RECORDS = 2_000;

export interface ScrubPace {
  /** Resolves when so many more bytes may be read (K2). */
  after(bytes: number): Promise<void>;
}

type Tell = (message: FromScrub) => void;

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
    if (log !== undefined) await this.#log(log, state);
    if (state !== undefined) await this.#environment('state', state);
    const ledger = await this.#open('ledger', () => openStoredPart(dir, mesh, 'ledger'));
    if (ledger !== undefined) await this.#environment('ledger', ledger);
    await this.#audit();
    for (const environment of [log, state, ledger]) await environment?.close();
    this.#tell({ t: 'end', ...this.#totals });
  }

  async #open(part: ScrubPart, open: () => Promise<Environment>): Promise<Environment | undefined> {
    if (!existsSync(join(this.#job.dir, part, 'data.mdb'))) return undefined;
    try {
      return await open();
    } catch (error) {
      const code = error instanceof TendrilError ? error.code : 'DATA_CORRUPT';
      // Being made just now.
      if (code !== 'DATA_MISSING') this.#found(finding(part, code, 'opening', String(error)));
      return undefined;
    }
  }

  /** Offsets without gaps, and the chain, besides the checksums. */
  async #log(log: Environment, state: Environment | undefined): Promise<void> {
    const chainAt = state === undefined ? () => undefined : storedChains(state);
    let expected: number | undefined;
    let chain: Buffer | undefined;
    const onRecord = (key: TableKey, body: Buffer): void => {
      const offset = Number(key);
      if (expected === undefined && offset === 1) chain = chainStart();
      // Records between that are missing or fail their checksum have findings of their own.
      if (expected !== undefined && offset !== expected) chain = undefined;
      expected = offset + 1;
      chain = chain === undefined ? undefined : nextChain(chain, body);
      const stored = chainAt(offset);
      if (stored === undefined) return;
      if (chain !== undefined && chain.toString('hex') !== stored)
        this.#found(
          finding(
            'log',
            'LOG_CORRUPT',
            `offset ${offset}`,
            `the chain of the log up to event ${offset} is not the one that was folded`,
          ),
        );
      chain = Buffer.from(stored, 'hex');
    };
    for (const table of log.tableNames())
      await this.#table('log', log, table, table === 'events' ? onRecord : undefined);
  }

  async #environment(part: ScrubPart, environment: Environment): Promise<void> {
    for (const table of environment.tableNames()) await this.#table(part, environment, table, undefined);
  }

  async #table(
    part: ScrubPart,
    environment: Environment,
    name: string,
    onRecord: ((key: TableKey, body: Buffer) => void) | undefined,
  ): Promise<void> {
    const table = environment.table<TableKey>(name);
    let after: TableKey | undefined;
    let previous: number | undefined;
    const gaps = (key: TableKey): void => {
      if (typeof key !== 'number' || part !== 'log' || name !== 'events') return;
      if (previous !== undefined && key !== previous + 1)
        this.#found(
          finding('log', 'LOG_CORRUPT', `offset ${previous + 1}`, `events ${previous + 1} to ${key - 1} are missing`),
        );
      previous = key;
    };
    for (;;) {
      this.#tell({ t: 'progress', part, table: name, ...this.#totals });
      environment.refresh();
      const scan = scanTable(table, {
        after,
        records: SLICE_RECORDS,
        bytes: SLICE_BYTES,
        onKey: gaps,
        ...(onRecord === undefined ? {} : { onRecord }),
      });
      for (const key of scan.bad) {
        const where = part === 'log' && name === 'events' ? `offset ${keyText(key)}` : `${name}[${keyText(key)}]`;
        this.#found(
          finding(part, part === 'log' ? 'LOG_CORRUPT' : 'CORRUPT_RECORD', where, 'the record fails its checksum'),
        );
      }
      this.#totals.records += scan.records;
      this.#totals.bytes += scan.bytes;
      if (scan.last === undefined) return;
      after = scan.last;
      await this.#pace.after(scan.bytes);
    }
  }

  async #audit(): Promise<void> {
    const { dir, mesh } = this.#job;
    this.#tell({ t: 'progress', part: 'audit', table: '', ...this.#totals });
    let proof = await verifyAudit({ dir, mesh });
    // Entries may be pruned while it is read.
    if ((proof?.problemCount ?? 0) > 0) proof = await verifyAudit({ dir, mesh });
    this.#totals.records += proof?.entries ?? 0;
    for (const { seq, message } of proof?.problems ?? [])
      this.#found(finding('audit', 'AUDIT_CORRUPT', `entry ${seq}`, message));
  }

  #found(found: ScrubFinding): void {
    this.#tell({ t: 'finding', finding: found });
  }
}

/** Resolves when everything has been read once. */
export const scrubPass = (job: ScrubJob, pace: ScrubPace, tell: Tell): Promise<void> => new Pass(job, pace, tell).run();
