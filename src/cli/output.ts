/**
 * What commands print: greppable tables without borders, or the same data as JSON, YAML or names (operator-ux: stable output,
 * colours never, advice lines end with a command).
 */
import { stringify } from 'yaml';
import type { Format } from './format.ts';

export interface Column<Row> {
  readonly title: string;
  readonly value: (row: Row) => string | number | undefined;
  /** Right-aligned. */
  readonly number?: boolean;
  /** Only with `-o wide`. */
  readonly wide?: boolean;
}

/** Names that clients chose must not steer the terminal. */
export const printable = (text: string): string => text.replaceAll(/\p{Cc}/gu, '?');

/** Columns as wide as their widest cell, two spaces apart; the last one is not padded. */
export const table = <Row>(rows: readonly Row[], columns: readonly Column<Row>[], format: Format = 'table'): string => {
  const shown = columns.filter((column) => format === 'wide' || column.wide !== true);
  const cells = [
    shown.map((column) => column.title),
    ...rows.map((row) => shown.map((column) => printable(String(column.value(row) ?? '-')))),
  ];
  const widths = shown.map((_, index) => Math.max(...cells.map((line) => line[index]?.length ?? 0)));
  return cells
    .map((line) =>
      line
        .map((cell, index) => {
          const width = widths[index] ?? 0;
          if (shown[index]?.number === true) return cell.padStart(width);
          return index === line.length - 1 ? cell : cell.padEnd(width);
        })
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
};

/** The data in the format asked for; `human` makes the table forms, `name` one name per item. */
export const render = (format: Format, data: unknown, human: () => string, names: () => readonly string[]): string => {
  switch (format) {
    case 'json':
      return JSON.stringify(data, null, 2);
    case 'yaml':
      return stringify(data, { aliasDuplicateObjects: false, lineWidth: 0 }).trimEnd();
    case 'name':
      return names().join('\n');
    case 'table':
    case 'wide':
      return human();
  }
};

const UNITS: readonly (readonly [number, string])[] = [
  [86_400_000, 'd'],
  [3_600_000, 'h'],
  [60_000, 'm'],
  [1_000, 's'],
];

/** `3m ago`, in the largest whole unit. `then` as the API gives it, RFC 3339. */
export const ago = (then: string, now: number): string => {
  const passed = Math.max(0, now - Date.parse(then));
  for (const [ms, unit] of UNITS) if (passed >= ms) return `${Math.floor(passed / ms)}${unit} ago`;
  return 'now';
};

/** `in 23h`, in the largest whole unit; what is over is `now`. `then` as the API gives it, RFC 3339. */
export const within = (then: string, now: number): string => {
  const left = Math.max(0, Date.parse(then) - now);
  for (const [ms, unit] of UNITS) if (left >= ms) return `in ${Math.floor(left / ms)}${unit}`;
  return 'now';
};

/** `840 B`, `41 KB`, `3.1 MB`. */
export const bytes = (count: number): string => {
  if (count < 1000) return `${count} B`;
  if (count < 1_000_000) return `${count < 10_000 ? (count / 1000).toFixed(1) : Math.round(count / 1000)} KB`;
  return `${(count / 1_000_000).toFixed(1)} MB`;
};

/** `1 proxy`, `3 proxies`. */
export const plural = (count: number, one: string, many = `${one}s`): string => `${count} ${count === 1 ? one : many}`;
