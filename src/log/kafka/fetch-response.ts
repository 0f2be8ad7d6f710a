/** A response of Kafka's Fetch request, version 11, of one partition. */
import { ByteReader } from './byte-reader.ts';
import { decodeBatches, type RecordBatch } from './record-batch.ts';

export interface AbortedTransaction {
  readonly producerId: number;
  readonly firstOffset: number;
}

export interface Fetched {
  /** Of the partition, or of the whole response; 0: none. */
  readonly errorCode: number;
  /** Offset after the last record that all replicas in sync have. */
  readonly highWatermark: number;
  /** Offset after the last record that is given: below the high watermark while a transaction is open. */
  readonly lastStableOffset: number;
  /** First offset that is kept (the low watermark). */
  readonly logStartOffset: number;
  readonly aborted: readonly AbortedTransaction[];
  readonly batches: readonly RecordBatch[];
  /** ms that the broker asks to wait (KIP-219). */
  readonly clientSideThrottleTime: number;
}

export const FETCH_VERSION = 11;
/** Offset is not between the first one kept and the end. */
export const OFFSET_OUT_OF_RANGE = 1;

const listOf = <T>(reader: ByteReader, one: () => T): T[] =>
  Array.from({ length: Math.max(0, reader.int32()) }, () => one());

/** Throws when the bytes are no such response, or a batch fails its checksum. */
export const decodeFetched = (bytes: Buffer): Fetched => {
  const reader = new ByteReader(bytes);
  const clientSideThrottleTime = reader.int32();
  const responseError = reader.int16();
  reader.skip(4);
  const partitions = listOf(reader, () => {
    reader.string();
    return listOf(reader, () => {
      reader.skip(4);
      const errorCode = reader.int16();
      const [highWatermark, lastStableOffset, logStartOffset] = [reader.int64(), reader.int64(), reader.int64()];
      const aborted = listOf(reader, () => ({ producerId: reader.int64(), firstOffset: reader.int64() }));
      reader.skip(4);
      const size = Math.max(0, reader.int32());
      const batches = decodeBatches(reader.slice(size));
      return { errorCode, highWatermark, lastStableOffset, logStartOffset, aborted, batches };
    });
  }).flat();
  const [partition] = partitions;
  if (partition === undefined && responseError === 0) throw new Error('a fetch response without a partition');
  const none = { highWatermark: -1, lastStableOffset: -1, logStartOffset: -1, aborted: [], batches: [] };
  return { ...none, ...partition, errorCode: responseError || (partition?.errorCode ?? 0), clientSideThrottleTime };
};
