/** That something changed, for one that waits for it. However long it waits again and again, it leaves nothing behind at the signal. */
export class Changes {
  #changed = false;
  #wake: (() => void) | undefined;

  note(): void {
    this.#changed = true;
    this.#wake?.();
  }

  /** Resolves when something changed since the last time, after `ms`, or when the signal aborts. */
  async next(ms: number, signal: AbortSignal): Promise<void> {
    if (!this.#changed && !signal.aborted)
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          clearTimeout(timer);
          signal.removeEventListener('abort', wake);
          resolve();
        };
        const timer = setTimeout(wake, ms);
        this.#wake = wake;
        signal.addEventListener('abort', wake, { once: true });
      });
    this.#wake = undefined;
    this.#changed = false;
  }
}
