/**
 * `--dir`: the documents of a directory, kept in the log as the facet of source `dir`. Looks at the files, decides nothing
 * itself: `DirFiles` says what to believe, `reconcile` what to write.
 *
 * Invariants:
 * 1. The known facet is what the folded state holds of source `dir`, so a restart writes only the difference.
 * 2. One look at a time; a change during a look leads to another one.
 * 3. A document that the fold rejects is left out and reported, the others are written; it is tried again when the directory
 *    changes, and (without writing, by `dryRun`) at each poll.
 * 4. Nothing seen is lost: file events only shorten the wait for the next poll.
 */
import type { FSWatcher } from 'node:fs';
import { watch } from 'node:fs';
import { join } from 'node:path';
import { type Finding, TendrilError } from '../../model/index.ts';
import { documentsOfText } from '../document-set.ts';
import type { DryRun } from '../dry-run.ts';
import type { Ingest } from '../ingest.ts';
import { type IngestLogger, type StatePort, systemTimers, type Timers } from '../ports.ts';
import { type DocumentEvent, type KnownDocument, reconcile } from '../reconcile.ts';
import { DIR_SOURCE } from '../sources.ts';
import { DirFiles, type FileContent } from './dir-files.ts';
import { readText, reasonOf, type Scan, type SeenFile, scanDirectory } from './scan.ts';

export interface DirAdapterOptions {
  readonly directory: string;
  readonly ingest: Pick<Ingest, 'submit' | 'limits'>;
  readonly state: StatePort;
  readonly dryRun: DryRun;
  readonly logger: IngestLogger;
  /** ms since the epoch. */
  readonly now: () => number;
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

/** Events of one batch: well below the log's bound, and small enough that one bad document costs little. */
const MAX_BATCH = 500;
const MAX_WATCHED = 1_000;
const MAX_FINDINGS = 100;
const MAX_FILE_BYTES = 16 * 1024 * 1024;
const RETRY_MS = 1_000;
/** From a file event to the look: more events may follow at once. */
const TOUCHED_MS = 20;

export class DirAdapter {
  readonly #options: DirAdapterOptions;
  readonly #timers: Timers;
  readonly #files = new DirFiles();
  readonly #watchers = new Map<string, FSWatcher>();
  /** Rejected by the fold: document -> the event that was tried, and why not. */
  readonly #rejected = new Map<string, { readonly event: DocumentEvent; readonly findings: readonly Finding[] }>();
  #scanFindings: readonly Finding[] = [];
  #contentFindings: readonly Finding[] = [];
  #writeFindings: readonly Finding[] = [];
  #reported = new Set<string>();
  #looking: Promise<void> | undefined;
  #again = false;
  #cancelTimer: (() => void) | undefined;
  #dueAt = Infinity;
  /** How long the last look took. */
  #lastLookMs = 0;
  /** Something believed is not written yet. */
  #dirty = true;
  #closed = false;

  constructor(options: DirAdapterOptions) {
    this.#options = options;
    this.#timers = options.timers ?? systemTimers;
  }

