/**
 * What entities of the past are read from: the stored one when no event of its subjects came later, else its newest image and the
 * applied events behind that.
 *
 * Invariants
 * E1 State and index are read in one turn of the event loop, of one commit: what is taken from the state did not change since.
 * E2 Only applied events are given, each once, in order.
 * E3 An image may be older than the last removal of its entity: the events behind it say so.
 */
import type { EventLog } from '../../log/index.ts';
import { type RecordedEvent, TendrilError } from '../../model/index.ts';
import { evolve } from '../fold/evolve.ts';
import { MeshState } from '../fold/mesh-state.ts';
import { Unit } from '../fold/unit.ts';
import {
  type HistoryRow,
  hashOf,
  KIND_GONE,
  KIND_IMAGE,
  KIND_REMOVAL,
  type Removal,
  removalOwner,
} from '../history-rows.ts';
import type { StateQueries } from '../state-queries.ts';
import type { FoldOutcome } from '../types.ts';
import type { HistoryIndex } from './history-index.ts';

export const FOREVER = Number.MAX_SAFE_INTEGER;
/** Offsets so near to each other are read in one go. */
const NEAR = 8;

/** Of records that are kept for those who share them. */
const SHARED_BYTES = 32 * 2 ** 20;

/**
 * Events that several readers share, such as both sides of a diff: each is read and parsed once.
 * Bound: `SHARED_BYTES` of records; what comes later is not kept and is read again.
 */
export class SharedEvents {
  readonly #events = new Map<number, RecordedEvent>();
  #bytes = 0;

  get(offset: number): RecordedEvent | undefined {
    return this.#events.get(offset);
  }

  keep(event: RecordedEvent, bytes: number): void {
    if (this.#bytes + bytes > SHARED_BYTES) return;
    this.#bytes += bytes;
    this.#events.set(event.offset, event);
  }
}

export interface PastReadsOptions {
  readonly queries: StateQueries;
  readonly index: HistoryIndex;
  readonly log: EventLog;
  readonly mesh: string;
  /** Mesh suffixes until the log has a `mesh.configured`. */
  readonly suffixes?: readonly string[];
  /** Lets the queries see the newest commit. */
  readonly refresh: () => void;
  readonly outcomesOf: (offsets: readonly number[]) => readonly FoldOutcome[];
  readonly shared?: SharedEvents;
}

/** Where an entity comes from. */
export interface Plan {
  readonly base: Uint8Array | undefined;
  /** Offset that `base` stands for. */
  readonly from: number;
  /** Events behind it that may concern the entity, ascending. */
  readonly offsets: readonly number[];
}

const gone = (base: number): TendrilError =>
  new TendrilError('OFFSET_GONE', `what was before offset ${base} is no longer known`, {
    remedy: 'ask for a later offset',
  });

export const parseEntity = <T>(bytes: Uint8Array | undefined): T | undefined =>
  bytes === undefined ? undefined : (JSON.parse(Buffer.from(bytes).toString('utf8')) as T);

export class PastReads {
  /** Events up to this one count. */
  readonly at: number;
  readonly #options: PastReadsOptions;

  constructor(options: PastReadsOptions, at: number) {
    this.#options = options;
    this.at = at;
  }

  /** E1: to be called first in a turn that reads state and index. */
  refresh(): void {
    this.#options.refresh();
    this.#options.index.catchUp();
  }

  /** An empty state to fold into. */
  scratch(): MeshState {
    const { mesh, suffixes } = this.#options;
    return new MeshState({ mesh, ...(suffixes === undefined ? {} : { suffixes }) });
  }

  /** Keys of the state that begin so, as committed. Keys of entities that are gone since are not among them. */
  keysNow(prefix: string): string[] {
    return this.#options.queries.entityKeys(prefix);
  }

  entityNow(key: string): Uint8Array | undefined {
    return this.#options.queries.entityNow(key);
  }

  /** Rows of events of an owner (`ownerOf` a subject), ascending. */
  eventRows(owner: string, after = 0, upTo = FOREVER): HistoryRow[] {
    return this.#options.index.rowsOf(hashOf(owner), after, upTo).filter(({ kind }) => kind > KIND_GONE);
  }

  /** The newest image of an entity at or below an offset (E3). */
  image(key: string, upTo: number): { readonly offset: number; readonly bytes: Uint8Array } | undefined {
    const { index, queries } = this.#options;
    for (const { offset, kind } of index.rowsOf(hashOf(key), 0, upTo).reverse()) {
      // `KIND_GONE` is not believed: its row has no key, and may be of another one with the same hash.
      if (kind !== KIND_IMAGE) continue;
      const bytes = queries.imageIn(offset, key);
      // Else it is of another key with the same hash.
      if (bytes !== undefined) return { offset, bytes };
    }
    return undefined;
  }

  /** Keys (`raw/…`) of raw resources where the history begins; none where that is the first event. */
  async rawKeysAtBase(): Promise<readonly string[]> {
    const { index, queries } = this.#options;
    const base = queries.historyFrom();
    const keys = await index.rawKeysAtBase();
    // Retention was faster: these images may be gone.
    if (queries.historyFrom() !== base) throw gone(queries.historyFrom());
    return keys;
  }

