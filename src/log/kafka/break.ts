/** Reasons that end the reading of a topic for good: what follows the mirror is not in it. */
import { TendrilError } from '../../model/index.ts';

const RECOVER =
  '`tendril recover` takes a snapshot of a peer or a file; until then this replica serves what it has. Nothing was skipped';

/** `next`: offset (of the log) that is wanted; `low`: first one kept. */
export const gapError = (topic: string, next: number, low: number): TendrilError =>
  new TendrilError(
    'LOG_GAP',
    `topic ${topic} begins at offset ${low}: offsets ${next} to ${low - 1} are missing here and no longer there`,
    { remedy: RECOVER },
  );

/** `head`: last offset of the mirror; `end`: last one of the topic; undefined: the topic is gone. */
export const truncatedError = (topic: string, head: number, end: number | undefined): TendrilError =>
  new TendrilError(
    'LOG_TRUNCATED',
    end === undefined
      ? `topic ${topic} is gone; this replica holds its offsets up to ${head}`
      : `topic ${topic} ends at offset ${end}, this replica holds offsets up to ${head}: ${end + 1} to ${head} were lost there, or it was made anew`,
    { remedy: `find out what happened to the topic; ${RECOVER}` },
  );

export const otherTopicError = (topic: string, offset: number): TendrilError =>
  new TendrilError(
    'LOG_OF_ANOTHER_TOPIC',
    `record ${offset} of topic ${topic} is not the one that this replica holds: it was made anew, or the data directory belongs to another topic or cluster`,
    { remedy: `check --log and --data; ${RECOVER}` },
  );

/** `offset`: of the log, the first one that cannot be read. The batch stays as it is, also when the setting is right again. */
export const codecError = (offset: number, codec: string): TendrilError =>
  new TendrilError(
    'KAFKA_TOPIC_UNFIT',
    `the batch at offset ${offset} is compressed with ${codec}, which is not read here: compression.type of the topic has been changed`,
    {
      remedy:
        'set compression.type=uncompressed before anything else is written; that batch stays as it is: begin a new topic with `tendril log dump` and `tendril log import`. Nothing was skipped',
    },
  );

/** Codes after which no contact is tried again. */
export const BREAKS: ReadonlySet<string> = new Set([
  'LOG_GAP',
  'LOG_TRUNCATED',
  'LOG_OF_ANOTHER_TOPIC',
  'KAFKA_TOPIC_UNFIT',
]);
