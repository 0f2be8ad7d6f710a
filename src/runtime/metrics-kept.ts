/** Metrics of what is kept: the log's beginning, checkpoints, snapshots. */
import type { MetricFamily } from '../admin/index.ts';
import type { CoreParts } from './core-parts.ts';
import { family } from './metric-family.ts';

export const keptFamilies = ({ log, projector }: Pick<CoreParts, 'log' | 'projector'>): readonly MetricFamily[] => {
  const { retention, snapshots } = projector;
  const { checkpoint } = retention ?? {};
  return [
    family('tendril_log_first_offset', 'gauge', 'First offset that the log holds.', log.head().first),
    family('tendril_log_pruned_total', 'counter', 'Events removed by retention.', retention?.counters.pruned ?? 0),
    family(
      'tendril_retention_failures_total',
      'counter',
      'Steps of retention that failed and are tried again.',
      retention?.counters.failures ?? 0,
    ),
    family('tendril_checkpoint_offset', 'gauge', 'Offset of the checkpoint in use; 0: none.', checkpoint?.offset ?? 0),
    family(
      'tendril_checkpoint_recorded_seconds',
      'gauge',
      'Time of the last event in the checkpoint in use, seconds since the epoch; 0: none.',
      (checkpoint?.recordedAt ?? 0) / 1000,
    ),
    family('tendril_snapshots_total', 'counter', 'Snapshots begun, checkpoints among them.', snapshots.counters.begun),
    family('tendril_snapshots_refused_total', 'counter', 'Snapshots refused at the bound.', snapshots.counters.refused),
    family('tendril_snapshot_bytes_total', 'counter', 'Bytes of snapshots written.', snapshots.counters.bytes),
  ];
};
