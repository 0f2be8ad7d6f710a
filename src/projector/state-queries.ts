/** What can be asked of the stored state besides the read model: outcomes, quarantine, proofs, history. As committed. */
import type { StateCounts } from './fold/index.ts';
import { findRows, type HistoryRow, hashOf, hashSubject, KIND_GONE, KIND_IMAGE } from './history-rows.ts';
import { proofInJournal } from './journal.ts';
import { decodeResource } from './records.ts';
import { highestBlockKey, historyFromOf } from './snapshot/state-rows.ts';
import { TERM_BYTES } from './state-hash.ts';
import type { StateTables } from './state-tables.ts';
import type { FoldOutcome, StateProof, StoredResource } from './types.ts';
import { decodeImage, decodeProof } from './write-changes.ts';

const IMAGES_PER_SLICE = 2_048;

/** An entity as it was at an offset. */
export interface PastImage {
  readonly offset: number;
  /** Undefined: it was removed with that offset. */
  readonly bytes: Uint8Array | undefined;
}

export class StateQueries {
  readonly #tables: StateTables;

  constructor(tables: StateTables) {
    this.#tables = tables;
  }

  /** Outcomes of folded offsets, in the order given; whatever is not on record was applied without a finding. */
  outcomesOf(offsets: readonly number[]): FoldOutcome[] {
    if (offsets.length === 0) return [];
    const known = new Map<number, FoldOutcome>();
    let least = Number.POSITIVE_INFINITY;
    let most = 0;
    for (const offset of offsets) {
      least = Math.min(least, offset);
      most = Math.max(most, offset);
    }
    // Offsets of one request are neighbours: one walk instead of a search for each.
    if (most - least < 2 * offsets.length + 64) {
      for (const { key, body } of this.#tables.outcome.range({ start: least, end: most + 1 }))
        known.set(key, parse(body));
    } else {
      for (const offset of offsets) {
        const body = this.#tables.outcome.get(offset);
        if (body !== undefined) known.set(offset, parse(body));
      }
    }
    return offsets.map((offset) => known.get(offset) ?? { offset, status: 'applied' });
  }

  /** Quarantined events above `after`, ascending. */
  quarantine(options: { readonly after?: number; readonly limit?: number } = {}): FoldOutcome[] {
    const { after = 0, limit = 100 } = options;
    return [...this.#tables.quarantine.range({ start: after + 1, limit })].map(({ body }) => parse(body));
  }

  /** A shared resource, as compiled. Keys as `resourceKey` gives them. */
  resource(key: string): StoredResource | undefined {
    const body = this.#tables.resource.peek(key);
    return body === undefined ? undefined : decodeResource(body);
  }

  /** Keys of entities that begin so, as committed. */
  entityKeys(prefix: string): string[] {
    return [...this.#tables.entity.keys({ start: prefix, end: `${prefix}\uffff` })];
  }

  /** An entity as committed. */
  entityNow(key: string): Buffer | undefined {
    return this.#tables.entity.get(key)?.subarray(TERM_BYTES);
  }

  /** Packs of the history index with offsets above `after`, ascending. */
  *historyPacks(after: number): Generator<{ readonly last: number; readonly bytes: Uint8Array }> {
    const keys = [...this.#tables.history.keys()].filter(([, last]) => last > after).sort((a, b) => a[1] - b[1]);
    for (const key of keys) {
      const bytes = this.#tables.history.get(key);
      if (bytes !== undefined) yield { last: key[1], bytes };
    }
  }

  /** The image of an entity that was taken at exactly this offset. */
  imageIn(offset: number, entityKey: string): Buffer | undefined {
    let wanted = hashOf(entityKey);
    for (const { key, body } of this.#tables.image.range({ start: [offset, wanted], end: [offset + 1, 0] })) {
      // Others follow the hash without a gap only where they share it.
      if (key[1] !== wanted++) return undefined;
      const image = decodeImage(body);
      if (image.key === entityKey) return image.bytes;
    }
    return undefined;
  }

  /** Keys of entities with an image at exactly this offset, those that begin so. Yields now and then: there may be one of every entity. */
  *imageKeys(offset: number, prefix: string): Generator<void, readonly string[]> {
    const found: string[] = [];
    for (let number = 0; ; ) {
      const from = number;
      for (const { key, body } of this.#tables.image.range({
        start: [offset, from],
        end: [offset + 1, 0],
        limit: IMAGES_PER_SLICE,
      })) {
        const entity = decodeImage(body).key;
        if (entity.startsWith(prefix)) found.push(entity);
        number = key[1] + 1;
      }
      if (number === from) return found;
      yield;
    }
  }

  /** Offset at which the history begins; 0: with the first event. Earlier states cannot be told. */
  historyFrom(): number {
    return historyFromOf(this.#tables);
  }

  /** Where the history begins: no block of the service's endpoints has an image there under a higher number. */
  highestBlockAtBase(service: string): number {
    return this.imageIn(this.historyFrom(), highestBlockKey(service))?.readUInt32LE(0) ?? 0;
  }

  quarantineCount(): number {
    return this.#tables.quarantine.count();
  }

  /** The newest proof at or below an offset; exact at multiples of 1,024 and at recent commits. */
  proofAt(offset: number, now: Pick<StateProof, 'foldVersion' | 'base'>): StateProof | undefined {
    const recent = proofInJournal(this.#tables.journal, offset);
    for (const { key, body } of this.#tables.proof.range({ start: offset, reverse: true, limit: 1 })) {
      if (recent === undefined || recent.offset < key) return decodeProof(key, body);
    }
    return recent === undefined ? undefined : { ...recent, ...now };
  }

  /** How many entities there were at the newest offset at or below this one for which that is stored. */
  countsAt(offset: number): { readonly offset: number; readonly counts: StateCounts } | undefined {
    for (const { key, body } of this.#tables.count.range({ start: offset, reverse: true, limit: 1 }))
      return { offset: key, counts: JSON.parse(body.toString()) as StateCounts };
    return undefined;
  }

  /**
   * Offsets at or below `upTo` at which the subject may have changed, ascending. The index keeps hashes: compare the event's
   * subject.
   */
  offsetsOf(subject: string, upTo: number): number[] {
    const { owner, kind } = hashSubject(subject);
    return this.#rows(owner, upTo)
      .filter((row) => row.kind === kind)
      .map((row) => row.offset);
  }

  /** The newest image of an entity at or below an offset. */
  imageOf(entityKey: string, upTo: number): PastImage | undefined {
    for (const { offset, kind } of this.#rows(hashOf(entityKey), upTo).reverse()) {
      if (kind === KIND_GONE) return { offset, bytes: undefined };
      if (kind !== KIND_IMAGE) continue;
      const bytes = this.imageIn(offset, entityKey);
      if (bytes !== undefined) return { offset, bytes };
    }
    return undefined;
  }

  #rows(hash: number, upTo: number): HistoryRow[] {
    const rows: HistoryRow[] = [];
    for (const { body } of this.#tables.history.range()) {
      for (const row of findRows(body, hash)) if (row.offset <= upTo) rows.push(row);
    }
    return rows.sort((a, b) => a.offset - b.offset);
  }
}

const parse = (body: Buffer): FoldOutcome => JSON.parse(body.toString()) as FoldOutcome;
