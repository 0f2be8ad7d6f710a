/**
 * A request body that may be sent again: what has been read of a stream is kept up to a bound; beyond it the body can only be sent
 * once, and the call is no longer tried again (Envoy: the retry buffer).
 */
import type { Dispatcher } from 'undici';

type Given = Dispatcher.DispatchOptions['body'];

const isStreamed = (body: unknown): body is Partial<AsyncIterable<Uint8Array> & Iterable<Uint8Array>> =>
  typeof body === 'object' &&
  body !== null &&
  !ArrayBuffer.isView(body) &&
  // Blob and FormData can be read again and again.
  (Symbol.asyncIterator in body || (Symbol.iterator in body && !('append' in body)));

export class ReplayBody {
  readonly #given: Given;
  readonly #source: AsyncIterator<Uint8Array> | undefined;
  readonly #bound: number;
  #kept: Uint8Array[] = [];
  /** Chunks read so far, kept or not. */
  #read = 0;
  #bytes = 0;
  #lost = false;
  #ended = false;
  #error: unknown;
  #pulling: Promise<void> | undefined;

  /** `bound`: bytes of a stream that are kept. */
  constructor(body: Given, bound: number) {
    this.#given = body;
    this.#bound = bound;
    if (!isStreamed(body)) return;
    const begin = (body[Symbol.asyncIterator] ?? body[Symbol.iterator]) as
      | (() => AsyncIterator<Uint8Array>)
      | undefined;
    this.#source = begin?.call(body);
  }

  get streamed(): boolean {
    return this.#source !== undefined;
  }

  /** Everything that was read is still there. */
  get replayable(): boolean {
    return !this.#lost && this.#error === undefined;
  }

  /** The caller's stream failed: no fault of an endpoint. */
  get error(): unknown {
    return this.#error;
  }

  /** For one try, from the beginning. */
  open(): Given {
    // undici takes any iterable; its types do not say so.
    return this.#source === undefined ? this.#given : (this.#chunks() as unknown as Given);
  }

  /** No further try: a stream not read to its end is told so. */
  finish(): void {
    this.#kept = [];
    this.#lost = true;
    if (this.#source !== undefined && !this.#ended) {
      this.#ended = true;
      Promise.resolve(this.#source.return?.()).catch(() => undefined);
    }
  }

  async *#chunks(): AsyncGenerator<Uint8Array> {
    for (let at = 0; ; ) {
      const behind = this.#read - at;
      const chunk = behind > 0 ? this.#kept[this.#kept.length - behind] : undefined;
      if (chunk !== undefined) {
        at += 1;
        if (this.#lost) this.#kept = [];
        yield chunk;
      } else if (this.#error !== undefined) throw this.#error;
      else if (this.#ended) return;
      // A try that was given up may have begun to read: its chunk is for whoever reads now.
      else {
        this.#pulling ??= this.#pull();
        await this.#pulling;
      }
    }
  }

  async #pull(): Promise<void> {
    try {
      const next = await this.#source?.next();
      if (next === undefined || next.done) this.#ended = true;
      else {
        this.#read += 1;
        this.#bytes += next.value.length;
        if (this.#bytes > this.#bound) this.#lost = true;
        this.#kept.push(next.value);
      }
    } catch (error) {
      this.#error = error ?? new Error('the request body failed');
    } finally {
      this.#pulling = undefined;
    }
  }
}
