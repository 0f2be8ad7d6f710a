/**
 * One HTTP call: waits for its configuration, takes a route, and makes tries until one answers or none is left. Invariants:
 *  1. The caller hears of exactly one end: `onComplete`, `onError`, or an upgrade.
 *  2. At most one try runs at a time, and none after the end.
 *  3. Nothing is tried again once a head was handed on, nor when the body can no longer be sent from its beginning.
 *  4. A retry is counted by the budget of its cluster from the moment it is decided until its try has ended.
 */
import type { Duplex } from 'node:stream';
import type { Dispatcher } from 'undici';
import { backoffMs } from '../backoff.ts';
import { noRoute, refused, timedOut, unknownHost, wrongProtocol } from '../call-errors.ts';
import type { CallCore, CallOutcome, ChosenRoute, UpstreamCluster } from '../calls/index.ts';
import type { ConfigSource } from '../config-source.ts';
import type { TraceRules } from '../trace-context.ts';
import { handedOn } from './handed-on.ts';
import { flatHeaders, headerOf, meshHeaders, withQuery } from './headers.ts';
import type { ConnectionPool } from './pool.ts';
import { ReplayBody } from './replay-body.ts';
import { Try, type TryListener } from './try.ts';

export interface CallContext {
  readonly core: CallCore;
  readonly source: ConfigSource;
  readonly trace: TraceRules;
  readonly nowMs: () => number;
  /** Ms since 1970. */
  readonly wallMs: () => number;
  readonly connections: (cluster: UpstreamCluster) => ConnectionPool;
  readonly replayBytes: number;
  /** For hosts that the mesh does not know; undefined: they fail. */
  readonly elsewhere: ((options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandlers) => void) | undefined;
}

export class HttpCall implements TryListener {
  readonly #context: CallContext;
  readonly #options: Dispatcher.DispatchOptions;
  readonly #handler: Dispatcher.DispatchHandlers;
  readonly #authority: string;
  readonly #body: ReplayBody;
  #headers: string[] = [];
  #route: ChosenRoute | undefined;
  #try: Try | undefined;
  /** Tries begun. */
  #tries = 0;
  readonly #tried = new Set<string>();
  #retry: { readonly done: () => void } | undefined;
  #whole: NodeJS.Timeout | undefined;
  #idle: NodeJS.Timeout | undefined;
  #perTry: NodeJS.Timeout | undefined;
  #pause: NodeJS.Timeout | undefined;
  #answered = false;
  #done = false;
  /** Of a call that went elsewhere. */
  #elsewhereAbort: ((error?: Error) => void) | undefined;
  #cancelled: Error | undefined;
  readonly #onEnd: () => void;

  constructor(
    context: CallContext,
    options: Dispatcher.DispatchOptions,
    handler: Dispatcher.DispatchHandlers,
    onEnd: () => void,
  ) {
    this.#context = context;
    this.#options = withQuery(options);
    this.#handler = handler;
    this.#onEnd = onEnd;
    this.#authority = new URL(String(options.origin)).host;
    this.#body = new ReplayBody(options.body, context.replayBytes);
  }

