/**
 * Runs a probe again and again: one at a time, cut at its time-out. A probe that hangs is a failure at the time-out; the next one begins
 * when the cut one has ended. One that does not end though it was cut is a further failure at every interval but the first after the
 * cut: that may begin in the same turn as the cut, and would count one hang twice.
 */
import type { Probe, ProbeResult } from './probe.ts';

export interface ProberOptions {
  readonly probe: Probe;
  /** From one beginning to the next, ms. */
  readonly intervalMs: number;
  /** ms. */
  readonly timeoutMs: number;
  /** Until the first success, from one beginning to the next, ms: an application that starts is found ready soon. */
  readonly startIntervalMs: number;
  readonly onResult: (result: ProbeResult) => void;
}

export class Prober {
  readonly #options: ProberOptions;
  #timer: NodeJS.Timeout | undefined;
  #cut: AbortController | undefined;
  /** `late`: an interval has begun since the cut. */
  #running: 'no' | 'in-time' | 'cut' | 'late' = 'no';
  #stopped = false;
  #succeeded = false;
  /** Result of the last one, and how many there were. */
  last: ProbeResult | undefined;
  count = 0;

  constructor(options: ProberOptions) {
    this.#options = options;
  }

  /** Begins at once. */
  start(): void {
    this.#look();
  }

  #look(): void {
    if (this.#stopped) return;
    const { probe, intervalMs, startIntervalMs, timeoutMs } = this.#options;
    this.#timer = setTimeout(() => this.#look(), this.#succeeded ? intervalMs : Math.min(intervalMs, startIntervalMs));
    if (this.#running === 'in-time') return;
    if (this.#running === 'cut') {
      this.#running = 'late';
      return;
    }
    if (this.#running === 'late') {
      this.#tell({ ok: false, why: `${probe.name}: the one before does not end, though it was cut` });
      return;
    }
    this.#running = 'in-time';
    const cut = new AbortController();
    this.#cut = cut;
    let told = false;
    const once = (result: ProbeResult): void => {
      if (told) return;
      told = true;
      clearTimeout(patience);
      this.#tell(result);
    };
    const patience = setTimeout(() => {
      this.#running = 'cut';
      once({ ok: false, why: `${probe.name}: no answer within ${timeoutMs} ms` });
      cut.abort();
    }, timeoutMs);
    void probe
      .run(cut.signal)
      .catch((error: unknown): ProbeResult => ({ ok: false, why: `${probe.name}: ${String(error)}` }))
      .then((result) => {
        this.#running = 'no';
        once(result);
      });
  }

  #tell(result: ProbeResult): void {
    if (this.#stopped) return;
    this.last = result;
    this.count++;
    this.#succeeded ||= result.ok;
    this.#options.onResult(result);
  }

  /** Cuts the one that runs; nothing is told any more. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#cut?.abort();
  }
}
