/**
 * Which services a client may release: those that nobody watches and nobody has used for long. Pure; times in ms of one clock.
 *
 * A look costs nothing until the earliest time at which one may be idle.
 */
export class IdleServices {
  readonly #idleMs: number;
  /** Last use, in whole ms, rounded up: a small number, which a map holds without an object of its own. */
  readonly #lastMs = new Map<string, number>();
  /** Those that are watched. */
  readonly #watchers = new Map<string, number>();
  #lookAtMs = Number.POSITIVE_INFINITY;

  constructor(idleMs: number) {
    this.#idleMs = idleMs;
  }

  touch(name: string, nowMs: number): void {
    const lastMs = Math.ceil(nowMs);
    if (!this.#lastMs.has(name)) this.#lookAtMs = Math.min(this.#lookAtMs, lastMs + this.#idleMs);
    this.#lastMs.set(name, lastMs);
  }

  /** A watcher came (`1`) or went (`-1`), which is a use too. */
  hold(name: string, by: 1 | -1, nowMs: number): void {
    const watchers = (this.#watchers.get(name) ?? 0) + by;
    if (watchers > 0) this.#watchers.set(name, watchers);
    else this.#watchers.delete(name);
    this.touch(name, nowMs);
  }

  /** Idle ones, which are forgotten here. */
  takeIdle(nowMs: number): readonly string[] {
    if (nowMs < this.#lookAtMs) return [];
    const idle: string[] = [];
    this.#lookAtMs = nowMs + this.#idleMs;
    for (const [name, lastMs] of this.#lastMs) {
      if (this.#watchers.has(name)) continue;
      if (nowMs - lastMs >= this.#idleMs) {
        idle.push(name);
        this.#lastMs.delete(name);
      } else this.#lookAtMs = Math.min(this.#lookAtMs, lastMs + this.#idleMs);
    }
    return idle;
  }
}
