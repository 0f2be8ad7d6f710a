/**
 * Retry budget of a cluster (Envoy, `circuit_breakers.retry_budget`): retries that run are at most `minRetries`, or `retryPercent` of
 * the calls that run when that is more.
 */
export class RetryBudget {
  #running = 0;
  /** Retries not allowed, since the start. */
  refused = 0;

  get running(): number {
    return this.#running;
  }

  /** `active`: calls that run, retries included. */
  begin(
    active: number,
    { retryPercent, minRetries }: { readonly retryPercent: number | undefined; readonly minRetries: number },
  ): { readonly done: () => void } | undefined {
    const most = Math.max(minRetries, Math.floor((active * (retryPercent ?? 0)) / 100));
    if (this.#running >= most) {
      this.refused += 1;
      return undefined;
    }
    this.#running += 1;
    let open = true;
    return {
      done: () => {
        if (!open) return;
        open = false;
        this.#running -= 1;
      },
    };
  }
}
