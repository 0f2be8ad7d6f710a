/** Several runs of the same thing as one: the median of each figure, with its lowest and highest run. */
import { medianOf } from './compare/noise.ts';
import { figuresOf } from './report/figures.ts';
import { format, type Unit } from './report/format.ts';
import type { SimResult } from './result.ts';

/** Changes when a reader of the old form would misread the new one. */
export const SUMMARY_FORMAT = 'tendril-sim-runs/1';

export interface SummaryFigure {
  readonly section: string;
  readonly name: string;
  readonly unit: Unit;
  readonly median: number;
  readonly min: number;
  readonly max: number;
  /** Runs that measured it. */
  readonly runs: number;
}

export interface SummaryGoal {
  readonly what: string;
  readonly asked: string;
  readonly unit: string;
  readonly median: number;
  readonly min: number;
  readonly max: number;
  /** Runs that met it, of all that came to their end. */
  readonly met: number;
  readonly runs: number;
}

export interface RunsSummary {
  readonly format: typeof SUMMARY_FORMAT;
  readonly command: string;
  readonly runs: number;
  /** Runs that did not end as they should. */
  readonly unfinished: number;
  readonly goals: readonly SummaryGoal[];
  readonly figures: readonly SummaryFigure[];
}

const spreadOf = (
  values: readonly number[],
): { readonly median: number; readonly min: number; readonly max: number } => ({
  median: medianOf(values),
  min: Math.min(...values),
  max: Math.max(...values),
});

/** Same key, one group, in the order of first appearance. */
const grouped = <T>(
  items: readonly T[],
  keyOf: (item: T) => string,
): readonly (readonly [first: T, all: readonly T[]])[] => {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group === undefined) groups.set(keyOf(item), [item]);
    else group.push(item);
  }
  return [...groups.values()].flatMap((all) => (all[0] === undefined ? [] : [[all[0], all] as const]));
};

/** At least one result. Figures that no run measured are left out. */
export const summaryOfRuns = (results: readonly SimResult[]): RunsSummary => {
  const measured = results
    .flatMap(figuresOf)
    .flatMap((figure) => (Number.isFinite(figure.value) ? [{ ...figure, value: figure.value ?? 0 }] : []));
  return {
    format: SUMMARY_FORMAT,
    command: results[0]?.command ?? '',
    runs: results.length,
    unfinished: results.filter(({ outcome }) => outcome.status !== 'complete').length,
    goals: grouped(
      results.flatMap(({ goals }) => goals),
      ({ what }) => what,
    ).map(([{ what, asked, unit }, all]) => ({
      what,
      asked,
      unit,
      ...spreadOf(all.map((goal) => goal.measured)),
      met: all.filter(({ met }) => met).length,
      runs: all.length,
    })),
    figures: grouped(measured, ({ section, name }) => `${section}\n${name}`).map(([{ section, name, unit }, all]) => ({
      section,
      name,
      unit,
      ...spreadOf(all.map(({ value }) => value)),
      runs: all.length,
    })),
  };
};

const figureCells = ({ name, unit, median, min, max, runs }: SummaryFigure): string =>
  `| ${name} | ${format(median, unit)} | ${format(min, unit)} | ${format(max, unit)} | ${runs} |`;

/** The summary for people: `summary.md`. */
export const summaryMarkdown = ({ command, runs, unfinished, goals, figures }: RunsSummary): string => {
  const sections = [...new Set(figures.map(({ section }) => section))];
  return [
    `# ${runs} ${runs === 1 ? 'run' : 'runs'}`,
    '',
    `\`${command}\``,
    ...(unfinished > 0 ? ['', `${unfinished} of them did not end as they should; their figures are of a part.`] : []),
    ...(goals.length === 0
      ? []
      : [
          '',
          '| asked for | | median | lowest | highest | met |',
          '|---|---|---|---|---|---|',
          ...goals.map(
            (goal) =>
              `| ${goal.what} | ${goal.asked} | ${format(goal.median, 'count')} ${goal.unit} | ${format(goal.min, 'count')} | ${format(goal.max, 'count')} | ${goal.met} of ${goal.runs} |`,
          ),
        ]),
    ...sections.flatMap((section) => [
      '',
      `## ${section}`,
      '',
      '| figure | median | lowest | highest | runs |',
      '|---|---|---|---|---|',
      ...figures.filter((figure) => figure.section === section).map(figureCells),
    ]),
    '',
  ].join('\n');
};

/** The goals in a few lines for a terminal. */
export const summaryLines = ({ runs, unfinished, goals }: RunsSummary): readonly string[] => [
  ...(unfinished > 0 ? [`${unfinished} of ${runs} ${runs === 1 ? 'run' : 'runs'} did not end`] : []),
  ...(goals.length > 0 ? [`${runs} ${runs === 1 ? 'run' : 'runs'}: median (lowest..highest)`] : []),
  ...goals.map(
    ({ what, asked, unit, median, min, max, met, runs: of }) =>
      `${met === of ? 'met   ' : 'MISSED'}     ${what}: ${median} ${unit} (${min}..${max}), asked ${asked}; met by ${met} of ${of}`,
  ),
];
