/** The directory of an environment: made private, on a disk that LMDB can be trusted with, writable. */
import {
  accessSync,
  chmodSync,
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  statfsSync,
  statSync,
} from 'node:fs';
import { dirname, resolve } from 'node:path';
import { TendrilError } from '../model/basics.ts';

/** `f_type` of statfs(2). LMDB maps its file: on these, other hosts' writes and locks are not seen, or not in order. */
const UNFIT_FILE_SYSTEMS: ReadonlyMap<number, string> = new Map([
  [0x6969, 'NFS'],
  [0x517b, 'SMB'],
  [0xff534d42, 'CIFS'],
  [0xfe534d42, 'SMB2'],
  [0x5346414f, 'AFS'],
  [0x73757245, 'Coda'],
  [0x00c36400, 'Ceph'],
  [0x01021997, '9P'],
  [0x0bd00bd0, 'Lustre'],
  [0x47504653, 'GPFS'],
  [0x01161970, 'GFS2'],
  [0x7461636f, 'OCFS2'],
  [0x65735546, 'FUSE'],
]);

/** Name of the file system when it is one of those that are refused. */
export const unfitFileSystem = (type: number): string | undefined => UNFIT_FILE_SYSTEMS.get(type >>> 0);

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? '';

/** What a failed file operation means to the user. */
export const storageError = (error: unknown, path: string): TendrilError => {
  if (error instanceof TendrilError) return error;
  const code = codeOf(error);
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new TendrilError('DISK_FULL', `no room on the disk of ${path} (${code})`, {
      remedy: `free space on the disk of ${path}, then start again`,
      cause: error,
    });
  }
  const reason = code === '' ? String(error) : code;
  return new TendrilError('DATA_NOT_WRITABLE', `${path} cannot be used as a data directory: ${reason}`, {
    remedy:
      code === 'EEXIST' || code === 'ENOTDIR'
        ? 'a part of the path is a file: name another directory with --data'
        : 'give this user read and write permission on it, or name another directory with --data',
    cause: error,
  });
};

/**
 * Makes `path` with mode 0700 where it is missing and takes the rights of others away where it exists.
 * @throws TendrilError `DATA_NOT_WRITABLE`, `DATA_ON_NETWORK_FS`, `DISK_FULL`.
 */
export const prepareDirectory = (
  path: string,
  fileSystemType: (path: string) => number = (at) => statfsSync(at).type,
): void => {
  try {
    makeDirectory(path);
    if ((statSync(path).mode & 0o777) !== 0o700) chmodSync(path, 0o700);
    accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    throw storageError(reasonAbove(path) ?? error, path);
  }
  requireFitFileSystem(path, fileSystemType);
};

/**
 * As `prepareDirectory`, of a directory that may belong to others too: one that exists keeps its rights.
 * @throws TendrilError `DATA_NOT_WRITABLE`, `DISK_FULL`.
 */
export const prepareSharedDirectory = (path: string): void => {
  try {
    makeDirectory(path);
  } catch (error) {
    throw storageError(reasonAbove(path) ?? error, path);
  }
};

/** Part by part: Node's recursive mkdir goes round for ever where a file system says ENOENT to a new name, as /proc does. */
const makeDirectory = (path: string): void => {
  if (!existsSync(path)) {
    const above = dirname(path);
    if (!existsSync(above)) makeDirectory(above);
    try {
      mkdirSync(path, { mode: 0o700 });
      return;
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error;
    }
  }
  // Nothing to make; EEXIST when it is a file.
  mkdirSync(path, { recursive: true });
};

/** Why nothing can be made in the nearest directory that exists: Node's recursive mkdir says ENOENT on a read-only disk. */
const reasonAbove = (path: string): unknown => {
  let at = resolve(path);
  while (!existsSync(at) && dirname(at) !== at) at = dirname(at);
  try {
    if (statSync(at).isDirectory()) accessSync(at, constants.W_OK | constants.X_OK);
    return undefined;
  } catch (error) {
    return error;
  }
};

/** @throws TendrilError `DATA_ON_NETWORK_FS`. */
export const requireFitFileSystem = (path: string, fileSystemType: (path: string) => number): void => {
  const unfit = process.platform === 'linux' ? unfitFileSystem(fileSystemType(path)) : undefined;
  if (unfit === undefined) return;
  throw new TendrilError('DATA_ON_NETWORK_FS', `${path} lies on ${unfit}, where a memory-mapped database is not safe`, {
    remedy: 'name a directory on a local disk (ext4, xfs, btrfs, zfs, tmpfs, a container volume) with --data',
  });
};

/** Makes the files with mode 0600 before LMDB, which would make them readable for all, and corrects older ones. */
export const preparePrivateFiles = (paths: readonly string[]): void => {
  for (const path of paths) {
    try {
      if (!existsSync(path)) closeSync(openSync(path, 'a', 0o600));
      if ((statSync(path).mode & 0o777) !== 0o600) chmodSync(path, 0o600);
    } catch (error) {
      throw storageError(error, path);
    }
  }
};
