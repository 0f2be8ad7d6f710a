/**
 * Entities as they were behind an event: the stored one when no event of its subjects came later, else its newest image and the events
 * behind that, folded by the fold's own reducers.
 *
 * Invariants
 * E1 State and index are read in one turn of the event loop, of one commit: what is taken from the state did not change since.
 * E2 Only applied events are folded, each once, in order.
 */
import { EdgeList } from '../../dependency-graph/index.ts';
import type { EventLog } from '../../log/index.ts';
import { parseServiceName, type RecordedEvent, TendrilError } from '../../model/index.ts';
import type { CallerEdges } from '../fold/edge-entity.ts';
import { evolve } from '../fold/evolve.ts';
import { MeshState } from '../fold/mesh-state.ts';
import type { ServiceEntity } from '../fold/service-entity.ts';
import type { PolicyEntity } from '../fold/types.ts';
import { Unit } from '../fold/unit.ts';
import { hashOf, KIND_GONE, KIND_IMAGE, type Removal, removalOwner } from '../history-rows.ts';
import type { StateQueries } from '../state-queries.ts';
import type { FoldOutcome } from '../types.ts';
import type { HistoryIndex } from './history-index.ts';

const FOREVER = Number.MAX_SAFE_INTEGER;
/** Offsets so near to each other are read in one go. */
const NEAR = 8;

export interface PastEntitiesOptions {
  readonly queries: StateQueries;
  readonly index: HistoryIndex;
  readonly log: EventLog;
  readonly mesh: string;
  /** Lets the queries see the newest commit. */
  readonly refresh: () => void;
  readonly outcomesOf: (offsets: readonly number[]) => readonly FoldOutcome[];
}

/** Where an entity comes from. */
interface Plan {
  readonly base: Uint8Array | undefined;
  /** Offset that `base` stands for. */
  readonly from: number;
  /** Events behind it that may concern the entity. */
  readonly offsets: readonly number[];
}

const parse = <T>(bytes: Uint8Array | undefined): T | undefined =>
  bytes === undefined ? undefined : (JSON.parse(Buffer.from(bytes).toString('utf8')) as T);

const policySubjectOf = (key: string): string => `policy/${key}`;

export class PastEntities {
  readonly #options: PastEntitiesOptions;
  /** Events up to this one count. */
  readonly #at: number;

  constructor(options: PastEntitiesOptions, at: number) {
    this.#options = options;
    this.#at = at;
  }

  /** Keys of the state that begin so, as committed. Keys of entities that are gone since are not among them. */
  keysNow(prefix: string): string[] {
    this.#refresh();
    return this.#options.queries.entityKeys(prefix);
  }

  /** Events behind the offset that took something away, of one family; `after` leaves out those that were read already. */
  async removals(family: Removal, after = this.#at): Promise<RecordedEvent[]> {
    this.#refresh();
    const rows = this.#options.index.rowsOf(removalOwner(family), after, FOREVER);
    const events = await this.#read(rows.map(({ offset }) => offset));
    return [...events.values()];
  }

