/** Metrics of what lies on disk: sizes, readers, room, damage, scrub, audit (docs/metrics.md). */
import type { MetricFamily } from '../admin/index.ts';
import type { Environment, ReaderAges } from '../store/index.ts';
import type { CoreParts } from './core-parts.ts';
import { family, labelled } from './metric-family.ts';

type Stored = Pick<CoreParts, 'log' | 'projector' | 'ledger'>;

const LOOK_MS = 5_000;
const NO_READERS: ReaderAges = { inUse: 0, oldestMs: 0, oldestPid: undefined };

/** Environments by name; a log in memory has none. */
const storagesOf = ({ log, projector, ledger }: Stored): readonly (readonly [name: string, storage: Environment])[] => [
  ...(log.storage === undefined ? [] : [['log', log.storage] as const]),
  ['state', projector.storage],
  ['ledger', ledger.storage],
];

/** Ages are known from look to look only, so somebody has to look also while nobody asks for metrics. */
export class ReaderGauges {
  readonly #parts: Stored;
  readonly #ages = new Map<string, ReaderAges>();
  #lookedAt = Number.NEGATIVE_INFINITY;

  constructor(parts: Stored) {
    this.#parts = parts;
  }

  /** At most every 5 s, however often it is called. */
  look(): void {
    const now = performance.now();
    if (now - this.#lookedAt < LOOK_MS) return;
    this.#lookedAt = now;
    for (const [name, storage] of storagesOf(this.#parts)) this.#ages.set(name, storage.readers());
  }

  of(name: string): ReaderAges {
    return this.#ages.get(name) ?? NO_READERS;
  }
}

const statusOf = (parts: CoreParts): readonly MetricFamily[] => {
  const { scrub, audit, projector, guard, stateGuard } = parts;
  const { running, last } = scrub.status();
  return [
    family('tendril_audit_bytes', 'gauge', 'Bytes of all segments of the audit.', audit.bytes),
    family('tendril_audit_entries_total', 'counter', 'Entries of the audit written.', audit.counters.written),
    family('tendril_audit_waiting', 'gauge', 'Entries of the audit that wait for the disk.', audit.waiting),
    family(
      'tendril_audit_dropped_total',
      'counter',
      'Entries of the audit dropped at the bound.',
      audit.counters.dropped,
    ),
    family(
      'tendril_audit_counted_total',
      'counter',
      'Refused writes above the rate that is kept one by one; the audit has their number.',
      audit.counters.counted,
    ),
    family(
      'tendril_audit_failures_total',
      'counter',
      'Writes of the audit to its file that failed.',
      audit.counters.failed,
    ),
    family('tendril_quarantined_events', 'gauge', 'Events of the log that could not be folded.', projector.quarantined),
    family(
      'tendril_projector_disk_waits_total',
      'counter',
      'Commits of the state tried again for want of room.',
      projector.counters.diskWaits,
    ),
    family(
      'tendril_disk_reserve_bytes',
      'gauge',
      'Bytes of the disk that must stay free.',
      guard.condition().reserveBytes,
    ),
    labelled(
      'tendril_storage_refused_total',
      'counter',
      'Writes refused because the disk was nearly full, by what.',
      'by',
      [
        ['log', guard.refused],
        ['state', stateGuard.refused],
      ],
    ),
    family('tendril_scrub_running', 'gauge', '1 while a pass of the scrub runs.', running === undefined ? 0 : 1),
    family('tendril_scrub_pass_bytes', 'gauge', 'Bytes that the pass that runs has read.', running?.bytes ?? 0),
    family('tendril_scrub_passes_total', 'counter', 'Passes of the scrub that have ended.', scrub.counters.passes),
    family('tendril_scrub_bytes_total', 'counter', 'Bytes that ended passes have read.', scrub.counters.bytes),
    family('tendril_scrub_findings_total', 'counter', 'Findings of the scrub.', scrub.counters.findings),
    family('tendril_scrub_last_findings', 'gauge', 'Findings of the last pass.', last?.findingCount ?? 0),
    family(
      'tendril_scrub_last_end_seconds',
      'gauge',
      'When the last pass ended, seconds since the epoch; 0: none yet.',
      Math.floor((last?.endedAt ?? 0) / 1_000),
    ),
  ];
};

export const storageFamilies = (parts: CoreParts): readonly MetricFamily[] => {
  const storages = storagesOf(parts);
  const ages = parts.readers;
  ages.look();
  return [
    ...storages.map(([name, storage]) =>
      family(`tendril_${name}_bytes`, 'gauge', `Bytes of the file of data/${name}.`, storage.size()),
    ),
    family('tendril_log_events', 'gauge', 'Events that the log holds.', eventsIn(parts)),
    labelled(
      'tendril_store_readers',
      'gauge',
      'Readers that look at some commit, over all processes.',
      'store',
      storages.map(([name]) => [name, ages.of(name).inUse] as const),
    ),
    labelled(
      'tendril_store_oldest_reader_seconds',
      'gauge',
      'How long the reader that has stayed longest is seen at a commit that is not the newest: its pages cannot be used again.',
      'store',
      storages.map(([name]) => [name, ages.of(name).oldestMs / 1_000] as const),
    ),
    labelled(
      'tendril_store_damaged',
      'gauge',
      '1 since a damaged record was found.',
      'store',
      storages.map(([name, { damage }]) => [name, damage === undefined ? 0 : 1] as const),
    ),
    ...statusOf(parts),
  ];
};

const eventsIn = ({ log }: CoreParts): number => {
  const { offset, first } = log.head();
  return offset === 0 ? 0 : offset - first + 1;
};
