/** The process that `checkEnvironment` starts: reads one environment and tells what it finds. Damage may kill it. */
import { statSync } from 'node:fs';
import type { CheckJob, CheckMessage, CheckResult } from './check.ts';
import { isIntact, showKey, type TableKey } from './checked-record.ts';
import { dataFile, type LmdbRoot, type LmdbTable, openRoot, openTable, tableNames } from './lmdb-root.ts';

const WALKED_RECORDS = 4_000_000;
const TAIL_RECORDS = 50_000;
const SPREAD_RECORDS = 50_000;

interface Stats {
  readonly entryCount: number;
  readonly pageSize: number;
  readonly lastPageNumber: number;
}

const tell = (message: CheckMessage): void => {
  process.send?.(message);
};

class Damage extends Error {
  readonly where: string;

  constructor(what: string, where: string) {
    super(what);
    this.where = where;
  }
}

/** `least`: how many there must be. A page that is cut reads as zeros, and a cursor may step over what it held. */
const verify = (table: string, entries: Iterable<{ key: TableKey; value: Buffer }>, least: number): number => {
  let verified = 0;
  for (const { key, value } of entries) {
    if (!isIntact(key, value)) throw new Damage('checksum mismatch', `${table}[${showKey(key)}]`);
    verified++;
  }
  if (verified < least)
    throw new Damage(`${verified} records can be read, ${least} should be`, `records of table ${table}`);
  return verified;
};

/** Every n-th record; the steps between are made by LMDB, not in JavaScript. */
function* spread(table: LmdbTable, entries: number): Generator<{ key: TableKey; value: Buffer }> {
  const step = Math.max(1, Math.floor(entries / SPREAD_RECORDS));
  let [at] = table.getRange({ limit: 1 });
  while (at !== undefined) {
    yield at;
    [at] = table.getRange({ start: at.key, offset: step, limit: 1 });
  }
}

/** Walks every leaf page natively. */
const walk = (name: string, table: LmdbTable, entries: number): void => {
  tell({ step: `tree of table ${name}` });
  const counted = table.getKeysCount({});
  if (counted !== entries)
    throw new Damage(`${counted} records can be reached, ${entries} should be`, `tree of table ${name}`);
};

const checkTable = (
  root: LmdbRoot,
  name: string,
  job: CheckJob,
  isShort: boolean,
): { records: number; verified: number } => {
  tell({ step: `root of table ${name}` });
  const table = openTable(root, name, false);
  if (table === undefined) throw new Damage('the table cannot be opened', `root of table ${name}`);
  const { entryCount } = table.getStats() as Stats;
  if (job.extent === 'full' || isShort || entryCount <= WALKED_RECORDS) walk(name, table, entryCount);
  tell({ step: `records of table ${name}` });
  if (job.extent === 'full' || entryCount <= TAIL_RECORDS + SPREAD_RECORDS) {
    return { records: entryCount, verified: verify(name, table.getRange({}), entryCount) };
  }
  const tail = verify(name, table.getRange({ reverse: true, limit: TAIL_RECORDS }), TAIL_RECORDS);
  return { records: entryCount, verified: tail + verify(name, spread(table, entryCount), SPREAD_RECORDS) };
};

const check = (job: CheckJob): CheckResult => {
  tell({ step: 'opening' });
  // Before LMDB, which would make a directory that is missing.
  const { size } = statSync(dataFile(job.path));
  const root = openRoot({ ...job, readOnly: job.mode === 'durable' });
  const { entryCount, pageSize, lastPageNumber } = root.getStats() as Stats;
  const isShort = size < (lastPageNumber + 1) * pageSize;
  tell({ step: 'list of tables' });
  const names = tableNames(root);
  // A file that was cut inside this page shows no tables. Taken for a new one, it would be written to.
  if (names.length !== entryCount)
    throw new Damage(`${names.length} of ${entryCount} tables can be found`, 'list of tables');
  let records = 0;
  let verified = 0;
  for (const name of names) {
    const found = checkTable(root, name, job, isShort);
    records += found.records;
    verified += found.verified;
  }
  return { ok: true, records, verified };
};

const run = (job: CheckJob): CheckResult => {
  try {
    return check(job);
  } catch (error) {
    if (error instanceof Damage) return { ok: false, what: error.message, where: error.where };
    return { ok: false, what: error instanceof Error ? error.message : String(error), where: 'reading' };
  }
};

/** Without LMDB's own clean-up, which would touch the file again. */
process.send?.({ result: run(JSON.parse(process.argv[2] ?? '{}') as CheckJob) }, () => process.exit(0));