  /**
   * Offset at which the history begins; 0: with the first event.
   * @throws TendrilError `OFFSET_GONE` when retention was faster than the question
   */
  historyFrom(): number {
    const base = this.#options.queries.historyFrom();
    if (this.at < base) throw gone(base);
    return base;
  }

  /** Images of all blocks of a service's endpoints at `base`, an offset at which the history begins, by number. */
  *blocksAtBase(service: string, base: number): Generator<readonly [number: number, bytes: Uint8Array]> {
    const { queries } = this.#options;
    const highest = queries.highestBlockAtBase(service);
    for (let number = 0; number <= highest; number++) {
      const bytes = queries.imageIn(base, `eps/${service}/${number}`);
      if (bytes !== undefined) yield [number, bytes];
    }
  }

  plan(key: string, subjects: readonly string[], upTo: number): Plan {
    const { index } = this.#options;
    if (!subjects.some((subject) => index.hasEvent(hashOf(subject), upTo)))
      return { base: this.entityNow(key), from: upTo, offsets: [] };
    const image = this.image(key, upTo);
    const from = image?.offset ?? 0;
    const offsets = subjects.flatMap((subject) => this.eventRows(subject, from, upTo).map(({ offset }) => offset));
    return { base: image?.bytes, from, offsets: [...new Set(offsets)].sort((a, b) => a - b) };
  }

  /** Events of a family: those above `after`, up to `upTo`. */
  async removals(family: Removal, after = this.at, upTo = FOREVER): Promise<RecordedEvent[]> {
    this.refresh();
    const rows = this.#options.index
      .rowsOf(removalOwner(family), after, upTo)
      .filter(({ kind }) => kind === KIND_REMOVAL);
    const events = await this.read(rows.map(({ offset }) => offset));
    return [...events.values()];
  }

  /** E2. Applied events at these offsets, ascending. */
  async read(wanted: readonly number[]): Promise<Map<number, RecordedEvent>> {
    const offsets = [...new Set(wanted)].sort((a, b) => a - b);
    const outcomes = offsets.length === 0 ? [] : this.#options.outcomesOf(offsets);
    return this.readAll(outcomes.flatMap(({ offset, status }) => (status === 'applied' ? offset : [])));
  }

  /**
   * Events at these offsets, whatever became of them.
   * @param offsets ascending, without repeats
   */
  async readAll(offsets: readonly number[]): Promise<Map<number, RecordedEvent>> {
    const { log, shared } = this.#options;
    const events = new Map<number, RecordedEvent>();
    const missing = shared === undefined ? offsets : offsets.filter((offset) => shared.get(offset) === undefined);
    const wanted = new Set(missing);
    for (let at = 0; at < missing.length; ) {
      const first = missing[at] ?? 0;
      let last = first;
      for (; at < missing.length && (missing[at] ?? 0) - last <= NEAR; at++) last = missing[at] ?? last;
      if (first < log.head().first)
        throw new TendrilError('OFFSET_GONE', `event ${first} is needed and no longer in the log`, {
          remedy: `ask for a later offset; the log begins at ${log.head().first}`,
        });
      for await (const records of log.read({ from: first, maxBatch: last - first + 1 })) {
        for (const { offset, event, bytes } of records) {
          if (event === undefined || !wanted.has(offset)) continue;
          events.set(offset, event);
          shared?.keep(event, bytes.length);
        }
        if ((records.at(-1)?.offset ?? last) >= last) break;
      }
    }
    if (shared === undefined || missing.length === offsets.length) return events;
    const all = offsets.map((offset) => [offset, events.get(offset) ?? shared.get(offset)] as const);
    return new Map(all.filter((one): one is readonly [number, RecordedEvent] => one[1] !== undefined));
  }
}

/** An applied event as it is folded again: of an expiry the keeper's term and what it had seen are decided. */
export const decided = (event: RecordedEvent): RecordedEvent => {
  if (event.type === 'endpoint.expired') {
    const { namespace, service, id } = (event as RecordedEvent<'endpoint.expired'>).data;
    return { ...event, data: { namespace, service, id } } as RecordedEvent;
  }
  if (event.type !== 'dependency.expired') return event;
  const { from, to } = (event as RecordedEvent<'dependency.expired'>).data;
  return { ...event, data: { from, to } } as RecordedEvent;
};

/** Folds events into a state, as far as they are picked. */
export const foldInto = (
  state: MeshState,
  offsets: Iterable<number>,
  events: ReadonlyMap<number, RecordedEvent>,
  pick: (event: RecordedEvent) => RecordedEvent | undefined,
): void => {
  const unit = new Unit();
  for (const offset of offsets) {
    const event = events.get(offset);
    const picked = event === undefined ? undefined : pick(event);
    if (picked === undefined) continue;
    evolve(state, unit, picked);
    unit.clear();
    state.commit();
  }
};
