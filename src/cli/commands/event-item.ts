/** Events as `tendril events` shows them. */
import { stringify } from 'yaml';
import type { Format } from '../format.ts';
import { type Column, printable, table } from '../output.ts';

export interface EventItem {
  readonly offset: number;
  readonly type?: string;
  readonly subject?: string;
  readonly recordedAt: string;
  readonly source?: string;
  readonly status: string;
  readonly code?: string;
  readonly message?: string;
  readonly reason?: string;
}

const statusOf = ({ status, code }: EventItem): string => (code === undefined ? status : `${status} ${code}`);

/** Why it was done, or why it has no effect. */
const noteOf = ({ reason, message }: EventItem): string | undefined =>
  [reason, message].filter((part) => part !== undefined).join('; ') || undefined;

const COLUMNS: readonly (Column<EventItem> & {
  /** Of a stream, whose later rows are not known yet. */
  readonly width: number;
})[] = [
  { title: 'EVENT', value: (event) => event.offset, width: 8 },
  { title: 'RECORDED', value: (event) => event.recordedAt, width: 24 },
  { title: 'STATUS', value: statusOf, width: 13 },
  { title: 'TYPE', value: (event) => event.type, width: 24 },
  { title: 'SUBJECT', value: (event) => event.subject, width: 44 },
  { title: 'SOURCE', value: (event) => event.source, width: 24 },
  { title: 'NOTE', value: noteOf, wide: true, width: 0 },
];

export const eventTable = (items: readonly EventItem[], format: Format): string => table(items, COLUMNS, format);

const row = (cells: readonly string[]): string =>
  cells
    .map((cell, index) => cell.padEnd(COLUMNS[index]?.width ?? 0))
    .join('  ')
    .trimEnd();

/** What stands above the rows of a stream. */
export const streamHead = (format: Format): string | undefined =>
  format === 'table' || format === 'wide'
    ? row(COLUMNS.filter(({ wide }) => format === 'wide' || wide !== true).map(({ title }) => title))
    : undefined;

/** One event of a stream: a row, a line of JSON, a YAML document, or its subject. */
export const streamRow = (event: EventItem, format: Format): string => {
  switch (format) {
    case 'json':
      return JSON.stringify(event);
    case 'yaml':
      return `---\n${stringify(event, { lineWidth: 0 }).trimEnd()}`;
    case 'name':
      return event.subject ?? '-';
    case 'table':
    case 'wide':
      return row(
        COLUMNS.filter(({ wide }) => format === 'wide' || wide !== true).map(({ value }) =>
          printable(String(value(event) ?? '-')),
        ),
      );
  }
};
