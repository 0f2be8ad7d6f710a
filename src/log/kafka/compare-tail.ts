/** Invariants R1 and R2 of topic-reader.ts at the beginning of a contact. */
import { gapError, otherTopicError, truncatedError } from './break.ts';
import { OFFSET_OUT_OF_RANGE } from './fetch-response.ts';
import type { KafkaClient } from './kafka-client.ts';
import type { Mirror } from './mirror.ts';
import { mirroredRun } from './topic-records.ts';

/** Fetches that find nothing at the mirror's newest offset, about 0.1 s each, before the topic counts as cut. */
const TAIL_ATTEMPTS = 50;

export interface TailOptions {
  readonly mirror: Mirror;
  readonly mesh: string;
  readonly topic: string;
  readonly signal: AbortSignal;
}

/**
 * The topic must have the mirror's newest record, with the same bytes, and what comes after it.
 * @throws TendrilError `LOG_GAP`, `LOG_TRUNCATED`, `LOG_OF_ANOTHER_TOPIC`.
 */
export const compareTail = async (
  client: KafkaClient,
  { low, high }: { readonly low: number; readonly high: number },
  { mirror, mesh, topic, signal }: TailOptions,
): Promise<void> => {
  const { offset } = mirror.head;
  if (offset < low) throw gapError(topic, offset + 1, low + 1);
  const tail = mirror.tail();
  // Nothing to compare: the log is new here, or retention has just taken the record.
  if (tail === undefined || offset === low) return;
  for (let attempt = 0; attempt < TAIL_ATTEMPTS && !signal.aborted; attempt++) {
    const fetched = await client.fetch(offset - 1);
    if (fetched.errorCode === OFFSET_OUT_OF_RANGE) throw truncatedError(topic, offset, high);
    if (fetched.errorCode !== 0) throw new Error(`the broker answers a fetch with error ${fetched.errorCode}`);
    const start = { from: offset - 1, recordedAt: mirror.timeBeforeTail(), mesh };
    const [there] = mirroredRun(fetched, start).records;
    // A new leader may not know yet how far the replicas are.
    if (there === undefined) continue;
    const same = there.recordedAt === tail.recordedAt && there.json === Buffer.from(tail.bytes).toString('utf8', 8);
    if (!same) throw otherTopicError(topic, offset);
    return;
  }
  if (!signal.aborted) throw truncatedError(topic, offset, high);
};
