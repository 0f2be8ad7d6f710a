/**
 * What happened to one document, and the document as it was at an offset: both out of the log, found with the history index.
 *
 * A document at an offset is the last `policy.applied` at or below it with the patches behind that, so reading it costs as many
 * events as there are patches since.
 */
import { applyPatch, policySubject, readDocument, TendrilError } from '../model/index.ts';
import { type EventRow, eventRow } from './event-rows.ts';
import type { AdminPorts, DocumentRef, LogRecordView } from './ports.ts';

/** Events of a document as its history shows them: who, when, what kind of change, and what became of it. */
export type HistoryRow = Omit<EventRow, 'data' | 'subject' | 'time' | 'id' | 'findings'>;

/** The newest events of some subjects first, those below `below` only. The index keeps hashes, so each event is looked at. */
async function* newestFirst(
  ports: AdminPorts,
  subjects: readonly string[],
  options: { readonly below: number; readonly signal: AbortSignal },
): AsyncGenerator<LogRecordView> {
  const { below, signal } = options;
  const offsets = subjects.flatMap((subject) => [...ports.history.offsetsOf(subject, below - 1)]);
  for (const offset of offsets.sort((a, b) => b - a)) {
    const record = await recordAt(ports, offset, signal);
    if (record?.event !== undefined && subjects.includes(record.event.subject)) yield record;
  }
}

/** The first record at or after an offset. */
export const recordAt = async (
  ports: Pick<AdminPorts, 'events'>,
  offset: number,
  signal: AbortSignal,
): Promise<LogRecordView | undefined> => {
  for await (const [record] of ports.events.read({ from: offset, signal, maxBatch: 1 })) return record;
  return undefined;
};

const rowOf = (ports: AdminPorts, record: LogRecordView): HistoryRow => {
  const {
    data: _data,
    subject: _subject,
    time: _time,
    id: _id,
    findings: _findings,
    ...row
  } = eventRow(record, ports.events.outcomeOf(record.offset));
  return row;
};

export interface HistoryPage {
  readonly rows: readonly HistoryRow[];
  /** The same events. */
  readonly records: readonly LogRecordView[];
  /** Offset below which the next page begins; undefined: this is the last one. */
  readonly next: number | undefined;
}

/** One page, newest first. */
export const historyOf = async (
  ports: AdminPorts,
  subjects: readonly string[],
  options: { readonly limit: number; readonly next: number | undefined; readonly signal: AbortSignal },
): Promise<HistoryPage> => {
  const { limit, next = Number.MAX_SAFE_INTEGER, signal } = options;
  const rows: HistoryRow[] = [];
  const records: LogRecordView[] = [];
  for await (const record of newestFirst(ports, subjects, { below: next, signal })) {
    if (rows.length === limit) return { rows, records, next: rows.at(-1)?.offset };
    rows.push(rowOf(ports, record));
    records.push(record);
  }
  return { rows, records, next: undefined };
};

/** The document as it was behind event `offset`, which the fold must have settled; undefined: there was none. */
export const documentAt = async (
  ports: AdminPorts,
  ref: DocumentRef,
  offset: number,
  signal: AbortSignal,
): Promise<Readonly<Record<string, unknown>> | undefined> => {
  const patches: unknown[] = [];
  for await (const { event, offset: at } of newestFirst(ports, [policySubject(ref.kind, ref.namespace, ref.name)], {
    below: offset + 1,
    signal,
  })) {
    if (event === undefined || ports.events.outcomeOf(at)?.status !== 'applied') continue;
    const data = event.data as Readonly<Record<string, unknown>>;
    if (event.type === 'policy.deleted') return undefined;
    if (event.type === 'policy.patched') patches.push(data.patch);
    if (event.type === 'policy.applied') return patched(data.document, patches.toReversed(), at);
  }
  return undefined;
};

/** An event that the fold applied fits, unless this version of Tendril checks more than the one that wrote it. */
const patched = (given: unknown, patches: readonly unknown[], at: number): Readonly<Record<string, unknown>> => {
  let result = readDocument(given);
  for (const patch of patches) {
    if (!result.ok) break;
    result = applyPatch(result.document, patch);
  }
  if (result.ok) return result.document as unknown as Readonly<Record<string, unknown>>;
  const [first] = result.findings;
  throw new TendrilError(
    first?.code ?? 'E102',
    `the document of event ${at} is not allowed any more: ${first?.message}`,
    {
      findings: result.findings,
      remedy: `see GET /v1/events?from=${at}&limit=1, and PUT a corrected one`,
    },
  );
};
