/** Is the client of a connection alive: pinged when silent, given up when it does not answer. */

export type Verdict = 'alive' | 'ping' | 'dead';

export class Liveness {
  /** Something has come since the last look. */
  #heard = true;
  #heardAt: number;
  /** When the ping was sent that has no answer; 0: none. */
  #pingedAt = 0;
  /** Its answer was overdue at the last look. */
  #overdue = false;

  /** `now`: ms, monotonic. */
  constructor(now: number) {
    this.#heardAt = now;
  }

  heard(): void {
    this.#heard = true;
  }

  /** A look. `ping`: it has been silent for `keepaliveMs`: send one. `dead`: it was silent for `timeoutMs` after it. */
  look(now: number, keepaliveMs: number, timeoutMs: number): Verdict {
    if (this.#heard) {
      this.#heard = false;
      this.#heardAt = now;
      this.#pingedAt = 0;
      this.#overdue = false;
      return 'alive';
    }
    if (this.#pingedAt > 0) {
      if (now - this.#pingedAt < timeoutMs) return 'alive';
      // The answer may have come while this process was busy: what has arrived is read before the next look.
      const isDead = this.#overdue;
      this.#overdue = true;
      return isDead ? 'dead' : 'alive';
    }
    if (now - this.#heardAt < keepaliveMs) return 'alive';
    this.#pingedAt = now;
    return 'ping';
  }
}
