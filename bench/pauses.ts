/**
 * Pauses of the process that loads this module: garbage collections of all kinds, and lag of the event loop. `--import` brings it into a
 * process of `tendril serve`, where it writes what it saw into `$TENDRIL_BENCH_PAUSES/<pid>.json` each second and at the end.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { constants, monitorEventLoopDelay, PerformanceObserver } from 'node:perf_hooks';

export interface PauseFigures {
  /** Longest single collection, ms, and its kind: the program stands still for it (of incremental steps: for each of them). */
  readonly longestGcMs: number;
  readonly longestGcKind: string;
  readonly gcCount: number;
  readonly gcTotalMs: number;
  /** Longest of each kind, ms. */
  readonly longestByKind: Readonly<Record<string, number>>;
  /** Lag of the event loop beyond its resolution of 10 ms. */
  readonly loopLagP99Ms: number;
  readonly loopLagMaxMs: number;
}

const RESOLUTION_MS = 10;
const KINDS: ReadonlyMap<number, string> = new Map([
  [constants.NODE_PERFORMANCE_GC_MAJOR, 'major'],
  [constants.NODE_PERFORMANCE_GC_MINOR, 'minor'],
  [constants.NODE_PERFORMANCE_GC_INCREMENTAL, 'incremental'],
  [constants.NODE_PERFORMANCE_GC_WEAKCB, 'weak-callbacks'],
]);
const rounded = (ms: number): number => Math.round(ms * 10) / 10;

/** Begins to watch; `figures` tells what was seen since, `reset` begins anew. */
export const watchPauses = (): { readonly figures: () => PauseFigures; readonly reset: () => void } => {
  let [count, total, longest, longestKind] = [0, 0, 0, ''];
  let byKind: Record<string, number> = {};
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      const { duration } = entry;
      const { detail } = entry as { readonly detail?: { readonly kind?: number } };
      const kind = KINDS.get(detail?.kind ?? 0) ?? 'other';
      count++;
      total += duration;
      byKind[kind] = Math.max(byKind[kind] ?? 0, rounded(duration));
      if (duration > longest) [longest, longestKind] = [duration, kind];
    }
  });
  observer.observe({ entryTypes: ['gc'] });
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  const beyond = (nanoseconds: number): number => rounded(Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS));
  return {
    figures: () => ({
      longestGcMs: rounded(longest),
      longestGcKind: longestKind,
      gcCount: count,
      gcTotalMs: Math.round(total),
      longestByKind: byKind,
      loopLagP99Ms: beyond(delay.percentile(99)),
      loopLagMaxMs: beyond(delay.max),
    }),
    reset: () => {
      [count, total, longest, longestKind] = [0, 0, 0, ''];
      byKind = {};
      delay.reset();
    },
  };
};

/** What a process of `tendril serve` has written; undefined: nothing yet. */
export const pausesOf = (folder: string, pid: number | undefined): PauseFigures | undefined => {
  try {
    return JSON.parse(readFileSync(join(folder, `${pid}.json`), 'utf8')) as PauseFigures;
  } catch {
    return undefined;
  }
};

const folder = process.env.TENDRIL_BENCH_PAUSES;
if (folder !== undefined) {
  mkdirSync(folder, { recursive: true });
  const { figures } = watchPauses();
  const write = (): void => writeFileSync(join(folder, `${process.pid}.json`), JSON.stringify(figures()));
  setInterval(write, 1_000).unref();
  process.once('exit', write);
}