  async start(): Promise<void> {
    this.#handler.onConnect?.((reason) => this.cancel(reason));
    if (this.#done) return;
    try {
      const mesh = String(this.#options.origin).startsWith('http:');
      if (!mesh || !(await this.#context.source.ready(this.#authority))) this.#goElsewhere();
      else if (!this.#done) this.#begin();
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  /** The caller gives up, or the dispatcher is destroyed. */
  cancel(given?: Error): void {
    const reason = given ?? new DOMException('The call was aborted', 'AbortError');
    this.#cancelled = reason;
    this.#elsewhereAbort?.(reason);
    if (this.#done) return;
    this.#try?.abort({ end: 'cancelled' });
    this.#fail(reason);
  }

  #begin(): void {
    const { core, source, trace } = this.#context;
    source.touch(this.#authority);
    this.#headers = flatHeaders(this.#options.headers);
    const { method, path } = this.#options;
    const route = core.route({
      authority: this.#authority,
      method,
      path,
      header: (name) => headerOf(this.#headers, name),
    });
    if (route === undefined) throw noRoute(this.#authority, `${method} ${path}`);
    this.#route = route;
    this.#headers = meshHeaders(this.#headers, this.#authority, trace);
    if (route.idleTimeoutMs > 0) this.#idle = this.#timer('idleTimeout', route.idleTimeoutMs);
    // A stream from the caller may take its time: as in Envoy the time-out runs from the end of the request.
    if (!this.#body.streamed) this.#startWhole();
    this.#startTry();
  }

  #startWhole(): void {
    const ms = this.#route?.timeoutMs ?? 0;
    if (ms > 0 && this.#whole === undefined && !this.#done) this.#whole = this.#timer('timeout', ms);
  }

  #timer(field: string, ms: number): NodeJS.Timeout {
    return setTimeout(() => {
      this.#try?.abort({ end: 'timeout' });
      this.#fail(timedOut(`${this.#authority}, ${field} of route ${this.#route?.name ?? ''}`, ms));
    }, ms);
  }

  #startTry(): void {
    const { core, connections, nowMs } = this.#context;
    const route = this.#route as ChosenRoute;
    const cluster = core.cluster(route.cluster);
    const pick = cluster?.pick(route.hashKey, this.#tried.size > 0 ? this.#tried : undefined, nowMs()) ?? 'no-cluster';
    if (cluster === undefined || typeof pick === 'string') {
      this.#fail(refused(route.cluster, typeof pick === 'string' ? pick : 'no-cluster'));
      return;
    }
    if (cluster.protocol === 2 && (this.#options.upgrade || this.#options.method === 'CONNECT')) {
      pick.release({ end: 'cancelled' }, nowMs());
      this.#fail(wrongProtocol(route.cluster));
      return;
    }
    this.#tries += 1;
    this.#tried.add(pick.endpoint.key);
    const options: Dispatcher.DispatchOptions = {
      ...this.#options,
      headers: this.#headers,
      body: this.#body.open() ?? null,
      headersTimeout: this.#options.headersTimeout ?? 0,
      bodyTimeout: this.#options.bodyTimeout ?? 0,
    };
    const callerFailed = (): boolean => this.#body.error !== undefined;
    const attempt = new Try(
      { cluster: route.cluster, pick, connections: connections(cluster), options, nowMs, callerFailed },
      this,
    );
    this.#try = attempt;
    const perTryMs = route.retry?.perTryTimeoutMs ?? 0;
    if (perTryMs > 0)
      this.#perTry = setTimeout(() => {
        attempt.abort({ end: 'timeout' });
        this.failed({ end: 'timeout' }, timedOut(`${this.#authority}, retry.timeout of route ${route.name}`, perTryMs));
      }, perTryMs);
    attempt.start();
  }

  /** True: this end of a try is followed by another try, which has been arranged. */
  #again(outcome: CallOutcome, head: readonly Buffer[] = []): boolean {
    const rules = this.#route?.retry;
    if (rules === undefined || this.#done || this.#answered || this.#tries > rules.attempts) return false;
    if (!this.#body.replayable || !rules.retryable(outcome)) return false;
    // The try that ends here was perhaps a retry itself: its place in the budget is free for the next.
    this.#retry?.done();
    this.#retry = this.#context.core.cluster(this.#route?.cluster ?? '')?.beginRetry();
    if (this.#retry === undefined) return false;
    const { random } = this.#context.trace;
    const header = (name: string): string | undefined => headerOf(head.map(String), name);
    const asked = rules.askedWaitMs({ header, wallMs: this.#context.wallMs(), random });
    const backoff = { baseMs: rules.backoffBaseMs, maxMs: rules.backoffMaxMs };
    const waitMs = asked ?? backoffMs(this.#tries - 1, random, backoff);
    this.#pause = setTimeout(() => this.#startTry(), waitMs);
    return true;
  }

  moved(): void {
    this.#idle?.refresh();
  }

  sent(): void {
    this.#startWhole();
  }

  info(status: number, headers: Buffer[], resume: () => void, text: string): boolean {
    return this.#handler.onHeaders?.(status, headers, resume, text) ?? true;
  }

  head(outcome: CallOutcome, headers: Buffer[], resume: () => void, text: string): boolean | 'again' {
    clearTimeout(this.#perTry);
    // An answer may come before the request is out.
    this.#startWhole();
    if (this.#again(outcome, headers)) {
      this.#try?.abort(outcome);
      return 'again';
    }
    this.#answered = true;
    this.#handler.onResponseStarted?.();
    return this.#handler.onHeaders?.(outcome.status ?? 0, headers, resume, text) ?? true;
  }

  data(chunk: Buffer): boolean {
    return this.#handler.onData?.(chunk) ?? true;
  }

  complete(trailers: string[] | null): void {
    if (!this.#finish()) return;
    this.#handler.onComplete?.(trailers);
  }

  upgraded(status: number, headers: Buffer[] | string[] | null, socket: Duplex): void {
    if (!this.#finish()) return;
    this.#handler.onUpgrade?.(status, headers, socket);
  }

  failed(outcome: CallOutcome, error: Error): void {
    clearTimeout(this.#perTry);
    if (this.#done) return;
    if (this.#body.error !== undefined) this.#fail(this.#body.error as Error);
    else if (!this.#again(outcome)) this.#fail(error);
  }

  #goElsewhere(): void {
    if (this.#done) return;
    const { elsewhere } = this.#context;
    if (elsewhere === undefined) throw unknownHost(this.#authority);
    this.#settle();
    const taken = (abort: (error?: Error) => void): void => {
      this.#elsewhereAbort = abort;
      if (this.#cancelled !== undefined) abort(this.#cancelled);
    };
    elsewhere(this.#options, handedOn(this.#handler, taken, this.#onEnd));
  }

  #fail(error: Error): void {
    if (!this.#finish()) return;
    this.#handler.onError?.(error);
  }

  /** False: it has ended before. */
  #finish(): boolean {
    if (!this.#settle()) return false;
    this.#onEnd();
    return true;
  }

  /** Nothing of this call runs any more; it may still run elsewhere. */
  #settle(): boolean {
    if (this.#done) return false;
    this.#done = true;
    for (const timer of [this.#whole, this.#idle, this.#perTry, this.#pause]) clearTimeout(timer);
    this.#retry?.done();
    if (this.#route !== undefined) this.#body.finish();
    return true;
  }
}
