/**
 * HTTPAccessLogEntry and TCPAccessLogEntry by hand (envoy.data.accesslog.v3): only what tells who was called and how it ended. An
 * entry of Envoy has some 30 fields and 600 bytes; passing over the rest is most of the work.
 *
 * Texts that cannot be a name (not ASCII, too long) are read as '' with `odd` set: one strange host is no reason to end a stream.
 */
import { BYTES, VARINT, type WireReader } from './wire-reader.ts';

/** envoy.data.accesslog.v3.AccessLogType, as far as it is read. */
export const LOG_TYPE = {
  NOT_SET: 0,
  TCP_UPSTREAM_CONNECTED: 1,
  TCP_PERIODIC: 2,
  TCP_END: 3,
  DOWNSTREAM_END: 6,
  UPSTREAM_POOL_READY: 7,
  UPSTREAM_PERIODIC: 8,
  UPSTREAM_END: 9,
  UDP_SESSION_END: 13,
} as const;

/** One entry; a reader fills the same object again and again. Absent texts are '', absent numbers 0. */
export interface AccessLogEntry {
  tcp: boolean;
  upstreamCluster: string;
  routeName: string;
  /** Of HTTP entries: host with or without port, as the application wrote it. */
  authority: string;
  /** At most 128 bytes of it. */
  streamId: string;
  /** When it began, whole seconds of the sidecar's wall clock, ms since the epoch; 0: not said. */
  startedMs: number;
  /** AccessLogType. */
  type: number;
  intermediate: boolean;
  /** Bit n: field n of ResponseFlags is set. */
  flags: number;
  responseCode: number;
  /** -1: not logged, or no gRPC call. */
  grpcStatus: number;
  /** A text was left out: too long, or not ASCII. */
  odd: boolean;
}

export const emptyEntry = (): AccessLogEntry => ({
  tcp: false,
  upstreamCluster: '',
  routeName: '',
  authority: '',
  streamId: '',
  startedMs: 0,
  type: 0,
  intermediate: false,
  flags: 0,
  responseCode: 0,
  grpcStatus: -1,
  odd: false,
});

const MAX_NAME = 512;
/** RFC 1035: a host name has at most 253 characters; two more would not make it one. */
const MAX_AUTHORITY = 255;
const MAX_STREAM_ID = 128;
const MAX_WORD = 32;

const field = (number: number, wireType: number): number => (number << 3) | wireType;
const COMMON = field(1, BYTES);
const REQUEST = field(3, BYTES);
const RESPONSE = field(4, BYTES);
const START_TIME = field(5, BYTES);
const UPSTREAM_CLUSTER = field(15, BYTES);
const RESPONSE_FLAGS = field(16, BYTES);
const ROUTE_NAME = field(19, BYTES);
const STREAM_ID = field(26, BYTES);
const INTERMEDIATE = field(27, VARINT);
const LOG_TYPE_TAG = field(33, VARINT);
const AUTHORITY = field(3, BYTES);
const RESPONSE_CODE = field(1, BYTES);
const RESPONSE_HEADERS = field(4, BYTES);
const RESPONSE_TRAILERS = field(5, BYTES);

/** Reads one entry, from the reader's position to its end. Throws `TendrilError` `XDS_MALFORMED`. */
export function readEntry(reader: WireReader, tcp: boolean, entry: AccessLogEntry): void {
  reset(entry, tcp);
  while (reader.at < reader.end) {
    const tag = reader.tag();
    if (tag === COMMON) readCommon(reader, entry);
    else if (tag === REQUEST && !tcp) readRequestPart(reader, entry);
    else if (tag === RESPONSE && !tcp) readResponse(reader, entry);
    else reader.skip(tag);
  }
}

/** Forgets the entry read before. */
const reset = (entry: AccessLogEntry, tcp: boolean): void => {
  entry.tcp = tcp;
  entry.upstreamCluster = '';
  entry.routeName = '';
  entry.authority = '';
  entry.streamId = '';
  entry.startedMs = 0;
  entry.type = 0;
  entry.intermediate = false;
  entry.flags = 0;
  entry.responseCode = 0;
  entry.grpcStatus = -1;
  entry.odd = false;
};

/** A text that can be a name; else '' and `odd`. */
const name = (reader: WireReader, max: number, entry: AccessLogEntry): string => {
  const text = reader.ascii(max);
  if (text !== undefined) return text;
  entry.odd = true;
  return '';
};

const readCommon = (reader: WireReader, entry: AccessLogEntry): void => {
  const outer = reader.enter();
  while (reader.at < reader.end) {
    const tag = reader.tag();
    if (tag === UPSTREAM_CLUSTER) entry.upstreamCluster = name(reader, MAX_NAME, entry);
    else if (tag === ROUTE_NAME) entry.routeName = name(reader, MAX_NAME, entry);
    else if (tag === STREAM_ID) entry.streamId = reader.ascii(MAX_STREAM_ID) ?? '';
    else if (tag === INTERMEDIATE) entry.intermediate = reader.varint() !== 0;
    else if (tag === LOG_TYPE_TAG) entry.type = reader.varint();
    else if (tag === RESPONSE_FLAGS) readFlags(reader, entry);
    else if (tag === START_TIME) readStart(reader, entry);
    else reader.skip(tag);
  }
  reader.leave(outer);
};

const readStart = (reader: WireReader, entry: AccessLogEntry): void => {
  const outer = reader.enter();
  while (reader.at < reader.end) {
    const tag = reader.tag();
    if (tag === field(1, VARINT)) entry.startedMs = reader.varint() * 1_000;
    else reader.skip(tag);
  }
  reader.leave(outer);
};

const readFlags = (reader: WireReader, entry: AccessLogEntry): void => {
  const outer = reader.enter();
  while (reader.at < reader.end) {
    const tag = reader.tag();
    const number = tag >>> 3;
    if ((tag & 7) !== VARINT) reader.skip(tag);
    else if (reader.varint() !== 0 && number < 32) entry.flags |= 1 << number;
  }
  reader.leave(outer);
};

const readRequestPart = (reader: WireReader, entry: AccessLogEntry): void => {
  const outer = reader.enter();
  while (reader.at < reader.end) {
    const tag = reader.tag();
    if (tag === AUTHORITY) entry.authority = name(reader, MAX_AUTHORITY, entry);
    else reader.skip(tag);
  }
  reader.leave(outer);
};

const readResponse = (reader: WireReader, entry: AccessLogEntry): void => {
  const outer = reader.enter();
  while (reader.at < reader.end) {
    const tag = reader.tag();
    if (tag === RESPONSE_CODE) {
      const after = reader.enter();
      while (reader.at < reader.end) {
        const part = reader.tag();
        if (part === field(1, VARINT)) entry.responseCode = reader.varint();
        else reader.skip(part);
      }
      reader.leave(after);
    } else if (tag === RESPONSE_HEADERS || tag === RESPONSE_TRAILERS) readGrpcStatus(reader, entry);
    else reader.skip(tag);
  }
  reader.leave(outer);
};

const readGrpcStatus = (reader: WireReader, entry: AccessLogEntry): void => {
  const outer = reader.enter();
  let key: string | undefined;
  let value: string | undefined;
  while (reader.at < reader.end) {
    const tag = reader.tag();
    if (tag === field(1, BYTES)) key = reader.ascii(MAX_WORD);
    else if (tag === field(2, BYTES)) value = reader.ascii(MAX_WORD);
    else reader.skip(tag);
  }
  reader.leave(outer);
  if (key !== 'grpc-status' || value === undefined || !/^[0-9]{1,2}$/.test(value)) return;
  entry.grpcStatus = Number(value);
};
