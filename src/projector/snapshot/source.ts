/** Where a snapshot is read from: a copy of the state that nobody changes, or the state of a stopped server. */
import { type EventLog, LOG_SCHEMA } from '../../log/index.ts';
import { TendrilError } from '../../model/index.ts';
import { type Environment, openEnvironment, type Table, type TableKey } from '../../store/index.ts';
import { decodeHead } from '../head.ts';
import { HEAD_KEY, openStateTables, REBUILD_KEY, STATE_NAME, STATE_SCHEMA, type StateTables } from '../state-tables.ts';
import { tailOf } from './check.ts';
import { type SnapshotHeader, type SnapshotLog, STATE_PARTS, type StatePart, WITH_LOG } from './format.ts';
import { historyFromOf } from './state-rows.ts';
import { type SnapshotSource, snapshotBytes } from './write.ts';

/** A snapshot that is being written. */
export interface OpenSnapshot {
  readonly header: SnapshotHeader;
  /** To be read once. */
  readonly bytes: AsyncIterable<Buffer>;
  /** Ends it, whether it was read to its end or not. May be called again. */
  close(): Promise<void>;
}

export interface SourceOptions {
  /** The state lies in its folder `state`, and is not changed meanwhile. */
  readonly dir: string;
  readonly mesh: string;
  readonly log: EventLog;
  readonly withLog: boolean;
  readonly createdBy: string;
}

/** @throws TendrilError `SNAPSHOT_NONE`, `DATA_MISSING`, `MESH_MISMATCH`, `DATA_FROM_NEWER_VERSION`, `OFFSET_GONE`. */
export const openSource = async (options: SourceOptions): Promise<OpenSnapshot> => {
  const { dir, mesh } = options;
  const environment = await openEnvironment({
    dir,
    mesh,
    name: STATE_NAME,
    schema: STATE_SCHEMA,
    mode: 'visible',
    readOnly: true,
  });
  try {
    const source = await sourceOf(options, environment);
    return { header: source.header, bytes: snapshotBytes(source), close: () => environment.close() };
  } catch (error) {
    await environment.close();
    throw error;
  }
};

const sourceOf = async (options: SourceOptions, environment: Environment): Promise<SnapshotSource> => {
  const { log, withLog } = options;
  const tables = openStateTables(environment);
  const body = tables.head.get(HEAD_KEY);
  if (body === undefined || tables.head.has(REBUILD_KEY))
    throw new TendrilError('SNAPSHOT_NONE', `${environment.path} holds no complete state`, {
      remedy: 'start `tendril serve` on it once; it makes the state from the log',
    });
  const head = decodeHead(body);
  const { offset, recordedAt, hash, chain, tail, foldVersion, base } = head;
  const historyFrom = historyFromOf(tables);
  const record = await recordAt(log, offset);
  if (record !== undefined && tailOf(record) !== tail)
    throw new TendrilError('STATE_OF_ANOTHER_LOG', `${environment.path} was folded from another log`, {
      remedy: 'restore the log that belongs to it',
    });
  const header: SnapshotHeader = {
    mesh: options.mesh,
    createdBy: options.createdBy,
    offset,
    recordedAt,
    hash,
    chain,
    tail,
    foldVersion,
    stateSchema: environment.opened.schemaVersion,
    logSchema: LOG_SCHEMA.version,
    ...(base === undefined ? {} : { base }),
    ...(withLog ? { log: logPart(log, offset) } : {}),
    ...(withLog && historyFrom > 0 ? { historyFrom } : {}),
    counts: countsOf(tables, withLog),
  };
  return { header, tables, log, tail: record };
};

const logPart = (log: EventLog, last: number): SnapshotLog => {
  const { first, base } = log.head();
  if (first > 1 && base === undefined)
    throw new TendrilError('OFFSET_GONE', `the log begins at ${first}, and what stood before is not known`, {
      remedy: 'take the snapshot without the log: --no-log',
    });
  if (last + 1 < first)
    throw new TendrilError('OFFSET_GONE', `the state stands at ${last}, the log begins at ${first}`, {
      remedy: 'take the snapshot without the log: --no-log',
    });
  return { first, last, ...(base === undefined ? {} : { base }) };
};

const countsOf = (tables: StateTables, withLog: boolean): Partial<Record<StatePart, number>> =>
  Object.fromEntries(
    STATE_PARTS.filter((part) => withLog || !WITH_LOG.has(part)).map((part) => [
      part,
      (tables[part] as unknown as Table<TableKey>).count(),
    ]),
  );

/** Undefined: the log does not hold it (any more). */
const recordAt = async (log: EventLog, offset: number): Promise<Uint8Array | undefined> => {
  const { first, offset: last } = log.head();
  if (offset < Math.max(1, first) || offset > last) return undefined;
  for await (const [record] of log.read({ from: offset, maxBatch: 1 })) return record?.bytes;
  return undefined;
};
