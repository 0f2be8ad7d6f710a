/** Horizontal bars with their numbers beside them, as inline SVG. From zero, linear: the lengths are what is compared. */
import { escaped, format, type Unit } from './format.ts';
import { linearScale } from './scale.ts';

export interface Bar {
  readonly label: string;
  /** Undefined: not measured; the row says so. */
  readonly value: number | undefined;
  /** Said in the tooltip. */
  readonly detail?: string;
}

export interface BarChart {
  readonly kind: 'bar';
  readonly title: string;
  /** How it is read, one sentence. */
  readonly note: string;
  readonly unit: Unit;
  readonly bars: readonly Bar[];
}

const WIDTH = 760;
const LABELS = 220;
const NUMBERS = 90;
const ROW = 34;
const THICKNESS = 20;
const CHARACTERS = 32;

const shortened = (label: string): string =>
  label.length <= CHARACTERS ? label : `${label.slice(0, CHARACTERS - 1)}…`;

export const barChartSvg = (chart: BarChart, id: string): string => {
  const values = chart.bars.flatMap(({ value }) => (value !== undefined && Number.isFinite(value) ? [value] : []));
  const scale = linearScale(0, Math.max(0, ...values), 5);
  const room = WIDTH - LABELS - NUMBERS;
  const bottom = Math.max(1, chart.bars.length) * ROW + 6;
  const grid = scale.ticks.map((tick) => {
    const x = Math.round(LABELS + scale.place(tick) * room);
    return `<line class="grid" x1="${x}" y1="0" x2="${x}" y2="${bottom}"/><text x="${x}" y="${bottom + 17}" text-anchor="middle">${escaped(format(tick, chart.unit))}</text>`;
  });
  const rows = chart.bars.map(({ label, value, detail }, index) => {
    const y = index * ROW + (ROW - THICKNESS) / 2;
    const isKnown = value !== undefined && Number.isFinite(value);
    // What is there is seen, however small beside the others.
    const width = isKnown ? Math.max(value > 0 ? 1.5 : 0, scale.place(value) * room) : 0;
    const number = isKnown ? format(value, chart.unit) : 'not measured';
    const title = `<title>${escaped(`${label}: ${number}${detail === undefined ? '' : `; ${detail}`}`)}</title>`;
    const middle = y + THICKNESS / 2 + 4;
    return `<g class="bar s${index % 8}">${title}<text x="${LABELS - 8}" y="${middle}" text-anchor="end">${escaped(shortened(label))}</text><rect x="${LABELS}" y="${y}" width="${width.toFixed(1)}" height="${THICKNESS}"/><text class="number" x="${(LABELS + width + 6).toFixed(1)}" y="${middle}">${escaped(number)}</text></g>`;
  });
  const empty = `<text class="empty" x="${WIDTH / 2}" y="24" text-anchor="middle">nothing was measured</text>`;
  return `<svg viewBox="0 0 ${WIDTH} ${bottom + 24}" role="img" aria-labelledby="${id}-t ${id}-d"><title id="${id}-t">${escaped(chart.title)}</title><desc id="${id}-d">${escaped(chart.note)}</desc>${chart.bars.length === 0 ? empty : `${grid.join('')}${rows.join('')}`}</svg>`;
};
