/**
 * `--dir`: the documents of a directory, kept in the log as the facet of source `dir`. Looks at the files and keeps the time;
 * `DirFiles` says what to believe, `reconcile` what to write, `DirWriter` writes it.
 *
 * Invariants:
 * 1. The known facet is what the folded state holds of source `dir`, so a restart writes only the difference.
 * 2. One look at a time; a change during a look leads to another one.
 * 3. Nothing seen is lost: file events only shorten the wait for the next poll.
 */
import { type Finding, TendrilError } from '../../model/index.ts';
import { systemTimers, type Timers } from '../ports.ts';
import { type KnownDocument, reconcile } from '../reconcile.ts';
import { DIR_SOURCE } from '../sources.ts';
import { DirFiles, type DirPatience } from './dir-files.ts';
import { readDocumentFile } from './dir-reader.ts';
import { DirWatch } from './dir-watch.ts';
import { DirWriter, type DirWriterOptions } from './dir-writer.ts';
import { reasonOf, scanDirectory } from './scan.ts';

export interface DirAdapterOptions extends DirWriterOptions {
  readonly directory: string;
  readonly timers?: Timers;
  /** A changed file is believed after being the same for this long. Default 200 ms. */
  readonly quietMs?: number;
  /** The same for changes that take something away. Default 1,000 ms. */
  readonly settleMs?: number;
  /** Looks at least this often, whatever file events say. Default 5,000 ms. */
  readonly pollMs?: number;
}

export interface DirStatus {
  readonly state: 'ok' | 'degraded';
  readonly directory: string;
  readonly files: number;
  /** Documents of source `dir` in the mesh. */
  readonly documents: number;
  /** What is wrong, at most 100. */
  readonly findings: readonly Finding[];
}

const MAX_FINDINGS = 100;
const RETRY_MS = 1_000;
/** From a file event to the look: more events may follow at once. */
const TOUCHED_MS = 20;

export class DirAdapter {
  readonly #options: DirAdapterOptions;
  readonly #timers: Timers;
  readonly #patience: DirPatience;
  readonly #files = new DirFiles();
  readonly #watch: DirWatch;
  readonly #writer: DirWriter;
  #scanFindings: readonly Finding[] = [];
  #contentFindings: readonly Finding[] = [];
  #reported = new Set<string>();
  #looking: Promise<void> | undefined;
  #again = false;
  #cancelTimer: (() => void) | undefined;
  #dueAt = Infinity;
  /** How long the last look took, ms. */
  #lastLookMs = 0;
  /** Something believed is not written yet. */
  #dirty = true;
  #closed = false;

  constructor(options: DirAdapterOptions) {
    this.#options = options;
    this.#timers = options.timers ?? systemTimers;
    this.#patience = { quietMs: options.quietMs ?? 200, settleMs: options.settleMs ?? 1_000 };
    this.#watch = new DirWatch(options.directory, options.logger, () => this.#touched());
    this.#writer = new DirWriter(options);
  }

  /** Loads what is there and begins to watch. Rejects with `DIR_UNREADABLE` when there is no such directory. */
  async start(): Promise<void> {
    const { directory } = this.#options;
    try {
      await scanDirectory(directory);
    } catch (cause) {
      const remedy = 'create it, or give another one with --dir';
      throw new TendrilError('DIR_UNREADABLE', `cannot read the directory ${directory}: ${reasonOf(cause)}`, {
        remedy,
        cause,
      });
    }
    await this.look();
  }

