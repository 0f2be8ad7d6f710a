/** Results of one side: a `result.json`, a folder with one or with several runs, or a list of those separated by commas. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { TendrilError } from '../../../src/model/index.ts';
import { RESULT_FORMAT, type SimResult } from '../result.ts';

export interface ReadResult {
  readonly path: string;
  readonly result: SimResult;
}

const FILE = 'result.json';
const REMEDY = 'name a folder that tendril bench sim has written (--out), or its result.json';
/** Folders below the one that is named: `--out runs/1`, `--out runs/2`. */
const MAX_RUNS = 100;

const unreadable = (path: string, what: string, cause?: unknown): TendrilError =>
  new TendrilError('BENCH_RESULT', `${path}: ${what}`, { remedy: REMEDY, cause });

const isFile = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;

const RECORDS = ['options', 'machine', 'outcome', 'bytes'];
const LISTS = ['phases', 'seconds', 'processes', 'faults', 'goals'];
/** Absent where they were not measured. */
const MEASURED = ['connect', 'churn', 'hot', 'loopLag', 'lost', 'unneeded', 'storm', 'fullMesh'];
/** Of propagation. */
const SPREADS = ['each', 'last'];
const COUNTS = ['changes', 'expected', 'arrived', 'coalesced'];
const PERCENTILES = ['count', 'p50', 'p90', 'p99', 'max'];
/** Options without which a reader cannot tell what was run. */
const SIZES = ['sidecars', 'services', 'endpoints', 'deps', 'churn', 'hot', 'durationS', 'seed'];

type Parts = Readonly<Record<string, unknown>>;
const isRecord = (value: unknown): value is Parts =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const hasNumbers = (part: unknown, names: readonly string[]): boolean =>
  isRecord(part) && names.every((name) => Number.isFinite(part[name]));

const isPropagation = (part: unknown): boolean =>
  isRecord(part) && hasNumbers(part, COUNTS) && SPREADS.every((spread) => hasNumbers(part[spread], PERCENTILES));

/** Parts that a reader would stumble over, by name. */
const brokenParts = (result: Parts): readonly string[] => {
  const isWhole = (name: string, part: unknown): boolean =>
    isRecord(part) &&
    (name !== 'connect' ||
      (hasNumbers(part, ['sidecars', 'completed']) &&
        (part.each === undefined || hasNumbers(part.each, PERCENTILES)))) &&
    ((name !== 'churn' && name !== 'hot') || isPropagation(part)) &&
    (name !== 'storm' || isPropagation(part.proof));
  const isSecond = (second: Parts): boolean => isRecord(second.cpuS) && isRecord(second.rssAnonMiB);
  return [
    ...RECORDS.filter((name) => !isRecord(result[name])),
    ...(isRecord(result.options) && !hasNumbers(result.options, SIZES) ? ['options'] : []),
    ...LISTS.filter((name) => {
      const list = result[name];
      return !Array.isArray(list) || !list.every((part) => isRecord(part) && (name !== 'seconds' || isSecond(part)));
    }),
    ...MEASURED.filter((name) => result[name] !== undefined && !isWhole(name, result[name])),
  ];
};

/** Throws `BENCH_RESULT` for what is no file, no JSON, or no result of this format. */
export const readResult = (path: string): SimResult => {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw unreadable(path, 'cannot be read', error);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw unreadable(path, `is not JSON (${error instanceof Error ? error.message : String(error)})`, error);
  }
  const format = typeof value === 'object' && value !== null && 'format' in value ? value.format : undefined;
  if (format !== RESULT_FORMAT)
    throw unreadable(
      path,
      `is not a result of this version: its format is ${JSON.stringify(format) ?? 'not said'}, not "${RESULT_FORMAT}"`,
    );
  const broken = brokenParts(value as Readonly<Record<string, unknown>>);
  if (broken.length > 0) throw unreadable(path, `is not whole: ${broken.join(', ')} missing or damaged`);
  return value as SimResult;
};

const filesOf = (path: string): readonly string[] => {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) throw unreadable(path, 'does not exist');
  if (!stat.isDirectory()) return [path];
  if (isFile(join(path, FILE))) return [join(path, FILE)];
  const below = readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && isFile(join(path, entry.name, FILE)))
    .map((entry) => join(path, entry.name, FILE))
    .sort();
  if (below.length === 0) throw unreadable(path, `holds no ${FILE}, and no folder that does`);
  if (below.length > MAX_RUNS) throw unreadable(path, `holds ${below.length} runs; at most ${MAX_RUNS} are compared`);
  return below;
};

/** Throws `BENCH_RESULT`; gives at least one. */
export const readSide = (words: string): readonly ReadResult[] => {
  const paths = words
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '');
  if (paths.length === 0) throw unreadable(JSON.stringify(words), 'names nothing');
  return paths.flatMap(filesOf).map((path) => ({ path, result: readResult(path) }));
};
