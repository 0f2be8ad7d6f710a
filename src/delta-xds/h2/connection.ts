/**
 * One HTTP/2 connection of a client: what it sends, in; what it is sent, out. No socket, no timer. Source: RFC 9113.
 *
 * Invariants, cited in test/delta-xds/h2/: H1 to H5 in `call.ts`; H6 The first frame is SETTINGS. H7 Inside a block of headers nothing
 * else comes. H8, H9 in `streams.ts`. H10 Whatever makes us answer or decide without end is counted
 * by the second, and has a bound (`floods.ts`); answers that are not taken have one too (`outbox.ts`). H11 After a fault nothing that
 * comes counts.
 */
import type { TransportOptions } from '../transport.ts';
import { FloodFault, Floods } from './floods.ts';
import { FrameScanner, Http1Fault } from './frame-scanner.ts';
import {
  CODE,
  ConnectionFault,
  CREDIT_BYTES,
  FLAG,
  FRAME,
  goAwayFrame,
  MAX_WINDOW,
  pingFrame,
  SETTING,
  SETTINGS_ACK,
  settingsFrame,
  windowFrame,
} from './frames.ts';
import { type HeaderBlock, HeaderBlocks } from './header-blocks.ts';
import { Liveness } from './liveness.ts';
import { Outbox, type Wire } from './outbox.ts';
import { PeerSettings } from './peer-settings.ts';
import { Streams, type StreamsContext } from './streams.ts';

const PING = Buffer.alloc(8);

const HTTP1_ANSWER = Buffer.from(
  'HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\nThis port speaks gRPC (HTTP/2), not HTTP/1.\n',
);

export interface ConnectionContext extends StreamsContext, Pick<TransportOptions, 'clock'> {
  /** Calls `flush` once this turn's work is done. */
  readonly schedule: (outbox: Outbox) => void;
}

/** What is said first on each connection. */
export const ourSettings = ({ streamsPerConnection, headerBytes }: TransportOptions['limits']): Buffer =>
  settingsFrame([
    // A table of ours would be memory for each connection, for headers that come once.
    [SETTING.HEADER_TABLE_SIZE, 0],
    [SETTING.MAX_CONCURRENT_STREAMS, streamsPerConnection],
    // Twice: up to there the client is told by a status.
    [SETTING.MAX_HEADER_LIST_SIZE, 2 * headerBytes],
  ]);

export class Connection {
  readonly #context: ConnectionContext;
  readonly #scanner: FrameScanner;
  readonly #blocks: HeaderBlocks;
  readonly #outbox: Outbox;
  readonly #settings = new PeerSettings();
  readonly #floods: Floods;
  readonly #streams: Streams;
  readonly #liveness: Liveness;
  readonly #ourSettings: Buffer;
  /** Our settings have been sent, or are in line. */
  #greeted = false;
  #hasSettings = false;
  #over = false;
  /** Received, and the client not told that it may send more. */
  #uncredited = 0;

  /** `settings`: `ourSettings`. */
  constructor(context: ConnectionContext, wire: Wire, peer: string, settings: Buffer) {
    const { limits, clock, schedule } = context;
    this.#context = context;
    this.#scanner = new FrameScanner((type, flags, stream, payload) => this.#frame(type, flags, stream, payload));
    this.#blocks = new HeaderBlocks(2 * limits.headerBytes);
    this.#outbox = new Outbox(wire, schedule);
    this.#floods = new Floods(clock, limits);
    this.#streams = new Streams(context, this.#outbox, this.#settings, this.#floods, peer);
    this.#liveness = new Liveness(clock());
    this.#ourSettings = settings;
  }

  /** It has been given up; its socket ends. */
  get over(): boolean {
    return this.#over;
  }

  /** It has said all that it will: its socket is to end, whether the client ends its own or not. */
  get ending(): boolean {
    return this.#over || this.#outbox.isClosed;
  }