  /** Loads what is there and begins to watch. Rejects with `DIR_UNREADABLE` when there is no such directory. */
  async start(): Promise<void> {
    try {
      await scanDirectory(this.#options.directory);
    } catch (cause) {
      throw new TendrilError(
        'DIR_UNREADABLE',
        `cannot read the directory ${this.#options.directory}: ${reasonOf(cause)}`,
        {
          remedy: 'create it, or give another one with --dir',
          cause,
        },
      );
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
    const rejected = [...this.#rejected.values()].flatMap(({ findings }) => findings);
    const findings = [...this.#scanFindings, ...this.#contentFindings, ...this.#writeFindings, ...rejected].slice(
      0,
      MAX_FINDINGS,
    );
    return {
      state: findings.some((finding) => finding.severity === 'error') ? 'degraded' : 'ok',
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
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
    await this.#looking;
  }

  #known(): readonly KnownDocument[] {
    return [...this.#options.state.policies()].filter((entry) => entry.source === DIR_SOURCE);
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

  async #lookOnce(): Promise<void> {
    const started = this.#options.now();
    // A directory so large that looking takes long is looked at less often.
    let next = Math.max(this.#options.pollMs ?? 5_000, 20 * this.#lastLookMs);
    try {
      const known = this.#known();
      await this.#read(known);
      const { changed, waitMs } = this.#files.settle(this.#options.now(), this.#patience, known);
      if (waitMs !== undefined) next = Math.min(next, waitMs);
      if (changed) {
        this.#dirty = true;
        this.#rejected.clear();
      }
      if (this.#dirty || this.#mayWriteNow()) await this.#write(known);
      if (this.#dirty) next = Math.min(next, RETRY_MS);
    } catch (error) {
      const finding: Finding = {
        code: 'DIR_UNREADABLE',
        severity: 'error',
        message: `cannot read the directory ${this.#options.directory}: ${reasonOf(error)}; its documents stay as they were`,
      };
      this.#scanFindings = [finding];
    }
    this.#report();
    this.#lastLookMs = this.#options.now() - started;
    this.#lookWithin(next);
  }

  get #patience(): { readonly quietMs: number; readonly settleMs: number } {
    return { quietMs: this.#options.quietMs ?? 200, settleMs: this.#options.settleMs ?? 1_000 };
  }

  async #read(known: readonly KnownDocument[]): Promise<void> {
    const scan = await scanDirectory(this.#options.directory);
    const findings = [...scan.findings];
    this.#watch(scan);
    const there = new Set<string>();
    for (const file of scan.files) {
      there.add(file.path);
      if (!this.#files.wants(file.path, file.signature)) continue;
      const content = await this.#content(file);
      if ('finding' in content) {
        this.#files.hold(file.path);
        findings.push(content.finding);
      } else this.#files.offer(file.path, file.signature, content, Math.min(this.#options.now(), file.modifiedAt));
    }
    const isUnknown = (path: string): boolean =>
      scan.unknown.some((entry) => (entry.endsWith('/') ? path.startsWith(entry) : path === entry));
    const before = new Set([
      ...this.#files.paths(),
      ...known.flatMap((entry) => (entry.file === undefined ? [] : [entry.file])),
    ]);
    for (const path of before) {
      if (there.has(path)) continue;
      if (isUnknown(path)) this.#files.hold(path);
      else this.#files.missing(path, this.#options.now());
    }
    this.#scanFindings = findings;
  }

  async #content(file: SeenFile): Promise<FileContent | { readonly finding: Finding }> {
    const problem = (code: string, message: string): FileContent => ({
      documents: [],
      findings: [{ code, severity: 'error', message, file: file.path, line: 1, column: 1 }],
      finished: true,
    });
    if (file.size > MAX_FILE_BYTES)
      return problem('E106', `the file has ${file.size} bytes, ${MAX_FILE_BYTES} are allowed`);
    try {
      const text = await readText(this.#options.directory, file.path);
      if (text === undefined) return problem('E100', 'cannot be read: it is not UTF-8');
      const set = await documentsOfText(text, { file: file.path });
      // Places inside the text would keep all of its syntax tree.
      const documents = set.documents.map(({ locate: _locate, ...document }) => document);
      return { documents, findings: set.findings, finished: text.trim() !== '' && text.endsWith('\n') };
    } catch (error) {
      return {
        finding: {
          code: 'DIR_UNREADABLE',
          severity: 'error',
          message: `cannot read the file: ${reasonOf(error)}`,
          file: file.path,
        },
      };
    }
  }

  /** Rejected documents that would be taken now. */
  #mayWriteNow(): boolean {
    const events = [...this.#rejected.values()].map(({ event }) => event);
    if (events.length === 0) return false;
    const verdict = this.#options.dryRun(events.map(toRaw));
    if (verdict.some((finding) => finding.severity === 'error')) return false;
    this.#rejected.clear();
    return true;
  }

  async #write(known: readonly KnownDocument[]): Promise<void> {
    const { documents, findings } = this.#files.content(known);
    this.#contentFindings = findings;
    this.#writeFindings = [];
    const events = reconcile(documents, known).filter((event) => !this.#rejected.has(event.document));
    const size = Math.min(MAX_BATCH, this.#options.ingest.limits.batchEvents);
    try {
      for (let at = 0; at < events.length; at += size) await this.#writeBatch(events.slice(at, at + size));
      this.#dirty = false;
    } catch (error) {
      this.#dirty = true;
      const code = error instanceof TendrilError ? error.code : 'INTERNAL';
      const message = error instanceof Error ? error.message : String(error);
      this.#writeFindings = [
        { code, severity: 'error', message: `documents of the directory are not written yet: ${message}` },
      ];
    }
  }

  /** Writes a batch; what the fold rejects is left out and the rest tried again, until the rest is taken. */
  async #writeBatch(batch: readonly DocumentEvent[]): Promise<void> {
    let left = batch;
    while (left.length > 0) {
      const answer = await this.#options.ingest.submit({
        events: left.map(toRaw),
        caller: DIR_SOURCE,
        timeoutMs: 30_000,
      });
      if (answer.result === 'pending')
        throw new TendrilError('PROJECTOR_BEHIND', 'the projection has not taken them yet');
      if (answer.result === 'applied') {
        this.#options.logger.info(
          {
            documents: left.map(({ document }) => document).slice(0, 20),
            count: left.length,
            offset: answer.offsets.at(-1),
          },
          'documents of the directory written',
        );
        return;
      }
      const bad = left.filter((_, index) => {
        const outcome = answer.events[index];
        return (
          outcome !== undefined &&
          outcome.code !== 'batch' &&
          (outcome.status === 'rejected' || outcome.status === 'quarantined')
        );
      });
      // Without a culprit the same batch would be rejected for ever.
      const culprits = new Set((bad.length > 0 ? bad : left).map(({ document }) => document));
      for (const event of left) if (culprits.has(event.document)) this.#reject(event, answer.findings);
      left = left.filter((event) => !culprits.has(event.document));
    }
  }

  #reject(event: DocumentEvent, findings: readonly Finding[]): void {
    const own = findings.filter((finding) => finding.document === event.document && finding.severity === 'error');
    const { file, line } = event.data as { readonly file?: string; readonly line?: number };
    const [first] = own.length > 0 ? own : findings;
    const finding: Finding = {
      code: first?.code ?? 'rejected',
      severity: 'error',
      message: first?.message ?? 'the document was rejected',
      document: event.document,
      ...(first?.pointer === undefined ? {} : { pointer: first.pointer }),
      ...(first?.related === undefined ? {} : { related: first.related }),
      ...(first?.hint === undefined ? {} : { hint: first.hint }),
      ...(file === undefined ? {} : { file }),
      ...(line === undefined ? {} : { line }),
    };
    this.#rejected.set(event.document, { event, findings: [finding] });
  }

  /** Watchers for the directories that are there; the poll covers what cannot be watched. */
  #watch(scan: Scan): void {
    const wanted = new Set(scan.directories.slice(0, MAX_WATCHED));
    for (const [path, watcher] of this.#watchers) {
      if (wanted.has(path)) continue;
      watcher.close();
      this.#watchers.delete(path);
    }
    for (const path of wanted) {
      if (this.#watchers.has(path) || this.#closed) continue;
      try {
        const watcher = watch(join(this.#options.directory, path), { persistent: false }, () => this.#touched());
        watcher.on('error', () => {
          watcher.close();
          this.#watchers.delete(path);
        });
        this.#watchers.set(path, watcher);
      } catch (error) {
        this.#options.logger.warn(
          { directory: path, reason: reasonOf(error) },
          'cannot watch, looking at intervals instead',
        );
        return;
      }
    }
  }

  /** A file event: look soon; `DirFiles` knows how long to wait for quiet. */
  #touched(): void {
    if (this.#looking !== undefined) this.#again = true;
    else this.#lookWithin(Math.max(TOUCHED_MS, 4 * this.#lastLookMs));
  }

  /** Tells the log what is newly wrong and what is good again. */
  #report(): void {
    const { findings } = this.status();
    const now = new Set(findings.map((finding) => JSON.stringify(finding)));
    for (const finding of findings)
      if (!this.#reported.has(JSON.stringify(finding)))
        this.#options.logger.warn({ finding }, `${finding.file ?? this.#options.directory}: ${finding.message}`);
    if (this.#reported.size > 0 && now.size === 0)
      this.#options.logger.info(
        { directory: this.#options.directory },
        'all documents of the directory are good again',
      );
    this.#reported = now;
  }
}

const toRaw = (event: DocumentEvent): { readonly type: string; readonly data: Readonly<Record<string, unknown>> } => ({
  type: event.type,
  data: event.data,
});
