/** A chart of values over time, as inline SVG: no script, no font, no request; colours come from the classes `s0` … `s7` of the page. */
import { escaped, format, type Unit } from './format.ts';
import { linearScale, type Scale, scaleFor } from './scale.ts';

/** Seconds and value; null is a gap: nothing was measured then. */
export type Point = readonly [x: number, y: number | null];

export interface Series {
  readonly name: string;
  readonly points: readonly Point[];
}

/** Something that happened: a phase began, a process died. */
export interface Mark {
  /** Seconds. */
  readonly at: number;
  readonly label: string;
}

export interface LineChart {
  readonly kind: 'line';
  readonly title: string;
  /** How it is read, one sentence. */
  readonly note: string;
  readonly unit: Unit;
  /** What stands on the x axis; its numbers are seconds. */
  readonly xLabel: string;
  readonly series: readonly Series[];
  readonly marks?: readonly Mark[];
  /** `either`: a logarithmic axis where the values are far apart. */
  readonly axis: 'linear' | 'either';
}

/** Colours and dashes that a chart has; more series than this are a sign of a wrong chart. */
export const MAX_SERIES = 8;

const WIDTH = 760;
const PLOT = 220;
const LEFT = 78;
const RIGHT = 18;
const ROW = 15;
const CHARACTER = 6.6;
const MAX_POINTS = 240;
const MAX_MARK_ROWS = 3;

const tenth = (value: number): number => Math.round(value * 10) / 10;

/** At most `MAX_POINTS`, each the highest of its share: peaks are what a reader looks for. Gaps stay where a whole share is one. */
export const thinned = (points: readonly Point[], most = MAX_POINTS): readonly Point[] => {
  if (points.length <= most) return points;
  const size = Math.ceil(points.length / most);
  const kept: Point[] = [];
  for (let from = 0; from < points.length; from += size) {
    const share = points.slice(from, from + size);
    const highest = share.reduce((best, point) => ((point[1] ?? -1) > (best[1] ?? -1) ? point : best));
    kept.push(highest);
  }
  return kept;
};

const isFinitePoint = (point: Point): point is readonly [number, number] =>
  Number.isFinite(point[0]) && point[1] !== null && Number.isFinite(point[1]);

interface Area {
  readonly x: (value: number) => number;
  readonly y: (value: number) => number;
}

/** One path for each run without a gap; a run of one sample is a dot, since a line needs two. */
const pathOf = (points: readonly Point[], { x, y }: Area): { readonly path: string; readonly dots: string } => {
  let path = '';
  let dots = '';
  let run: string[] = [];
  const end = (): void => {
    const [only] = run;
    if (run.length > 1) path += `M${run.join('L')}`;
    else if (only !== undefined) {
      const [cx, cy] = only.split(' ');
      dots += `<circle class="dot" cx="${cx}" cy="${cy}" r="3.5"/>`;
    }
    run = [];
  };
  for (const point of points)
    if (isFinitePoint(point)) run.push(`${tenth(x(point[0]))} ${tenth(y(point[1]))}`);
    else end();
  end();
  return { path, dots };
};

const seriesSvg = ({ name, points }: Series, index: number, area: Area, unit: Unit): string => {
  const shown = thinned(points);
  const { path, dots } = pathOf(shown, area);
  const hover = shown
    .filter(isFinitePoint)
    .map(([x, y]) => {
      const said = escaped(`${name}, ${format(x, 's')}: ${format(y, unit)}`);
      return `<circle class="hit" cx="${tenth(area.x(x))}" cy="${tenth(area.y(y))}" r="6"><title>${said}</title></circle>`;
    })
    .join('');
  return `<g class="series s${index % MAX_SERIES}">${path === '' ? '' : `<path d="${path}"/>`}${dots}${hover}</g>`;
};

interface PlacedMark {
  readonly mark: Mark;
  readonly row: number | undefined;
  readonly isLeft: boolean;
}

/** Labels in rows, so that none lies over another; one that finds no room is a tooltip of its line only. */
const placeMarks = (marks: readonly Mark[], x: (value: number) => number): readonly PlacedMark[] => {
  const ends: number[] = [];
  return [...marks]
    .sort((a, b) => a.at - b.at)
    .map((mark) => {
      const length = mark.label.length * CHARACTER;
      const at = x(mark.at);
      const isLeft = at + length > WIDTH - RIGHT && at - length > LEFT;
      const from = isLeft ? at - length : at;
      const row = [...Array(MAX_MARK_ROWS).keys()].find((index) => (ends[index] ?? 0) <= from);
      if (row !== undefined) ends[row] = from + length + CHARACTER;
      return { mark, row, isLeft };
    });
};

