/**
 * From what a fetch gave to the records of the mirror. Pure.
 *
 * Invariants
 * K1 Offset n of the mirror is offset n - 1 of the topic, for every n: where the topic has a transaction's mark, a record of an
 *    aborted transaction, a batch that cannot be decoded, or nothing, the mirror has an unreadable record that says so.
 * K2 The records' bytes depend on the topic and the mesh alone, not on where fetches begin and end.
 * K3 `recordedAt` never decreases along the mirror.
 * K4 A batch in a compression that is not known here may hold events: a run ends before it, and a run that would begin with it is
 *    an error.
 */
import type { ReadyRecord } from '../ready-record.ts';
import { codecError } from './break.ts';
import { appendOf, readyRecordOf } from './cloud-event.ts';
import type { Fetched } from './fetch-response.ts';
import type { KafkaRecord, RecordBatch } from './record-batch.ts';
import { unreadableRecord } from './unreadable.ts';

export interface MirroredRun {
  /** In order, from the wanted offset on. */
  readonly records: readonly ReadyRecord[];
  /** Tokens of appends, with the index of their first record. */
  readonly appends: readonly { readonly token: string; readonly index: number }[];
}

export interface RunStart {
  /** Offset of the topic that comes next. */
  readonly from: number;
  /** `recordedAt` of the record before. */
  readonly recordedAt: number;
  readonly mesh: string;
}

/** Offsets without a record that one run explains; the next run goes on after them. */
const MAX_VOIDS = 10_000;

const NO_RECORD = 'no record at this offset (removed by compaction, or never written)';

/** @throws TendrilError `KAFKA_TOPIC_UNFIT` (K4). */
export const mirroredRun = (fetched: Pick<Fetched, 'batches' | 'aborted'>, start: RunStart): MirroredRun => {
  const run = new RunBuilder(start);
  const aborted = new AbortedProducers(fetched.aborted);
  for (const batch of fetched.batches) {
    const isAborted = aborted.covers(batch);
    if (batch.lastOffset < run.next) continue;
    if (!run.voids(batch.baseOffset, NO_RECORD, batch.timestamp)) break;
    const why = reasonOf(batch, isAborted);
    if (why === undefined && batch.unknownCodec !== undefined) {
      if (run.records.length > 0) break;
      throw codecError(run.next + 1, batch.unknownCodec);
    }
    if (why === undefined && !batch.records.every((record) => run.add(record, batch.timestamp))) break;
    if (!run.voids(batch.lastOffset + 1, why ?? NO_RECORD, batch.timestamp)) break;
  }
  return run;
};

/** Why no record of the batch is an event. */
const reasonOf = (batch: RecordBatch, isAborted: boolean): string | undefined => {
  if (batch.isControl) return 'the mark of a transaction';
  if (isAborted) return 'its transaction was aborted';
  return batch.undecodable === undefined ? undefined : `its batch ${batch.undecodable}`;
};

class RunBuilder implements MirroredRun {
  readonly records: ReadyRecord[] = [];
  readonly appends: { readonly token: string; readonly index: number }[] = [];
  next: number;
  readonly #mesh: string;
  #recordedAt: number;
  #voids = 0;

  constructor({ from, recordedAt, mesh }: RunStart) {
    this.next = from;
    this.#recordedAt = recordedAt;
    this.#mesh = mesh;
  }

  /** False when the offsets before it need another run. */
  add(record: KafkaRecord, timestamp: number): boolean {
    if (record.offset < this.next) return true;
    if (!this.voids(record.offset, NO_RECORD, timestamp)) return false;
    const token = appendOf(record);
    if (token !== undefined) this.appends.push({ token, index: this.records.length });
    this.#push(readyRecordOf(record, this.#mesh, this.#time(record.timestamp)));
    return true;
  }

  /** Up to `end`; false when there are too many for one run. */
  voids(end: number, why: string, timestamp: number): boolean {
    while (this.next < end) {
      if (this.#voids++ >= MAX_VOIDS) return false;
      this.#push(unreadableRecord(why, this.#time(timestamp)));
    }
    return true;
  }

  /** K3 */
  #time(timestamp: number): number {
    this.#recordedAt = Math.max(this.#recordedAt, timestamp);
    return this.#recordedAt;
  }

  #push(record: ReadyRecord): void {
    this.records.push(record);
    this.next++;
  }
}

/** Which batches belong to aborted transactions: the broker lists those that reach into the fetch, in order of their start. */
class AbortedProducers {
  readonly #coming: { readonly producerId: number; readonly firstOffset: number }[];
  readonly #open = new Set<number>();

  constructor(aborted: Fetched['aborted']) {
    this.#coming = [...aborted].sort((a, b) => a.firstOffset - b.firstOffset);
  }

  /** Asked for each batch once, in order. */
  covers(batch: RecordBatch): boolean {
    for (;;) {
      const [first] = this.#coming;
      if (first === undefined || first.firstOffset > batch.lastOffset) break;
      this.#open.add(first.producerId);
      this.#coming.shift();
    }
    if (!batch.isControl) return batch.isTransactional && this.#open.has(batch.producerId);
    if (batch.isAbort) this.#open.delete(batch.producerId);
    return false;
  }
}
