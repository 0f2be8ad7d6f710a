/**
 * Kafka's record batches (message format 2, KIP-98) as they come in a fetch response. The client library's own decoder drops what
 * a batch says of its offsets and checks no checksum; both decide here whether something is missing.
 */
import { gunzipSync } from 'node:zlib';
import { ByteReader } from './byte-reader.ts';
import { crc32c } from './crc32c.ts';

export interface KafkaRecord {
  readonly offset: number;
  /** ms since the epoch; of the whole batch with LogAppendTime. */
  readonly timestamp: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: Headers;
}

type Headers = readonly (readonly [name: string, value: Buffer | null])[];

/** A record as it was decoded. Its headers are views into the batch that few ask for: events are made from `headerTexts`. */
class DecodedRecord implements KafkaRecord {
  readonly offset: number;
  readonly timestamp: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly #bytes: Buffer;
  readonly #headersAt: number;

  constructor(place: { readonly offset: number; readonly timestamp: number }, reader: ByteReader) {
    this.offset = place.offset;
    this.timestamp = place.timestamp;
    this.key = reader.varbytes();
    this.value = reader.varbytes();
    this.#bytes = reader.bytes;
    this.#headersAt = reader.at;
    for (let left = 2 * reader.varint(); left > 0; left--) reader.skip(Math.max(0, reader.varint()));
  }

  get headers(): Headers {
    const reader = new ByteReader(this.#bytes, this.#headersAt);
    return Array.from({ length: reader.varint() }, () => [reader.vartext(), reader.varbytes()] as const);
  }

  /** Name, value, name, value, …; null is the empty text. */
  headerTexts(most: number): readonly string[] {
    const reader = new ByteReader(this.#bytes, this.#headersAt);
    const texts: string[] = [];
    for (let left = 2 * Math.min(most, reader.varint()); left > 0; left--) texts.push(reader.vartext());
    return texts;
  }
}

/** Name, value, name, value, …, of the first `most` headers. */
export const headerTexts = (record: KafkaRecord, most = Number.POSITIVE_INFINITY): readonly string[] =>
  record instanceof DecodedRecord
    ? record.headerTexts(most)
    : record.headers.slice(0, most).flatMap(([name, value]) => [name, value?.toString('utf8') ?? '']);

export interface RecordBatch {
  readonly baseOffset: number;
  readonly lastOffset: number;
  /** Number of the leader's reign that wrote it. */
  readonly leaderEpoch: number;
  readonly producerId: number;
  readonly isTransactional: boolean;
  /** Holds a mark of a transaction's end instead of records. */
  readonly isControl: boolean;
  /** Of a control batch: the transaction was aborted. */
  readonly isAbort: boolean;
  readonly timestamp: number;
  readonly records: readonly KafkaRecord[];
  /** Why its records cannot be read; they are there nevertheless. Part of the records' bytes: the same text on every replica. */
  readonly undecodable: string | undefined;
  /** Set when no replica can read it: its compression is not known here. */
  readonly unknownCodec: string | undefined;
}

/** Up to and with the batch's length. */
const FRAME_BYTES = 12;
/** Where the magic byte lies in a batch. */
const MAGIC_AT = 16;
const CRC_BYTES = 4;
const MAX_UNPACKED_BYTES = 64 * 2 ** 20;
const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];
const GZIP = 1;

/** The whole batches of a record set; a batch that is cut at the end is left out. Throws when a checksum does not fit. */
export const decodeBatches = (bytes: Buffer): readonly RecordBatch[] => {
  const batches: RecordBatch[] = [];
  for (let at = 0; at + FRAME_BYTES <= bytes.length; ) {
    const length = bytes.readInt32BE(at + 8);
    const end = at + FRAME_BYTES + length;
    if (length <= MAGIC_AT || end > bytes.length) break;
    batches.push(decodeBatch(bytes.subarray(at, end)));
    at = end;
  }
  return batches;
};

const decodeBatch = (bytes: Buffer): RecordBatch => {
  const reader = new ByteReader(bytes);
  const baseOffset = reader.int64();
  reader.skip(4);
  const leaderEpoch = reader.int32();
  const magic = reader.int8();
  if (magic !== 2) throw new Error(`batch at ${baseOffset} has message format ${magic}; only 2 is known`);
  const crc = reader.uint32();
  if (crc32c(bytes.subarray(MAGIC_AT + 1 + CRC_BYTES)) !== crc) {
    throw new Error(`batch at ${baseOffset} fails its checksum`);
  }
  const attributes = reader.int16();
  const lastOffset = baseOffset + reader.int32();
  const firstTimestamp = reader.int64();
  const maxTimestamp = reader.int64();
  const producerId = reader.int64();
  reader.skip(6);
  const count = reader.int32();
  const appendTime = (attributes & 8) !== 0;
  const isControl = (attributes & 32) !== 0;
  const place = { baseOffset, firstTimestamp, appendTime: appendTime ? maxTimestamp : undefined };
  const codec = attributes & 7;
  const isKnown = codec <= GZIP;
  const { records, undecodable } = isKnown ? tryRecords(reader, codec, count, place) : NOTHING;
  return {
    baseOffset,
    lastOffset,
    leaderEpoch,
    producerId,
    isTransactional: (attributes & 16) !== 0,
    isControl,
    isAbort: isControl && records[0]?.key?.readInt16BE(2) === 0,
    timestamp: maxTimestamp,
    records,
    undecodable,
    unknownCodec: isKnown ? undefined : (CODECS[codec] ?? `codec ${codec}`),
  };
};

interface BatchPlace {
  readonly baseOffset: number;
  readonly firstTimestamp: number;
  readonly appendTime: number | undefined;
}

type Decoded = { readonly records: readonly KafkaRecord[]; readonly undecodable: string | undefined };

const NOTHING: Decoded = { records: [], undecodable: undefined };

const tryRecords = (reader: ByteReader, codec: number, count: number, place: BatchPlace): Decoded => {
  try {
    const packed = reader.slice(reader.left);
    const plain = codec === GZIP ? gunzipSync(packed, { maxOutputLength: MAX_UNPACKED_BYTES }) : packed;
    const records = new ByteReader(plain);
    return { records: Array.from({ length: count }, () => decodeRecord(records, place)), undecodable: undefined };
  } catch {
    // Not the error's message: it differs between versions of Node.
    return { records: [], undecodable: 'cannot be decoded' };
  }
};

const decodeRecord = (reader: ByteReader, place: BatchPlace): KafkaRecord => {
  const length = reader.varint();
  const end = reader.at + length;
  reader.skip(1);
  const delta = reader.varint();
  const offset = place.baseOffset + reader.varint();
  const record = new DecodedRecord({ offset, timestamp: place.appendTime ?? place.firstTimestamp + delta }, reader);
  if (reader.at !== end) throw new RangeError(`record ${offset} has another length than it says`);
  return record;
};
