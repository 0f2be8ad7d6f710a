/** One HTTP/2 connection: is it alive, and does it open streams too fast. */
import type { ServerHttp2Session } from 'node:http2';
import type { CallOwner } from './call.ts';

const nothing = (): void => undefined;

export class Http2Connection implements CallOwner {
  readonly #session: ServerHttp2Session;
  readonly peer: string;
  partialBytes = 0;
  /** Ended by us. */
  dropped = false;
  /** Bytes read at the last look, and when they were seen to have grown. */
  #bytesRead = 0;
  #heardAt: number;
  /** When the ping was sent that has no answer; 0: none. */
  #pingedAt = 0;
  /** Its answer was overdue at the last look. */
  #overdue = false;
  /** Streams opened in the second that began then. */
  #secondAt = 0;
  #opened = 0;

  constructor(session: ServerHttp2Session, now: number) {
    this.#session = session;
    this.#heardAt = now;
    const { remoteAddress, remotePort } = session.socket;
    this.peer = remoteAddress === undefined ? 'unknown' : `${remoteAddress}:${remotePort ?? 0}`;
  }

  /** Counts a new stream; returns how many it opened in this second. */
  opens(now: number): number {
    if (now - this.#secondAt >= 1_000) {
      this.#secondAt = now;
      this.#opened = 0;
    }
    return ++this.#opened;
  }

  /** False: it has been silent for `keepaliveMs`, and for `timeoutMs` after a ping. Sends the ping. */
  alive(now: number, keepaliveMs: number, timeoutMs: number): boolean {
    const session = this.#session;
    if (session.destroyed) return true;
    const { bytesRead } = session.socket;
    if (bytesRead !== this.#bytesRead) {
      this.#bytesRead = bytesRead;
      this.#heardAt = now;
      this.#pingedAt = 0;
      this.#overdue = false;
      return true;
    }
    if (this.#pingedAt > 0) {
      if (now - this.#pingedAt < timeoutMs) return true;
      // The answer may have come while this process was busy: what has arrived is read before the next look.
      const overdue = this.#overdue;
      this.#overdue = true;
      return !overdue;
    }
    if (now - this.#heardAt >= keepaliveMs) {
      this.#pingedAt = now;
      session.ping(nothing);
    }
    return true;
  }

  /** GOAWAY; it ends when its streams have. */
  goAway(): void {
    this.dropped = true;
    if (!this.#session.closed) this.#session.close();
  }

  /** GOAWAY with this code, and the end at once. */
  drop(code: number): void {
    this.dropped = true;
    if (!this.#session.destroyed) this.#session.destroy(undefined, code);
  }
}
