/**
 * The one gateway of all writers (HTTP, `--dir`, learned edges, Tendril itself): checks, stamps, appends, waits for the fold.
 *
 * Invariants:
 * 1. A structural error in one event of a submission refuses all of it: nothing is appended (TendrilError, first finding's code).
 * 2. An answer with offsets is given only after `append` resolved: the events are durable.
 * 3. The answer's statuses are the fold's, never guessed; an event without an outcome yet is `pending`.
 * 4. An atomic submission of several events is one batch: applied or rejected whole.
 * 5. At most `maxWaiting` submissions wait at a time; beyond that, and while the fold is too far behind, new ones are refused
 *    with a code that maps to 429; nothing is appended then.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { EventLog } from '../log/index.ts';
import { type EventBatch, type Finding, TendrilError } from '../model/index.ts';
import { type CheckedEvent, checkEvent, type Stamp, toEnvelope } from './event-check.ts';
import { DEFAULT_LIMITS, type InputLimits } from './input-limits.ts';
import type { FoldPort, Outcome } from './ports.ts';
import type { RawCheck } from './raw-event.ts';
import { type EventAnswer, outcomeFindings, placeFinding, type Submission, type SubmitAnswer } from './submission.ts';

export interface IngestOptions {
  readonly log: Pick<EventLog, 'append' | 'mesh'>;
  /**
   * Of a log that may be out of reach: whether it is. An append that is not done within the submission's timeout is answered with
   * `LOG_AWAY`, and stays queued in the log; Tendril's own events are refused at once, since whoever writes them tries again.
   */
  readonly isAway?: () => boolean;
  readonly fold: FoldPort;
  /** ms since the epoch. */
  readonly now: () => number;
  readonly newId: () => string;
  readonly limits?: Partial<InputLimits>;
  /** Reads raw resources before they are appended; absent: only the fold does, and quarantines those that are bad. */
  readonly rawCheck?: RawCheck;
  /** Why this may not be written now, whoever writes it; undefined: it may. */
  readonly refuse?: (submission: Submission) => TendrilError | undefined;
  /** Submissions waiting for append or fold at one time. Default 1,000. */
  readonly maxWaiting?: number;
  /** Default 100,000 events. */
  readonly maxLagEvents?: number;
  /** Default 5,000 ms. */
  readonly maxLagMs?: number;
}

export interface IngestCounters {
  /** Events appended. */
  readonly appended: number;
  /** Submissions refused, by code. */
  readonly refused: ReadonlyMap<string, number>;
  /** Submissions answered as pending. */
  readonly pending: number;
  /** Submissions waiting now. */
  readonly waiting: number;
}

const DEFAULT_TIMEOUT_MS = 5_000;
/** Findings of one answer. */
const MAX_FINDINGS = 100;

export class Ingest {
  readonly limits: InputLimits;
  readonly #options: IngestOptions;
  readonly #refused = new Map<string, number>();
  #appended = 0;
  #pending = 0;
  #waiting = 0;

  constructor(options: IngestOptions) {
    this.#options = options;
    this.limits = { ...DEFAULT_LIMITS, ...options.limits };
  }

