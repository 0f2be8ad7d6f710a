/** Record batches as the client library encodes them, and fetch responses around them. */
import { createRequire } from 'node:module';
import type { KafkaMessage } from '../../src/log/kafka/cloud-event.ts';
import { crc32c } from '../../src/log/kafka/crc32c.ts';

const load = createRequire(import.meta.url);

interface Encoded {
  readonly buffer: Buffer;
}

const { RecordBatch } = load('kafkajs/src/protocol/recordBatch/v0') as {
  RecordBatch(options: object): Promise<Encoded>;
};
const encodeRecord = load('kafkajs/src/protocol/recordBatch/record/v0') as (record: object) => unknown;

export interface BatchShape {
  readonly first: number;
  readonly messages: readonly Pick<KafkaMessage, 'key' | 'value' | 'headers'>[];
  /** Offsets of the messages from `first` on; default 0, 1, 2, … */
  readonly deltas?: readonly number[];
  /** Default: that of the last message. */
  readonly lastDelta?: number;
  readonly timestamp?: number;
  readonly gzip?: boolean;
  readonly transactional?: boolean;
  readonly producerId?: number;
  readonly control?: 'abort' | 'commit';
}

const LOG_APPEND_TIME = 8;
const CONTROL = 32;

/** A batch with LogAppendTime, as brokers store it. */
export const batchBytes = async (shape: BatchShape): Promise<Buffer> => {
  const { first, messages, timestamp = 1_000_000, control } = shape;
  const deltas = shape.deltas ?? messages.map((_, index) => index);
  const marker = { key: Buffer.from([0, 0, 0, control === 'abort' ? 0 : 1]), value: Buffer.alloc(6), headers: {} };
  const records = (control === undefined ? messages : [marker]).map((message, index) =>
    encodeRecord({ ...message, offsetDelta: deltas[index] ?? 0, timestampDelta: 0 }),
  );
  const { buffer } = await RecordBatch({
    compression: shape.gzip === true ? 1 : 0,
    firstOffset: first,
    firstTimestamp: timestamp,
    maxTimestamp: timestamp,
    lastOffsetDelta: shape.lastDelta ?? deltas.at(-1) ?? 0,
    transactional: shape.transactional === true || control !== undefined,
    producerId: shape.producerId ?? -1,
    records,
  });
  const bytes = Buffer.from(buffer);
  bytes.writeInt16BE(bytes.readInt16BE(21) | LOG_APPEND_TIME | (control === undefined ? 0 : CONTROL), 21);
  return withChecksum(bytes);
};

export const withChecksum = (bytes: Buffer): Buffer => {
  bytes.writeUInt32BE(crc32c(bytes.subarray(21)), 17);
  return bytes;
};

/** A response of Fetch, version 11, for one partition. */
export const fetchBytes = (
  records: Buffer,
  more: { readonly high?: number; readonly aborted?: readonly (readonly [producer: number, first: number])[] } = {},
): Buffer => {
  const { high = 0, aborted = [] } = more;
  const int = (size: 2 | 4 | 8, value: number): Buffer => {
    const bytes = Buffer.alloc(size);
    if (size === 8) bytes.writeBigInt64BE(BigInt(value));
    else bytes.writeIntBE(value, 0, size);
    return bytes;
  };
  return Buffer.concat([
    ...[int(4, 0), int(2, 0), int(4, 0), int(4, 1), int(2, 1), Buffer.from('t'), int(4, 1)],
    ...[int(4, 0), int(2, 0), int(8, high), int(8, high), int(8, 0), int(4, aborted.length)],
    ...aborted.flatMap(([producer, first]) => [int(8, producer), int(8, first)]),
    ...[int(4, -1), int(4, records.length), records],
  ]);
};
