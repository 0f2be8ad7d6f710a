/** Invariants R1 and R2 of topic-reader.ts at the beginning of a contact. */
import { createHash } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { ReadyRecord } from '../ready-record.ts';
import { RECORD_HEADER_BYTES, writeRecord } from '../record-codec.ts';
import { gapError, otherTopicError, truncatedError } from './break.ts';
import { OFFSET_OUT_OF_RANGE } from './fetch-response.ts';
import type { KafkaClient } from './kafka-client.ts';
import type { Mirror } from './mirror.ts';
import { mirroredRun } from './topic-records.ts';

/** Fetches that find nothing at the mirror's newest offset, at least 0.1 s each, before the contact is given up. */
const TAIL_ATTEMPTS = 50;
const TAIL_PAUSE_MS = 100;
/**
 * Contacts one after the other, of 5 to 10 s each, that find nothing, before the topic counts as cut: well above the 30 s
 * (replica.lag.time.max.ms) for which a replica that does not follow may hold up a new leader's high watermark.
 */
const MAX_CONTACTS_WITHOUT_TAIL = 9;
/** One record is asked for; what comes in its batch behind it is not used. */
const TAIL_BYTES = 1_024;

export interface TailOptions {
  readonly mirror: Mirror;
  readonly mesh: string;
  readonly topic: string;
  readonly signal: AbortSignal;
  /** Contacts just before this one that found nothing. */
  readonly withoutTail: number;
}

/** The topic's record at the mirror's newest offset cannot be read now; nothing says that it is gone. */
export class TailNotThere extends Error {}

/** Whether a record of the topic is the newest of the mirror; undefined: the mirror knows of none. */
const tailTest = (mirror: Mirror): ((there: ReadyRecord) => boolean) | undefined => {
  const tail = mirror.tail();
  if (tail !== undefined) {
    const json = Buffer.from(tail.bytes).toString('utf8', RECORD_HEADER_BYTES);
    return (there) => there.recordedAt === tail.recordedAt && there.json === json;
  }
  const { base } = mirror.head;
  if (base === undefined) return undefined;
  // A mirror that begins at a snapshot without the log knows its newest record by the digest; what was before, it does not.
  return (there) => {
    const bytes = Buffer.allocUnsafe(there.bytes);
    writeRecord(bytes, there, base.recordedAt);
    return createHash('sha256').update(bytes).digest('hex') === base.tail;
  };
};

/**
 * The topic must have the mirror's newest record, with the same bytes, and what comes after it.
 * @throws TendrilError `LOG_GAP`, `LOG_TRUNCATED`, `LOG_OF_ANOTHER_TOPIC`; `TailNotThere`.
 */
export const compareTail = async (
  client: KafkaClient,
  { low, high }: { readonly low: number; readonly high: number },
  { mirror, mesh, topic, signal, withoutTail }: TailOptions,
): Promise<void> => {
  const { offset } = mirror.head;
  if (offset < low) throw gapError(topic, offset + 1, low + 1);
  const isTail = tailTest(mirror);
  // Nothing to compare: the log is new here, or retention has just taken the record.
  if (isTail === undefined || offset === low) return;
  for (let attempt = 0; attempt < TAIL_ATTEMPTS && !signal.aborted; attempt++) {
    const fetched = await client.fetch(offset - 1, TAIL_BYTES);
    // The mirror may be closed now.
    if (signal.aborted) return;
    if (fetched.errorCode === OFFSET_OUT_OF_RANGE) throw truncatedError(topic, offset, high);
    if (fetched.errorCode !== 0) throw new Error(`the broker answers a fetch with error ${fetched.errorCode}`);
    const start = { from: offset - 1, recordedAt: mirror.timeBeforeTail(), mesh };
    const [there] = mirroredRun(fetched, start).records;
    // A new leader may not know yet how far the replicas are.
    if (there === undefined) {
      await pause(TAIL_PAUSE_MS);
      continue;
    }
    if (!isTail(there)) throw otherTopicError(topic, offset);
    return;
  }
  if (signal.aborted) return;
  if (withoutTail + 1 >= MAX_CONTACTS_WITHOUT_TAIL) throw truncatedError(topic, offset, high);
  throw new TailNotThere(`offset ${offset}, the newest of this replica, cannot be read from topic ${topic} yet`);
};
