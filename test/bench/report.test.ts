/** Reports on fixed and on hostile content: well-formed, nothing from outside, no `NaN`, no text taken for markup. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { BarChart } from '../../bench/sim/report/bar-chart.ts';
import { format } from '../../bench/sim/report/format.ts';
import { type LineChart, type Point, thinned } from '../../bench/sim/report/line-chart.ts';
import { markdownOf } from '../../bench/sim/report/markdown.ts';
import { pageOf } from '../../bench/sim/report/page.ts';
import type { Report } from '../../bench/sim/report/report.ts';
import { linearScale, logScale, scaleFor } from '../../bench/sim/report/scale.ts';
import { readPage } from './html-check.ts';

const line = (title: string, points: readonly Point[], more: Partial<LineChart> = {}): LineChart => ({
  kind: 'line',
  title,
  note: 'Of that second.',
  unit: 'ms',
  xLabel: 'seconds',
  axis: 'either',
  series: [{ name: 'P99', points }],
  ...more,
});

const report = (charts: Report['charts'], more: Partial<Report> = {}): Report => ({
  title: 'Simulation',
  lead: 'Twenty sidecars.',
  command: 'tendril bench sim --sidecars 20',
  warnings: [],
  savings: [],
  sections: [],
  charts,
  options: [],
  machine: [],
  ...more,
});

test('a page is well-formed and asks nobody for anything', () => {
  const html = pageOf(
    report(
      [
        line('Propagation', [
          [0, 4],
          [1, 900],
          [2, null],
          [3, 5],
        ]),
      ],
      {
        warnings: ['A goal was missed.'],
        savings: ['589 times less.'],
        sections: [{ title: 'Figures', rows: [{ what: 'P99', measured: '9 ms', asked: '<= 5 ms', met: false }] }],
        options: [{ name: 'seed', value: '1' }],
      },
    ),
  );
  const { tags, text } = readPage(html);
  assert.doesNotMatch(
    html.replaceAll(/<title>[^<]*<\/title>/g, ''),
    /https?:|\burl\(|@import|<script|<link|<img|\bon[a-z]+=/,
  );
  assert.equal(tags.get('h1'), 1);
  assert.match(text, /589 times less/);
  assert.match(text, /MISSED/);
  assert.match(text, /P99, 1\.00 s: 900 ms|P99, 1 s: 900 ms/);
});

const HOSTILE = `</title><script>alert("1")</script> & 'x' | \`y\` \u0000\ud800 ]]>`;

test('text is text, wherever it comes from', () => {
  const bar: BarChart = {
    kind: 'bar',
    title: HOSTILE,
    note: HOSTILE,
    unit: 'bytes',
    bars: [{ label: HOSTILE, value: 3, detail: HOSTILE }],
  };
  const hostile = report(
    [line(HOSTILE, [[0, 1]], { note: HOSTILE, xLabel: HOSTILE, marks: [{ at: 0, label: HOSTILE }] }), bar],
    {
      title: HOSTILE,
      lead: HOSTILE,
      command: HOSTILE,
      warnings: [HOSTILE],
      savings: [HOSTILE],
      sections: [{ title: HOSTILE, rows: [{ what: HOSTILE, measured: HOSTILE, asked: HOSTILE, met: true }] }],
      options: [{ name: HOSTILE, value: HOSTILE }],
      machine: [{ name: HOSTILE, value: HOSTILE }],
    },
  );
  const { tags } = readPage(pageOf(hostile));
  assert.equal(tags.get('script'), undefined);
  const markdown = markdownOf(hostile);
  assert.doesNotMatch(markdown.replaceAll(/^`{3,}sh\n[\s\S]*?\n`{3,}$/gm, ''), /<script|<\/title/);
  for (const row of markdown.split('\n').filter((text) => text.startsWith('| ')))
    assert.ok(/[^\\]\|$/.test(row), `a row that does not end as one: ${row}`);
});

const number = fc.oneof(
  fc.double({ min: -1e300, max: 1e300 }),
  fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY),
  fc.double({ min: 0, max: 1e6, noNaN: true }),
  fc.constantFrom(0, 1e-300, 1e300, -1),
);

test('whatever was measured: no NaN, no place outside of the chart', () => {
  const points = fc.array(fc.tuple(number, fc.option(number)), { maxLength: 20 });
  const marks = fc.array(fc.record({ at: number.filter(Number.isFinite), label: fc.string() }), { maxLength: 6 });
  fc.assert(
    fc.property(points, marks, fc.constantFrom('linear', 'either'), fc.option(number), (samples, at, axis, value) => {
      const bars = [
        { label: 'a', value: value ?? undefined },
        { label: 'b', value: 5 },
      ];
      const chart = line('Any', samples, { marks: at, axis });
      const html = pageOf(report([chart, { kind: 'bar', title: 'Bars', note: '', unit: 'bytes', bars }]));
      const { values, text } = readPage(html);
      assert.doesNotMatch(text.replaceAll(/"[^"]*"/g, ''), /\bNaN\b|Infinity|undefined/);
      assert.ok(!values.some((found) => /NaN|Infinity|undefined/.test(found)));
    }),
    { numRuns: 60 },
  );
});

test('empty charts say so; one sample is a dot', () => {
  const { text } = readPage(pageOf(report([line('Empty', []), line('No series', [], { series: [] })])));
  assert.equal(text.match(/nothing was measured/g)?.length, 2);
  assert.match(pageOf(report([line('One', [[7, 3]])])), /<circle class="dot"/);
});

test('ticks enclose the values, rise, and are few', () => {
  const finite = fc.double({ min: -1e9, max: 1e9, noNaN: true });
  fc.assert(
    fc.property(finite, finite, (one, other) => {
      const [low, high] = [Math.min(one, other), Math.max(one, other)];
      const { ticks, place } = linearScale(low, high);
      const [first = Number.NaN, second = Number.NaN] = ticks;
      // As near as nobody sees: a tick within a hundred-millionth of a step counts as reached.
      const near = (second - first) * 1e-8;
      assert.ok(first <= low + near && (ticks.at(-1) ?? Number.NaN) >= high - near);
      assert.ok(ticks.length >= 2 && ticks.length <= 8, `${ticks.length} ticks`);
      assert.ok(ticks.every((tick, at) => at === 0 || tick > (ticks[at - 1] ?? tick)));
      assert.ok(place(low) >= 0 && place(high) <= 1 && place(low) <= place(high));
    }),
  );
  assert.deepEqual(linearScale(0, 0.3, 3).ticks, [0, 0.1, 0.2, 0.3]);
  assert.deepEqual(logScale(3, 700).ticks, [1, 10, 100, 1000]);
  assert.equal(scaleFor([1, 2, 3], 'either').kind, 'linear');
  assert.equal(scaleFor([1, 2_000], 'either').kind, 'log');
});

test('thinning keeps the peaks', () => {
  const points: Point[] = Array.from({ length: 3_600 }, (_, at) => [at, at === 1_234 ? 99 : 1]);
  const kept = thinned(points);
  assert.ok(kept.length <= 240);
  assert.deepEqual(
    kept.filter(([, y]) => y === 99),
    [[1_234, 99]],
  );
});

test('numbers as people read them', () => {
  assert.equal(format(24_123, 'bytes'), '24.1 KB');
  assert.equal(format(1_499_000_000, 'bytes'), '1.50 GB');
  assert.equal(format(1_234, 'ms'), '1,234 ms');
  assert.equal(format(61_500, 'ms'), '61.5 s');
  assert.equal(format(0.00123, 'us'), '0.0012 µs');
  assert.equal(format(Number.NaN, 'ms'), '–');
  assert.equal(format(undefined, 'bytes'), '–');
});
