/** `tendril bench compare A B`: two simulations, or two sets of them, side by side: change in per cent, and whether it is noise. */
import { format, NOT_MEASURED } from '../report/format.ts';
import { type ComparedFigure, type Comparison, compareResults } from './comparison.ts';
import { readSide } from './read-results.ts';

export type { Comparison } from './comparison.ts';

/** Names that a file chose must not steer the terminal. */
const printable = (text: string): string => text.replaceAll(/\p{Cc}/gu, '?');

const percent = (change: number | undefined): string => {
  if (change === undefined) return 'from 0';
  const value = change * 100;
  const digits = Math.abs(value) >= 100 ? 0 : 1;
  return `${value > 0 ? '+' : ''}${value.toFixed(digits)} %`;
};

const cellsOf = ({ name, unit, judgement }: ComparedFigure): readonly string[] => {
  if (judgement === undefined) return [name, NOT_MEASURED, NOT_MEASURED, '', ''];
  const { a, b, change, verdict, isWeak } = judgement;
  const isEqual = a === b;
  const said = ((): string => {
    if (verdict === 'unjudged') return 'not judged';
    if (isEqual) return 'the same';
    return verdict === 'noise' ? 'noise' : `${verdict.toUpperCase()}${isWeak ? ' (weak)' : ''}`;
  })();
  return [name, format(a, unit), format(b, unit), isEqual ? '' : percent(change), said];
};

/** First column left, numbers right, verdict left. */
const aligned = (rows: readonly (readonly string[])[]): string[] => {
  const widths = [0, 1, 2, 3, 4].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return column === 0 || column === 4 ? cell.padEnd(width) : cell.padStart(width);
      })
      .join('  ')
      .trimEnd(),
  );
};

/** The comparison as text for a terminal. */
export const comparisonText = ({ runs, isJudged, differences, warnings, figures }: Comparison): string => {
  const sections = new Set(figures.map(({ section }) => section));
  const rows: string[][] = [['', `A (${runs[0]})`, `B (${runs[1]})`, 'change', '']];
  for (const section of sections) {
    rows.push([], [section]);
    for (const figure of figures.filter((each) => each.section === section)) {
      const [name = '', ...cells] = cellsOf(figure);
      rows.push([`  ${name}`, ...cells]);
    }
  }
  const count = (verdict: string): number => figures.filter(({ judgement }) => judgement?.verdict === verdict).length;
  return [
    ...warnings.map((warning) => `warning: ${warning}`),
    ...differences.map(({ what, a, b }) => `differs: ${what}: ${a === b ? a : `${a} and ${b}`}`),
    ...(warnings.length + differences.length > 0 ? [''] : []),
    ...aligned(rows),
    '',
    isJudged
      ? `${count('worse')} worse, ${count('better')} better, ${count('changed')} changed otherwise, ${count('noise')} the same or noise (docs/bench.md says by which rule)`
      : 'nothing is judged: a side has no run that came to its end',
  ]
    .map(printable)
    .join('\n');
};

/**
 * Reads both sides and compares them. Throws `BENCH_RESULT` for what is missing, unreadable or no result of this version.
 * @param a folder, `result.json`, folder of folders, or several of them separated by commas: the side compared with
 */
export const compareSides = (a: string, b: string): Comparison => {
  const [left, right] = [readSide(a), readSide(b)];
  return compareResults(
    left.map(({ result }) => result),
    right.map(({ result }) => result),
  );
};

export interface CompareOptions {
  readonly format: 'table' | 'json';
  /** 2 when something is worse beyond noise, a run of B did not come to its end, or nothing could be judged. */
  readonly exitCode: boolean;
}

/** The command: what it prints, and how it ends. Throws `BENCH_RESULT`. */
export const runCompare = (
  a: string,
  b: string,
  { format: wanted, exitCode }: CompareOptions,
): { readonly text: string; readonly status: 0 | 2 } => {
  const comparison = compareSides(a, b);
  const text = wanted === 'json' ? JSON.stringify(comparison, null, 2) : comparisonText(comparison);
  const { isWorse, isJudged, unfinished } = comparison;
  return { text, status: exitCode && (isWorse || !isJudged || unfinished[1] > 0) ? 2 : 0 };
};
