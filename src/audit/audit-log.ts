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
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { TendrilError } from '../model/index.ts';
import { type DiskGuard, prepareDirectory, type StoreLogger } from '../store/index.ts';
import { type ChainPoint, sealLine, startPoint } from './chain.ts';
import { type AuditBody, type AuditedWrite, bounded, type LogAnchor } from './entry.ts';
import { prune } from './prune.ts';
import { type AuditPage, type AuditQuery, readPage } from './reader.ts';
import { RefusedBudget } from './refused-budget.ts';
import {
  AUDIT_NAME,
  type AuditHead,
  headerLine,
  listSegments,
  readHead,
  type Segment,
  segmentPath,
  writeHead,
} from './segments.ts';
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

interface Waiting {
  readonly at: number;
  readonly body: AuditBody;
}

const DAY_MS = 86_400_000;
const FLUSH_MS = 250;
const SYNC_MS = 1_000;
const PRUNE_MS = 3_600_000;
const WRITE_BYTES = 1024 * 1024;
const FLUSH_AT = 2_000;

const withoutPort = (from: string): string => from.replace(/:[0-9]+$/, '');

export class AuditLog {
  /** Entries written, refused writes that were only counted, entries dropped, writes to the file that failed. */
  readonly counters = { written: 0, counted: 0, dropped: 0, failed: 0, pruned: 0 };
  readonly #options: AuditOptions;
  readonly #dir: string;
  readonly #budget: RefusedBudget;
  readonly #timers: readonly NodeJS.Timeout[];
  #segments: Segment[];
  #base: ChainPoint;
  #point: ChainPoint;
  #file: FileHandle | undefined;
  #waiting: Waiting[] = [];
  #dropped = 0;
  #anchored = 0;
  #unsynced = false;
  #syncedAt = 0;
  #failure: Error | undefined;
  #damage: string | undefined;
  #running: Promise<void> = Promise.resolve();
  #isFlushing = false;
  #closed = false;

  private constructor(options: AuditOptions, dir: string, segments: readonly Segment[], head: AuditHead) {
    this.#options = options;
    this.#dir = dir;
    this.#budget = new RefusedBudget(options.refusedPerSecond);
    this.#segments = [...segments];
    this.#base = head.base;
    this.#point = head.head;
    this.#timers = [
      setInterval(() => void this.#flushInTime(), FLUSH_MS).unref(),
      setInterval(() => void this.#inTurn(() => this.#prune()), PRUNE_MS).unref(),
    ];
  }

  /** @throws TendrilError `DATA_NOT_WRITABLE`, `DATA_ON_NETWORK_FS`, `DISK_FULL`. A damaged audit is not refused: it is told by `condition`. */
  static async open(options: AuditOptions): Promise<AuditLog> {
    const dir = join(options.dir, AUDIT_NAME);
    prepareDirectory(dir);
    const head = readHead(dir);
    const segments = listSegments(dir);
    const tail = await findTail(segments, head);
    const last = segments.at(-1);
    // A segment without an entry that proves itself would be written over.
    const isReplaced = tail.damage !== undefined && last?.first === tail.point.seq + 1;
    if (isReplaced) renameSync(last.path, `${last.path}.damaged`);
    const before = isReplaced ? segments.slice(0, -1) : segments;
    const kept = tail.segment === undefined ? before : [...segments.slice(0, -1), tail.segment];
    const base = head?.base ?? startPoint;
    const audit = new AuditLog(options, dir, kept, { mesh: options.mesh, base, head: tail.point });
    if (tail.segment !== undefined) audit.#file = await open(tail.segment.path, 'r+');
    if (tail.damage !== undefined || tail.missing !== undefined) {
      audit.#damage = tail.damage ?? `entries ${tail.missing?.[0]} to ${tail.missing?.[1]} are missing`;
      options.logger?.error(
        { audit: dir, damage: audit.#damage },
        'the audit is damaged; it goes on behind the damage',
      );
    }
    audit.#note({
      kind: 'opened',
      version: options.version,
      ...(tail.cut === 0 ? {} : { cut: tail.cut }),
      ...(tail.missing === undefined ? {} : { missing: tail.missing }),
    });
    await audit.flush();
    await audit.#inTurn(() => audit.#prune());
    return audit;
  }

  /** Bytes of all segments. */
  get bytes(): number {
    return this.#segments.reduce((sum, segment) => sum + segment.bytes, 0);
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

  /** Entries, oldest first; also those recorded just now. @throws TendrilError `OFFSET_INVALID`. */
  async page(query: AuditQuery): Promise<AuditPage> {
    await this.flush();
    return readPage(this.#segments, this.#point.seq, query);
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
    await this.#inTurn(async () => {
      await this.#flush();
      await this.#sync();
      await this.#file?.close();
    });
  }

  /** A3 */
  #note(body: AuditBody): void {
    if (this.#waiting.length >= (this.#options.maxWaiting ?? 20_000)) {
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
    if (this.#isFlushing || (this.#waiting.length === 0 && !this.#unsynced && this.#dropped === 0)) return;
    this.#isFlushing = true;
    await this.#inTurn(async () => {
      await this.#flush();
      if (performance.now() - this.#syncedAt >= SYNC_MS) await this.#sync();
    });
    this.#isFlushing = false;
  }