  /** Looks now; resolves when what was found is in the log or reported. */
  look(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    if (this.#looking !== undefined) {
      this.#again = true;
      return this.#looking;
    }
    this.#cancelTimer?.();
    this.#dueAt = Infinity;
    this.#looking = this.#lookOnce().finally(() => {
      this.#looking = undefined;
      if (!this.#again) return;
      this.#again = false;
      this.#touched();
    });
    return this.#looking;
  }

  status(): DirStatus {
    const findings = [...this.#scanFindings, ...this.#contentFindings, ...this.#writer.findings].slice(0, MAX_FINDINGS);
    return {
      state: findings.some(({ severity }) => severity === 'error') ? 'degraded' : 'ok',
      directory: this.#options.directory,
      files: this.#files.size,
      documents: this.#known().length,
      findings,
    };
  }

  /** Ends watching; a look under way is finished. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelTimer?.();
    await this.#looking;
    this.#watch.close();
  }

  #known(): readonly KnownDocument[] {
    return [...this.#options.state.policies()].filter(({ source }) => source === DIR_SOURCE);
  }

  #lookWithin(ms: number): void {
    const due = this.#options.now() + ms;
    if (this.#closed || due >= this.#dueAt) return;
    this.#cancelTimer?.();
    this.#dueAt = due;
    this.#cancelTimer = this.#timers.after(ms, () => {
      this.#dueAt = Infinity;
      void this.look();
    });
  }

  /** A file event: look soon; `DirFiles` knows how long to wait for quiet. */
  #touched(): void {
    if (this.#looking !== undefined) this.#again = true;
    else this.#lookWithin(Math.max(TOUCHED_MS, 4 * this.#lastLookMs));
  }

  async #lookOnce(): Promise<void> {
    const { directory, now } = this.#options;
    const started = now();
    // A directory so large that looking takes long is looked at less often.
    let next = Math.max(this.#options.pollMs ?? 5_000, 20 * this.#lastLookMs);
    try {
      const known = this.#known();
      await this.#read(known);
      const { changed, waitMs } = this.#files.settle(now(), this.#patience, known);
      if (waitMs !== undefined) next = Math.min(next, waitMs);
      if (changed) this.#writer.changed();
      this.#dirty ||= changed || this.#writer.healed();
      if (this.#dirty) {
        const { documents, findings } = this.#files.content(known);
        this.#contentFindings = findings;
        this.#dirty = !(await this.#writer.write(reconcile(documents, known)));
      }
      if (this.#dirty) next = Math.min(next, RETRY_MS);
    } catch (error) {
      const message = `cannot read the directory ${directory}: ${reasonOf(error)}; its documents stay as they were`;
      this.#scanFindings = [{ code: 'DIR_UNREADABLE', severity: 'error', message }];
    }
    this.#report();
    this.#lastLookMs = now() - started;
    this.#lookWithin(next);
  }

  /** Reads what is new, notices what is gone. */
  async #read(known: readonly KnownDocument[]): Promise<void> {
    const { directory, now } = this.#options;
    const scan = await scanDirectory(directory);
    const findings = [...scan.findings];
    if (!this.#closed) this.#watch.sync(scan.directories);
    const there = new Set<string>();
    for (const file of scan.files) {
      there.add(file.path);
      if (!this.#files.wants(file.path, file.signature)) continue;
      const read = await readDocumentFile(directory, file);
      if ('unreadable' in read) {
        this.#files.hold(file.path);
        findings.push(read.unreadable);
      } else this.#files.offer(file.path, file.signature, read.content, Math.min(now(), file.modifiedAt));
    }
    const isUnknown = (path: string): boolean =>
      scan.unknown.some((entry) => (entry.endsWith('/') ? path.startsWith(entry) : path === entry));
    const before = new Set(this.#files.paths());
    for (const { file } of known) if (file !== undefined) before.add(file);
    for (const path of before) {
      if (there.has(path)) continue;
      if (isUnknown(path)) this.#files.hold(path);
      else this.#files.missing(path, now());
    }
    this.#scanFindings = findings;
  }

  /** Tells the log what is newly wrong, and when all is good again. */
  #report(): void {
    const { directory, logger } = this.#options;
    const now = new Map(this.status().findings.map((finding) => [JSON.stringify(finding), finding]));
    for (const [key, finding] of now)
      if (!this.#reported.has(key)) logger.warn({ finding }, `${finding.file ?? directory}: ${finding.message}`);
    if (this.#reported.size > 0 && now.size === 0)
      logger.info({ directory }, 'all documents of the directory are good again');
    this.#reported = new Set(now.keys());
  }
}