const marksSvg = (marks: readonly PlacedMark[], x: (value: number) => number, top: number, bottom: number): string =>
  marks
    .map(({ mark, row, isLeft }) => {
      const at = tenth(x(mark.at));
      const label = escaped(mark.label);
      const title = `<title>${escaped(format(mark.at, 's'))}: ${label}</title>`;
      const from = row === undefined ? top : row * ROW + 3;
      const anchor = isLeft ? ` text-anchor="end"` : '';
      const text =
        row === undefined ? '' : `<text x="${at + (isLeft ? -4 : 4)}" y="${row * ROW + 12}"${anchor}>${label}</text>`;
      return `<g class="mark"><line x1="${at}" y1="${from}" x2="${at}" y2="${bottom}">${title}</line>${text}</g>`;
    })
    .join('');

const axesSvg = (
  chart: LineChart,
  scales: { readonly x: Scale; readonly y: Scale },
  area: Area,
  { top, bottom }: { readonly top: number; readonly bottom: number },
): string => {
  const right = WIDTH - RIGHT;
  const rows = scales.y.ticks.map((tick) => {
    const y = tenth(area.y(tick));
    return `<line class="grid" x1="${LEFT}" y1="${y}" x2="${right}" y2="${y}"/><text x="${LEFT - 8}" y="${y + 4}" text-anchor="end">${escaped(format(tick, chart.unit))}</text>`;
  });
  const columns = scales.x.ticks.map((tick) => {
    const x = tenth(area.x(tick));
    return `<line class="grid" x1="${x}" y1="${bottom}" x2="${x}" y2="${bottom + 5}"/><text x="${x}" y="${bottom + 19}" text-anchor="middle">${escaped(tick.toLocaleString('en-US'))}</text>`;
  });
  const xLabel = `<text class="label" x="${(LEFT + right) / 2}" y="${bottom + 38}" text-anchor="middle">${escaped(chart.xLabel)}</text>`;
  const axis = `<line class="axis" x1="${LEFT}" y1="${top}" x2="${LEFT}" y2="${bottom}"/><line class="axis" x1="${LEFT}" y1="${bottom}" x2="${right}" y2="${bottom}"/>`;
  return `${rows.join('')}${columns.join('')}${xLabel}${axis}`;
};

/** The SVG element, and whether its y axis is logarithmic (the text beside it should say so). */
export const lineChartSvg = (chart: LineChart, id: string): { readonly svg: string; readonly isLog: boolean } => {
  const points = chart.series.flatMap((series) => series.points.filter(isFinitePoint));
  const yScale = scaleFor(
    points.map(([, y]) => y),
    chart.axis,
  );
  const times = [...points.map(([x]) => x), ...(chart.marks ?? []).map(({ at }) => at)];
  const [first, last] = [Math.min(...times), Math.max(...times)];
  const xScale = linearScale(first, last, 8);
  const x = (value: number): number => LEFT + xScale.place(value) * (WIDTH - LEFT - RIGHT);
  const marks = placeMarks(chart.marks ?? [], x);
  const rows = marks.reduce((most, { row }) => Math.max(most, row === undefined ? 0 : row + 1), 0);
  const top = rows * ROW + 10;
  const bottom = top + PLOT;
  const y = (value: number): number => bottom - yScale.place(value) * PLOT;
  const height = bottom + 46;
  const body =
    points.length === 0
      ? `<text class="empty" x="${(LEFT + WIDTH - RIGHT) / 2}" y="${top + PLOT / 2}" text-anchor="middle">nothing was measured</text>`
      : chart.series.map((series, index) => seriesSvg(series, index, { x, y }, chart.unit)).join('');
  const axes = axesSvg(chart, { x: xScale, y: yScale }, { x, y }, { top, bottom });
  return {
    svg: `<svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-labelledby="${id}-t ${id}-d"><title id="${id}-t">${escaped(chart.title)}</title><desc id="${id}-d">${escaped(chart.note)}</desc>${axes}${marksSvg(marks, x, top, bottom)}${body}</svg>`,
    isLog: yScale.kind === 'log',
  };
};
