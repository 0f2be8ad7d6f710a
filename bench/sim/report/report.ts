/** What a report says, before it is Markdown or HTML. */
import type { BarChart } from './bar-chart.ts';
import type { LineChart } from './line-chart.ts';

export interface Fact {
  readonly name: string;
  readonly value: string;
}

export interface FigureRow {
  readonly what: string;
  readonly measured: string;
  /** As it stands in the issue or the profile; undefined: nothing was asked. */
  readonly asked?: string;
  /** Undefined where nothing was asked, or where it was not measured. */
  readonly met?: boolean;
}

export interface Section {
  readonly title: string;
  readonly rows: readonly FigureRow[];
}

export interface Report {
  readonly title: string;
  /** One sentence: what was run. */
  readonly lead: string;
  /** A shell command that runs it again. */
  readonly command: string;
  /** What went wrong, what was missed, what weakens the figures. Said first. */
  readonly warnings: readonly string[];
  /** What on-demand saves against a full mesh, in sentences. */
  readonly savings: readonly string[];
  readonly sections: readonly Section[];
  readonly charts: readonly (LineChart | BarChart)[];
  readonly options: readonly Fact[];
  readonly machine: readonly Fact[];
}

export const verdictOf = ({ asked, met }: FigureRow): string => {
  if (asked === undefined) return '';
  return met === undefined ? 'not measured' : met ? 'met' : 'MISSED';
};
