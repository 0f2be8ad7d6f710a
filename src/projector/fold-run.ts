/**
 * One run over the log: fold, hash chain, state hash, and what has to be stored of it. Used by the projector and, from offset 0,
 * by `verify`.
 *
 * Invariants
 * F1 Everything collected belongs to offsets up to `offset`, which is never inside a batch; chain and state hash are those at
 *    `offset`.
 * F2 At every multiple of `PROOF_EVERY` the entities are drained and a proof is taken, however records come in: two runs over
 *    the same log have the same proofs.
 */
import { createHash } from 'node:crypto';
import { chainStart, type LogRecord, nextChain } from '../log/index.ts';
import { FoldedChanges } from './changes.ts';
import { EntityTerms } from './entity-terms.ts';
import type { FoldState } from './fold/types.ts';
import { hashOf, KIND_GONE, KIND_IMAGE, KIND_REMOVAL, removalOwner, removalsOf } from './history-rows.ts';
import { Slab } from './slab.ts';
import { FRAMED_TERM_AT, frameEntity } from './state-hash.ts';
import type { FoldBase, FoldOutcome, StateProof } from './types.ts';

/** Replicas compare their states at multiples of this offset. */
export const PROOF_EVERY = 1024;

/** A record whose batch is incomplete, and the chain after it. */
interface Unsettled {
  readonly record: LogRecord;
  readonly chain: Buffer;
}

const isWorthKeeping = (outcome: FoldOutcome): boolean =>
  outcome.status !== 'applied' || (outcome.findings !== undefined && outcome.findings.length > 0);

export class FoldRun {
  readonly fold: FoldState;
  readonly terms = new EntityTerms();
  readonly foldVersion: number;
  #base: FoldBase | undefined;
  /** Collected since the last `take`. */
  #changes = new FoldedChanges();
  #chain: Buffer = chainStart();
  #settledChain: Buffer = this.#chain;
  #tail: Uint8Array | undefined;
  #tailHash = '';
  #unsettled: Unsettled[] = [];
  #slab = new Slab();
  #lastProof: StateProof | undefined;
  #read: number;
  /** Offset up to which entities are drained. */
  #drained: number;

  constructor(fold: FoldState, foldVersion: number) {
    this.fold = fold;
    this.foldVersion = foldVersion;
    this.#read = fold.offset;
    this.#drained = fold.offset;
  }

  /** Continues at a stored state; entities have been put into `fold` and `terms`. */
  resume(chain: Buffer, tail: string, base?: FoldBase): void {
    this.#base = base;
    this.#chain = chain;
    this.#settledChain = chain;
    this.#tailHash = tail;
    this.#read = this.fold.offset;
    this.#drained = this.fold.offset;
  }

  /** See `StateProof.base`. */
  get base(): FoldBase | undefined {
    return this.#base;
  }

  /** Offset up to which the state is complete. */
  get offset(): number {
    return this.fold.offset;
  }

  /** Offset of the last record given to `apply`. */
  get read(): number {
    return this.#read;
  }

  /** Chain at `offset`, hexadecimal. */
  get chain(): string {
    return this.#settledChain.toString('hex');
  }

  /** SHA-256 of the record at `offset`, hexadecimal. */
  get tail(): string {
    if (this.#tail !== undefined) {
      this.#tailHash = createHash('sha256').update(this.#tail).digest('hex');
      this.#tail = undefined;
    }
    return this.#tailHash;
  }

  /** Events folded since the last `take`. */
  get events(): number {
    return this.#changes.events;
  }

  /** Folds one record; they come in order, without gaps. Gives the outcomes it settles. */
  apply(record: LogRecord): readonly FoldOutcome[] {
    const changes = this.#changes;
    this.#chain = nextChain(this.#chain, record.bytes);
    this.#read = record.offset;
    const outcomes = this.fold.apply(record);
    changes.events++;
    for (const outcome of outcomes) if (isWorthKeeping(outcome)) changes.outcomes.push(outcome);
    this.#settle(record);
    if (record.offset % PROOF_EVERY === 0) this.#prove(record.offset);
    return outcomes;
  }

