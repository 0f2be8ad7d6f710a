/** The figures of the comparison as Markdown. */
import type { Figures } from './measurements.ts';

export interface PeerRecord {
  readonly title: string;
  /** Why it was not measured. */
  readonly skipped?: string;
  readonly rounds?: number;
  readonly at?: string;
  readonly loadAverage?: number;
  readonly medians: Readonly<Record<string, Figures>>;
  readonly goals: readonly {
    readonly what: string;
    readonly asked: string;
    readonly measured?: number;
    readonly met: boolean;
  }[];
  readonly failures?: readonly string[];
}

const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;

const goalsOf = (records: Readonly<Record<string, PeerRecord>>): string[] => [
  row(['measurement', 'figure', 'asked for', 'measured', 'met']),
  row(['---', '---', '---', '---', '---']),
  ...Object.entries(records).flatMap(([name, { goals, skipped }]) =>
    skipped === undefined
      ? goals.map(({ what, asked, measured, met }) =>
          row([name, what, asked, measured === undefined ? 'not measured' : String(measured), met ? 'yes' : 'no']),
        )
      : [row([name, skipped, '', 'not measured', 'no'])],
  ),
];

const mediansOf = (name: string, record: PeerRecord): string[] => {
  const labels = Object.keys(record.medians);
  const fields = [...new Set(Object.values(record.medians).flatMap((figures) => Object.keys(figures)))];
  return [
    '',
    `**${name}**: ${record.title}. Medians of ${record.rounds ?? 0} rounds in turn, ${record.at?.slice(0, 16) ?? ''}, load average ${record.loadAverage ?? ''}.`,
    '',
    row(['', ...labels]),
    row(['---', ...labels.map(() => '---')]),
    ...fields.map((field) => row([field, ...labels.map((label) => String(record.medians[label]?.[field] ?? ''))])),
    ...(record.failures ?? []).map((failure) => `\nFailed: ${failure}`),
  ];
};

export const tableOf = (records: Readonly<Record<string, PeerRecord>>): string =>
  [
    ...goalsOf(records),
    ...Object.entries(records).flatMap(([name, record]) =>
      record.skipped === undefined ? mediansOf(name, record) : [],
    ),
  ].join('\n');
