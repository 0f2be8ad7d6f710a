/**
 * One request and its answer on a connection of HTTP/2, told to a handler of undici as its client for HTTP/1.1 does. Invariants:
 *  1. The handler hears of exactly one end: `onComplete` or `onError`; none after `cancel`.
 *  2. The place on the connection is given back once, when the stream is closed, or was never made.
 *  3. A stream is reset in a turn of its own, never in the one that reads frames (h2-connection.ts, 3).
 */
import { type ClientHttp2Stream, constants, type IncomingHttpHeaders, type IncomingHttpStatusHeader } from 'node:http2';
import { type Dispatcher, errors } from 'undici';
import { callUser } from '../user-code.ts';
import type { H2Connection } from './h2-connection.ts';
import { type H2Request, h2Request } from './h2-request.ts';

const { NGHTTP2_CANCEL, NGHTTP2_REFUSED_STREAM } = constants;

/** The server says that it has not begun with this request: it may be sent again, whatever its method. */
class RefusedStream extends Error {
  override readonly name = 'RefusedStream';
}

export const isRefusedStream = (error: Error): boolean => error instanceof RefusedStream;

/** Of node:http2: the connection went between the choice and the request. */
const GONE: ReadonlySet<unknown> = new Set([
  'ERR_HTTP2_GOAWAY_SESSION',
  'ERR_HTTP2_INVALID_SESSION',
  'ERR_HTTP2_OUT_OF_STREAMS',
]);

/** As undici hands headers on: names and values in turn. */
const flat = (headers: IncomingHttpHeaders): Buffer[] =>
  Object.entries(headers).flatMap(([name, value]) =>
    name.startsWith(':') || value === undefined
      ? []
      : [value].flat().flatMap((one) => [Buffer.from(name, 'latin1'), Buffer.from(one, 'latin1')]),
  );

/**
 * Whether the answer was whole. A stream that goes with its connection ends for node:http2 as if the answer were over; but then it is closed
 * before its end is told, and after END_STREAM it is not.
 */
const wholeness = (stream: ClientHttp2Stream): (() => boolean) => {
  const push = stream.push.bind(stream);
  let whole: boolean | undefined;
  stream.push = (chunk, encoding) => {
    if (chunk === null) whole ??= !stream.closed;
    return push(chunk, encoding);
  };
  return () => whole === true;
};

/** Resolves when the stream takes more, or is closed. */
const drained = (stream: ClientHttp2Stream): Promise<void> =>
  new Promise((done) => {
    const go = (): void => {
      stream.off('drain', go).off('close', go);
      done();
    };
    stream.once('drain', go).once('close', go);
  });

export class Exchange {
  readonly #connection: H2Connection;
  readonly #options: Dispatcher.DispatchOptions;
  readonly #handler: Dispatcher.DispatchHandlers & { onRequestSent?(): void };
  readonly #giveBack: () => void;
  #stream: ClientHttp2Stream | undefined;
  #trailers: string[] = [];
  #ended = false;

  constructor(
    connection: H2Connection,
    options: Dispatcher.DispatchOptions,
    handler: Dispatcher.DispatchHandlers,
    giveBack: () => void,
  ) {
    this.#connection = connection;
    this.#options = options;
    this.#handler = handler;
    this.#giveBack = giveBack;
  }

  start(): void {
    try {
      const request = h2Request(this.#options);
      this.#handler.onConnect?.((reason) => this.#abort(reason ?? new errors.RequestAbortedError()));
      if (this.#ended) this.#giveBack();
      else this.#send(request);
    } catch (error) {
      this.#giveBack();
      const gone = GONE.has((error as { readonly code?: unknown }).code);
      this.#fail(gone ? new RefusedStream('the connection is closing') : (error as Error));
    }
  }

  /** The stream is reset; the handler hears nothing. */
  cancel(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#resetSoon();
  }

  #abort(error: Error): void {
    this.#resetSoon();
    this.#fail(error);
  }

  #resetSoon(): void {
    const stream = this.#stream;
    if (stream === undefined) return;
    setImmediate(() => {
      if (!stream.closed) stream.close(NGHTTP2_CANCEL);
    });
  }

  #fail(error: Error): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#handler.onError?.(error);
  }

  #send({ headers, body, length }: H2Request): void {
    const stream = this.#connection.request(headers, body === undefined);
    this.#stream = stream;
    const handler = this.#handler;
    const whole = wholeness(stream);
    stream.on('headers', (head) => {
      const status = Number(head[':status']);
      if (!this.#ended && status !== 100)
        this.#tell(() => handler.onHeaders?.(status, flat(head), () => undefined, ''));
    });
    stream.on('response', (head) => this.#answer(stream, head, whole));
    stream.on('trailers', (trailers) => {
      this.#trailers = flat(trailers).map((one) => one.toString('latin1'));
    });
    stream.on('error', (error) => this.#fail(this.#reasonOf(stream, error)));
    stream.once('close', () => {
      this.#giveBack();
      this.#fail(this.#reasonOf(stream, new Error('the stream was closed before its end')));
    });
    const sent = (): void => {
      if (!this.#ended) handler.onRequestSent?.();
    };
    if (body === undefined) sent();
    else {
      stream.once('finish', sent);
      if (body instanceof Uint8Array) stream.end(body);
      else void this.#sendChunks(stream, body, length);
    }
  }

  #reasonOf({ rstCode }: ClientHttp2Stream, error: Error): Error {
    return rstCode === NGHTTP2_REFUSED_STREAM ? new RefusedStream('refused the stream') : error;
  }

  #answer(stream: ClientHttp2Stream, head: IncomingHttpHeaders & IncomingHttpStatusHeader, whole: () => boolean): void {
    if (this.#ended) return;
    const handler = this.#handler;
    stream.on('data', (chunk: Buffer) => {
      if (!this.#ended && this.#tell(() => handler.onData?.(chunk)) === false) stream.pause();
    });
    stream.once('end', () => {
      if (!whole()) this.#fail(this.#reasonOf(stream, new Error('the answer was cut')));
      if (this.#ended) return;
      this.#ended = true;
      // An answer before the request is out: the rest of it is not wanted.
      if (!stream.writableEnded) this.#resetSoon();
      callUser('onComplete of a call', () => handler.onComplete?.(this.#trailers));
    });
    const go = this.#tell(() => handler.onHeaders?.(head[':status'] ?? 0, flat(head), () => stream.resume(), ''));
    if (go === false) stream.pause();
  }

  /** What the handler throws ends the exchange. */
  #tell<T>(run: () => T): T | undefined {
    try {
      return run();
    } catch (error) {
      this.#abort(error as Error);
      return undefined;
    }
  }

  async #sendChunks(
    stream: ClientHttp2Stream,
    body: AsyncIterable<unknown>,
    length: number | undefined,
  ): Promise<void> {
    try {
      let sent = 0;
      for await (const chunk of body) {
        if (this.#ended) return;
        const bytes = Buffer.from(chunk as Uint8Array);
        sent += bytes.length;
        if (length !== undefined && sent > length) throw new errors.RequestContentLengthMismatchError();
        if (!stream.write(bytes)) await drained(stream);
        if (!this.#ended) this.#handler.onBodySent?.(bytes.length, sent);
      }
      if (length !== undefined && sent !== length) throw new errors.RequestContentLengthMismatchError();
      if (!this.#ended) stream.end();
    } catch (error) {
      this.#abort(error as Error);
    }
  }
}
