/**
 * Is a difference between two sides a change, or noise? Pure. The rule (docs/bench.md, "Noise"):
 *
 * N1 Two or more runs on each side: a change is one whose ranges (lowest to highest run) do not meet, whose medians differ by more than
 *    three times the larger median absolute deviation of the two, and by 1 % or more.
 * N2 One run on a side: the samples of each second stand in for runs, and the difference of the medians must be above three times their
 *    larger median absolute deviation, and 5 % or more. Weak: one run knows nothing of the next one's machine.
 * N3 One run on a side, and no samples: what the seed decides (counts, bytes) has changed when it differs by 1 % or more; of what the
 *    machine decides (times, CPU, memory) a difference below 25 % is taken for noise. Weak.
 * N4 The judgement does not depend on the order of the sides or of the runs, nor on the unit; equal sides never differ.
 * N5 What must be nought is judged by its highest run, whatever the others say: worse when one run of B is above every run of A, better the
 *    other way round. A loss in one run of three is no noise.
 */

export interface Side {
  /** The figure of each run. */
  readonly runs: readonly number[];
  /** The same figure of each second, of all runs; none where it is no figure of a second. */
  readonly samples?: readonly number[];
}

export interface FigureKind {
  /** Which way is worse; `neither`: it is told, and never judged worse. */
  readonly better: 'lower' | 'higher' | 'neither';
  /** What the seed decides does not vary from run to run. */
  readonly isSeeded: boolean;
  /** Must be nought: the highest run counts (N5). */
  readonly isFault?: boolean;
}

export interface Judgement {
  /** Median of the runs; of what must be nought, the highest run. */
  readonly a: number;
  readonly b: number;
  /** (b - a) / |a|; undefined where a is 0 and b is not. */
  readonly change: number | undefined;
  readonly verdict: 'noise' | 'better' | 'worse' | 'changed';
  /** Rests on one run (N2, N3). */
  readonly isWeak: boolean;
}

const FLOOR = 0.01;
const SAMPLES_FLOOR = 0.05;
const MACHINE_FLOOR = 0.25;
const DEVIATIONS = 3;
/** Fewer seconds than this say nothing of their spread. */
const MIN_SAMPLES = 5;

const sorted = (values: readonly number[]): readonly number[] => [...values].sort((x, y) => x - y);

/** Of an even number of values, the middle between the two in the middle. */
export const medianOf = (values: readonly number[]): number => {
  const order = sorted(values);
  const middle = order.length >> 1;
  const [low, high] = [order[middle - 1], order[middle]];
  if (high === undefined) return Number.NaN;
  return order.length % 2 === 1 || low === undefined ? high : (low + high) / 2;
};

/** Median absolute deviation from the median. */
export const deviationOf = (values: readonly number[]): number => {
  const middle = medianOf(values);
  return medianOf(values.map((value) => Math.abs(value - middle)));
};

const finite = (values: readonly number[] | undefined): readonly number[] => (values ?? []).filter(Number.isFinite);

/** The difference, in parts of the larger of the two: the same both ways. */
const relative = (a: number, b: number): number => (a === b ? 0 : Math.abs(b - a) / Math.max(Math.abs(a), Math.abs(b)));

const areApart = (a: readonly number[], b: readonly number[]): boolean =>
  Math.max(...a) < Math.min(...b) || Math.max(...b) < Math.min(...a);

const isAbove = (a: readonly number[], b: readonly number[]): boolean =>
  Math.abs(medianOf(b) - medianOf(a)) > DEVIATIONS * Math.max(deviationOf(a), deviationOf(b));

/** Undefined: one side has not measured it. */
export const judge = (a: Side, b: Side, kind: FigureKind): Judgement | undefined => {
  const runs = [finite(a.runs), finite(b.runs)] as const;
  if (runs[0].length === 0 || runs[1].length === 0) return undefined;
  const figureOf = (values: readonly number[]): number => (kind.isFault ? Math.max(...values) : medianOf(values));
  const [from, to] = [figureOf(runs[0]), figureOf(runs[1])];
  const samples = [finite(a.samples), finite(b.samples)] as const;
  const isWeak = Math.min(runs[0].length, runs[1].length) < 2;
  const differs = ((): boolean => {
    if (kind.isFault) return from !== to;
    if (!isWeak) return areApart(...runs) && isAbove(...runs) && relative(from, to) >= FLOOR;
    if (!kind.isSeeded && Math.min(samples[0].length, samples[1].length) >= MIN_SAMPLES)
      return (
        isAbove(...samples) &&
        relative(medianOf(samples[0]), medianOf(samples[1])) >= SAMPLES_FLOOR &&
        Math.sign(medianOf(samples[1]) - medianOf(samples[0])) === Math.sign(to - from)
      );
    return relative(from, to) >= (kind.isSeeded ? FLOOR : MACHINE_FLOOR);
  })();
  const change = from === to ? 0 : from === 0 ? undefined : (to - from) / Math.abs(from);
  const isWorse = kind.better === 'lower' ? to > from : to < from;
  const direction = kind.better === 'neither' ? 'changed' : isWorse ? 'worse' : 'better';
  return { a: from, b: to, change, verdict: differs && from !== to ? direction : 'noise', isWeak };
};

/**
 * Chance that two sides of these numbers of runs look apart although nothing differs: of all orders of the runs, those that put one side
 * wholly before the other.
 */
export const chanceOfApart = (a: number, b: number): number => {
  let ways = 1;
  for (let step = 1; step <= b; step++) ways = (ways * (a + step)) / step;
  return Math.min(1, 2 / ways);
};
