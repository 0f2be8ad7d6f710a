/** StreamAccessLogsMessage by hand (envoy.service.accesslog.v3): who sends, and entry after entry. */
import { type AccessLogEntry, readEntry } from './access-log-entry.ts';
import { emptyNode, type NodeDraft, type ProtoNode, readNode } from './node.ts';
import { BYTES, DEFAULT_WIRE_LIMITS, overLimit, type WireLimits, WireReader } from './wire-reader.ts';

/** Name of the access log that Tendril puts into the listeners it compiles. */
export const EDGE_LOG = 'tendril-edges';

/** How often an open stream or connection is logged by those listeners, ms. */
export const EDGE_LOG_PERIOD_MS = 30_000;

/** Entries of one message; Envoy sends some hundred (64 KiB). */
const MAX_ENTRIES = 100_000;

const field = (number: number): number => (number << 3) | BYTES;
const IDENTIFIER = field(1);
const HTTP_LOGS = field(2);
const TCP_LOGS = field(3);
const LOG_ENTRY = field(1);

/**
 * One message. The constructor reads the identifier and counts the entries; `next` goes from entry to entry, `read` reads the present
 * one. All of them throw `TendrilError` `XDS_MALFORMED` (no valid message) or `XDS_LIMIT` (too much of it).
 */
export class AccessLogMessage {
  /** Only in the first message of a stream. */
  readonly node: ProtoNode | undefined;
  readonly logName: string;
  readonly count: number;
  readonly #reader: WireReader;
  readonly #end: number;
  /** End of the list of entries being read. */
  #listEnd = 0;
  #tcp = false;
  #start = 0;
  #entryEnd = 0;

  constructor(bytes: Uint8Array, limits: WireLimits = DEFAULT_WIRE_LIMITS) {
    const reader = new WireReader(bytes);
    this.#reader = reader;
    this.#end = reader.end;
    let node: NodeDraft | undefined;
    let logName = '';
    let count = 0;
    while (reader.at < reader.end) {
      const tag = reader.tag();
      if (tag === IDENTIFIER) {
        const outer = reader.enter();
        while (reader.at < reader.end) {
          const part = reader.tag();
          if (part === field(1)) {
            node ??= emptyNode();
            readNode(reader, node, limits);
          } else if (part === field(2)) logName = reader.text('log name', limits.maxNameBytes);
          else reader.skip(part);
        }
        reader.leave(outer);
      } else if (tag === HTTP_LOGS || tag === TCP_LOGS) {
        const outer = reader.enter();
        while (reader.at < reader.end) {
          const part = reader.tag();
          reader.skip(part);
          if (part === LOG_ENTRY && ++count > MAX_ENTRIES) throw overLimit('access log entries', MAX_ENTRIES);
        }
        reader.leave(outer);
      } else reader.skip(tag);
    }
    this.node = node;
    this.logName = logName;
    this.count = count;
    reader.at = 0;
  }

  /** Goes to the next entry; false: there is none. */
  next(): boolean {
    const reader = this.#reader;
    reader.at = this.#entryEnd;
    for (;;) {
      reader.end = this.#listEnd;
      while (reader.at < this.#listEnd) {
        const tag = reader.tag();
        if (tag === LOG_ENTRY) {
          const length = reader.length();
          this.#start = reader.at;
          this.#entryEnd = reader.at + length;
          return true;
        }
        reader.skip(tag);
      }
      reader.end = this.#end;
      if (reader.at >= this.#end) return false;
      const tag = reader.tag();
      if (tag === HTTP_LOGS || tag === TCP_LOGS) {
        const length = reader.length();
        this.#tcp = tag === TCP_LOGS;
        this.#listEnd = reader.at + length;
      } else reader.skip(tag);
      this.#entryEnd = reader.at;
    }
  }

  /** Reads the present entry. */
  read(entry: AccessLogEntry): void {
    const reader = this.#reader;
    reader.at = this.#start;
    reader.end = this.#entryEnd;
    readEntry(reader, this.#tcp, entry);
  }
}

/** The only answer to a stream of access logs: an empty StreamAccessLogsResponse. */
export const ACCESS_LOGS_RESPONSE: Uint8Array = new Uint8Array(0);
