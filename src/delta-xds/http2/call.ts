/**
 * One gRPC call on one HTTP/2 stream. No closure and no timer per call or message: the listeners are shared functions that find their
 * call on the stream.
 */
import { constants, type ServerHttp2Stream } from 'node:http2';
import type { Deadlines } from '../deadlines.ts';
import { STATUS } from '../status.ts';
import type { TransportListener, TransportOptions, TransportStream } from '../transport.ts';
import { FRAME_HEADER, FrameReader } from './frame-reader.ts';
import { RESPONSE_HEADERS, trailersOf } from './grpc-headers.ts';

/** Up to this size a message is copied behind its frame header; a larger one goes as a second piece of the same write. */
const COPY_BYTES = 16 * 1024;

/** What the calls of one connection share. */
export interface CallOwner {
  readonly peer: string;
  /** Bytes of incomplete messages of all its calls. */
  partialBytes: number;
}

/** What all calls share. */
export interface CallContext extends Pick<TransportOptions, 'limits' | 'hooks' | 'counters'> {
  /** Calls that have sent no message. */
  readonly first: Deadlines<Call>;
  /** Calls that we have ended and that the client keeps open. */
  readonly closing: Deadlines<Call>;
}

const CALL = Symbol('call');
type CallStream = ServerHttp2Stream & { [CALL]?: Call };

export class Call implements TransportStream {
  readonly #context: CallContext;
  readonly #stream: CallStream;
  readonly #owner: CallOwner;
  readonly #reader: FrameReader;
  #listener: TransportListener | undefined;
  #ended = false;
  #code = 0;
  #message = '';

  constructor(context: CallContext, owner: CallOwner, stream: ServerHttp2Stream) {
    this.#context = context;
    this.#owner = owner;
    this.#stream = stream;
    this.#reader = new FrameReader(context.limits.receiveBytes);
    this.#stream[CALL] = this;
    context.hooks.opened(owner.peer);
    stream.on('error', onError);
    stream.on('close', onClose);
  }

  get peer(): string {
    return this.#owner.peer;
  }

  /** Begins to read. */
  start(listener: TransportListener): void {
    this.#listener = listener;
    if (this.#ended) return;
    this.#context.first.add(this);
    this.#stream.on('data', onData);
    this.#stream.on('end', onEnd);
  }

  write(message: Uint8Array, taken: () => void): boolean {
    const stream = this.#stream;
    if (this.#ended || stream.destroyed || stream.closed) return false;
    this.#respond();
    const { length } = message;
    if (length <= COPY_BYTES) {
      const frame = Buffer.allocUnsafe(FRAME_HEADER + length);
      frame[0] = 0;
      frame.writeUInt32BE(length, 1);
      frame.set(message, FRAME_HEADER);
      stream.write(frame, taken);
    } else {
      const head = Buffer.allocUnsafe(FRAME_HEADER);
      head[0] = 0;
      head.writeUInt32BE(length, 1);
      stream.cork();
      stream.write(head);
      stream.write(message, taken);
      stream.uncork();
    }
    return stream.writableLength <= this.#context.limits.heldBytes;
  }

  read(on: boolean): void {
    const stream = this.#stream;
    if (this.#ended || stream.destroyed) return;
    if (on) stream.resume();
    else stream.pause();
  }

  end(code: number, message: string): void {
    if (this.#ended) return;
    // What it still sends must not keep its end from being seen.
    if (this.#stream.isPaused()) this.#stream.resume();
    this.#ended = true;
    this.#context.first.delete(this);
    const stream = this.#stream;
    if (stream.destroyed || stream.closed) return;
    this.#code = code;
    this.#message = message;
    if (stream.headersSent) stream.end();
    else stream.respond({ ...RESPONSE_HEADERS, ...trailersOf(code, message) }, { endStream: true });
    // A client that has got its status closes its side too; one that does not must not keep the place.
    this.#context.closing.add(this);
  }

  /** Ends a stream that is no gRPC call with an HTTP status. */
  refuse(httpStatus: number): void {
    this.#ended = true;
    this.#stream.respond({ [constants.HTTP2_HEADER_STATUS]: httpStatus }, { endStream: true });
    this.#context.closing.add(this);
  }

  reset(): void {
    this.#context.hooks.reset(this.#owner.peer);
  }

  /** Ends the stream without waiting for the client. */
  abandon(): void {
    this.#stream.close(constants.NGHTTP2_NO_ERROR);
  }

  #respond(): void {
    if (this.#stream.headersSent) return;
    this.#stream.respond(RESPONSE_HEADERS, WITH_TRAILERS);
    this.#stream.on('wantTrailers', onWantTrailers);
  }

  onData(chunk: Buffer): void {
    if (this.#ended) return;
    const reader = this.#reader;
    const before = reader.pending;
    reader.push(chunk);
    for (let message = reader.next(); message !== undefined; message = reader.next()) {
      this.#context.first.delete(this);
      this.#listener?.onMessage(message);
      if (this.#ended) break;
    }
    if (this.#ended) reader.clear();
    this.#owner.partialBytes += reader.pending - before;
    if (this.#ended) return;
    const { limits } = this.#context;
    if (reader.fault === 'large' || this.#owner.partialBytes > 2 * limits.receiveBytes) {
      this.#context.counters.messagesRefused++;
      const what =
        reader.fault === 'large' ? 'a message exceeds' : 'the unfinished messages of a connection exceed twice';
      this.end(STATUS.RESOURCE_EXHAUSTED, `${what} ${limits.receiveBytes} bytes`);
    } else if (reader.fault === 'compressed')
      this.end(STATUS.UNIMPLEMENTED, 'compressed messages are not taken; send them with grpc-encoding identity');
    else if (reader.fault === 'malformed') this.end(STATUS.INTERNAL, 'the flags of a gRPC message are unknown');
  }

  onEnd(): void {
    // A reset also ends what can be read; 'close' follows.
    if (this.#ended || this.#stream.rstCode !== constants.NGHTTP2_NO_ERROR) return;
    if (this.#reader.pending > 0) this.end(STATUS.INTERNAL, 'the request ends inside a message');
    else this.#listener?.onHalfClose();
  }

  onClose(): void {
    this.#ended = true;
    const { first, closing, hooks } = this.#context;
    first.delete(this);
    closing.delete(this);
    this.#owner.partialBytes -= this.#reader.pending;
    this.#reader.clear();
    hooks.closed(this.#owner.peer);
    this.#listener?.onClose();
  }

  onWantTrailers(): void {
    this.#stream.sendTrailers(trailersOf(this.#code, this.#message));
  }
}

const WITH_TRAILERS = { waitForTrailers: true } as const;

function onData(this: CallStream, chunk: Buffer): void {
  this[CALL]?.onData(chunk);
}
function onEnd(this: CallStream): void {
  this[CALL]?.onEnd();
}
function onClose(this: CallStream): void {
  this[CALL]?.onClose();
}
function onWantTrailers(this: CallStream): void {
  this[CALL]?.onWantTrailers();
}
/** 'close' follows, and tells all that is to be told. */
function onError(this: CallStream): void {}
