/** What commands do with data directories on which no server runs. Loaded when it is called: most commands need none of it. */
import { existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { DumpOptions, LoadDumpOptions, LoadedDump } from '../log/index.ts';
import { TendrilError } from '../model/index.ts';
import type {
  ExportDataOptions,
  ImportDataOptions,
  ImportedData,
  OpenSnapshot,
  SnapshotHeader,
} from '../projector/index.ts';

export type { ImportedData, OpenSnapshot, SnapshotHeader };

/** A snapshot of a data directory; see `exportData` of the projector. */
export const exportData = async (options: ExportDataOptions): Promise<OpenSnapshot> =>
  (await import('../projector/index.ts')).exportData(options);

/** A snapshot into a data directory. */
export const importData = async (
  source: () => Promise<AsyncIterable<Uint8Array>>,
  options: ImportDataOptions,
): Promise<ImportedData> => (await import('../projector/index.ts')).importData(source, options);

/** Passes a snapshot on; rejects with `SNAPSHOT_CORRUPT` unless it was whole. */
export async function* wholeSnapshot(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* (await import('../projector/index.ts')).wholeSnapshot(source);
}

/** A file that is there as a whole or not at all; gives its bytes. */
export const writeSnapshotFile = async (
  path: string,
  bytes: AsyncIterable<Uint8Array>,
  onProgress: (bytes: number) => void,
): Promise<number> => (await import('../projector/index.ts')).writeSnapshotFile(path, bytes, undefined, onProgress);

/** The lines of a log. */
export async function* dumpLog(options: DumpOptions): AsyncGenerator<string> {
  yield* (await import('../log/index.ts')).dumpLog(options);
}

/**
 * Makes the log of a new data directory of lines; it is there as a whole or not at all.
 * @throws TendrilError `DATA_EXISTS`, and as `loadDump`
 */
export const importLog = async (lines: AsyncIterable<string>, options: LoadDumpOptions): Promise<LoadedDump> => {
  const { loadDump } = await import('../log/index.ts');
  const there = ['log', 'state'].filter((part) => existsSync(join(options.dir, part)));
  if (there.length > 0)
    throw new TendrilError('DATA_EXISTS', `${options.dir} holds ${there.join(', ')} already`, {
      remedy: 'name another directory with --data',
    });
  const work = join(options.dir, `import-${process.pid}.part`);
  try {
    const loaded = await loadDump(lines, { ...options, dir: work });
    renameSync(join(work, 'log'), join(options.dir, 'log'));
    return loaded;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
};
