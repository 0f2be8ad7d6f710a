/**
 * Writes what `--dir` wants to say, and remembers what the fold did not take.
 *
 * Invariants:
 * 1. A document that the fold rejects is left out and reported; all others of its batch are written.
 * 2. It is tried again when the directory changes, or when a dry run finds nothing against it any more; after each vain try of
 *    the second sort twice as late: the log is not filled with rejections.
 * 3. Nothing is written while the fold has not passed what was written before: a fold that stands still is not fed again and
 *    again with the same.
 */
import { type Finding, TendrilError } from '../../model/index.ts';
import type { DryRun } from '../dry-run.ts';
import type { Ingest } from '../ingest.ts';
import type { IngestLogger, StatePort } from '../ports.ts';
import type { DocumentEvent } from '../reconcile.ts';
import { DIR_SOURCE } from '../sources.ts';

/** Events of one batch: well below the log's bound, and small enough that one bad document costs little. */
const MAX_BATCH = 500;
const WRITE_TIMEOUT_MS = 30_000;
const FIRST_RETRY_MS = 5_000;
const LAST_RETRY_MS = 3_600_000;

interface Rejected {
  readonly event: DocumentEvent;
  readonly finding: Finding;
  readonly notBefore: number;
}

export interface DirWriterOptions {
  readonly ingest: Pick<Ingest, 'submit' | 'limits'>;
  readonly state: StatePort;
  readonly dryRun: DryRun;
  readonly logger: IngestLogger;
  /** ms since the epoch. */
  readonly now: () => number;
}

type RawEvent = Pick<DocumentEvent, 'type' | 'data'>;
const toRaw = ({ type, data }: DocumentEvent): RawEvent => ({ type, data });

export class DirWriter {
  readonly #options: DirWriterOptions;
  readonly #rejected = new Map<string, Rejected>();
  /** Vain tries since the directory changed. */
  readonly #tries = new Map<string, number>();
  /** Offset that the fold has to pass before more is written. */
  #awaited = 0;
  #failure: Finding | undefined;

  constructor(options: DirWriterOptions) {
    this.#options = options;
  }

  /** What could not be written, and why. */
  get findings(): readonly Finding[] {
    const rejected = [...this.#rejected.values()].map(({ finding }) => finding);
    return this.#failure === undefined ? rejected : [this.#failure, ...rejected];
  }

  /** The directory has changed: everything is worth another try. */
  changed(): void {
    this.#rejected.clear();
    this.#tries.clear();
  }

  /** Looks (without writing) which rejected documents would be taken now; true when there are some. */
  healed(): boolean {
    let events = [...this.#rejected.values()]
      .filter(({ notBefore }) => notBefore <= this.#options.now())
      .map(({ event }) => event);
    while (events.length > 0) {
      const errors = this.#options.dryRun(events.map(toRaw)).filter(({ severity }) => severity === 'error');
      if (errors.length === 0) break;
      const bad = new Set(errors.map(({ document }) => document));
      const left = events.filter(({ document }) => !bad.has(document));
      events = left.length < events.length ? left : [];
    }
    for (const { document } of events) this.#rejected.delete(document);
    return events.length > 0;
  }

  /** Writes the events, rejected documents left out. False: not all could be written now, try again. */
  async write(events: readonly DocumentEvent[]): Promise<boolean> {
    if (this.#options.state.offset < this.#awaited) return false;
    this.#failure = undefined;
    const wanted = events.filter(({ document }) => !this.#rejected.has(document));
    const size = Math.min(MAX_BATCH, this.#options.ingest.limits.batchEvents);
    try {
      for (let at = 0; at < wanted.length; at += size) await this.#writeBatch(wanted.slice(at, at + size));
      return true;
    } catch (error) {
      const code = error instanceof TendrilError ? error.code : 'INTERNAL';
      const message = error instanceof Error ? error.message : String(error);
      this.#failure = {
        code,
        severity: 'error',
        message: `documents of the directory are not written yet: ${message}`,
      };
      return false;
    }
  }

  /** Invariant 1: until the rest is taken. */
  async #writeBatch(batch: readonly DocumentEvent[]): Promise<void> {
    let left = batch;
    while (left.length > 0) {
      const answer = await this.#options.ingest.submit({
        events: left.map(toRaw),
        caller: DIR_SOURCE,
        timeoutMs: WRITE_TIMEOUT_MS,
      });
      this.#awaited = answer.offsets.at(-1) ?? this.#awaited;
      if (answer.result === 'pending')
        throw new TendrilError('PROJECTOR_BEHIND', 'the projection has not taken them yet');
      if (answer.result === 'applied') {
        const documents = left.slice(0, 20).map(({ document }) => document);
        this.#options.logger.info(
          { documents, count: left.length, offset: this.#awaited },
          'documents of the directory written',
        );
        return;
      }
      const bad = left.filter((_, index) => {
        const outcome = answer.events[index];
        return outcome?.code !== 'batch' && (outcome?.status === 'rejected' || outcome?.status === 'quarantined');
      });
      // Without a culprit the same batch would be rejected for ever.
      const culprits = new Set(bad.length > 0 ? bad : left);
      for (const event of culprits) this.#reject(event, answer.findings);
      left = left.filter((event) => !culprits.has(event));
    }
  }

  #reject(event: DocumentEvent, findings: readonly Finding[]): void {
    const { document } = event;
    const { file, line } = event.data as { readonly file?: string; readonly line?: number };
    const found =
      findings.find((finding) => finding.document === document && finding.severity === 'error') ?? findings[0];
    const tries = (this.#tries.get(document) ?? 0) + 1;
    this.#tries.set(document, tries);
    this.#rejected.set(document, {
      event,
      finding: {
        ...(found ?? { code: 'rejected', message: 'the document was rejected' }),
        severity: 'error',
        document,
        ...(file === undefined ? {} : { file }),
        ...(line === undefined ? {} : { line }),
      },
      // The first try costs nothing: a dry run decides.
      notBefore: this.#options.now() + (tries === 1 ? 0 : Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** tries)),
    });
  }
}
