/** The audit against the event log: every offset that an entry names exists there, with that source; the log's chain is the one it saw. */
import { type AuditEntry, type AuditProblem, type AuditProof, MAX_RANGES, verifyAudit } from '../audit/index.ts';
import { chainStart, nextChain, openEventLog } from '../log/index.ts';

export interface AuditReport extends AuditProof {
  readonly notes: readonly string[];
}

interface Options {
  /** Data directory. */
  readonly dir: string;
  readonly mesh: string;
  /** False: the log cannot be read through, so the audit is proved by itself only. */
  readonly isLogSound: boolean;
}

interface Claim {
  readonly seq: number;
  readonly first: number;
  readonly last: number;
  readonly sources: ReadonlySet<string>;
}

/** Sources that an entry may have written as; undefined: it names too many to tell. */
const sourcesOf = (entry: AuditEntry & { readonly kind: 'write' }): ReadonlySet<string> | undefined => {
  const sources = entry.sources ?? [entry.who];
  return sources.some((source) => source.startsWith('… ')) ? undefined : new Set(sources);
};

class Claims {
  readonly #claims: Claim[] = [];
  readonly #anchors = new Map<number, { readonly seq: number; readonly chain: string }>();
  /** Entries that name offsets without end. */
  cutShort = 0;

  take = (entry: AuditEntry): void => {
    if (entry.log !== undefined) this.#anchors.set(entry.log.offset, { seq: entry.seq, chain: entry.log.chain });
    if (entry.kind !== 'write' || entry.offsets === undefined) return;
    if (entry.offsets.length >= MAX_RANGES) this.cutShort++;
    const sources = sourcesOf(entry) ?? new Set();
    for (const [first, last] of entry.offsets) this.#claims.push({ seq: entry.seq, first, last, sources });
  };

  sorted(): readonly Claim[] {
    return this.#claims.sort((a, b) => a.first - b.first);
  }

  anchorAt(offset: number): { readonly seq: number; readonly chain: string } | undefined {
    return this.#anchors.get(offset);
  }

  get size(): number {
    return this.#claims.length + this.#anchors.size;
  }
}

const compare = async ({ dir, mesh }: Options, claims: Claims, notes: string[]): Promise<readonly AuditProblem[]> => {
  const problems: AuditProblem[] = [];
  const log = await openEventLog({ kind: 'lmdb', dir, mesh, clock: { now: () => 0 }, readingOnly: true });
  try {
    const { first, offset: head } = log.head();
    const sorted = claims.sorted();
    for (const claim of sorted)
      if (claim.last > head)
        problems.push({ seq: claim.seq, message: `it names event ${claim.last}, but the log ends at ${head}` });
    const gone = sorted.filter(({ last }) => last < first).length;
    if (gone > 0) notes.push(`${gone} entries of the audit are of events before ${first}, which the log has no more`);
    let chain = first === 1 ? chainStart() : undefined;
    let at = 0;
    let without = 0;
    if (head === 0) return problems;
    for await (const records of log.read({ from: first, maxBatch: 1024 }))
      for (const { offset, event, bytes } of records) {
        chain = chain === undefined ? undefined : nextChain(chain, bytes);
        while ((sorted[at]?.last ?? Number.POSITIVE_INFINITY) < offset) at++;
        const claim = sorted[at];
        if (claim === undefined || claim.first > offset) without++;
        else if (event !== undefined)
          if (claim.sources.size > 0 && !claim.sources.has(event.source))
            problems.push({ seq: claim.seq, message: `event ${offset} is of ${event.source} in the log` });
        const anchor = claims.anchorAt(offset);
        if (anchor !== undefined && chain !== undefined && chain.toString('hex') !== anchor.chain)
          problems.push({ seq: anchor.seq, message: `it saw another chain of the log at offset ${offset}` });
      }
    // Tendril's own, those of Kafka's producers, and those of the last second before a crash: no problem, and not told apart.
    if (without > 0) notes.push(`${without} events of the log have no entry in the audit`);
    return problems;
  } finally {
    await log.close();
  }
};

/** Undefined: there is no audit. */
export const verifyAuditOf = async (options: Options): Promise<AuditReport | undefined> => {
  const claims = new Claims();
  const notes: string[] = [];
  const proof = await verifyAudit({ dir: options.dir, mesh: options.mesh, onEntry: claims.take });
  if (proof === undefined) return undefined;
  const isCompared = options.isLogSound && claims.size > 0;
  if (!options.isLogSound) notes.push('the audit is not compared with the log, which is damaged');
  const found = isCompared ? await compare(options, claims, notes) : [];
  return {
    ...proof,
    problems: [...proof.problems, ...found].slice(0, 100),
    problemCount: proof.problemCount + found.length,
    notes,
  };
};
