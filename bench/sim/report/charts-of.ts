/** The charts of a result. One that has nothing to show for this run is left out, unless its emptiness is news. */
import type { Percentiles, ProcessRole, Second, SimResult } from '../result.ts';
import type { Bar, BarChart } from './bar-chart.ts';
import type { LineChart, Mark, Series } from './line-chart.ts';

const X_LABEL = 'seconds since the start of the run';
const ROLES: readonly ProcessRole[] = ['supervisor', 'core', 'worker', 'client'];
const ROLE_NAMES: Readonly<Record<ProcessRole, string>> = {
  supervisor: 'supervisor',
  core: 'core',
  worker: 'xDS workers',
  client: 'simulated sidecars (not the server)',
};

const seconds = (ms: number): number => Math.round(ms / 100) / 10;

const series = (result: SimResult, name: string, read: (second: Second) => number | undefined): readonly Series[] => {
  const points = result.seconds.map((second) => [seconds(second.atMs), read(second) ?? null] as const);
  return points.some(([, value]) => value !== null) ? [{ name, points }] : [];
};

const marksOf = ({ phases }: SimResult): readonly Mark[] =>
  phases.map(({ name, fromMs }) => ({ at: seconds(fromMs), label: name }));

const line = (
  result: SimResult,
  chart: Pick<LineChart, 'title' | 'note' | 'unit'> & Partial<Pick<LineChart, 'axis'>>,
  found: readonly Series[],
): LineChart => ({ kind: 'line', xLabel: X_LABEL, axis: 'linear', marks: marksOf(result), ...chart, series: found });

const QUANTILES = [
  ['P50', 'p50'],
  ['P90', 'p90'],
  ['P99', 'p99'],
  ['max', 'max'],
] as const;

const propagation = (result: SimResult, prefix: string, read: (second: Second) => Percentiles | undefined): Series[] =>
  QUANTILES.flatMap(([name, key]) => series(result, `${prefix}${name}`, (second) => read(second)?.[key]));

const bytesChart = (result: SimResult): BarChart => {
  const { connect, fullMesh, options } = result;
  const own: Bar = {
    label: options.mode === 'on-demand' ? 'on demand' : 'full mesh (this run)',
    value: connect?.bytesPerSidecar,
    detail: 'mean of the first configuration',
  };
  const listener: Bar = { label: 'listener, in both', value: connect?.listenerBytesPerSidecar };
  const full: Bar = {
    label: 'full mesh',
    value: fullMesh?.bytesPerSidecar,
    ...(fullMesh === undefined ? {} : { detail: `measured with ${fullMesh.probes} sidecars that need everything` }),
  };
  return {
    kind: 'bar',
    title: 'Bytes of a first configuration, each sidecar',
    note: 'Lengths of the messages before HTTP/2 framing, without the listener, whose bytes are named apart.',
    unit: 'bytes',
    bars: options.mode === 'on-demand' ? [own, full, listener] : [own, listener],
  };
};

const perRole = (result: SimResult, field: 'cpuS' | 'rssAnonMiB', scale: number): Series[] =>
  ROLES.flatMap((role) =>
    series(result, ROLE_NAMES[role], (second) => {
      const value = second[field][role];
      return value === undefined ? undefined : value * scale;
    }),
  );

export const chartsOf = (result: SimResult): readonly (LineChart | BarChart)[] => [
  line(
    result,
    {
      title: 'Propagation',
      note: 'From just before the POST of a change to its message read by a sidecar; all arrivals of that second.',
      unit: 'ms',
      axis: 'either',
    },
    propagation(result, '', (second) => second.propagation),
  ),
  ...[propagation(result, '', (second) => second.hotPropagation)]
    .filter((found) => found.length > 0)
    .map((found) =>
      line(
        result,
        {
          title: 'Propagation of the service that all sidecars hold',
          note: 'Each change goes to every sidecar; arrivals of that second.',
          unit: 'ms',
          axis: 'either',
        },
        found,
      ),
    ),
  bytesChart(result),
  line(
    result,
    {
      title: 'CPU by process',
      note: 'Per cent of one processor, summed over the processes of a role.',
      unit: 'percent',
    },
    perRole(result, 'cpuS', 100),
  ),
  line(
    result,
    {
      title: 'RssAnon by process',
      note: 'What the processes need themselves; mapped pages of the databases are not counted.',
      unit: 'mib',
    },
    perRole(result, 'rssAnonMiB', 1),
  ),
  line(
    result,
    {
      title: 'Loop lag of the xDS workers',
      note: 'P99 within the second: the upper bound of its bucket, so steps are the grid of the histogram.',
      unit: 'ms',
      axis: 'either',
    },
    series(result, 'P99', ({ loopLagMs }) => loopLagMs),
  ),
  line(
    result,
    {
      title: 'Deliveries and coalescing',
      note: 'Messages to all sidecars, and deliveries left out because a newer change of the same endpoint had come.',
      unit: 'per-second',
      axis: 'either',
    },
    [
      ...series(result, 'changes posted', ({ changes }) => changes),
      ...series(result, 'messages received', ({ pushes }) => pushes),
      ...series(result, 'coalesced', ({ coalesced }) => coalesced),
    ],
  ),
  line(
    result,
    { title: 'Bytes received', note: 'By all sidecars, in that second.', unit: 'bytes', axis: 'either' },
    series(result, 'bytes', ({ bytes }) => bytes),
  ),
  line(
    result,
    { title: 'Streams open', note: 'Streams that the server has answered on.', unit: 'count' },
    series(result, 'streams', ({ connected }) => connected),
  ),
];
