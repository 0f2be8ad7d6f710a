/** `GET /metrics`: counters of all parts, in the words of Prometheus. */
import type { MetricFamily } from '../admin/index.ts';
import type { AdsCounters } from '../delta-xds/index.ts';
import type { CoreParts } from './core-parts.ts';
import { leaseFamilies } from './leases/index.ts';
import { LAG_BOUNDS, type LagHistogram } from './loop-lag.ts';
import { family, labelled } from './metric-family.ts';
import { graphFamilies, savingsFamilies } from './metrics-answers.ts';
import { keptFamilies } from './metrics-kept.ts';
import { logContactFamilies } from './metrics-log.ts';
import { replicaFamilies } from './metrics-replicas.ts';
import { storageFamilies } from './metrics-storage.ts';
import { useFamilies, type WorkerUse } from './metrics-use.ts';

/** `sentBytes` -> `sent_bytes`. */
const snake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
const GAUGES = new Set([
  'sessions',
  'connections',
  'connectionsWaiting',
  'inLine',
  'staleHosts',
  'cacheBytes',
  'inFlightBytes',
  'healthWatches',
  'sideStreams',
]);

/** Types that always have their line: a counter that appears with its first value looks like no increase. */
const NO_TYPES = { cds: 0, eds: 0, lds: 0, rds: 0, vhds: 0 };

interface WorkerCounters extends AdsCounters, WorkerUse {
  readonly loopLag: LagHistogram;
}

/** Worker by worker; what a worker of an older version does not say is left out. */
const lagFamily = (answers: readonly Partial<WorkerCounters>[]): MetricFamily => ({
  name: 'tendril_xds_loop_lag_seconds',
  type: 'histogram',
  help: 'xDS workers: how long the event loop keeps a due task waiting.',
  samples: answers.flatMap(({ worker, loopLag }) => {
    if (loopLag === undefined) return [];
    const label = { worker: String(worker) };
    return [
      ...LAG_BOUNDS.map((le, at) => ({
        suffix: '_bucket',
        labels: { ...label, le: String(le) },
        value: loopLag.buckets[at] ?? 0,
      })),
      { suffix: '_bucket', labels: { ...label, le: '+Inf' }, value: loopLag.count },
      { suffix: '_sum', labels: label, value: loopLag.sum },
      { suffix: '_count', labels: label, value: loopLag.count },
    ];
  }),
});

const xdsFamilies = async (parts: CoreParts): Promise<readonly MetricFamily[]> => {
  const answers = await parts.registry.ask<WorkerCounters>({ what: 'counters' });
  const names = new Set(answers.flatMap((answer) => Object.keys(answer)));
  // By type below.
  for (const name of ['worker', 'nacks']) names.delete(name);
  const byType = (
    values: (answer: WorkerCounters) => Readonly<Record<string, number>>,
  ): { readonly labels: Record<string, string>; readonly value: number }[] =>
    answers.flatMap((answer) =>
      Object.entries({ ...NO_TYPES, ...values(answer) }).map(([type, value]) => ({
        labels: { worker: String(answer.worker), type },
        value,
      })),
    );
  const refusals: readonly MetricFamily[] = [
    {
      name: 'tendril_xds_nacks_total',
      type: 'counter',
      help: 'Responses that sidecars rejected, by resource type.',
      samples: byType(({ nacksByType }) => nacksByType),
    },
    {
      name: 'tendril_xds_parked',
      type: 'gauge',
      help: 'Resources that connected sidecars refuse as of now and are not sent again, by resource type.',
      samples: byType(({ parkedByType }) => parkedByType),
    },
  ];
  const plain = [...names].sort().flatMap((name): readonly MetricFamily[] => {
    const samples = answers.flatMap((answer) => {
      const value = (answer as unknown as Record<string, unknown>)[name];
      return typeof value === 'number' ? [{ labels: { worker: String(answer.worker) }, value }] : [];
    });
    const gauge = GAUGES.has(name);
    return samples.length === 0
      ? []
      : [
          {
            name: `tendril_xds_${snake(name)}${gauge ? '' : '_total'}`,
            type: gauge ? ('gauge' as const) : ('counter' as const),
            help: `xDS workers: ${snake(name).replaceAll('_', ' ')}.`,
            samples,
          },
        ];
  });
  return [...plain, ...refusals, ...useFamilies(answers), lagFamily(answers)];
};