  get counters(): IngestCounters {
    return { appended: this.#appended, refused: this.#refused, pending: this.#pending, waiting: this.#waiting };
  }

  /**
   * Appends the events and answers what became of them. Rejects with `TendrilError`: a code of a finding (`E101` …: structural,
   * nothing appended), `BATCH_EMPTY`, `BATCH_TOO_LARGE`, `INGEST_BUSY` and `PROJECTOR_BEHIND` (try again), or a code of
   * `EventLog.append`.
   */
  async submit(submission: Submission): Promise<SubmitAnswer> {
    try {
      const refused = this.#options.refuse?.(submission);
      if (refused !== undefined) throw refused;
      this.#admit(submission.events.length, submission.internal === true);
      const { events, warnings } = this.#check(submission);
      this.#waiting++;
      try {
        return await this.#append(submission, events, warnings);
      } finally {
        this.#waiting--;
      }
    } catch (error) {
      if (error instanceof TendrilError) this.#refused.set(error.code, (this.#refused.get(error.code) ?? 0) + 1);
      throw error;
    }
  }

  #admit(count: number, internal: boolean): void {
    if (count === 0)
      throw new TendrilError('BATCH_EMPTY', 'no events were sent; allowed are 1 or more', {
        remedy: 'send {"events":[{"type":…,"data":…}]}',
      });
    if (count > this.limits.batchEvents)
      throw new TendrilError(
        'BATCH_TOO_LARGE',
        `${count} events were sent, ${this.limits.batchEvents} are allowed at a time`,
        {
          remedy: 'send several batches',
        },
      );
    if (this.#waiting >= (this.#options.maxWaiting ?? 1_000))
      throw new TendrilError('INGEST_BUSY', `${this.#waiting} writers wait already`, {
        remedy: 'try again in a second, or send larger batches',
      });
    // Tendril's own events are few, and some of them end the trouble.
    if (internal) return;
    const lag = this.#options.fold.lag();
    if (lag.events > (this.#options.maxLagEvents ?? 100_000) || lag.ms > (this.#options.maxLagMs ?? 5_000))
      throw new TendrilError(
        'PROJECTOR_BEHIND',
        `the projection is ${lag.events} events and ${Math.round(lag.ms)} ms behind the log`,
        {
          remedy: 'try again in a second',
        },
      );
  }

  /** Checks raw events without appending; findings carry the submission's places. Rejects as `submit` does. */
  #check(submission: Submission): { readonly events: readonly CheckedEvent[]; readonly warnings: readonly Finding[] } {
    const { rawCheck } = this.#options;
    const context = {
      limits: this.limits,
      internal: submission.internal === true,
      ...(rawCheck === undefined ? {} : { rawCheck }),
    };
    const events: CheckedEvent[] = [];
    const errors: Finding[] = [];
    const warnings: Finding[] = [];
    for (const [index, raw] of submission.events.entries()) {
      const checked = checkEvent(raw, context);
      const placed = (finding: Finding): Finding => placeFinding(finding, submission.place?.(index));
      if (checked.ok) {
        events.push(checked.event);
        warnings.push(...checked.warnings.map(placed));
      } else errors.push(...checked.findings.map(placed));
      if (errors.length >= MAX_FINDINGS) break;
    }
    const [first] = errors;
    if (first !== undefined)
      throw new TendrilError(first.code, refusal(errors), {
        findings: errors.slice(0, MAX_FINDINGS),
        ...remedyOf(first),
      });
    return { events, warnings: warnings.slice(0, MAX_FINDINGS) };
  }

  async #append(
    submission: Submission,
    checked: readonly CheckedEvent[],
    warnings: readonly Finding[],
  ): Promise<SubmitAnswer> {
    const { log, fold, now, newId } = this.#options;
    const stamp: Stamp = { mesh: log.mesh, caller: submission.caller, time: new Date(now()).toISOString(), newId };
    const atomic = submission.atomic !== false && checked.length > 1;
    const batchId = atomic ? newId() : '';
    const batchOf = (index: number): EventBatch | undefined =>
      atomic ? { id: batchId, index, size: checked.length } : undefined;
    const timeoutMs = submission.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    const envelopes = checked.map((event, index) => toEnvelope(event, stamp, batchOf(index)));
    const { isAway } = this.#options;
    let offsets: readonly number[];
    try {
      if (submission.internal === true && isAway?.() === true) throw awayError('the events were not written');
      const appending = log.append(envelopes);
      ({ offsets } = await (isAway === undefined ? appending : inTime(appending, timeoutMs)));
    } catch (error) {
      submission.observe?.(envelopes, undefined);
      throw error;
    }
    submission.observe?.(envelopes, offsets);
    this.#appended += offsets.length;
    const started = now();
    const pending = (why: readonly Finding[]): SubmitAnswer => {
      this.#pending++;
      return {
        result: 'pending',
        offsets,
        events: offsets.map((offset) => ({ offset, status: 'pending' })),
        findings: why,
      };
    };
    try {
      const outcomes = await fold.outcomes(offsets, timeoutMs);
      if (outcomes === undefined) return pending(warnings);
      const answer = this.#settled(submission, outcomes);
      const last = offsets[offsets.length - 1] ?? 0;
      if (submission.wait !== 'applied' || answer.result === 'rejected') return answer;
      if (await fold.visible(last, Math.max(0, timeoutMs - (now() - started)))) return answer;
      this.#pending++;
      return { ...answer, result: 'pending' };
    } catch (error) {
      // The events are durable: an error now would make the writer send them again.
      if (!(error instanceof TendrilError)) throw error;
      return pending([
        ...warnings,
        {
          code: error.code,
          severity: 'warning',
          message: `the events are in the log, but nobody decides on them now: ${error.message}`,
        },
      ]);
    }
  }

  #settled(submission: Submission, outcomes: readonly Outcome[]): SubmitAnswer {
    const findings: Finding[] = [];
    let result: SubmitAnswer['result'] = 'applied';
    const events = outcomes.map((outcome, index): EventAnswer => {
      if (outcome.status === 'rejected' || outcome.status === 'quarantined') result = 'rejected';
      findings.push(...outcomeFindings(outcome).map((finding) => placeFinding(finding, submission.place?.(index))));
      return {
        offset: outcome.duplicateOf ?? outcome.offset,
        status: outcome.status,
        ...(outcome.code === undefined ? {} : { code: outcome.code }),
        ...(outcome.message === undefined ? {} : { message: outcome.message }),
      };
    });
    return { result, offsets: events.map(({ offset }) => offset), events, findings: findings.slice(0, MAX_FINDINGS) };
  }
}

const awayError = (what: string): TendrilError =>
  new TendrilError('LOG_AWAY', `no contact with the log: ${what}`, { remedy: 'send them again when it is back' });

/** The append goes on after the time is over. */
const inTime = async <T>(appending: Promise<T>, timeoutMs: number): Promise<T> => {
  const over = new AbortController();
  const late = pause(timeoutMs, undefined, { signal: over.signal }).then(() => {
    throw new TendrilError('LOG_AWAY', `the events were not written within ${timeoutMs} ms; they stay queued`, {
      remedy: 'they may still be written: send them again with the same ids and source, then they count once',
    });
  });
  late.catch(() => undefined);
  appending.catch(() => undefined);
  try {
    return await Promise.race([appending, late]);
  } finally {
    over.abort();
  }
};

const refusal = (errors: readonly Finding[]): string => {
  const [first] = errors;
  const message = first?.message ?? 'the events have errors';
  return errors.length > 1 ? `${message} (and ${errors.length - 1} more)` : message;
};

const remedyOf = (finding: Finding): { readonly remedy?: string } =>
  finding.hint === undefined ? {} : { remedy: finding.hint };