  /** Stored edges of some callers. */
  async edges(callers: readonly string[]): Promise<Map<string, EdgeList | undefined>> {
    this.#refresh();
    const plans = callers.map((caller) => this.#plan(`edges/${caller}`, [`edge/${caller}`], this.#at));
    const events = await this.#read(plans.flatMap(({ offsets }) => offsets));
    return new Map(
      callers.map((caller, place) => {
        const plan = plans[place];
        const state = this.#scratch();
        const stored = parse<CallerEdges>(plan?.base);
        const edges = stored === undefined ? undefined : EdgeList.of(stored.edges, state.edgeTexts);
        if (plan === undefined || plan.offsets.length === 0) return [caller, edges] as const;
        if (edges !== undefined) state.edges.load(caller, edges);
        fold(state, plan.offsets, events, (event) => ofCaller(event, caller));
        return [caller, state.edges.get(caller)] as const;
      }),
    );
  }

  /** @param key `Kind/namespace/name` */
  async policy(key: string, upTo = this.#at): Promise<PolicyEntity | undefined> {
    this.#refresh();
    const plan = this.#plan(`pol/${key}`, [policySubjectOf(key)], upTo);
    const events = await this.#read(plan.offsets);
    const policy = parse<PolicyEntity>(plan.base);
    if (plan.offsets.length === 0) return policy;
    const state = this.#scratch();
    if (policy !== undefined) state.policies.load(key, policy);
    fold(state, plan.offsets, events, (event) => (event.subject === policySubjectOf(key) ? event : undefined));
    return state.policies.get(key);
  }

  async service(name: string): Promise<ServiceEntity | undefined> {
    const ref = parseServiceName(name);
    if (ref === undefined) return undefined;
    const path = `${ref.namespace}/${ref.name}`;
    // A Service document is a facet of its service.
    const [own, document] = [`service/${path}`, `Service/${path}`];
    const subjects = [own, policySubjectOf(document)];
    this.#refresh();
    const plan = this.#plan(`svc/${name}`, subjects, this.#at);
    const service = parse<ServiceEntity>(plan.base);
    if (plan.offsets.length === 0) return service;
    const events = await this.#read(plan.offsets);
    const state = this.#scratch();
    const policy = await this.policy(document, plan.from);
    if (policy !== undefined) state.policies.load(document, policy);
    if (service !== undefined) state.services.load(name, service);
    fold(state, plan.offsets, events, (event) => (subjects.includes(event.subject) ? event : undefined));
    return state.services.get(name);
  }

  #scratch(): MeshState {
    return new MeshState({ mesh: this.#options.mesh });
  }

  /** E1 */
  #refresh(): void {
    this.#options.refresh();
    this.#options.index.catchUp();
  }

  #plan(key: string, subjects: readonly string[], upTo: number): Plan {
    const { index, queries } = this.#options;
    const rows = subjects.flatMap((subject) => index.rowsOf(hashOf(subject), 0, FOREVER));
    const events = rows.filter(({ kind }) => kind !== KIND_IMAGE && kind !== KIND_GONE);
    if (events.every(({ offset }) => offset <= upTo)) return { base: queries.entityNow(key), from: upTo, offsets: [] };
    let from = 0;
    let base: Uint8Array | undefined;
    for (const { offset, kind } of index.rowsOf(hashOf(key), 0, upTo).reverse()) {
      if (kind !== KIND_IMAGE && kind !== KIND_GONE) continue;
      base = kind === KIND_GONE ? undefined : queries.imageIn(offset, key);
      // Of another key with the same hash.
      if (kind === KIND_IMAGE && base === undefined) continue;
      from = offset;
      break;
    }
    const offsets = events.map(({ offset }) => offset).filter((offset) => offset > from && offset <= upTo);
    return { base, from, offsets: [...new Set(offsets)].sort((a, b) => a - b) };
  }

  /** E2. Applied events at these offsets, ascending. */
  async #read(wanted: readonly number[]): Promise<Map<number, RecordedEvent>> {
    const offsets = [...new Set(wanted)].sort((a, b) => a - b);
    const events = new Map<number, RecordedEvent>();
    const { log, outcomesOf } = this.#options;
    const applied = new Set(outcomesOf(offsets).flatMap(({ offset, status }) => (status === 'applied' ? offset : [])));
    for (let at = 0; at < offsets.length; ) {
      const first = offsets[at] ?? 0;
      let last = first;
      for (; at < offsets.length && (offsets[at] ?? 0) - last <= NEAR; at++) last = offsets[at] ?? last;
      if (first < log.head().first)
        throw new TendrilError('OFFSET_GONE', `event ${first} is needed and no longer in the log`, {
          remedy: `ask for a later offset; the log begins at ${log.head().first}`,
        });
      for await (const records of log.read({ from: first, maxBatch: last - first + 1 })) {
        for (const { offset, event } of records)
          if (event !== undefined && applied.has(offset)) events.set(offset, event);
        if ((records.at(-1)?.offset ?? last) >= last) break;
      }
    }
    return events;
  }
}

/** The event as far as it speaks of a caller's edges; undefined: it does not. */
const ofCaller = (event: RecordedEvent, caller: string): RecordedEvent | undefined => {
  if (event.type === 'dependency.renewed') {
    const { data } = event as RecordedEvent<'dependency.renewed'>;
    const edges = data.edges.filter(({ from }) => from === caller);
    return edges.length === 0 ? undefined : ({ ...event, data: { ...data, edges } } as RecordedEvent);
  }
  if ((event.data as { readonly from?: unknown }).from !== caller) return undefined;
  if (event.type !== 'dependency.expired') return event;
  // It was applied: the keeper's term and what it had seen are decided.
  const { from, to } = (event as RecordedEvent<'dependency.expired'>).data;
  return { ...event, data: { from, to } } as RecordedEvent;
};

const fold = (
  state: MeshState,
  offsets: readonly number[],
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
