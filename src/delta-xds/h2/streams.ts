/**
 * The streams of one connection: opened, fed, ended. Source: RFC 9113 sections 5.1, 5.2, 8.1.
 *
 * H8 What a client did not open cannot be spoken of. H9 DATA beyond what was granted ends its stream.
 */
import { STATUS } from '../status.ts';
import type { Routes } from '../transport.ts';
import { Call, type CallContext, type CallOwner } from './call.ts';
import type { Floods } from './floods.ts';
import { CODE, ConnectionFault, FLAG, MAX_WINDOW, resetFrame } from './frames.ts';
import type { HeaderBlock } from './header-blocks.ts';
import type { Outbox, Source } from './outbox.ts';
import type { PeerSettings } from './peer-settings.ts';
import { areTrailers, readRequestHead } from './request-head.ts';

export interface StreamsContext extends CallContext {
  readonly routes: Routes;
}

export class Streams implements CallOwner {
  readonly #context: StreamsContext;
  readonly #outbox: Outbox;
  readonly #settings: PeerSettings;
  readonly #floods: Floods;
  readonly #calls = new Map<number, Call>();
  readonly peer: string;
  partialBytes = 0;
  /** The newest that the client has opened. */
  last = 0;
  /** No new streams: one of both sides has said GOAWAY. */
  #leaving = false;

  constructor(context: StreamsContext, outbox: Outbox, settings: PeerSettings, floods: Floods, peer: string) {
    this.#context = context;
    this.#outbox = outbox;
    this.#settings = settings;
    this.#floods = floods;
    this.peer = peer;
  }

  get frameBytes(): number {
    return this.#settings.frameBytes;
  }

  takeTableShrunk(): boolean {
    const shrunk = this.#settings.tableShrunk;
    this.#settings.tableShrunk = false;
    return shrunk;
  }

  control(frame: Buffer): void {
    this.#outbox.control(frame);
  }

  ready(source: Source): void {
    this.#outbox.ready(source);
  }

  gone({ id }: Call): void {
    this.#calls.delete(id);
    if (this.#leaving && this.#calls.size === 0) this.#outbox.endWhenEmpty();
  }

  /** DATA, with its padding. */
  data(flags: number, stream: number, payload: Buffer): void {
    this.#mustBeOpened(stream, 'DATA');
    const data = unpadded(flags, payload);
    const isLast = (flags & FLAG.END_STREAM) !== 0;
    const call = this.#calls.get(stream);
    if (call === undefined || (data.length === 0 && !isLast)) this.#floods.idleFrame();
    // Ended already: what was on its way is thrown away.
    if (call === undefined) return;
    const code = call.onData(data, payload.length);
    if (code !== undefined) this.#error(stream, code);
    else if (isLast) call.onRemoteEnd();
  }

  /** A complete block of headers: a new stream, or the trailers of one. */
  headers({ stream, isLast, headers, tooLarge }: HeaderBlock): void {
    if (tooLarge) this.#floods.offence();
    const call = this.#calls.get(stream);
    if (call !== undefined) {
      if (call.remoteEnded) this.#error(stream, CODE.STREAM_CLOSED);
      else if (!isLast || !areTrailers(headers)) this.#error(stream, CODE.PROTOCOL_ERROR);
      else call.onRemoteEnd();
    } else if (stream <= this.last) this.#error(stream, CODE.STREAM_CLOSED);
    else {
      this.last = stream;
      if (this.#leaving || this.#calls.size >= this.#context.limits.streamsPerConnection)
        this.#error(stream, CODE.REFUSED_STREAM);
      else this.#open(stream, isLast, headers, tooLarge);
    }
  }

  #open(stream: number, isLast: boolean, headers: HeaderBlock['headers'], tooLarge: boolean): void {
    const { limits, counters } = this.#context;
    this.#floods.opened();
    const head = readRequestHead(headers);
    if (head === undefined && !tooLarge) {
      this.#error(stream, CODE.PROTOCOL_ERROR);
      return;
    }
    const call = new Call(this.#context, this, stream, this.#settings.window);
    this.#calls.set(stream, call);
    if (tooLarge || head === undefined || head.bytes > limits.headerBytes) {
      counters.headersRefused++;
      call.end(STATUS.RESOURCE_EXHAUSTED, `the request's headers exceed ${limits.headerBytes} bytes`);
    } else if (head.refusedAs !== undefined) {
      counters.methodsUnknown++;
      call.refuse(head.refusedAs);
    } else this.#route(call, head.path);
    if (isLast) call.onRemoteEnd();
  }

  #route(call: Call, path: string): void {
    const { routes, counters } = this.#context;
    const handle = routes.get(path);
    if (handle === undefined) {
      counters.methodsUnknown++;
      call.end(STATUS.UNIMPLEMENTED, `the server does not implement the method ${path.slice(0, 256)}`);
    } else call.start(handle(call));
  }

  /** RST_STREAM. */
  reset(stream: number): void {
    this.#mustBeOpened(stream, 'RST_STREAM');
    this.#floods.idleFrame();
    this.#calls.get(stream)?.close();
  }

  /** The client takes this many bytes more on a stream. */
  window(stream: number, bytes: number): void {
    this.#mustBeOpened(stream, 'WINDOW_UPDATE');
    const call = this.#calls.get(stream);
    if (call === undefined) return;
    if (bytes === 0) this.#error(stream, CODE.PROTOCOL_ERROR);
    else if (!call.credit(bytes, MAX_WINDOW)) this.#error(stream, CODE.FLOW_CONTROL_ERROR);
  }

  /** The windows of all streams change by as much; they may become negative. */
  allWindows(change: number): void {
    for (const call of [...this.#calls.values()])
      if (!call.credit(change, MAX_WINDOW))
        throw new ConnectionFault(CODE.FLOW_CONTROL_ERROR, 'INITIAL_WINDOW_SIZE makes a window too large');
  }

  #mustBeOpened(stream: number, what: string): void {
    if (stream === 0 || stream % 2 === 0 || stream > this.last)
      throw new ConnectionFault(CODE.PROTOCOL_ERROR, `${what} on stream ${stream}, which was not opened`);
  }

  #error(stream: number, code: number): void {
    this.#floods.offence();
    const call = this.#calls.get(stream);
    if (call === undefined) this.#outbox.control(resetFrame(stream, code));
    else call.abandon(code);
  }

  /** No new streams; the connection ends when the last one has. */
  leave(): void {
    this.#leaving = true;
    if (this.#calls.size === 0) this.#outbox.endWhenEmpty();
  }

  /** The connection is gone. */
  close(): void {
    for (const call of [...this.#calls.values()]) call.close();
  }
}

/** DATA without its padding (section 6.1). */
const unpadded = (flags: number, payload: Buffer): Buffer => {
  if ((flags & FLAG.PADDED) === 0) return payload;
  const padding = payload[0] ?? 0;
  if (payload.length === 0 || padding >= payload.length)
    throw new ConnectionFault(CODE.PROTOCOL_ERROR, 'padding longer than its frame');
  return payload.subarray(1, payload.length - padding);
};
