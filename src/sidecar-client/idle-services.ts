/**
 * Which services a client may release: those that nobody watches and nobody has used for long. Pure; times in ms of one clock.
 *
 * A look costs nothing until the earliest time at which one may be idle.
 */
interface Use {
  lastMs: number;
  watchers: number;
}

export class IdleServices {
  readonly #idleMs: number;
  readonly #uses = new Map<string, Use>();
  #lookAtMs = Number.POSITIVE_INFINITY;

  constructor(idleMs: number) {
    this.#idleMs = idleMs;
  }

  touch(name: string, nowMs: number): void {
    const use = this.#uses.get(name);
    if (use !== undefined) use.lastMs = nowMs;
    else this.#add(name, nowMs, 0);
  }

  /** A watcher came (`1`) or went (`-1`), which is a use too. */
  hold(name: string, by: 1 | -1, nowMs: number): void {
    const use = this.#uses.get(name) ?? this.#add(name, nowMs, 0);
    use.watchers += by;
    use.lastMs = nowMs;
  }

  /** Idle ones, which are forgotten here. */
  takeIdle(nowMs: number): readonly string[] {
    if (nowMs < this.#lookAtMs) return [];
    const idle: string[] = [];
    this.#lookAtMs = nowMs + this.#idleMs;
    for (const [name, { lastMs, watchers }] of this.#uses) {
      if (watchers > 0) continue;
      if (nowMs - lastMs >= this.#idleMs) {
        idle.push(name);
        this.#uses.delete(name);
      } else this.#lookAtMs = Math.min(this.#lookAtMs, lastMs + this.#idleMs);
    }
    return idle;
  }

  #add(name: string, lastMs: number, watchers: number): Use {
    const use = { lastMs, watchers };
    this.#uses.set(name, use);
    this.#lookAtMs = Math.min(this.#lookAtMs, lastMs + this.#idleMs);
    return use;
  }
}
