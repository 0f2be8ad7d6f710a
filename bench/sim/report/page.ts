/** The report as one HTML page that needs nothing else: no script, no request; light or dark as the reader's system is. */
import { type BarChart, barChartSvg } from './bar-chart.ts';
import { escaped, format } from './format.ts';
import { type LineChart, lineChartSvg, MAX_SERIES, thinned } from './line-chart.ts';
import { type Fact, type Report, type Section, verdictOf } from './report.ts';
import { STYLE } from './style.ts';

/** Rows of the numbers below a chart; all samples are in the JSON. */
const MAX_ROWS = 60;

const numbers = (head: readonly string[], rows: readonly (readonly string[])[]): string => {
  const cells = (tag: string, row: readonly string[]): string =>
    row
      .map((text, index) =>
        index === 0 && tag === 'td'
          ? `<th scope="row">${escaped(text)}</th>`
          : `<${tag}${tag === 'th' ? ' scope="col"' : ''}${index > 0 ? ' class="n"' : ''}>${escaped(text)}</${tag}>`,
      )
      .join('');
  const body = rows.map((row) => `<tr>${cells('td', row)}</tr>`).join('\n');
  return `<div class="scroll"><table><thead><tr>${cells('th', head)}</tr></thead><tbody>\n${body}\n</tbody></table></div>`;
};

const lineNumbers = ({ series, unit }: LineChart): string => {
  const times = [...new Set(series.flatMap(({ points }) => points.map(([x]) => x)))].sort((a, b) => a - b);
  const values = series.map(({ points }) => new Map(points));
  const shown = thinned(
    times.map((time) => [time, Math.max(...values.map((at) => at.get(time) ?? Number.NEGATIVE_INFINITY))] as const),
    MAX_ROWS,
  );
  const rows = shown.map(([time]) => [
    format(time, 's'),
    ...values.map((at) => format(at.get(time) ?? undefined, unit)),
  ]);
  const left = times.length - rows.length;
  const more =
    left > 0 ? `<p class="note">The highest of each share of the time; ${left} more rows are in result.json.</p>` : '';
  return `<details><summary>Numbers</summary>${numbers(['time', ...series.map(({ name }) => name)], rows)}${more}</details>`;
};

const barNumbers = ({ bars, unit }: BarChart): string =>
  numbers(
    ['', 'measured', ''],
    bars.map(({ label, value, detail }) => [label, format(value, unit), detail ?? '']),
  );

const legend = (chart: LineChart): string =>
  `<ul class="legend">${chart.series
    .map(
      ({ name }, index) =>
        `<li><svg class="swatch s${index % MAX_SERIES}" viewBox="0 0 28 10" aria-hidden="true"><line x1="0" y1="5" x2="28" y2="5"/></svg>${escaped(name)}</li>`,
    )
    .join('')}</ul>`;

const chartOf = (chart: LineChart | BarChart, index: number): string => {
  const id = `chart-${index}`;
  const head = `<h3>${escaped(chart.title)}</h3>`;
  if (chart.kind === 'bar')
    return `${head}<p class="note">${escaped(chart.note)}</p><figure>${barChartSvg(chart, id)}</figure>${barNumbers(chart)}`;
  const { svg, isLog } = lineChartSvg(chart, id);
  const note = `${chart.note}${isLog ? ' The axis is logarithmic.' : ''}`;
  const hasPoints = chart.series.some(({ points }) => points.length > 0);
  return `${head}<p class="note">${escaped(note)}</p>${hasPoints ? legend(chart) : ''}<figure>${svg}</figure>${hasPoints ? lineNumbers(chart) : ''}`;
};

const sectionOf = ({ title, rows }: Section): string => {
  if (rows.length === 0) return '';
  const isAsked = rows.some(({ asked }) => asked !== undefined);
  const lines = rows.map((figure) => {
    const verdict = verdictOf(figure);
    const asked = isAsked
      ? `<td class="n">${escaped(figure.asked ?? '')}</td><td class="${figure.met === undefined ? 'note' : figure.met ? 'met' : 'missed'}">${verdict}</td>`
      : '';
    return `<tr><th scope="row">${escaped(figure.what)}</th><td class="n">${escaped(figure.measured)}</td>${asked}</tr>`;
  });
  const more = isAsked ? '<th scope="col" class="n">asked for</th><th scope="col"><span>verdict</span></th>' : '';
  return `<h2>${escaped(title)}</h2><div class="scroll"><table><thead><tr><th scope="col">what</th><th scope="col" class="n">measured</th>${more}</tr></thead><tbody>\n${lines.join('\n')}\n</tbody></table></div>`;
};

const boxOf = (kind: string, title: string, sentences: readonly string[]): string =>
  sentences.length === 0
    ? ''
    : `<section class="${kind}"><h2>${title}</h2><ul>${sentences.map((sentence) => `<li>${escaped(sentence)}</li>`).join('')}</ul></section>`;

const factsOf = (title: string, facts: readonly Fact[]): string =>
  facts.length === 0
    ? ''
    : `<h2>${title}</h2><div class="scroll"><table><tbody>${facts.map(({ name, value }) => `<tr><th scope="row">${escaped(name)}</th><td>${escaped(value)}</td></tr>`).join('')}</tbody></table></div>`;

export const pageOf = (report: Report): string =>
  `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"/>
<title>${escaped(report.title)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>${escaped(report.title)}</h1>
<p>${escaped(report.lead)}</p>
${boxOf('warnings', 'What to know first', report.warnings)}
${boxOf('savings', 'What on-demand saves', report.savings)}
${report.sections.map(sectionOf).join('\n')}
<h2>Charts</h2>
${report.charts.map(chartOf).join('\n')}
${factsOf('Options', report.options)}
${factsOf('Machine', report.machine)}
<h2>Again</h2>
<pre>${escaped(report.command)}</pre>
<p class="note">All samples are in result.json beside this page.</p>
</main>
</body>
</html>
`;