  /** All changes since the last call, entities drained. */
  take(): FoldedChanges {
    this.#drain();
    const changes = this.#changes;
    changes.rememberedFrom = this.fold.rememberedFrom;
    this.#changes = new FoldedChanges();
    this.#slab = new Slab();
    return changes;
  }

  /** Throws away what was collected: for a run that stores nothing. */
  forget(): void {
    this.#changes = new FoldedChanges();
  }

  /** The newest proof taken (F2). */
  get lastProof(): StateProof | undefined {
    return this.#lastProof;
  }

  /** State hash at `offset`; entities are drained first. */
  stateHash(): string {
    this.#drain();
    return this.terms.hash.hex();
  }

  #note(record: LogRecord): void {
    const { event, offset } = record;
    if (event === undefined) return;
    const { rows } = this.#changes;
    rows.addSubject(event.subject, offset);
    for (const family of removalsOf(event.type, event.subject)) rows.add(removalOwner(family), offset, KIND_REMOVAL);
    if (event.type !== 'dependency.renewed') return;
    const callers = new Set(
      (event.data as { readonly edges?: readonly { readonly from?: unknown }[] }).edges?.map((edge) => edge.from),
    );
    for (const caller of callers) rows.addSubject(`edge/${String(caller)}/`, offset);
  }

  /** F1 */
  #settle(record: LogRecord): void {
    const { offset } = this.fold;
    if (offset === record.offset && this.#unsettled.length === 0) {
      this.#passed(record, this.#chain);
      return;
    }
    this.#unsettled.push({ record, chain: this.#chain });
    const settled = this.#unsettled.filter((candidate) => candidate.record.offset <= offset);
    if (settled.length === 0) return;
    for (const candidate of settled) this.#passed(candidate.record, candidate.chain);
    this.#unsettled = this.#unsettled.slice(settled.length);
  }

  #passed(record: LogRecord, chain: Buffer): void {
    this.#settledChain = chain;
    this.#tail = record.bytes;
    this.#note(record);
  }

  /** F2 */
  #prove(offset: number): void {
    this.#drain();
    this.#lastProof = {
      offset,
      hash: this.terms.hash.hex(),
      chain: this.#chain.toString('hex'),
      foldVersion: this.foldVersion,
      ...(this.#base === undefined ? {} : { base: this.#base }),
    };
    this.#changes.proofs.push(this.#lastProof);
    this.#changes.counts.push([offset, this.fold.entityCounts]);
  }

  #drain(): void {
    const { offset } = this.fold;
    if (offset === this.#drained) return;
    this.#drained = offset;
    const changes = this.#changes;
    const { entities, inputs, endpoints, idempotency } = this.fold.drain();
    for (const [key, bytes] of entities) {
      if (bytes === undefined) this.#gone(key, offset);
      else this.#changed(key, bytes, offset);
    }
    for (const input of inputs) changes.inputs.add(input);
    for (const [key, change] of endpoints) {
      const known = changes.endpoints.get(key);
      changes.endpoints.set(key, known === undefined ? change : { before: known.before, after: change.after });
    }
    if (idempotency.length > 0) changes.idempotency.push(idempotency);
  }

  #changed(key: string, bytes: Uint8Array, offset: number): void {
    const framed = frameEntity(key, bytes, this.#slab);
    this.#changes.entities.set(key, framed);
    if (!this.terms.set(key, framed, FRAMED_TERM_AT)) return;
    this.#changes.images.push({ offset, key, bytes });
    this.#changes.rows.add(hashOf(key), offset, KIND_IMAGE);
  }

  #gone(key: string, offset: number): void {
    this.#changes.entities.set(key, undefined);
    if (this.terms.remove(key)) this.#changes.rows.add(hashOf(key), offset, KIND_GONE);
  }
}