  /** What came from the socket. */
  receive(chunk: Buffer): void {
    if (this.#over) return;
    this.#liveness.heard();
    this.#greet();
    try {
      this.#scanner.scan(chunk);
      this.#outbox.mustBeTaken();
    } catch (error) {
      if (!(error instanceof ConnectionFault)) throw error;
      const { counters } = this.#context;
      if (error instanceof FloodFault) counters.floods++;
      else counters.protocolErrors++;
      // Nothing of HTTP/2 goes before it: it came with the first bytes, and our settings are still in line.
      if (error instanceof Http1Fault) this.#abort(HTTP1_ANSWER, true);
      else this.drop(error.code, error.message);
    }
  }

  /** Our settings go first, once the client has spoken: one of HTTP/1 would not read an answer behind them. */
  #greet(): void {
    if (this.#greeted) return;
    this.#greeted = true;
    this.#outbox.control(this.#ourSettings);
  }

  /** The socket is closed. */
  closed(): void {
    this.#over = true;
    this.#outbox.clear();
    this.#streams.close();
  }

  #frame(type: number, flags: number, stream: number, payload: Buffer): void {
    if (this.#over) return;
    if (!this.#hasSettings && (type !== FRAME.SETTINGS || (flags & FLAG.ACK) !== 0))
      throw new ConnectionFault(CODE.PROTOCOL_ERROR, 'the first frame is not SETTINGS');
    if (this.#blocks.open !== undefined && (type !== FRAME.CONTINUATION || stream !== this.#blocks.open))
      throw new ConnectionFault(CODE.PROTOCOL_ERROR, 'a frame inside a block of headers');
    switch (type) {
      case FRAME.DATA:
        this.#data(flags, stream, payload);
        break;
      case FRAME.HEADERS:
        if (stream % 2 === 0) throw new ConnectionFault(CODE.PROTOCOL_ERROR, `HEADERS on stream ${stream}`);
        this.#floods.headers(payload.length);
        this.#headers(this.#blocks.begin(flags, stream, payload));
        break;
      case FRAME.CONTINUATION:
        this.#floods.headers(payload.length);
        this.#headers(this.#blocks.more(flags, payload));
        break;
      case FRAME.RST_STREAM:
        mustBeLong(payload, 4, 'RST_STREAM');
        this.#streams.reset(stream);
        break;
      case FRAME.WINDOW_UPDATE:
        mustBeLong(payload, 4, 'WINDOW_UPDATE');
        this.#window(stream, payload.readUInt32BE(0) & MAX_WINDOW);
        break;
      default:
        this.#frameWithoutContent(type, flags, stream, payload);
    }
  }

  #frameWithoutContent(type: number, flags: number, stream: number, payload: Buffer): void {
    this.#floods.idleFrame();
    switch (type) {
      case FRAME.SETTINGS:
        mustBeOfConnection(stream, 'SETTINGS');
        this.#setting(flags, payload);
        break;
      case FRAME.PING:
        mustBeOfConnection(stream, 'PING');
        mustBeLong(payload, 8, 'PING');
        if ((flags & FLAG.ACK) === 0) this.#outbox.control(pingFrame(FLAG.ACK, payload));
        break;
      case FRAME.GOAWAY:
        mustBeOfConnection(stream, 'GOAWAY');
        if (payload.length < 8) throw new ConnectionFault(CODE.FRAME_SIZE_ERROR, `GOAWAY of ${payload.length} bytes`);
        this.#streams.leave();
        break;
      case FRAME.PUSH_PROMISE:
        throw new ConnectionFault(CODE.PROTOCOL_ERROR, 'a client cannot push');
      case FRAME.PRIORITY:
        if (stream === 0) throw new ConnectionFault(CODE.PROTOCOL_ERROR, 'PRIORITY without a stream');
        mustBeLong(payload, 5, 'PRIORITY');
        break;
      default: // Of an extension: to be ignored (section 4.1).
    }
  }

  #data(flags: number, stream: number, payload: Buffer): void {
    this.#uncredited += payload.length;
    // At once, whatever its stream does: one that is not read holds up no other. What each stream may send bounds what comes.
    if (this.#uncredited >= CREDIT_BYTES) {
      this.#outbox.control(windowFrame(0, this.#uncredited));
      this.#uncredited = 0;
    }
    this.#streams.data(flags, stream, payload);
  }

  #headers(block: HeaderBlock | undefined): void {
    if (block !== undefined) this.#streams.headers(block);
  }

  #setting(flags: number, payload: Buffer): void {
    if ((flags & FLAG.ACK) !== 0) {
      mustBeLong(payload, 0, 'an acknowledgement of SETTINGS');
      this.#blocks.settled();
      return;
    }
    this.#floods.settings();
    this.#hasSettings = true;
    const change = this.#settings.read(payload);
    this.#outbox.control(SETTINGS_ACK);
    if (change !== 0) this.#streams.allWindows(change);
  }

  #window(stream: number, bytes: number): void {
    if (stream !== 0) {
      this.#streams.window(stream, bytes);
      return;
    }
    if (bytes === 0) throw new ConnectionFault(CODE.PROTOCOL_ERROR, 'WINDOW_UPDATE of 0');
    this.#outbox.window += bytes;
    if (this.#outbox.window > MAX_WINDOW)
      throw new ConnectionFault(CODE.FLOW_CONTROL_ERROR, "the connection's window is too large");
    this.#outbox.wake();
  }

  /** A look at it, `now` in ms. False: it was silent for `keepaliveMs`, and for `timeoutMs` after a ping. Sends the ping. */
  alive(now: number, keepaliveMs: number, timeoutMs: number): boolean {
    const verdict = this.#liveness.look(now, keepaliveMs, timeoutMs);
    if (verdict === 'ping') {
      this.#greet();
      this.#outbox.control(pingFrame(0, PING));
    }
    return verdict !== 'dead';
  }

  /** GOAWAY; the connection ends when its streams have. */
  goAway(): void {
    if (this.#over) return;
    this.#greet();
    this.#outbox.control(goAwayFrame(this.#streams.last, CODE.NO_ERROR));
    this.#streams.leave();
  }

  /** GOAWAY with this code, and the end at once. */
  drop(code: number, text?: string): void {
    this.#greet();
    this.#abort(goAwayFrame(this.#streams.last, code, text));
  }

  #abort(last: Buffer, isAlone = false): void {
    if (this.#over) return;
    this.#over = true;
    this.#outbox.abort(last, isAlone);
  }
}

const mustBeLong = (payload: Buffer, bytes: number, what: string): void => {
  if (payload.length !== bytes) throw new ConnectionFault(CODE.FRAME_SIZE_ERROR, `${what} of ${payload.length} bytes`);
};

const mustBeOfConnection = (stream: number, what: string): void => {
  if (stream !== 0) throw new ConnectionFault(CODE.PROTOCOL_ERROR, `${what} on stream ${stream}`);
};
