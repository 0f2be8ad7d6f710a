/**
 * The audit (`data/audit`): every write and every refused write, hash-chained, in segments of NDJSON. Plain files and not LMDB: a full
 * or failing disk costs entries here, and never the memory of the process.
 *
 * Invariants
 * A1 `record` never waits and never throws: no write is delayed or refused because of its audit.
 * A2 Entries are numbered and chained in the order in which they are written; the number and chain move only when the bytes are
 *    in the file. `head.json` is written behind the disk's flush, so what it says is there is missing only if somebody removed it.
 * A3 At most `maxWaiting` entries wait for the disk; beyond that new ones are dropped, counted, and the count is an entry of its own.
 * A4 What is pruned is whole segments from the oldest on; the chain goes on over it from `base`.
 *
 * A crash loses the entries of the last moments: written to the file every 250 ms, flushed to the disk every second. Of accepted
 * writes the event log has these events anyway.
 */
import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { TendrilError } from '../model/index.ts';
import { type DiskGuard, prepareDirectory, type StoreLogger } from '../store/index.ts';
import { startPoint } from './chain.ts';
import { type AuditBody, type AuditedWrite, bounded, type LogAnchor } from './entry.ts';
import { type AuditPage, type AuditQuery, readPage } from './reader.ts';
import { RefusedBudget } from './refused-budget.ts';
import { SegmentWriter, type WaitingEntry } from './segment-writer.ts';
import { AUDIT_NAME, listSegments, readHead } from './segments.ts';
import { findTail } from './tail.ts';

export interface AuditOptions {
  /** Data directory; the audit lies in its folder `audit`. */
  readonly dir: string;
  readonly mesh: string;
  /** Of the software, for the entry of the start. */
  readonly version: string;
  readonly clock: { now(): number };
  readonly logger?: StoreLogger;
  /** Asked before each write to the file. */
  readonly guard?: DiskGuard;
  /** Entries older than this may be removed, ms (default 90 days). */
  readonly keepMs?: number;
  /** Bytes of all segments; above it the oldest go (default 4 GiB). */
  readonly maxBytes?: number;
  /** Bytes of one segment (default 16 MiB). */
  readonly segmentBytes?: number;
  /** Entries that may wait for the disk (default 20,000). */
  readonly maxWaiting?: number;
  /** Refused writes kept one by one, per remote address and code, a second (default 100). */
  readonly refusedPerSecond?: number;
  /** Chain value of the event log at its newest projected offset. */
  readonly anchor?: () => LogAnchor | undefined;
}

export interface AuditCondition {
  readonly state: 'ok' | 'degraded';
  readonly code?: string;
  readonly message?: string;
  readonly remedy?: string;
}

const DAY_MS = 86_400_000;
const FLUSH_MS = 250;
const SYNC_MS = 1_000;
const PRUNE_MS = 3_600_000;
const FLUSH_AT = 2_000;
const SEGMENT_BYTES = 16 * 1024 * 1024;
const MAX_BYTES = 4 * 1024 ** 3;
const MAX_WAITING = 20_000;

const withoutPort = (from: string): string => from.replace(/:[0-9]+$/, '');

export class AuditLog {
  /** Entries written, refused writes that were only counted, entries dropped, writes to the file that failed, entries pruned. */
  readonly counters = { written: 0, counted: 0, dropped: 0, failed: 0, pruned: 0 };
  readonly #options: AuditOptions;
  readonly #dir: string;
  readonly #writer: SegmentWriter;
  readonly #budget: RefusedBudget;
  readonly #timers: readonly NodeJS.Timeout[];
  readonly #damage: string | undefined;
  #waiting: WaitingEntry[] = [];
  /** Since the last entry about it. */
  #dropped = 0;
  /** Offset of the last anchor. */
  #anchored = 0;
  #syncedAt = 0;
  #failure: Error | undefined;
  #running: Promise<void> = Promise.resolve();
  #isFlushing = false;
  #closed = false;

