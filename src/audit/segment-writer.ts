/**
 * Writes chained entries to the newest segment, begins new ones, removes old ones (A2 and A4 of audit-log.ts).
 *
 * What was written is moved on only when the bytes are in the file: a write that fails half-way is written over by the next one.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { type DiskGuard, prepareDirectory } from '../store/index.ts';
import { type ChainPoint, sealLine } from './chain.ts';
import { type AuditBody, type LogAnchor, timed } from './entry.ts';
import { type PruneLimits, prune } from './prune.ts';
import { headerLine, type Segment, segmentPath, writeHead } from './segments.ts';

export interface SegmentWriterOptions {
  /** Directory of the segments. */
  readonly dir: string;
  readonly mesh: string;
  readonly guard?: DiskGuard;
  readonly segmentBytes: number;
}

export interface WaitingEntry {
  /** ms since the epoch. */
  readonly at: number;
  readonly body: AuditBody;
}

const DAY_MS = 86_400_000;
const WRITE_BYTES = 1024 * 1024;

const writeAt = async (file: FileHandle, bytes: Buffer, position: number): Promise<void> => {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
};

export class SegmentWriter {
  readonly #options: SegmentWriterOptions;
  #segments: Segment[];
  #base: ChainPoint;
  #point: ChainPoint;
  #file: FileHandle | undefined;
  #unsynced = false;

  private constructor(
    options: SegmentWriterOptions,
    segments: readonly Segment[],
    base: ChainPoint,
    point: ChainPoint,
  ) {
    this.#options = options;
    this.#segments = [...segments];
    this.#base = base;
    this.#point = point;
  }

  /** `goesOn`: with the last segment; else the first write begins a new one. */
  static async open(
    options: SegmentWriterOptions,
    found: {
      readonly segments: readonly Segment[];
      readonly base: ChainPoint;
      readonly point: ChainPoint;
      readonly goesOn: boolean;
    },
  ): Promise<SegmentWriter> {
    const writer = new SegmentWriter(options, found.segments, found.base, found.point);
    const last = found.segments.at(-1);
    if (found.goesOn && last !== undefined) writer.#file = await open(last.path, 'r+');
    return writer;
  }

  get segments(): readonly Segment[] {
    return this.#segments;
  }

  /** Number of the last entry. */
  get seq(): number {
    return this.#point.seq;
  }

  /** Bytes of all segments. */
  get bytes(): number {
    return this.#segments.reduce((sum, segment) => sum + segment.bytes, 0);
  }

  /** Something was written that the disk may not have. */
  get isUnsynced(): boolean {
    return this.#unsynced;
  }

  /** Writes the first of these entries, about 1 MiB of them; gives how many. `anchor` goes with the last one of all. */
  async write(waiting: readonly WaitingEntry[], anchor: LogAnchor | undefined): Promise<number> {
    const file = await this.#segmentFor(waiting[0]?.at ?? 0);
    const segment = this.#segments.at(-1);
    if (segment === undefined) return 0;
    let { seq, chain } = this.#point;
    let text = '';
    let count = 0;
    for (const { at, body } of waiting) {
      if (text.length >= WRITE_BYTES) break;
      const log = count === waiting.length - 1 ? anchor : undefined;
      const sealed = sealLine(chain, JSON.stringify(timed(body, seq + 1, at, log)));
      text += sealed.line;
      chain = sealed.chain;
      seq++;
      count++;
    }
    const bytes = Buffer.from(text);
    this.#options.guard?.admit(bytes.length);
    await writeAt(file, bytes, segment.bytes);
    this.#point = { seq, chain };
    this.#segments[this.#segments.length - 1] = { ...segment, bytes: segment.bytes + bytes.length };
    this.#unsynced = true;
    return count;
  }

  /** Flushes the file to the disk; the head follows. */
  async sync(): Promise<void> {
    if (!this.#unsynced) return;
    const point = this.#point;
    await this.#file?.datasync();
    await writeHead(this.#options.dir, { mesh: this.#options.mesh, base: this.#base, head: point });
    this.#unsynced = false;
  }

  /** Removes old segments; `tell` writes the entry about it before anything goes. Gives how many entries went. */
  async prune(limits: PruneLimits, tell: (base: ChainPoint) => Promise<void>): Promise<number> {
    const pruned = await prune(this.#segments, limits);
    if (pruned === undefined) return 0;
    await tell(pruned.base);
    await this.sync();
    this.#base = pruned.base;
    await writeHead(this.#options.dir, { mesh: this.#options.mesh, base: pruned.base, head: this.#point });
    pruned.remove();
    this.#segments = this.#segments.slice(pruned.segments);
    return pruned.entries;
  }

  /** Behind an error of the file: what half a write left behind the last whole line is written over. */
  async reopen(): Promise<void> {
    const path = this.#segments.at(-1)?.path;
    const old = this.#file;
    this.#file = undefined;
    await old?.close().catch(() => undefined);
    if (path !== undefined) this.#file = await open(path, 'r+').catch(() => undefined);
    // Where even that fails, a new segment is begun; of the old one nothing more can be brought to the disk.
    if (this.#file === undefined) this.#unsynced = false;
  }

  async close(): Promise<void> {
    await this.sync();
    await this.#file?.close();
  }

  /** The open segment, or a new one when it is full or of another day (UTC). */
  async #segmentFor(at: number): Promise<FileHandle> {
    const { dir, mesh, guard, segmentBytes } = this.#options;
    const current = this.#segments.at(-1);
    const isFull = current !== undefined && current.bytes >= segmentBytes;
    const isOfToday = current !== undefined && Math.floor(current.since / DAY_MS) === Math.floor(at / DAY_MS);
    if (this.#file !== undefined && !isFull && isOfToday) return this.#file;
    await this.sync();
    // Somebody may have removed it.
    prepareDirectory(dir);
    const { seq, chain } = this.#point;
    const first = seq + 1;
    const path = segmentPath(dir, first);
    const header = Buffer.from(headerLine({ mesh, first, time: new Date(at).toISOString(), previous: chain }));
    guard?.admit(header.length);
    const file = await open(path, 'w', 0o600);
    await writeAt(file, header, 0);
    await this.#file?.close();
    this.#file = file;
    // One without an entry is begun anew.
    if (current?.first === first) this.#segments.pop();
    this.#segments.push({ path, first, since: at, bytes: header.length });
    return file;
  }
}
