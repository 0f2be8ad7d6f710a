/**
 * Snapshots of a data directory on which no server runs: taken from it, and put into it.
 *
 * Invariants
 * D1 A server that runs on the directory is refused (`LOG_LOCKED`), by the locks of what is there.
 * D2 What was there is moved aside, never removed, and only after the whole snapshot has been proven.
 * D3 The state is moved in before the log: a start in between meets a state that is ahead of its log, or of another one, and
 *    refuses; it never begins an empty mesh.
 * D4 What mirrored a topic of Kafka is a mirror of it again: a start without Kafka in between is refused as before.
 */
import { existsSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { carryMirrorMark, openEventLog } from '../../log/index.ts';
import { TendrilError } from '../../model/index.ts';
import {
  acquireWriterLock,
  checkEnvironment,
  createDiskGuard,
  prepareDirectory,
  type WriterLock,
} from '../../store/index.ts';
import { STATE_NAME } from '../state-tables.ts';
import { syncDirectory } from './checkpoint.ts';
import type { SnapshotHeader } from './format.ts';
import { type InstallOptions, installSnapshot } from './install.ts';
import { type OpenSnapshot, openSource } from './source.ts';

/** Moved in this order (D3). */
const PARTS = [STATE_NAME, 'checkpoint', 'log'] as const;
/** Moved aside before all others: beside a new log it would be one of another log. */
const NEXT_CHECKPOINT = 'checkpoint.next';
/** Says that the state differs from that of other replicas (`src/runtime/replicas/out-mark.ts`); moved aside last, when it is no longer true. */
export const OUT_MARK = 'replica.out';
const WORK = /^import-\d+\.part$/;

export interface ExportDataOptions {
  /** Data directory. */
  readonly dir: string;
  readonly mesh: string;
  readonly withLog: boolean;
  readonly createdBy: string;
}

/** @throws TendrilError `DATA_MISSING`, `LOG_LOCKED`, `MESH_MISMATCH`, `SNAPSHOT_NONE`, `LOG_CORRUPT`, `DATA_CORRUPT`. */
export const exportData = async (options: ExportDataOptions): Promise<OpenSnapshot> => {
  const { dir, mesh } = options;
  for (const part of ['log', STATE_NAME])
    if (!existsSync(join(dir, part, 'data.mdb')))
      throw new TendrilError('DATA_MISSING', `${dir} has no ${part}`, {
        remedy: 'name the data directory of a server with --data',
      });
  const log = await openEventLog({ kind: 'lmdb', dir, mesh, clock: { now: Date.now }, readingOnly: true });
  try {
    const path = join(dir, STATE_NAME);
    const found = await checkEnvironment({
      path,
      mode: 'visible',
      extent: 'bounded',
      maxReaders: 1024,
      mapSize: 2 ** 40,
    });
    if (!found.ok)
      throw new TendrilError('DATA_CORRUPT', `${path} is damaged: ${found.what}, at ${found.where}`, {
        remedy: 'start `tendril serve` once: it makes the state anew from the log',
      });
    const source = await openSource({ ...options, log });
    return {
      ...source,
      close: async () => {
        await source.close();
        await log.close();
      },
    };
  } catch (error) {
    await log.close();
    throw error;
  }
};

export interface ImportDataOptions extends Omit<InstallOptions, 'guard'> {
  /** Move what is there aside instead of refusing. */
  readonly force: boolean;
  /** For the names of what is moved aside. */
  readonly now: () => number;
}

export interface ImportedData {
  readonly header: SnapshotHeader;
  /** Names in the directory under which the old parts lie now. */
  readonly movedAside: readonly string[];
}

/**
 * @param source opened only when the directory is fit
 * @throws TendrilError `DATA_EXISTS`, `LOG_LOCKED`, and as `installSnapshot`
 */
export const importData = async (
  source: () => Promise<AsyncIterable<Uint8Array>>,
  options: ImportDataOptions,
): Promise<ImportedData> => {
  const { dir, force } = options;
  prepareDirectory(dir);
  const there = PARTS.filter((part) => existsSync(join(dir, part)));
  const locks = lockAll(dir);
  const guard = createDiskGuard({ path: dir });
  const work = join(dir, `import-${process.pid}.part`);
  try {
    if (there.length > 0 && !force)
      throw new TendrilError('DATA_EXISTS', `${dir} holds ${there.join(', ')} already`, {
        remedy: 'name another directory with --data, or move what is there aside with --force',
      });
    for (const name of readdirSync(dir)) if (WORK.test(name)) rmSync(join(dir, name), { recursive: true, force: true });
    prepareDirectory(work);
    const header = await installSnapshot(await source(), { ...options, dir: work, guard });
    for (const part of PARTS)
      if (existsSync(join(work, part)) && part !== 'checkpoint') syncDirectory(join(work, part));
    await carryMirrorMark(dir, work, options.mesh);
    syncDirectory(work);
    return { header, movedAside: moveIn(dir, work, options.now()) };
  } finally {
    for (const lock of locks) lock.release();
    guard.close();
    rmSync(work, { recursive: true, force: true });
  }
};

/** D1 */
const lockAll = (dir: string): WriterLock[] => {
  const locks: WriterLock[] = [];
  try {
    for (const part of ['log', STATE_NAME])
      if (existsSync(join(dir, part))) locks.push(acquireWriterLock(join(dir, part)));
    return locks;
  } catch (error) {
    for (const lock of locks) lock.release();
    throw error;
  }
};

/** D2, D3 */
const moveIn = (dir: string, work: string, now: number): string[] => {
  const suffix = `.before-${new Date(now).toISOString().replaceAll(/[-:]|\.\d+/g, '')}`;
  const moved: string[] = [];
  for (const part of [NEXT_CHECKPOINT, ...PARTS, OUT_MARK]) {
    const [old, fresh] = [join(dir, part), join(work, part)];
    if (existsSync(old)) {
      const aside = freeName(dir, `${part}${suffix}`);
      renameSync(old, join(dir, aside));
      moved.push(aside);
    }
    if (existsSync(fresh)) renameSync(fresh, old);
    syncDirectory(dir);
  }
  return moved;
};

const freeName = (dir: string, wanted: string): string => {
  for (let number = 1; ; number++) {
    const name = number === 1 ? wanted : `${wanted}-${number}`;
    if (!existsSync(join(dir, name))) return name;
  }
};
