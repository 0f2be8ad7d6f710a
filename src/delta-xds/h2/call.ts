/**
 * One gRPC call on one stream.
 *
 * H1 Nothing is told after `onClose`, which comes once. H2 What arrives after our end is thrown away. H3 Unread data is bounded by the
 * stream's window. H4 Messages are given in order, none while reading is off. H5 `onHalfClose` comes after the last message.
 */
import type { Deadlines } from '../deadlines.ts';
import { STATUS } from '../status.ts';
import type { TransportListener, TransportOptions, TransportStream } from '../transport.ts';
import { CODE, CREDIT_BYTES, FRAME_BYTES, INITIAL_WINDOW, resetFrame, windowFrame } from './frames.ts';
import { httpStatusFrame, responseFrame, trailersFrame, trailersOnlyFrame } from './grpc-headers.ts';
import { MessageReader } from './message-reader.ts';
import { type Batch, BLOCKED, IDLE, type Source } from './outbox.ts';
import { Outgoing } from './outgoing.ts';

/** Incomplete and unread messages of all calls together. Beyond: calls that add to it, and have more than a frame of it, are ended. */
export const UNFINISHED_BYTES = 256 * 1024 * 1024;

/** What the calls of one connection share. */
export interface CallOwner {
  readonly peer: string;
  /** Bytes of incomplete and unread messages of all its calls. */
  partialBytes: number;
  readonly frameBytes: number;
  /** For the next block of headers; asking takes it. */
  takeTableShrunk(): boolean;
  control(frame: Buffer): void;
  ready(source: Source): void;
  /** The stream has ended on both sides, or was reset. */
  gone(call: Call): void;
}

/** What all calls share. */
export interface CallContext extends Pick<TransportOptions, 'limits' | 'hooks' | 'counters'> {
  /** Calls that have sent no message, or the begin of one that is read and not complete. */
  readonly first: Deadlines<Call>;
  /** Calls that we have ended and that the client keeps open, or takes nothing of. */
  readonly closing: Deadlines<Call>;
  /** Bytes of incomplete and unread messages. */
  readonly unfinished: { bytes: number };
}

export class Call implements TransportStream, Source {
  readonly #context: CallContext;
  readonly #owner: CallOwner;
  readonly #reader: MessageReader;
  readonly id: number;
  #listener: TransportListener | undefined;
  /** By us: a status is sent or in line. */
  #ended = false;
  /** The status, in line behind messages. */
  #trailers: { readonly code: number; readonly message: string } | undefined;
  #headersSent = false;
  /** END_STREAM has been put in a frame. */
  #endSent = false;
  #remoteEnded = false;
  #halfClosed = false;
  #closed = false;
  #paused = false;
  /** In the context's `first`. */
  #isTimed = false;
  /** In the connection's line. */
  #inLine = false;
  readonly #queue: Outgoing[] = [];
  /** Bytes written and not taken by the system. */
  #pending = 0;
  /** Bytes of DATA that the client takes. */
  #window: number;
  /** Received, and the client not told that it may send more. */
  #uncredited = 0;
  /** What of `partialBytes` is this call's. */
  #partial = 0;

  constructor(context: CallContext, owner: CallOwner, id: number, window: number) {
    this.#context = context;
    this.#owner = owner;
    this.id = id;
    this.#window = window;
    this.#reader = new MessageReader(context.limits.receiveBytes);
    context.hooks.opened(owner.peer);
  }

  get peer(): string {
    return this.#owner.peer;
  }

  /** The client has sent END_STREAM. */
  get remoteEnded(): boolean {
    return this.#remoteEnded;
  }

