/**
 * Refuses writes before the disk is full. lmdb 3.5.6 corrupts the heap of its process when a commit meets ENOSPC
 * (reference/reliability.md, finding 1), so it must never see one.
 *
 * Invariants
 * D1 A write is admitted only while, after it, `reserve = max(reserveBytes, 4 × largest batch so far)` bytes stay free.
 * D2 Once full, writes are admitted again when a tenth of the reserve is free above it: no flapping, no restart.
 * D3 Free space is asked anew for every write (2 µs): no write is admitted on an old figure.
 */
import { existsSync, statfsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { TendrilError } from '../model/basics.ts';

export type DiskState = 'ok' | 'full';

export interface DiskCondition {
  readonly state: DiskState;
  /** Bytes that a user without privileges may still write; NaN before the first look or when the disk cannot be asked. */
  readonly freeBytes: number;
  /** Bytes that must stay free. */
  readonly reserveBytes: number;
}

/** The decision (D1, D2). `wanted`: bytes about to be written. */
export const decideDisk = (previous: DiskState, freeBytes: number, reserveBytes: number, wanted: number): DiskState => {
  const needed = reserveBytes + wanted;
  return freeBytes >= (previous === 'full' ? needed + reserveBytes / 10 : needed) ? 'ok' : 'full';
};

export interface DiskGuardOptions {
  /** A directory on the disk that is watched. */
  readonly path: string;
  /** Least reserve in bytes (default 256 MiB). */
  readonly reserveBytes?: number;
  /** Free bytes at `path` for a user without privileges (default: statfs). */
  readonly freeBytes?: (path: string) => number;
  /** How often the disk is looked at while nobody writes, in ms (default 1,000); this is how a full disk is found free again. */
  readonly pollMs?: number;
  /** Called when the state changes. */
  readonly onChange?: (condition: DiskCondition) => void;
}

export interface DiskGuard {
  /** @throws TendrilError `DISK_FULL` when `bytes` may not be written now. */
  admit(bytes: number): void;
  condition(): DiskCondition;
  /** Writes refused so far. */
  readonly refused: number;
  /** Looks at the disk now. */
  poll(): void;
  /** Ends the polling. */
  close(): void;
}

/** Of the nearest directory above that exists: the data directory may not have been made yet. */
const freeBytesOf = (path: string): number => {
  let at = resolve(path);
  while (!existsSync(at) && dirname(at) !== at) at = dirname(at);
  const { bavail, bsize } = statfsSync(at);
  return bavail * bsize;
};

const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

class PollingDiskGuard implements DiskGuard {
  refused = 0;
  readonly #options: DiskGuardOptions;
  readonly #timer: NodeJS.Timeout;
  #state: DiskState = 'ok';
  #free = Number.NaN;
  #largest = 0;

  constructor(options: DiskGuardOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.poll(), options.pollMs ?? 1000);
    this.#timer.unref();
    this.poll();
  }

  admit(bytes: number): void {
    if (this.#look(bytes) === 'ok') {
      if (bytes > this.#largest) this.#largest = bytes;
      return;
    }
    this.refused++;
    const { path } = this.#options;
    throw new TendrilError(
      'DISK_FULL',
      `no room on the disk of ${path}: ${mebibytes(this.#free)} free, ${mebibytes(this.#reserve())} must stay free; the write was refused`,
      { remedy: `free space on the disk of ${path}; writing goes on by itself as soon as there is room` },
    );
  }

  condition(): DiskCondition {
    return { state: this.#state, freeBytes: this.#free, reserveBytes: this.#reserve() };
  }

  poll(): void {
    this.#look(0);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #reserve(): number {
    return Math.max(this.#options.reserveBytes ?? 256 * 2 ** 20, 4 * this.#largest);
  }

  /** A disk that cannot be asked counts as full: a write there would fail too. */
  #look(wanted: number): DiskState {
    try {
      this.#free = (this.#options.freeBytes ?? freeBytesOf)(this.#options.path);
    } catch {
      this.#free = Number.NaN;
    }
    const before = this.#state;
    this.#state = decideDisk(before, this.#free, this.#reserve(), wanted);
    if (this.#state !== before) this.#options.onChange?.(this.condition());
    return this.#state;
  }
}

export const createDiskGuard = (options: DiskGuardOptions): DiskGuard => new PollingDiskGuard(options);