  async #flush(): Promise<void> {
    while (this.#waiting.length > 0 || this.#dropped > 0) {
      const dropped = this.#dropped;
      if (dropped > 0) {
        this.#dropped = 0;
        this.#waiting.push({ at: this.#options.clock.now(), body: { kind: 'dropped', count: dropped } });
      }
      await this.#write();
    }
  }

  /** A2. Writes some of what waits. */
  async #write(): Promise<void> {
    const anchor = this.#options.anchor?.();
    const file = await this.#segmentFor(this.#waiting[0]?.at ?? 0);
    const segment = this.#segments.at(-1);
    if (segment === undefined) return;
    let { seq, chain } = this.#point;
    let text = '';
    let count = 0;
    for (const { at, body } of this.#waiting) {
      if (text.length >= WRITE_BYTES) break;
      const isLast = count === this.#waiting.length - 1;
      const log = isLast && anchor !== undefined && anchor.offset > this.#anchored ? { log: anchor } : {};
      const sealed = sealLine(
        chain,
        JSON.stringify({ seq: seq + 1, time: new Date(at).toISOString(), ...body, ...log }),
      );
      text += sealed.line;
      chain = sealed.chain;
      seq++;
      count++;
    }
    const bytes = Buffer.from(text);
    this.#options.guard?.admit(bytes.length);
    await writeAt(file, bytes, segment.bytes);
    if (count === this.#waiting.length && anchor !== undefined) this.#anchored = anchor.offset;
    this.#point = { seq, chain };
    this.#segments[this.#segments.length - 1] = { ...segment, bytes: segment.bytes + bytes.length };
    this.#waiting = this.#waiting.slice(count);
    this.#unsynced = true;
    this.counters.written += count;
    this.#recovered();
  }

  /** The open segment, or a new one when it is full or of another day (UTC). */
  async #segmentFor(at: number): Promise<FileHandle> {
    const current = this.#segments.at(-1);
    const isFull = current !== undefined && current.bytes >= (this.#options.segmentBytes ?? 16 * 1024 * 1024);
    const isOfToday = current !== undefined && Math.floor(current.since / DAY_MS) === Math.floor(at / DAY_MS);
    if (this.#file !== undefined && !isFull && isOfToday) return this.#file;
    const { seq, chain } = this.#point;
    const first = seq + 1;
    const path = segmentPath(this.#dir, first);
    const header = headerLine({
      mesh: this.#options.mesh,
      first,
      time: new Date(at).toISOString(),
      previous: chain,
    });
    this.#options.guard?.admit(header.length);
    await this.#sync();
    const file = await open(path, 'w', 0o600);
    await writeAt(file, Buffer.from(header), 0);
    await this.#file?.close();
    this.#file = file;
    if (current?.first === first) this.#segments.pop();
    this.#segments.push({ path, first, since: at, bytes: header.length });
    return file;
  }

  /** Flushes the file; the head follows (A2). */
  async #sync(): Promise<void> {
    if (!this.#unsynced) return;
    const head = this.#point;
    await this.#file?.datasync();
    await writeHead(this.#dir, { mesh: this.#options.mesh, base: this.#base, head });
    this.#unsynced = false;
    this.#syncedAt = performance.now();
    this.#recovered();
  }

  #recovered(): void {
    if (this.#failure === undefined) return;
    this.#failure = undefined;
    this.#options.logger?.info({ audit: this.#dir }, 'the audit is written again');
  }

  /** A4 */
  async #prune(): Promise<void> {
    const { clock, keepMs = 90 * DAY_MS, maxBytes = 4 * 1024 ** 3, mesh, logger } = this.#options;
    const pruned = await prune(this.#segments, { before: clock.now() - keepMs, maxBytes });
    if (pruned === undefined) return;
    this.#note({ kind: 'pruned', through: pruned.base.seq, chain: pruned.base.chain });
    await this.#flush();
    await this.#sync();
    this.#base = pruned.base;
    await writeHead(this.#dir, { mesh, base: pruned.base, head: this.#point });
    this.counters.pruned += pruned.entries;
    pruned.remove();
    this.#segments = this.#segments.slice(pruned.segments);
    logger?.info({ audit: this.#dir, through: pruned.base.seq }, 'old entries of the audit are removed');
  }

  async #failed(error: unknown): Promise<void> {
    this.counters.failed++;
    const known = error instanceof Error ? error : new Error(String(error));
    if (this.#failure === undefined)
      this.#options.logger?.error({ audit: this.#dir, err: known }, 'the audit cannot be written; it is tried again');
    this.#failure = known;
    // The next flush tries a full disk again; where even the file is gone, a new segment is begun.
    if (!(error instanceof TendrilError)) await this.#reopen();
  }

  /** Whatever half a write left behind the last whole line is written over. */
  async #reopen(): Promise<void> {
    const path = this.#segments.at(-1)?.path;
    const old = this.#file;
    this.#file = undefined;
    await old?.close().catch(() => undefined);
    if (path !== undefined) this.#file = await open(path, 'r+').catch(() => undefined);
  }
}

const writeAt = async (file: FileHandle, bytes: Buffer, position: number): Promise<void> => {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
};
