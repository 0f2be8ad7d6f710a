/**
 * One try of a call at one endpoint. Invariants:
 *  1. The pick and the connection are released exactly once, whatever ends the try.
 *  2. After the end nothing more is told to the call, whatever undici still says.
 */
import type { Dispatcher } from 'undici';
import { failedCall, overflow } from '../call-errors.ts';
import type { CallOutcome, Pick } from '../calls/index.ts';
import { isRefusedStream } from './h2-exchange.ts';
import type { ConnectionPool, Lease } from './pool.ts';

/** What the call wants to know. */
export interface TryListener {
  /** A byte moved, in either direction. */
  moved(): void;
  /** The request is out, its body too. */
  sent(): void;
  /** `again`: this answer is thrown away, the try ends. Else: go on reading? */
  head(outcome: CallOutcome, headers: Buffer[], resume: () => void, text: string): boolean | 'again';
  info(status: number, headers: Buffer[], resume: () => void, text: string): boolean;
  data(chunk: Buffer): boolean;
  complete(trailers: string[] | null): void;
  upgraded(status: number, headers: Buffer[] | string[] | null, socket: import('node:stream').Duplex): void;
  /** No answer, or half of one. */
  failed(outcome: CallOutcome, error: Error): void;
}

export interface TryParts {
  readonly cluster: string;
  readonly pick: Pick;
  readonly connections: ConnectionPool;
  readonly options: Dispatcher.DispatchOptions;
  readonly nowMs: () => number;
  /** The caller's own body failed. */
  readonly callerFailed: () => boolean;
}

/** Of an answer without messages, whose status stands in its head. */
const grpcStatusOf = (headers: readonly Buffer[]): number | undefined => {
  for (let index = 0; index + 1 < headers.length; index += 2)
    if (headers[index]?.length === 11 && headers[index]?.toString('latin1').toLowerCase() === 'grpc-status')
      return Number(headers[index + 1]?.toString('latin1'));
  return undefined;
};

/** What undici says of a request that the caller made wrong: no fault of an endpoint. */
const CALLERS: ReadonlySet<unknown> = new Set([
  'UND_ERR_INVALID_ARG',
  'UND_ERR_NOT_SUPPORTED',
  'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH',
]);
const TIMEOUTS: ReadonlySet<unknown> = new Set(['UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT']);

export class Try implements Dispatcher.DispatchHandlers {
  readonly #parts: TryParts;
  readonly #listener: TryListener;
  #lease: Lease | undefined;
  #giveUp: (() => void) | undefined;
  #onWire = false;
  #answer: CallOutcome | undefined;
  #ended = false;

  constructor(parts: TryParts, listener: TryListener) {
    this.#parts = parts;
    this.#listener = listener;
  }

  start(): void {
    const { connections, pick, cluster } = this.#parts;
    const waiting = connections.acquire(pick.endpoint, (lease) => this.#send(lease));
    if (waiting === 'overflow') {
      this.#end({ end: 'cancelled' }, false);
      this.#listener.failed({ end: 'cancelled' }, overflow(`${cluster}: limits.pending calls wait for a connection`));
    } else this.#giveUp = waiting;
  }

  /** Ends the try; nobody is told. */
  abort(outcome: CallOutcome): void {
    this.#end(this.#answer ?? outcome, false);
  }

  #send(lease: Lease): void {
    this.#lease = lease;
    lease.dispatch(this.#parts.options, this);
  }

  #end(outcome: CallOutcome, complete: boolean): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#giveUp?.();
    this.#parts.pick.release(outcome, this.#parts.nowMs());
    this.#lease?.release(complete);
  }

  onConnect(abort: (error?: Error) => void): void {
    if (this.#ended) {
      abort();
      return;
    }
    this.#onWire = true;
    this.#lease?.connected();
    this.#listener.moved();
  }

  onBodySent(): void {
    if (!this.#ended) this.#listener.moved();
  }

  /** Called by undici 6; its types do not name it. */
  onRequestSent(): void {
    if (!this.#ended) this.#listener.sent();
  }

  onHeaders(status: number, headers: Buffer[], resume: () => void, text: string): boolean {
    if (this.#ended) return false;
    this.#listener.moved();
    if (status < 200) return this.#listener.info(status, headers, resume, text);
    const grpcStatus = grpcStatusOf(headers);
    this.#answer = { end: 'answered', status, ...(grpcStatus === undefined ? {} : { grpcStatus }) };
    const go = this.#listener.head(this.#answer, headers, resume, text);
    return go === true;
  }

  onData(chunk: Buffer): boolean {
    if (this.#ended) return false;
    this.#listener.moved();
    return this.#listener.data(chunk);
  }

  onComplete(trailers: string[] | null): void {
    if (this.#ended) return;
    this.#end(this.#answer ?? { end: 'reset' }, true);
    this.#listener.complete(trailers);
  }

  onUpgrade(status: number, headers: Buffer[] | string[] | null, socket: import('node:stream').Duplex): void {
    if (this.#ended) {
      socket.destroy();
      return;
    }
    this.#giveUp?.();
    socket.once('close', () => this.#end({ end: 'answered', status: 101 }, false));
    this.#listener.upgraded(status, headers, socket);
  }

  #endOf(error: Error): CallOutcome['end'] {
    const { code } = error as { readonly code?: unknown };
    if (CALLERS.has(code) || this.#parts.callerFailed()) return 'cancelled';
    if (TIMEOUTS.has(code)) return 'timeout';
    if (isRefusedStream(error)) return 'refused';
    return this.#onWire ? 'reset' : 'connect';
  }

  onError(error: Error): void {
    if (this.#ended) return;
    const outcome: CallOutcome = { end: this.#endOf(error) };
    this.#end(outcome, false);
    this.#listener.failed(outcome, failedCall(this.#parts.cluster, this.#parts.pick.endpoint.key, error));
  }
}
