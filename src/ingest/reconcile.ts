/**
 * What a source sees now, against what it said before, gives the events that make up the difference. Pure.
 *
 * Invariants:
 * 1. Equal content gives no event, whatever order or line it stands in.
 * 2. Only what this source itself said is deleted.
 * 3. What a source cannot read now it must give as observed, unchanged: then it is neither changed nor deleted.
 */
import { canonicalJson, compareText, documentKey } from '../model/index.ts';
import type { StoredDocument } from './ports.ts';

/** A checked document and where its source has it. */
export interface ObservedDocument {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly document: Readonly<Record<string, unknown>>;
  /** Path below the watched directory, with `/`. */
  readonly file?: string;
  /** 1-based line of its first key. */
  readonly line?: number;
  /** Where a field stands, for findings of the fold. */
  readonly locate?: (pointer: string) => { readonly line: number; readonly column: number };
}

/** What the source said before: `StoredDocument`s of its facet. */
export type KnownDocument = Pick<StoredDocument, 'kind' | 'namespace' | 'name' | 'document' | 'file'>;

export interface DocumentEvent {
  readonly type: 'policy.applied' | 'policy.patched' | 'policy.deleted';
  readonly data: Readonly<Record<string, unknown>>;
  /** `Kind/namespace/name`. */
  readonly document: string;
}

/** Order of writing: what is referred to first. Inside one batch order is free; a large set needs several batches. */
const ORDER: readonly string[] = ['Service', 'Upstream'];
const rank = (kind: string): number => (ORDER.includes(kind) ? ORDER.indexOf(kind) : ORDER.length);

const keyOf = (entry: Pick<KnownDocument, 'kind' | 'namespace' | 'name'>): string =>
  documentKey(entry.kind, entry.namespace, entry.name);

export const appliedEvent = (entry: ObservedDocument): DocumentEvent => ({
  type: 'policy.applied',
  data: {
    document: entry.document,
    ...(entry.file === undefined ? {} : { file: entry.file }),
    ...(entry.line === undefined ? {} : { line: entry.line }),
  },
  document: keyOf(entry),
});

export const deletedEvent = (entry: Pick<KnownDocument, 'kind' | 'namespace' | 'name'>): DocumentEvent => ({
  type: 'policy.deleted',
  data: { kind: entry.kind, namespace: entry.namespace, name: entry.name },
  document: keyOf(entry),
});

/**
 * Events that turn what the source said into what it sees: applied ones first (services and upstreams before what refers to
 * them), then deletions in the opposite order.
 */
export const reconcile = (
  observed: Iterable<ObservedDocument>,
  known: Iterable<KnownDocument>,
): readonly DocumentEvent[] => {
  const before = new Map([...known].map((entry) => [keyOf(entry), entry]));
  const seen = new Set<string>();
  const applied: ObservedDocument[] = [];
  for (const entry of observed) {
    const key = keyOf(entry);
    seen.add(key);
    const old = before.get(key);
    const same =
      old !== undefined && old.file === entry.file && canonicalJson(old.document) === canonicalJson(entry.document);
    if (!same) applied.push(entry);
  }
  const gone = [...before.values()].filter((entry) => !seen.has(keyOf(entry)));
  const byRank = (a: KnownDocument, b: KnownDocument): number =>
    rank(a.kind) - rank(b.kind) || compareText(keyOf(a), keyOf(b));
  return [...applied.sort(byRank).map(appliedEvent), ...gone.sort((a, b) => byRank(b, a)).map(deletedEvent)];
};
