/** Durations and percents as numbers (policies.md section 1). */
import type { FractionalPercent } from '../resolved.ts';

const DURATION = /^([0-9]{1,15})(?:\.([0-9]{1,9}))?(ms|s|m|h)$/;
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** `1.5s` -> 1500. Undefined when the text is no duration, or is no whole number of milliseconds. */
export const parseDuration = (text: string): number | undefined => {
  const found = DURATION.exec(text);
  const unit = UNIT_MS[found?.[3] ?? ''];
  if (found === null || unit === undefined) return undefined;
  const fraction = found[2] ?? '';
  // Whole numbers throughout: 0.1 has no exact double, and the same text must give the same ms everywhere.
  const scale = 10 ** fraction.length;
  const fractionMs = Number(fraction === '' ? 0 : fraction) * unit;
  if (fractionMs % scale !== 0) return undefined;
  return Number(found[1]) * unit + fractionMs / scale;
};

/** 1500 -> `1.5s`, in the largest unit that keeps the number short. */
export const formatDuration = (ms: number): string => {
  if (ms === 0) return '0s';
  if (ms % 3_600_000 === 0) return `${ms / 3_600_000}h`;
  if (ms % 60_000 === 0) return `${ms / 60_000}m`;
  return ms >= 1000 ? `${ms / 1000}s` : `${ms}ms`;
};

/** A percent has at most 4 decimals: its numerator over a million is whole. */
export const isPercent = (value: number): boolean => {
  if (!(value >= 0 && value <= 100)) return false;
  const numerator = value * 10_000;
  return Math.abs(numerator - Math.round(numerator)) < 1e-6;
};

/** 12.5 -> 125000 / MILLION. */
export const fractionOf = (percent: number): FractionalPercent => ({
  numerator: Math.round(percent * 10_000),
  denominator: 'MILLION',
});
