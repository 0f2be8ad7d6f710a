/**
 * Questions of one turn of the event loop share one request: an application that begins to call twenty services at once sends one message,
 * and is answered by one.
 *
 * Only requests that do nothing but subscribe are gathered, and only until another one comes: the order of everything else, and of it all
 * for one name, stays as the session said. What is gathered is bounded by the names that the session asks for.
 */
import type { DeltaRequest } from '../proto/wire.ts';

/** A first message without names is none: it means everything, and with a name it would not. */
const isQuestion = (request: DeltaRequest): boolean =>
  request.subscribe.length > 0 &&
  request.node === undefined &&
  request.responseNonce === '' &&
  request.errorDetail === undefined &&
  request.unsubscribe.length === 0 &&
  request.initialResourceVersions.size === 0;

export class GatheredQuestions {
  readonly #send: (request: DeltaRequest) => void;
  readonly #names: string[] = [];
  #first: DeltaRequest | undefined;

  /** `send` is called in the turn's last microtasks, or before. */
  constructor(send: (request: DeltaRequest) => void) {
    this.#send = send;
  }

  add(request: DeltaRequest): void {
    if (!isQuestion(request)) {
      this.flush();
      this.#send(request);
      return;
    }
    if (this.#first !== undefined && this.#first.typeUrl !== request.typeUrl) this.flush();
    if (this.#first === undefined) {
      this.#first = request;
      process.nextTick(() => this.flush());
    }
    for (const name of request.subscribe) this.#names.push(name);
  }

  flush(): void {
    const first = this.#first;
    if (first === undefined) return;
    this.#first = undefined;
    this.#send({ ...first, subscribe: this.#names.splice(0) });
  }

  /** The stream is gone: the next one's first messages name everything asked for. */
  drop(): void {
    this.#first = undefined;
    this.#names.length = 0;
  }
}