  private constructor(options: AuditOptions, dir: string, writer: SegmentWriter, damage: string | undefined) {
    this.#options = options;
    this.#dir = dir;
    this.#writer = writer;
    this.#damage = damage;
    this.#budget = new RefusedBudget(options.refusedPerSecond);
    this.#timers = [
      setInterval(() => void this.#flushInTime(), FLUSH_MS).unref(),
      setInterval(() => void this.#inTurn(() => this.#prune()), PRUNE_MS).unref(),
    ];
  }

  /** @throws TendrilError `DATA_NOT_WRITABLE`, `DATA_ON_NETWORK_FS`, `DISK_FULL`. A damaged audit is not refused: it is told by `condition`. */
  static async open(options: AuditOptions): Promise<AuditLog> {
    const { logger, mesh, guard, version, segmentBytes = SEGMENT_BYTES } = options;
    const dir = join(options.dir, AUDIT_NAME);
    prepareDirectory(dir);
    const head = readHead(dir);
    const segments = listSegments(dir);
    const { point, segment, cut, missing, damage } = await findTail(segments, head);
    const last = segments.at(-1);
    // A segment without an entry that proves itself would be written over.
    const isReplaced = damage !== undefined && last?.first === point.seq + 1;
    if (isReplaced) renameSync(last.path, `${last.path}.damaged`);
    const before = isReplaced ? segments.slice(0, -1) : segments;
    const writer = await SegmentWriter.open(
      { dir, mesh, segmentBytes, ...(guard === undefined ? {} : { guard }) },
      {
        segments: segment === undefined ? before : [...segments.slice(0, -1), segment],
        base: head?.base ?? startPoint,
        point,
        goesOn: segment !== undefined,
      },
    );
    const what = damage ?? (missing === undefined ? undefined : `entries ${missing[0]} to ${missing[1]} are missing`);
    if (what !== undefined)
      logger?.error({ audit: dir, damage: what }, 'the audit is damaged; it goes on behind the damage');
    const audit = new AuditLog(options, dir, writer, what);
    audit.#note({
      kind: 'opened',
      version,
      ...(cut === 0 ? {} : { cut }),
      ...(missing === undefined ? {} : { missing }),
    });
    await audit.flush();
    await audit.#inTurn(() => audit.#prune());
    return audit;
  }

  /** Bytes of all segments. */
  get bytes(): number {
    return this.#writer.bytes;
  }

  /** Entries that wait for the disk. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** A1. The time of the entry is now. */
  record(write: AuditedWrite): void {
    if (this.#closed) return;
    const { from, code = '', result, offsets } = write;
    // What is in the event log is never only counted.
    if (result === 'refused' && offsets === undefined) {
      this.#countSurplus(false);
      if (!this.#budget.take(withoutPort(from), code)) {
        this.counters.counted++;
        return;
      }
    }
    this.#note({ kind: 'write', ...bounded(write) });
    if (this.#waiting.length >= FLUSH_AT) void this.#flushInTime();
  }

  condition(): AuditCondition {
    const path = this.#dir;
    if (this.#failure !== undefined)
      return {
        state: 'degraded',
        code: 'AUDIT_NOT_WRITTEN',
        message: `${this.#waiting.length} entries of the audit wait, ${this.counters.dropped} were dropped: ${this.#failure.message}`,
        remedy: `look at the disk of ${path}; writing goes on by itself`,
      };
    if (this.#damage === undefined) return { state: 'ok' };
    return {
      state: 'degraded',
      code: 'AUDIT_CORRUPT',
      message: this.#damage,
      remedy: `\`tendril verify --data DIR\` names every entry; keep a copy of ${path} as evidence, then restore it or move it away`,
    };
  }

  /** Entries, oldest first; also those recorded just now. */
  async page(query: AuditQuery): Promise<AuditPage> {
    await this.flush();
    return readPage(this.#writer.segments, this.#writer.seq, query);
  }

  /** Writes what waits. Never rejects. */
  flush(): Promise<void> {
    return this.#inTurn(() => this.#flush());
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    for (const timer of this.#timers) clearInterval(timer);
    this.#countSurplus(true);
    this.#closed = true;
    await this.flush();
    await this.#inTurn(() => this.#writer.close());
  }

  /** A3 */
  #note(body: AuditBody): void {
    if (this.#waiting.length >= (this.#options.maxWaiting ?? MAX_WAITING)) {
      this.#dropped++;
      this.counters.dropped++;
      return;
    }
    this.#waiting.push({ at: this.#options.clock.now(), body });
  }

  #countSurplus(end: boolean): void {
    for (const surplus of this.#budget.surplus(this.#options.clock.now(), end))
      this.#note({ kind: 'more', ...surplus });
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    this.#running = this.#running.then(work).catch((error: unknown) => this.#failed(error));
    return this.#running;
  }

  async #flushInTime(): Promise<void> {
    this.#countSurplus(false);
    if (this.#isFlushing || (this.#waiting.length === 0 && !this.#writer.isUnsynced && this.#dropped === 0)) return;
    this.#isFlushing = true;
    await this.#inTurn(async () => {
      await this.#flush();
      if (performance.now() - this.#syncedAt < SYNC_MS) return;
      this.#syncedAt = performance.now();
      await this.#writer.sync();
      this.#recovered();
    });
    this.#isFlushing = false;
  }

  async #flush(): Promise<void> {
    while (this.#waiting.length > 0 || this.#dropped > 0) {
      const count = this.#dropped;
      this.#dropped = 0;
      if (count > 0) this.#waiting.push({ at: this.#options.clock.now(), body: { kind: 'dropped', count } });
      const found = this.#options.anchor?.();
      const anchor = found !== undefined && found.offset > this.#anchored ? found : undefined;
      const all = this.#waiting.length;
      const written = await this.#writer.write(this.#waiting, anchor);
      if (written === all && anchor !== undefined) this.#anchored = anchor.offset;
      this.#waiting = this.#waiting.slice(written);
      this.counters.written += written;
      this.#recovered();
    }
  }

  /** A4 */
  async #prune(): Promise<void> {
    const { clock, keepMs = 90 * DAY_MS, maxBytes = MAX_BYTES, logger } = this.#options;
    const entries = await this.#writer.prune({ before: clock.now() - keepMs, maxBytes }, async ({ seq, chain }) => {
      this.#note({ kind: 'pruned', through: seq, chain });
      await this.#flush();
    });
    this.counters.pruned += entries;
    if (entries > 0) logger?.info({ audit: this.#dir, entries }, 'old entries of the audit are removed');
  }

  async #failed(error: unknown): Promise<void> {
    this.counters.failed++;
    const known = error instanceof Error ? error : new Error(String(error));
    if (this.#failure === undefined)
      this.#options.logger?.error({ audit: this.#dir, err: known }, 'the audit cannot be written; it is tried again');
    this.#failure = known;
    // A disk that the guard calls full is tried again as it is.
    if (!(error instanceof TendrilError)) await this.#writer.reopen();
  }

  #recovered(): void {
    if (this.#failure === undefined) return;
    this.#failure = undefined;
    this.#options.logger?.info({ audit: this.#dir }, 'the audit is written again');
  }
}
