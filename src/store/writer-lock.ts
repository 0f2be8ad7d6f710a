/**
 * Lock against two writers of one environment, across processes and containers. Node has no flock(2), so it is made of
 * symbolic links: creating one is atomic, carries the owner's name as its target, and works on a full disk.
 *
 * `writer-<n>.lock -> <pid>.<start>.<boot>.<pid namespace>@<host>`; the highest n is the lock, `released` is a free one.
 *
 * Invariants
 * L1 Whoever made the highest generation, and saw no higher one afterwards, holds the lock.
 * L2 A generation is removed only while a higher one exists, so numbers never go back, and a slow competitor that decided on
 *    an old generation meets EEXIST or sees the higher one.
 * L3 A holder on the same boot and pid namespace is judged by its process (pid and start time: a reused pid is not it);
 *    one that rebooted since is dead; any other one by its sign of life, the link's mtime, written every 2 s.
 * L4 A holder asks `held` before each commit: one that was paused for long and lost the lock meanwhile writes nothing.
 */
import {
  lstatSync,
  lutimesSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  symlinkSync,
  unlinkSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { TendrilError } from '../model/basics.ts';
import { storageError } from './data-dir.ts';

/** Who holds a lock. `start`, `boot` and `namespace` are empty where the system does not tell. */
export interface LockOwner {
  readonly pid: number;
  /** Start time of the process in clock ticks since boot. */
  readonly start: string;
  readonly boot: string;
  readonly namespace: string;
  readonly host: string;
}

export interface WriterLock {
  /** False when somebody else has taken the lock over (L4). */
  held(): boolean;
  release(): void;
}

const LOCK_NAME = /^writer-([0-9]+)\.lock$/;
const FREE = 'released';
const SIGN_OF_LIFE_MS = 2_000;
/** A holder that cannot be judged by its process is dead after this long without a sign of life. */
const SILENT_MS = 15_000;

const read = (path: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
};

/** Field 22 of /proc/PID/stat; empty when there is no such process, only its remains (a zombie), or no /proc. */
const startOf = (pid: number): string => {
  const stat = read(`/proc/${pid}/stat`);
  const [state = '', ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return state === 'Z' || state === 'X' ? '' : (fields[18] ?? '');
};

const namespaceOf = (): string => {
  try {
    return readlinkSync('/proc/self/ns/pid').replace(/\D/g, '');
  } catch {
    return '';
  }
};

/** This process. */
export const currentOwner = (): LockOwner => ({
  pid: process.pid,
  start: startOf(process.pid),
  boot: read('/proc/sys/kernel/random/boot_id').slice(0, 8),
  namespace: namespaceOf(),
  host: hostname(),
});

const format = (owner: LockOwner): string =>
  `${owner.pid}.${owner.start}.${owner.boot}.${owner.namespace}@${owner.host}`;

const parse = (text: string): LockOwner | undefined => {
  const match = /^([0-9]+)\.([^.@]*)\.([^.@]*)\.([^.@]*)@(.*)$/.exec(text);
  if (match === null) return undefined;
  const [, pid = '', start = '', boot = '', namespace = '', host = ''] = match;
  return { pid: Number(pid), start, boot, namespace, host };
};

const processExists = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
};

/** L3. `silentMs`: age of the holder's last sign of life. */
const isAlive = (holder: LockOwner, self: LockOwner, silentMs: number): boolean => {
  if (holder.boot === self.boot && holder.namespace === self.namespace) {
    return holder.start === '' ? processExists(holder.pid) : startOf(holder.pid) === holder.start;
  }
  if (holder.host === self.host && holder.boot !== self.boot) return false;
  return silentMs < SILENT_MS;
};

const locked = (dir: string, holder: LockOwner, self: LockOwner, lockPath: string): TendrilError => {
  const near = holder.boot === self.boot && holder.namespace === self.namespace;
  const who = holder.pid === self.pid && near ? 'this process' : `process ${holder.pid} on ${holder.host}`;
  return new TendrilError('LOG_LOCKED', `${dir} is in use by ${who}`, {
    remedy: near
      ? `stop process ${holder.pid} (kill ${holder.pid}), or name another directory with --data`
      : `stop it there; when it is gone for good, the lock is free ${SILENT_MS / 1000} s after its last sign of life, or at once when you remove ${lockPath}`,
  });
};

/** Highest generation in `dir`; 0 when there is none. */
const highest = (dir: string): number =>
  readdirSync(dir).reduce((most, name) => Math.max(most, Number(LOCK_NAME.exec(name)?.[1] ?? 0)), 0);

const pathOf = (dir: string, generation: number): string => join(dir, `writer-${generation}.lock`);

/** The holder of a generation: undefined when it is free or gone. */
const holderOf = (path: string): { readonly owner: LockOwner; readonly mtimeMs: number } | undefined => {
  try {
    const { mtimeMs } = lstatSync(path);
    const owner = parse(readlinkSync(path));
    return owner === undefined ? undefined : { owner, mtimeMs };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
};

const tryLink = (target: string, path: string): boolean => {
  try {
    symlinkSync(target, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
};

/** A competitor may have been faster. */
const removeLink = (path: string): void => {
  try {
    unlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
};

const removeBelow = (dir: string, generation: number): void => {
  for (const name of readdirSync(dir)) {
    const old = /^writer-([0-9]+)\.lock(\.free)?$/.exec(name)?.[1];
    if (old !== undefined && Number(old) < generation) removeLink(join(dir, name));
  }
};

class HeldLock implements WriterLock {
  readonly #path: string;
  readonly #text: string;
  readonly #timer: NodeJS.Timeout;

  constructor(path: string, text: string, now: () => number) {
    this.#path = path;
    this.#text = text;
    this.#timer = setInterval(() => {
      const seconds = now() / 1000;
      if (this.held()) lutimesSync(path, seconds, seconds);
    }, SIGN_OF_LIFE_MS);
    this.#timer.unref();
  }

  held(): boolean {
    try {
      return readlinkSync(this.#path) === this.#text;
    } catch {
      return false;
    }
  }

  release(): void {
    clearInterval(this.#timer);
    if (!this.held()) return;
    const free = `${this.#path}.free`;
    if (tryLink(FREE, free)) renameSync(free, this.#path);
  }
}

/**
 * Takes the lock of `dir`.
 * @param now wall clock in ms, compared with the sign of life of holders on other hosts
 * @throws TendrilError `LOG_LOCKED` with the holder's pid and what to do; `DATA_NOT_WRITABLE`, `DISK_FULL`.
 */
export const acquireWriterLock = (
  dir: string,
  now: () => number = Date.now,
  self: LockOwner = currentOwner(),
): WriterLock => {
  try {
    for (;;) {
      const latest = highest(dir);
      const holder = holderOf(pathOf(dir, latest));
      if (holder !== undefined && isAlive(holder.owner, self, now() - holder.mtimeMs)) {
        throw locked(dir, holder.owner, self, pathOf(dir, latest));
      }
      const path = pathOf(dir, latest + 1);
      if (!tryLink(format(self), path)) continue;
      if (highest(dir) > latest + 1) {
        removeLink(path);
        continue;
      }
      removeBelow(dir, latest + 1);
      return new HeldLock(path, format(self), now);
    }
  } catch (error) {
    throw storageError(error, dir);
  }
};
