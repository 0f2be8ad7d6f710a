/** From values to places on an axis, with ticks at round numbers. Pure. */

export interface Scale {
  readonly kind: 'linear' | 'log';
  /** Place of a value: 0 at the low end of the axis, 1 at the high end; values beyond are held at the ends. */
  readonly place: (value: number) => number;
  readonly ticks: readonly number[];
}

const clamp = (value: number): number => Math.min(1, Math.max(0, value));

/** The next of 1, 2, 5 times a power of ten, at or above. */
const roundStep = (rough: number): number => {
  const power = 10 ** Math.floor(Math.log10(rough));
  const lead = rough / power;
  return (lead <= 1 ? 1 : lead <= 2 ? 2 : lead <= 5 ? 5 : 10) * power;
};

/** At most `most` steps between ticks; the axis ends at ticks. Equal or missing bounds give an axis of one step. */
export const linearScale = (low: number, high: number, most = 5): Scale => {
  const from = Number.isFinite(low) ? low : 0;
  const to = Number.isFinite(high) && high > from ? high : from + (from === 0 ? 1 : Math.abs(from));
  const step = roundStep((to - from) / most);
  const first = Math.floor(from / step + 1e-9);
  const last = Math.max(first + 1, Math.ceil(to / step - 1e-9));
  // Whole multiples, so that 0.1 + 0.2 is no tick.
  const at = (index: number): number => Number((index * step).toPrecision(12));
  const ticks = Array.from({ length: last - first + 1 }, (_, index) => at(first + index));
  const [begin, end] = [at(first), at(last)];
  return { kind: 'linear', place: (value) => clamp((value - begin) / (end - begin)), ticks };
};

/** Decades, and 2 and 5 between them while they are few. Needs `0 < low <= high`. */
export const logScale = (low: number, high: number): Scale => {
  const first = Math.floor(Math.log10(low) + 1e-9);
  const last = Math.max(first + 1, Math.ceil(Math.log10(high) - 1e-9));
  const leads = last - first <= 2 ? [1, 2, 5] : [1];
  const ticks: number[] = [];
  for (let power = first; power < last; power++)
    for (const lead of leads) ticks.push(Number((lead * 10 ** power).toPrecision(12)));
  ticks.push(10 ** last);
  const place = (value: number): number => (value <= 0 ? 0 : clamp((Math.log10(value) - first) / (last - first)));
  return { kind: 'log', place, ticks };
};

/** Values further apart than this are not readable on one linear axis. */
const TOO_FAR_APART = 50;

/** From zero, or logarithmic where the smallest positive value would lie on the axis. */
export const scaleFor = (values: readonly number[], wish: 'linear' | 'either'): Scale => {
  const finite = values.filter((value) => Number.isFinite(value));
  const high = finite.reduce((most, value) => Math.max(most, value), 0);
  const positive = finite.filter((value) => value > 0);
  const low = positive.reduce((least, value) => Math.min(least, value), Number.POSITIVE_INFINITY);
  if (wish === 'either' && high > 0 && high / low > TOO_FAR_APART) return logScale(low, high);
  return linearScale(
    finite.reduce((least, value) => Math.min(least, value), 0),
    high,
  );
};
