/** Metrics of access logs and load reports, one sample per xDS worker. */
import type { MetricFamily } from '../admin/index.ts';
import type { UseCounters } from '../telemetry/index.ts';

export interface WorkerUse {
  readonly worker: number;
  /** Absent: a worker of an older version. */
  readonly use?: UseCounters;
}

const FAMILIES: readonly (readonly [counter: keyof UseCounters, name: string, help: string])[] = [
  ['entries', 'tendril_als_entries_total', 'Access log entries that came.'],
  [
    'sampledOut',
    'tendril_als_sampled_out_total',
    'Of them left out above the budget of a node or of the process; others stand for them.',
  ],
  ['foreign', 'tendril_als_foreign_total', 'Entries and load reports of something that their caller may not use.'],
  ['malformed', 'tendril_als_malformed_total', 'Streams of use ended because of what they sent.'],
  ['streams', 'tendril_als_streams', 'Access log streams open.'],
  ['refused', 'tendril_als_refused_total', 'Streams of use ended because they spoke for another service, or for none.'],
  ['otherLogs', 'tendril_als_other_logs_total', 'Entries of access logs that are not ours.'],
  ['edges', 'tendril_als_edges', 'Edges seen in use lately.'],
  ['edgesFull', 'tendril_als_edges_full_total', 'First uses dropped at a bound of the edges.'],
  ['loadStreams', 'tendril_lrs_streams', 'Load report streams open.'],
  ['loadReports', 'tendril_lrs_reports_total', 'Load reports that came.'],
  ['loadLeftOut', 'tendril_lrs_left_out_total', 'Of them left out above the budget.'],
];

export const useFamilies = (answers: readonly WorkerUse[]): readonly MetricFamily[] =>
  FAMILIES.map(([counter, name, help]) => ({
    name,
    type: name.endsWith('_total') ? ('counter' as const) : ('gauge' as const),
    help,
    samples: answers.flatMap(({ worker, use }) =>
      use === undefined ? [] : [{ labels: { worker: String(worker) }, value: use[counter] }],
    ),
  }));
