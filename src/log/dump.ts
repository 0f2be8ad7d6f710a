/** The log of a data directory on which no server runs, as lines of JSON: out of it, and into a new one. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { formatLogLine, parseLogLine, TendrilError } from '../model/index.ts';
import { createDiskGuard, prepareDirectory } from '../store/index.ts';
import { chainStart, nextChain } from './chain.ts';
import type { RawRecord } from './event-log.ts';
import { openLmdbBackend } from './lmdb-log.ts';
import { openEventLog } from './open-log.ts';

const RECORDS_PER_READ = 512;
const RECORDS_PER_COMMIT = 2_000;
const COMMIT_BYTES = 8 * 2 ** 20;

export interface DumpOptions {
  /** Data directory. */
  readonly dir: string;
  readonly mesh: string;
  /** Offsets, both included; default: all there are. */
  readonly from?: number;
  readonly to?: number;
}

/**
 * Pieces of text, whole lines each.
 * @throws TendrilError `DATA_MISSING`, `LOG_LOCKED`, `MESH_MISMATCH`, `LOG_CORRUPT`, `OFFSET_GONE`
 */
export async function* dumpLog(options: DumpOptions): AsyncGenerator<string> {
  const { dir, mesh } = options;
  if (!existsSync(join(dir, 'log', 'data.mdb')))
    throw new TendrilError('DATA_MISSING', `${dir} has no log`, {
      remedy: 'name the data directory of a server with --data',
    });
  const log = await openEventLog({ kind: 'lmdb', dir, mesh, clock: { now: Date.now }, readingOnly: true });
  try {
    const { first, offset } = log.head();
    const to = Math.min(options.to ?? offset, offset);
    const from = options.from ?? first;
    if (from > to) return;
    for await (const records of log.read({ from, maxBatch: RECORDS_PER_READ })) {
      yield records
        .filter((record) => record.offset <= to)
        .map((record) => `${formatLogLine(record)}\n`)
        .join('');
      if ((records.at(-1)?.offset ?? to) >= to) return;
    }
  } finally {
    await log.close();
  }
}

export interface LoadDumpOptions {
  /** A directory without a log. */
  readonly dir: string;
  readonly mesh: string;
  readonly onProgress?: (offset: number) => void;
}

export interface LoadedDump {
  readonly offset: number;
  /** Hash chain at `offset`, hexadecimal: the one of the log that was dumped. */
  readonly chain: string;
}

/**
 * Makes a log of lines: same offsets, same bytes, same chain.
 * @throws TendrilError `LOG_LINE`, `LOG_GAP`, `MESH_MISMATCH`, `LOG_CORRUPT`, `DISK_FULL`
 */
export const loadDump = async (lines: AsyncIterable<string>, options: LoadDumpOptions): Promise<LoadedDump> => {
  const { dir, mesh } = options;
  prepareDirectory(dir);
  const guard = createDiskGuard({ path: dir });
  const { backend } = await openLmdbBackend({ dir, mesh, guard });
  let chain = chainStart();
  let waiting: RawRecord[] = [];
  let bytes = 0;
  const write = async (): Promise<void> => {
    await backend.appendRecords(waiting);
    waiting = [];
    bytes = 0;
    options.onProgress?.(backend.head.offset);
  };
  try {
    let number = 0;
    for await (const line of lines) {
      number++;
      if (line.trim() === '') continue;
      const record = parseLogLine(line, number);
      const wanted = backend.head.offset + waiting.length + 1;
      if (record.offset !== wanted)
        throw new TendrilError('LOG_GAP', `line ${number}: offset ${record.offset}, but ${wanted} comes next`, {
          remedy:
            wanted === 1
              ? 'a log begins with offset 1; a log whose beginning is gone is carried by `tendril snapshot`'
              : 'give all lines of the dump, in order',
        });
      if (record.event !== undefined && record.event.mesh !== mesh)
        throw new TendrilError('MESH_MISMATCH', `line ${number}: an event of mesh "${String(record.event.mesh)}"`, {
          remedy: `say --mesh ${String(record.event.mesh)} if that is the one you mean`,
        });
      chain = nextChain(chain, record.bytes);
      waiting.push(record);
      bytes += record.bytes.length;
      if (waiting.length >= RECORDS_PER_COMMIT || bytes >= COMMIT_BYTES) await write();
    }
    if (waiting.length > 0) await write();
    return { offset: backend.head.offset, chain: chain.toString('hex') };
  } finally {
    await backend.close();
    guard.close();
  }
};
