/**
 * One stream of access logs or load reports: who speaks, and what becomes of each message. Pure: bytes in, words out.
 *
 * Invariants:
 * S1 The first message says who speaks; whatever later ones say of it is ignored.
 * S2 Nothing is taken of a stream that speaks for another caller than the xDS streams of its connection, or for none.
 * S3 Whatever it sends, a stream ends with a status or goes on; nothing is thrown, and nothing is taken after its end.
 */
import { TendrilError } from '../model/index.ts';
import {
  AccessLogMessage,
  DEFAULT_WIRE_LIMITS,
  decodeLoadReport,
  EDGE_LOG,
  LOAD_STATS_RESPONSE,
  type ProtoNode,
} from '../proto/index.ts';
import type { ConnectionCallers } from './connection-callers.ts';
import type { NodeUse } from './node-table.ts';
import type { Identify, Reporter } from './reporter.ts';
import type { UseCollector } from './use-collector.ts';

interface Speaker {
  readonly node: NodeUse;
  readonly reporter: Reporter;
}

/** gRPC status codes (grpc.io, "Status codes"). */
const INVALID_ARGUMENT = 3;
const PERMISSION_DENIED = 7;
const RESOURCE_EXHAUSTED = 8;

/** What to do with the stream; nothing: go on. */
export interface UseAnswer {
  readonly reply?: Uint8Array;
  readonly end?: { readonly code: number; readonly message: string };
}

export interface UseStreamOptions {
  readonly collector: UseCollector;
  readonly callers: ConnectionCallers;
  readonly identify: Identify;
  /** The connection. */
  readonly peer: string;
}

const GO_ON: UseAnswer = {};
const WIRE_LIMITS = { ...DEFAULT_WIRE_LIMITS, maxNameBytes: 4_096 };

abstract class UseStream {
  protected readonly collector: UseCollector;
  readonly #options: UseStreamOptions;
  #speaker: Speaker | undefined;
  readonly #gauge: 'streams' | 'loadStreams';
  #ended = false;

  constructor(options: UseStreamOptions, gauge: 'streams' | 'loadStreams') {
    this.#options = options;
    this.#gauge = gauge;
    this.collector = options.collector;
    this.collector.counters[gauge]++;
  }

  get peer(): string {
    return this.#options.peer;
  }

  onMessage(bytes: Uint8Array): UseAnswer {
    if (this.#ended) return GO_ON;
    try {
      return this.take(bytes, this.#speaker);
    } catch (error) {
      if (!(error instanceof TendrilError)) throw error;
      this.collector.counters.malformed++;
      if (this.#speaker !== undefined) this.collector.lose(this.#speaker.reporter.node);
      return this.#end(error.code === 'XDS_LIMIT' ? RESOURCE_EXHAUSTED : INVALID_ARGUMENT, error.message);
    }
  }

  /** An xDS stream has begun on the same connection: may this one go on? */
  recheck(): UseAnswer {
    if (this.#ended || this.#speaker === undefined) return GO_ON;
    return this.#foreign(this.#speaker.reporter) ?? GO_ON;
  }

  /** The stream is gone. */
  close(): void {
    if (!this.#ended) this.collector.counters[this.#gauge]--;
    this.#ended = true;
    if (this.#speaker !== undefined) this.leave(this.#speaker.node);
    this.#speaker = undefined;
  }

  protected abstract take(bytes: Uint8Array, speaker: Speaker | undefined): UseAnswer;

  protected leave(node: NodeUse): void {
    this.collector.close(node);
  }

  /** Who speaks, by the first message; or how the stream ends. */
  protected begin(node: ProtoNode | undefined, where: string): Speaker | UseAnswer {
    if (node === undefined || node.id === '')
      return this.#refuse(INVALID_ARGUMENT, `the first message must carry ${where} with an id`);
    const reporter = this.#options.identify(node);
    if (reporter === undefined)
      return this.#refuse(INVALID_ARGUMENT, 'the node does not say which service it is: set metadata or node.cluster');
    const foreign = this.#foreign(reporter);
    if (foreign !== undefined) return foreign;
    this.#speaker = { node: this.collector.open(reporter.node), reporter };
    return this.#speaker;
  }

  #foreign({ node, caller }: Reporter): UseAnswer | undefined {
    const other = this.#options.callers.otherThan(this.peer, caller);
    if (other === undefined) return undefined;
    this.collector.lose(node);
    return this.#refuse(PERMISSION_DENIED, `this connection belongs to ${other}; ${caller} may not report use here`);
  }

  #refuse(code: number, message: string): UseAnswer {
    this.collector.counters.refused++;
    return this.#end(code, message);
  }

  #end(code: number, message: string): UseAnswer {
    this.close();
    return { end: { code, message } };
  }
}

const isSpeaker = (begun: Speaker | UseAnswer): begun is Speaker => 'reporter' in begun;

/** StreamAccessLogs: nothing is answered until the client has finished. */
export class AccessLogStream extends UseStream {
  #ours = false;

  constructor(options: UseStreamOptions) {
    super(options, 'streams');
  }

  protected take(bytes: Uint8Array, speaker: Speaker | undefined): UseAnswer {
    const message = new AccessLogMessage(bytes, WIRE_LIMITS);
    let begun = speaker;
    if (begun === undefined) {
      const first = this.begin(message.node, 'identifier.node');
      if (!isSpeaker(first)) return first;
      begun = first;
      this.#ours = message.logName === EDGE_LOG;
    }
    // Another log on the same cluster would count the same requests twice.
    if (this.#ours) this.collector.takeLogs(message, begun.node, begun.reporter);
    else this.collector.counters.otherLogs += message.count;
    return GO_ON;
  }
}

/** StreamLoadStats: the first message is answered with what is to be reported, and how often. */
export class LoadReportStream extends UseStream {
  constructor(options: UseStreamOptions) {
    super(options, 'loadStreams');
  }

  protected take(bytes: Uint8Array, speaker: Speaker | undefined): UseAnswer {
    const { node, clusters } = decodeLoadReport(bytes, WIRE_LIMITS);
    if (speaker !== undefined) {
      this.collector.takeLoad(clusters, speaker.node, speaker.reporter);
      return GO_ON;
    }
    const begun = this.begin(node, 'node');
    if (!isSpeaker(begun)) return begun;
    begun.node.loadStreams++;
    return { reply: LOAD_STATS_RESPONSE };
  }

  protected override leave(node: NodeUse): void {
    node.loadStreams--;
    super.leave(node);
  }
}