export const collectMetrics = async (parts: CoreParts): Promise<readonly MetricFamily[]> => {
  const { log, projector, ingest, guard, learned, registry, refusals } = parts;
  const keeper = parts.keeping.counters;
  const lag = projector.lag();
  const disk = guard.condition();
  const statuses = Object.entries(projector.fold.counters);
  const projected = projector.counters;
  const raw = projector.fold.rawTotals;
  return [
    family('tendril_log_head_offset', 'gauge', 'Last durable offset of the event log.', log.head().offset),
    family('tendril_log_appends_total', 'counter', 'Appends acknowledged.', log.counters.appends),
    family('tendril_log_bytes_total', 'counter', 'Bytes of records appended.', log.counters.bytes),
    family('tendril_log_commits_total', 'counter', 'Group commits of the log.', log.counters.commits),
    family('tendril_log_waiting_bytes', 'gauge', 'Bytes of events that wait for their commit.', log.waitingBytes),
    ...logContactFamilies(log),
    family('tendril_projector_offset', 'gauge', 'Last offset in the committed state.', projector.notice.offset),
    family('tendril_projector_epoch', 'gauge', 'Number of state commits.', projector.notice.epoch),
    family(
      'tendril_projector_lag_events',
      'gauge',
      'Durable events that no commit of the state holds yet.',
      lag.events,
    ),
    family('tendril_projector_lag_milliseconds', 'gauge', 'Age of the oldest of them.', lag.ms),
    family('tendril_projector_compiled_total', 'counter', 'Compilations of units.', projected.compiled),
    family('tendril_projector_resources_changed_total', 'counter', 'Resources whose bytes changed.', projected.changed),
    family('tendril_projector_resources_removed_total', 'counter', 'Resources removed.', projected.removed),
    family(
      'tendril_projector_compile_failures_total',
      'counter',
      'Compilations that failed; the last good resource stays.',
      projected.compileFailures,
    ),
    labelled('tendril_events_total', 'counter', 'Folded events by outcome since start.', 'status', statuses),
    family('tendril_raw_resources', 'gauge', 'Raw resources of all nodes (100,000 are allowed).', raw.resources),
    family('tendril_raw_resources_bytes', 'gauge', 'Bytes of all of them (256 MiB are allowed).', raw.bytes),
    family('tendril_ingest_appended_total', 'counter', 'Events appended by ingest.', ingest.counters.appended),
    family('tendril_ingest_waiting', 'gauge', 'Submissions waiting for log or fold.', ingest.counters.waiting),
    labelled(
      'tendril_ingest_refused_total',
      'counter',
      'Submissions refused, by code.',
      'code',
      ingest.counters.refused,
    ),
    family(
      'tendril_edges_reported_total',
      'counter',
      'Edge observations reported by workers.',
      learned.counters.reported,
    ),
    family('tendril_edges_written_total', 'counter', 'Edge observations written to the log.', learned.counters.written),
    family(
      'tendril_edges_dropped_total',
      'counter',
      'Edge observations dropped at the bound.',
      learned.counters.dropped,
    ),
    family('tendril_edges_renewed_total', 'counter', 'Renewals of edges written to the log.', keeper.renewed),
    family('tendril_edges_expired_total', 'counter', 'Edges that the keeper let expire.', keeper.expired),
    family('tendril_edge_uses', 'gauge', 'Edges whose use is remembered.', keeper.uses),
    family('tendril_edge_uses_forgotten_total', 'counter', 'Uses of edges forgotten at the bound.', keeper.forgotten),
    family(
      'tendril_edge_keeper_incomplete_total',
      'counter',
      'Rounds of the edge keeper in which not every worker answered: nothing expires then.',
      keeper.incomplete,
    ),
    family('tendril_refusals_total', 'counter', 'Resources refused by sidecars.', refusals.seen),
    family('tendril_disk_free_bytes', 'gauge', 'Free bytes on the disk of the data directory.', disk.freeBytes),
    family('tendril_disk_refused_total', 'counter', 'Writes refused because the disk was nearly full.', guard.refused),
    family('tendril_notices_total', 'counter', 'Change notices sent to workers.', registry.counters.notices),
    family(
      'tendril_notices_held_total',
      'counter',
      'Change notices not sent because the worker had not taken an earlier one; it hears of the newest epoch later.',
      registry.counters.noticesHeld,
    ),
    family(
      'tendril_workers_silent_total',
      'counter',
      'Times a worker was not heard of for 2 s and was no longer waited for.',
      registry.counters.silent,
    ),
    family('tendril_workers_live', 'gauge', 'xDS workers that answer.', registry.live.length),
    family('tendril_process_resident_memory_bytes', 'gauge', 'Resident memory of the core.', process.memoryUsage.rss()),
    ...storageFamilies(parts),
    ...replicaFamilies(parts.replicas),
    ...leaseFamilies(parts.leases),
    ...keptFamilies(parts),
    ...graphFamilies(parts),
    ...(await savingsFamilies(parts)),
    ...(await xdsFamilies(parts)),
  ];
};
