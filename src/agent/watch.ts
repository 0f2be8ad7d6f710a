/** A probe and the verdict of its results, from each start of the application on. */
import {
  nextVerdict,
  type Probe,
  Prober,
  probeTimes,
  type Thresholds,
  UNKNOWN,
  type Verdict,
} from '../sidecar-client/index.ts';

export interface WatchOptions {
  /** ms */
  readonly intervalMs?: number;
  /** ms */
  readonly timeoutMs?: number;
  readonly thresholds?: Thresholds;
}

export interface ProbeStatus {
  readonly is: Verdict['is'];
  readonly probe?: string;
  /** Of the last one. */
  readonly ok?: boolean;
  readonly why?: string;
  readonly output?: string;
  readonly count?: number;
}

const START_INTERVAL_MS = 250;

/** A probe with the verdict of its results. */
export class Watch {
  readonly #options: WatchOptions;
  readonly #probe: Probe | undefined;
  readonly #changed: (is: 'up' | 'down', why: string) => void;
  readonly #times: { readonly intervalMs: number; readonly timeoutMs: number };
  #prober: Prober | undefined;
  #verdict: Verdict = UNKNOWN;

  /** Throws `REGISTER_OPTIONS`. */
  constructor(options: WatchOptions, probe: Probe | undefined, changed: (is: 'up' | 'down', why: string) => void) {
    this.#options = options;
    this.#probe = probe;
    this.#times = probeTimes(options);
    this.#changed = changed;
  }

  /** From the beginning: an application that was started anew has shown nothing yet. */
  restart(): void {
    this.stop();
    this.#verdict = UNKNOWN;
    if (this.#probe === undefined) return;
    const { thresholds } = this.#options;
    this.#prober = new Prober({
      probe: this.#probe,
      ...this.#times,
      startIntervalMs: START_INTERVAL_MS,
      onResult: ({ ok, why }) => {
        const before = this.#verdict.is;
        this.#verdict = nextVerdict(this.#verdict, ok, thresholds);
        const { is } = this.#verdict;
        if (is !== before && is !== 'unknown') this.#changed(is, why);
      },
    });
    this.#prober.start();
  }

  stop(): void {
    this.#prober?.stop();
  }

  get why(): string | undefined {
    return this.#prober?.last?.why;
  }

  get status(): ProbeStatus {
    return {
      is: this.#probe === undefined ? 'up' : this.#verdict.is,
      ...(this.#probe === undefined ? {} : { probe: this.#probe.name }),
      ...this.#prober?.last,
      ...(this.#prober === undefined ? {} : { count: this.#prober.count }),
    };
  }
}
