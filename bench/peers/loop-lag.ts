/** Loop lag of the workers in one phase of a run, from scrapes of `/metrics` taken all along. */
import type { Sample } from './process-tree.ts';
import type { RunningPeer } from './servers.ts';

export interface Scrape {
  /** ms since the epoch. */
  readonly at: number;
  /** Upper bound, seconds -> samples at or below it, over all workers. */
  readonly buckets: ReadonlyMap<number, number>;
}

const LINE = /^tendril_xds_loop_lag_seconds_bucket\{worker="\d+",le="([^"]+)"\} (\d+)$/gm;

const parse = (at: number, text: string): Scrape => {
  const buckets = new Map<number, number>();
  for (const [, le = '', count = ''] of text.matchAll(LINE)) {
    const bound = le === '+Inf' ? Number.POSITIVE_INFINITY : Number(le);
    buckets.set(bound, (buckets.get(bound) ?? 0) + Number(count));
  }
  return { at, buckets };
};

export class LagScraper {
  readonly #scrapes: Scrape[] = [];
  #stopped = false;
  readonly #ended: Promise<void>;

  constructor(server: RunningPeer, everyMs = 1_000) {
    this.#ended = this.#run(server, everyMs);
  }

  async #run(server: RunningPeer, everyMs: number): Promise<void> {
    while (!this.#stopped) {
      const text = await server.metrics();
      if (text === undefined) return;
      const scrape = parse(Date.now(), text);
      // A worker that is busy for seconds is left out of the answer: that scrape says nothing.
      if (scrape.buckets.size > 0) this.#scrapes.push(scrape);
      await new Promise((next) => setTimeout(next, everyMs));
    }
  }

  async stop(): Promise<readonly Scrape[]> {
    this.#stopped = true;
    await this.#ended;
    return this.#scrapes;
  }
}

/** While the process went from `from` to `to` CPU seconds. Upper bound of the bucket that holds the quantile. */
export const lagBetween = (
  samples: readonly Sample[],
  scrapes: readonly Scrape[],
  pid: number,
  { from, to }: { readonly from: number; readonly to: number },
): { readonly p50Ms: number; readonly p99Ms: number } | undefined => {
  const cpu = (sample: Sample): number => sample.processes.find((process) => process.pid === pid)?.cpuS ?? 0;
  const begin = samples.findLast((sample) => cpu(sample) <= from + 0.005)?.at ?? 0;
  const finish = samples.find((sample) => cpu(sample) >= to - 0.005)?.at ?? Number.POSITIVE_INFINITY;
  const before = scrapes.findLast(({ at }) => at <= begin) ?? scrapes[0];
  const after = scrapes.find(({ at }) => at >= finish) ?? scrapes.at(-1);
  if (before === undefined || after === undefined || before === after) return undefined;
  const counts = [...after.buckets]
    .map(([bound, count]) => [bound, count - (before.buckets.get(bound) ?? 0)] as const)
    .sort(([a], [b]) => a - b);
  const total = counts.at(-1)?.[1] ?? 0;
  const quantile = (share: number): number => (counts.find(([, count]) => count >= total * share)?.[0] ?? 0) * 1_000;
  return { p50Ms: quantile(0.5), p99Ms: quantile(0.99) };
};