  /** Begins to read. */
  start(listener: TransportListener): void {
    this.#listener = listener;
    if (!this.#ended) this.#time(true);
  }

  write(message: Uint8Array, taken: () => void): boolean {
    if (this.#ended || this.#closed) return false;
    if (!this.#headersSent) {
      this.#headersSent = true;
      this.#owner.control(responseFrame(this.id, this.#owner.takeTableShrunk()));
    }
    this.#pending += message.length;
    this.#queue.push(
      new Outgoing(message, () => {
        this.#pending -= message.length;
        taken();
      }),
    );
    this.#enterLine();
    return this.#pending <= this.#context.limits.heldBytes;
  }

  read(on: boolean): void {
    this.#paused = !on;
    if (on) this.#deliver();
    // That it does not go on is not the client's fault now.
    else if (this.#reader.pending > 0) this.#time(false);
  }

  end(code: number, message: string): void {
    if (this.#ended || this.#closed) return;
    this.#ended = true;
    this.#time(false);
    this.#dropUnread();
    // A client that has got its status closes its side too; one that does not, or takes nothing of what comes before, must not keep the
    // place. Its time begins again with all that it takes.
    this.#context.closing.add(this);
    if (this.#headersSent) {
      this.#trailers = { code, message };
      this.#enterLine();
    } else this.#endWith(trailersOnlyFrame(this.id, code, message, this.#owner.takeTableShrunk()));
  }

  /** Ends a stream that is no gRPC call with an HTTP status. */
  refuse(httpStatus: number): void {
    this.#ended = true;
    this.#endWith(httpStatusFrame(this.id, httpStatus, this.#owner.takeTableShrunk()));
  }

  reset(): void {
    this.#context.hooks.reset(this.#owner.peer);
  }

  /** Ends the stream without waiting for the client. After a whole answer that is no error (RFC 9113 section 8.1). */
  abandon(code: number = this.#endSent ? CODE.NO_ERROR : CODE.CANCEL): void {
    if (this.#closed) return;
    this.#owner.control(resetFrame(this.id, code));
    this.close();
  }

  #endWith(frame: Buffer): void {
    this.#headersSent = true;
    this.#owner.control(frame);
    this.#sentEnd();
  }

  #sentEnd(): void {
    this.#endSent = true;
    if (this.#remoteEnded) this.close();
    else this.#context.closing.add(this);
  }

  #enterLine(): void {
    if (this.#inLine) return;
    this.#inLine = true;
    this.#owner.ready(this);
  }

  pull(batch: Batch, window: number): number {
    const [queued] = this.#queue;
    if (queued === undefined || this.#closed) return this.#pullEnd(batch);
    if (this.#window <= 0) return this.#idle();
    if (window <= 0) return BLOCKED;
    const bytes = Math.min(queued.left, this.#window, window, this.#owner.frameBytes);
    queued.addFrame(batch, this.id, bytes);
    this.#window -= bytes;
    // It takes what came before its status: its time to close begins again.
    if (this.#trailers !== undefined) this.#context.closing.add(this);
    if (queued.left === 0) {
      this.#queue.shift();
      batch.complete.push(queued);
    }
    return bytes;
  }

  #pullEnd(batch: Batch): number {
    if (this.#trailers !== undefined && !this.#endSent && !this.#closed) {
      const { code, message } = this.#trailers;
      batch.add(trailersFrame(this.id, code, message, this.#owner.takeTableShrunk()));
      this.#sentEnd();
    }
    return this.#idle();
  }

  #idle(): number {
    this.#inLine = false;
    return IDLE;
  }

  /** The client takes more bytes, or fewer. False: beyond what a window may be. */
  credit(bytes: number, max: number): boolean {
    this.#window += bytes;
    if (this.#window > max) return false;
    if (this.#window > 0 && (this.#queue.length > 0 || this.#trailers !== undefined)) this.#enterLine();
    return true;
  }

  /** DATA. `flow`: bytes that count against the window. Returns the code of a stream error; undefined: fine. */
  onData(data: Buffer, flow: number): number | undefined {
    if (this.#remoteEnded) return CODE.STREAM_CLOSED;
    this.#uncredited += flow;
    if (this.#uncredited > INITIAL_WINDOW) return CODE.FLOW_CONTROL_ERROR;
    if (this.#ended) return undefined;
    // A view may be of a large chunk that came from the socket: what is not read at once is copied.
    if (data.length > 0) this.#reader.push(this.#paused ? Buffer.from(data) : data);
    // Also what was padding alone is credited.
    if (!this.#paused) this.#deliver();
    else {
      this.#countPartial();
      this.#refusesMessage();
    }
    return undefined;
  }

  /** END_STREAM. */
  onRemoteEnd(): void {
    this.#remoteEnded = true;
    if (this.#endSent) this.close();
    else if (!this.#paused) this.#deliver();
  }

  /** Gives what has come, as far as it is read. */
  #deliver(): void {
    while (!this.#ended && !this.#paused) {
      const message = this.#reader.next();
      if (message === undefined) break;
      this.#time(false);
      this.#listener?.onMessage(message);
    }
    if (this.#ended) return;
    this.#countPartial();
    if (this.#refusesMessage() || this.#paused) return;
    // As long as for the first message, however many pieces come: what is never finished must not fill what all share.
    if (this.#reader.pending > 0) this.#time(true);
    if (this.#remoteEnded) this.#halfClose();
    else if (this.#uncredited >= CREDIT_BYTES) {
      this.#owner.control(windowFrame(this.id, this.#uncredited));
      this.#uncredited = 0;
    }
  }

  #refusesMessage(): boolean {
    const { limits, unfinished } = this.#context;
    const { fault } = this.#reader;
    if (fault === 'large') this.#refuseMessage(`a message exceeds ${limits.receiveBytes} bytes`);
    else if (this.#owner.partialBytes > 2 * limits.receiveBytes)
      this.#refuseMessage(`the unfinished messages of a connection exceed twice ${limits.receiveBytes} bytes`);
    else if (unfinished.bytes > UNFINISHED_BYTES && this.#partial > FRAME_BYTES)
      this.#refuseMessage(`the unfinished messages of all connections exceed ${UNFINISHED_BYTES} bytes`);
    else if (fault === 'compressed')
      this.end(STATUS.UNIMPLEMENTED, 'compressed messages are not taken; send them with grpc-encoding identity');
    else if (fault === 'malformed') this.end(STATUS.INTERNAL, 'the flags of a gRPC message are unknown');
    return this.#ended;
  }

  #refuseMessage(why: string): void {
    this.#context.counters.messagesRefused++;
    this.end(STATUS.RESOURCE_EXHAUSTED, why);
  }

  #halfClose(): void {
    if (this.#halfClosed) return;
    this.#halfClosed = true;
    if (this.#reader.pending > 0) this.end(STATUS.INTERNAL, 'the request ends inside a message');
    else this.#listener?.onHalfClose();
  }

  /** Begins the time for a message, unless it runs; or ends it. */
  #time(on: boolean): void {
    if (this.#isTimed === on) return;
    this.#isTimed = on;
    if (on) this.#context.first.add(this);
    else this.#context.first.delete(this);
  }

  #countPartial(): void {
    const { pending } = this.#reader;
    this.#owner.partialBytes += pending - this.#partial;
    this.#context.unfinished.bytes += pending - this.#partial;
    this.#partial = pending;
  }

  #dropUnread(): void {
    this.#reader.clear();
    this.#countPartial();
  }

  /** The stream is over. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    const { closing, hooks } = this.#context;
    this.#time(false);
    closing.delete(this);
    this.#dropUnread();
    this.#ended = true;
    this.#queue.length = 0;
    this.#owner.gone(this);
    hooks.closed(this.#owner.peer);
    this.#listener?.onClose();
  }
}
