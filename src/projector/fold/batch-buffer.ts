/**
 * Gathers the events of a batch until it is complete (design.md section 5: applied only when complete, rejected whole).
 *
 * Invariants:
 * 1. At most one batch is open. It is closed by its last event, or given up when anything else follows.
 * 2. A batch starts with index 0 and goes on with the next index of the same id, source and size, without a gap of offsets.
 * 3. At most `MAX_BATCH` events wait; a larger batch is refused from its first event on.
 */
import type { RecordedEvent } from '../../model/index.ts';

/** Events of one batch. */
export const MAX_BATCH = 10_000;

export class BatchBuffer {
  private readonly events: RecordedEvent[] = [];

  /** Offset of the first event of the open batch; undefined: none is open. */
  get openedAt(): number | undefined {
    return this.events[0]?.offset;
  }

  /** True when the event goes on with the open batch. */
  continues(event: RecordedEvent | undefined): boolean {
    const last = this.events[this.events.length - 1];
    const next = event?.batch;
    return (
      last?.batch !== undefined &&
      event !== undefined &&
      next !== undefined &&
      next.id === last.batch.id &&
      next.size === last.batch.size &&
      next.index === last.batch.index + 1 &&
      event.source === last.source &&
      event.offset === last.offset + 1
    );
  }

  /** True when the event may open a batch. */
  opens(event: RecordedEvent): boolean {
    return event.batch?.index === 0 && event.batch.size <= MAX_BATCH;
  }

  /** Adds an event that opens or continues; gives the whole batch with its last event. */
  add(event: RecordedEvent): readonly RecordedEvent[] | undefined {
    this.events.push(event);
    return this.events.length === event.batch?.size ? this.takeAll() : undefined;
  }

  /** Gives the open batch up. */
  takeAll(): readonly RecordedEvent[] {
    return this.events.splice(0);
  }
}
