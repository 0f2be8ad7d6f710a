/**
 * Checkpoint: a snapshot without log in the data directory, from which the state is made anew when the log no longer begins with the
 * first event. `checkpoint` is the one in use; `checkpoint.next` takes its place when retention has come that far.
 */
import { closeSync, createReadStream, existsSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type DiskGuard, failpoint, storageError } from '../../store/index.ts';
import { decodeHeader, type SnapshotHeader } from './format.ts';
import { readFrames } from './read.ts';
import { requireSpace } from './space.ts';

export const checkpointPath = (dir: string): string => join(dir, 'checkpoint');
export const nextCheckpointPath = (dir: string): string => join(dir, 'checkpoint.next');

/** Makes a rename, or a new file, survive a power cut. */
export const syncDirectory = (path: string): void => {
  const directory = openSync(path, 'r');
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
};

const writeAll = async (
  file: FileHandle,
  bytes: AsyncIterable<Uint8Array>,
  path: string,
  guard: DiskGuard | undefined,
  onProgress: ((bytes: number) => void) | undefined,
): Promise<number> => {
  let written = 0;
  for await (const piece of bytes) {
    requireSpace(guard, piece.length, path);
    await file.writeFile(piece);
    written += piece.length;
    onProgress?.(written);
  }
  await file.sync();
  return written;
};

/**
 * Writes a file of mode 0600 that is there as a whole, on disk, or not at all. Gives its bytes.
 * @throws TendrilError `DISK_FULL`, `DATA_NOT_WRITABLE`, and what `bytes` throws
 */
export const writeSnapshotFile = async (
  path: string,
  bytes: AsyncIterable<Uint8Array>,
  guard?: DiskGuard,
  onProgress?: (bytes: number) => void,
): Promise<number> => {
  const part = `${path}.part`;
  try {
    const file = await open(part, 'w', 0o600);
    let written: number;
    try {
      written = await writeAll(file, bytes, path, guard, onProgress);
    } finally {
      await file.close();
    }
    failpoint('beforeSnapshotRename');
    renameSync(part, path);
    syncDirectory(dirname(path));
    failpoint('afterSnapshot');
    return written;
  } catch (error) {
    rmSync(part, { force: true });
    throw (error as NodeJS.ErrnoException).syscall === undefined ? error : storageError(error, dirname(path));
  }
};

/** Bytes of a file. @throws TendrilError `SNAPSHOT_UNREADABLE` when there is none, or it cannot be read. */
export const readSnapshotFile = (path: string): AsyncIterable<Uint8Array> =>
  createReadStream(path, { highWaterMark: 2 ** 18 });

/** Header of a file; undefined when there is none. @throws TendrilError `SNAPSHOT_CORRUPT`, `DATA_FROM_NEWER_VERSION`. */
export const readHeaderOf = async (path: string): Promise<SnapshotHeader | undefined> => {
  if (!existsSync(path)) return undefined;
  for await (const { body } of readFrames(readSnapshotFile(path))) return decodeHeader(body);
  return undefined;
};
