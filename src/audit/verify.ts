/**
 * Offline proof of the audit: every line proves itself with the chain before it, numbers have no gap, segments join, nothing is missing
 * between `base` and `head`. What was changed, removed or put into another order is named by its number.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type ChainPoint, proveLine, startPoint } from './chain.ts';
import type { AuditEntry } from './entry.ts';
import {
  AUDIT_NAME,
  isGone,
  listSegments,
  parseHeader,
  parseObject,
  readHead,
  type Segment,
  segmentLines,
} from './segments.ts';

export interface AuditProblem {
  /** Number of the entry. */
  readonly seq: number;
  readonly message: string;
}

export interface AuditProof {
  /** Entries read. */
  readonly entries: number;
  readonly first: number;
  readonly last: number;
  /** Chain behind the last entry, hexadecimal. */
  readonly chain: string;
  readonly problems: readonly AuditProblem[];
  readonly problemCount: number;
}

export interface VerifyAuditOptions {
  /** Data directory. */
  readonly dir: string;
  readonly mesh?: string;
  /** Told of every entry that can be read, also of damaged ones. */
  readonly onEntry?: (entry: AuditEntry) => void;
  /** Called after every piece that was read, with its bytes; the next one waits for it. */
  readonly onPiece?: (bytes: number) => Promise<void>;
  /** Problems named (default 100); all are counted. */
  readonly maxProblems?: number;
}

class Prover {
  readonly problems: AuditProblem[] = [];
  count = 0;
  entries = 0;
  /** Undefined chain: what is there cannot be joined to what was before. */
  point: { seq: number; chain: string | undefined };
  readonly #options: VerifyAuditOptions;
  readonly #head: ChainPoint | undefined;

  constructor(options: VerifyAuditOptions, base: ChainPoint, head: ChainPoint | undefined) {
    this.#options = options;
    this.#head = head;
    this.point = { ...base };
  }

  problem(seq: number, message: string): void {
    this.count++;
    if (this.problems.length < (this.#options.maxProblems ?? 100)) this.problems.push({ seq, message });
  }

  /** The first line of a segment. */
  begin(segment: Segment, line: string): void {
    const header = parseHeader(line);
    const { seq, chain } = this.point;
    if (segment.first > seq + 1) this.#missing(seq + 1, segment.first - 1);
    if (segment.first <= seq) this.problem(segment.first, `${segment.path} begins with entry ${segment.first} again`);
    if (header === undefined) this.problem(segment.first, `the first line of ${segment.path} is no header`);
    else if (this.#options.mesh !== undefined && header.mesh !== this.#options.mesh)
      this.problem(segment.first, `${segment.path} is of mesh "${header.mesh}"`);
    else if (segment.first === seq + 1 && chain !== undefined && header.previous !== chain)
      this.problem(segment.first, `${segment.path} does not go on where the entry before it ends`);
    this.point = { seq: segment.first - 1, chain: header?.previous };
  }

  take(line: string): void {
    const value = parseObject(line);
    const entry = typeof value?.seq === 'number' ? (value as unknown as AuditEntry) : undefined;
    const expected = this.point.seq + 1;
    const chain = this.point.chain === undefined ? undefined : proveLine(this.point.chain, line);
    this.entries++;
    if (entry !== undefined) this.#options.onEntry?.(entry);
    if (chain !== undefined && entry?.seq === expected) {
      this.point = { seq: expected, chain };
      if (this.#head?.seq === expected && this.#head.chain !== chain)
        this.problem(expected, 'the chain up to this entry is another one than head.json has');
      return;
    }
    if (entry === undefined) this.problem(expected, 'the entry cannot be read');
    else if (entry.seq > expected) this.#missing(expected, entry.seq - 1);
    else if (entry.seq < expected) this.problem(entry.seq, `the entry stands behind entry ${expected - 1}`);
    else this.problem(expected, 'the entry was changed: it does not fit the chain');
    // Its own word for the next one: one change is one problem.
    const own = typeof value?.chain === 'string' ? value.chain : undefined;
    this.point = { seq: Math.max(expected, entry?.seq ?? expected), chain: own };
    if (entry !== undefined && entry.seq < expected) this.point.seq = expected - 1;
  }

  end(): void {
    const sure = this.#head?.seq ?? 0;
    if (sure > this.point.seq) this.#missing(this.point.seq + 1, sure);
  }

  #missing(first: number, last: number): void {
    const what = first === last ? `entry ${first} is missing` : `entries ${first} to ${last} are missing`;
    this.problem(first, what);
  }
}

const readSegment = async (prover: Prover, segment: Segment, { onPiece }: VerifyAuditOptions): Promise<void> => {
  let isFirst = true;
  let read = 0;
  for await (const { lines, end } of segmentLines(segment.path, segment.bytes)) {
    for (const line of lines) {
      if (isFirst) prover.begin(segment, line);
      else prover.take(line);
      isFirst = false;
    }
    await onPiece?.(end - read);
    read = end;
  }
};

/** Undefined: there is no audit. */
export const verifyAudit = async (options: VerifyAuditOptions): Promise<AuditProof | undefined> => {
  const dir = join(options.dir, AUDIT_NAME);
  if (!existsSync(dir)) return undefined;
  const head = readHead(dir);
  const segments = listSegments(dir);
  // Read again: what was pruned since is not listed.
  const base = readHead(dir)?.base ?? startPoint;
  if (segments.length === 0 && head === undefined) return undefined;
  const prover = new Prover(options, base, head?.head);
  // Pruned, and not yet removed when the process died.
  const live = segments.filter((_, index) => (segments[index + 1]?.first ?? Number.POSITIVE_INFINITY) > base.seq + 1);
  for (const segment of live) {
    try {
      await readSegment(prover, segment, options);
    } catch (error) {
      if (!isGone(error)) throw error;
      // Pruned meanwhile; whoever removes it says so in `base` first.
      const { base: now = startPoint } = readHead(dir) ?? {};
      if (now.seq > prover.point.seq) prover.point = { ...now };
    }
  }
  prover.end();
  return {
    entries: prover.entries,
    first: live[0]?.first ?? base.seq + 1,
    last: prover.point.seq,
    chain: prover.point.chain ?? '',
    problems: prover.problems,
    problemCount: prover.count,
  };
};
