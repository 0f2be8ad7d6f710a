/**
 * Decides one unit: a single event, or a complete batch.
 *
 * Invariants:
 * 1. All of the unit is applied, or nothing of it (policies.md section 1; contracts, `POST /v1/events`).
 * 2. One rejected or quarantined event: the others are rejected with code `batch`; duplicates stay duplicates.
 * 3. A duplicate is skipped, the rest applies.
 * 4. `expect` is compared with the subject as it was before the unit.
 * 5. Every event decided here is remembered by (source, id), whatever became of it: re-sending it changes nothing.
 * 6. Only the state, the events and their offsets decide; nothing here reads a clock.
 */
import type { Finding, RecordedEvent } from '../../model/index.ts';
import type { FoldOutcome } from '../types.ts';
import { checkEvent } from './event-check.ts';
import { evolve } from './evolve.ts';
import type { Idempotency } from './idempotency.ts';
import type { MeshState } from './mesh-state.ts';
import { subjectOffset } from './subject-offset.ts';
import { Unit } from './unit.ts';
import { unitErrors, unitWarnings } from './unit-check.ts';
import { APPLIED, type Applied, isRefusal, quarantined, type Refusal, rejected, rejectedBy } from './verdict.ts';

interface Duplicate {
  readonly duplicateOf: number;
}

type Verdict = Applied | Refusal | Duplicate;

const isDuplicate = (verdict: Verdict): verdict is Duplicate => 'duplicateOf' in verdict;

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const outcomeOf = (offset: number, verdict: Verdict): FoldOutcome => {
  if (isDuplicate(verdict)) return { offset, status: 'duplicate', duplicateOf: verdict.duplicateOf };
  if (isRefusal(verdict)) return { offset, ...verdict };
  if (verdict === APPLIED) return { offset, status: 'applied' };
  return { offset, status: 'applied', ...verdict };
};

/** Claims (source, id) where both are there; events of other meshes have their own ids. */
const claim = (idempotency: Idempotency, event: RecordedEvent, mesh: string): number => {
  const { source, id } = event;
  if (typeof source !== 'string' || typeof id !== 'string' || event.mesh !== mesh) return 0;
  return idempotency.claim(source, id, event.offset, event.recordedAt);
};

const staleMessage = (expect: number, found: number): string =>
  found === 0
    ? `The author saw offset ${expect}, but there is no such entity (any more).`
    : `The author saw offset ${expect}, the entity is at ${found} now.`;

export class Decider {
  private readonly state: MeshState;
  private readonly idempotency: Idempotency;
  private readonly unit = new Unit();

  constructor(state: MeshState, idempotency: Idempotency) {
    this.state = state;
    this.idempotency = idempotency;
  }

  /** A single event. */
  decide(event: RecordedEvent): FoldOutcome {
    const unit = this.startUnit();
    const expected = event.expect === undefined ? 0 : this.subjectOffset(event);
    const verdict = this.verdictOn(unit, event, expected);
    if (isDuplicate(verdict)) return outcomeOf(event.offset, verdict);
    if (isRefusal(verdict)) {
      this.state.rollback();
      return outcomeOf(event.offset, verdict);
    }
    if (unit.isEmpty) {
      this.state.commit();
      return outcomeOf(event.offset, verdict);
    }
    const verdicts: Verdict[] = [verdict];
    this.settle(unit, [event], verdicts);
    return outcomeOf(event.offset, verdicts[0] ?? verdict);
  }

  /** A complete batch, in order. */
  decideBatch(events: readonly RecordedEvent[]): FoldOutcome[] {
    const unit = this.startUnit();
    const expected = events.map((event) => (event.expect === undefined ? 0 : this.subjectOffset(event)));
    const verdicts = events.map((event, index) => {
      unit.index = index;
      return this.verdictOn(unit, event, expected[index] ?? 0);
    });
    if (verdicts.some((verdict) => !isDuplicate(verdict) && isRefusal(verdict))) {
      this.state.rollback();
      rejectOthers(events, verdicts);
    } else this.settle(unit, events, verdicts);
    return events.map((event, index) => outcomeOf(event.offset, verdicts[index] ?? APPLIED));
  }

  private startUnit(): Unit {
    if (!this.unit.isEmpty) this.unit.clear();
    this.unit.index = 0;
    return this.unit;
  }

  private subjectOffset(event: RecordedEvent): number {
    return typeof event.subject === 'string' ? subjectOffset(this.state, event.subject) : 0;
  }

  /** Applies one event to the state; a refusal leaves it to the caller to roll back. */
  private verdictOn(unit: Unit, event: RecordedEvent, expected: number): Verdict {
    const first = claim(this.idempotency, event, this.state.name);
    if (first > 0) return { duplicateOf: first };
    try {
      const bad = checkEvent(event, this.state.name);
      if (bad !== undefined) return bad;
      if (event.expect !== undefined && event.expect !== expected) {
        return rejected('expect', staleMessage(event.expect, expected));
      }
      return evolve(this.state, unit, event);
    } catch (error) {
      return quarantined('fold', `${event.type} cannot be folded: ${messageOf(error)}`);
    }
  }

  /** Runs the checks on the whole unit, then commits or rolls back. */
  private settle(unit: Unit, events: readonly RecordedEvent[], verdicts: Verdict[]): void {
    let errors: ReadonlyMap<number, readonly Finding[]>;
    let warnings: ReadonlyMap<number, readonly Finding[]>;
    try {
      errors = unitErrors(this.state, unit, events);
      warnings = errors.size > 0 ? new Map() : unitWarnings(this.state, unit, events);
    } catch (error) {
      this.state.rollback();
      verdicts[unit.index] = quarantined('fold', `The checks cannot be made: ${messageOf(error)}`);
      rejectOthers(events, verdicts);
      return;
    }
    if (errors.size > 0) {
      this.state.rollback();
      for (const [index, findings] of errors) verdicts[index] = rejectedBy(findings);
      rejectOthers(events, verdicts);
      return;
    }
    for (const [index, findings] of warnings) {
      const verdict = verdicts[index];
      if (verdict === undefined || isDuplicate(verdict) || isRefusal(verdict)) continue;
      verdicts[index] = { ...verdict, findings: [...(verdict.findings ?? []), ...findings] };
    }
    this.state.commit();
  }
}

/** Invariant 2. */
const rejectOthers = (events: readonly RecordedEvent[], verdicts: Verdict[]): void => {
  const culprit = events.find((_, index) => {
    const verdict = verdicts[index];
    return verdict !== undefined && !isDuplicate(verdict) && isRefusal(verdict);
  });
  for (const [index, verdict] of verdicts.entries()) {
    if (isDuplicate(verdict) || isRefusal(verdict)) continue;
    verdicts[index] = rejected(
      'batch',
      `Not applied, because the event at offset ${culprit?.offset ?? 0} of its batch was not.`,
    );
  }
};
