/**
 * The fold: log records in, outcomes and changed entities out.
 *
 * Invariants:
 * 1. State, outcomes and entity bytes are functions of the records folded, in order: how they were split into batches, when
 *    they were drained, and whether the state was stored and loaded in between makes no difference.
 * 2. `offset` never lies inside a batch: of an incomplete one nothing is applied, remembered or told.
 * 3. A bad record changes nothing but the counters; it never stops the ones behind it.
 */
import type { CompileInputs, EndpointView, ServiceView } from '../../compile/index.ts';
import { EdgeList, type GraphLookup } from '../../dependency-graph/index.ts';
import type { LogRecord } from '../../log/index.ts';
import { type EventStatus, type RecordedEvent, TendrilError } from '../../model/index.ts';
import type { FoldOutcome } from '../types.ts';
import { BatchBuffer, MAX_BATCH } from './batch-buffer.ts';
import { Decider } from './decide.ts';
import { facetOf } from './endpoint-record.ts';
import { EntityStore } from './entity-store.ts';
import { leaseKey } from './evolve-lease.ts';
import { rankOf } from './facet-rank.ts';
import { compileInputsOf, graphInputsOf, graphLookupOf } from './fold-inputs.ts';
import { DEFAULT_WINDOW, Idempotency, type IdempotencyWindow } from './idempotency.ts';
import { MeshState } from './mesh-state.ts';
import { subjectOffset } from './subject-offset.ts';
import type {
  FoldChanges,
  FoldState,
  LeaseView,
  PolicyEntity,
  RawEntity,
  ReplicaView,
  ServiceFacet,
  StateCounts,
} from './types.ts';

/**
 * Raised when equal logs may fold to other entities than before: stored states of another version are rebuilt. 2: raw resources;
 * all other events fold to what they did. 3: edges say when they were last used, and how often they came back; keepers. 4: replicas. 5: leases of endpoints. To be raised also when new descriptors (`generated/api.json`) accept more raw resources.
 */
export const FOLD_VERSION = 5;

export interface FoldOptions {
  /** Events of other meshes are quarantined. */
  readonly mesh: string;
  /** Mesh suffixes until the log has a `mesh.configured`; default `.mesh.local`, `.svc.cluster.local`. */
  readonly suffixes?: readonly string[];
  /** How long (source, id) is remembered; default 24 h or 2 M events, whichever is more. */
  readonly idempotency?: IdempotencyWindow;
  /** Freeze entities deeply (development and tests). Default false. */
  readonly freeze?: boolean;
}

const NOTHING: readonly FoldOutcome[] = [];

class Fold implements FoldState {
  readonly counters: Record<EventStatus, number> = { applied: 0, rejected: 0, quarantined: 0, duplicate: 0 };
  readonly compileInputs: CompileInputs;
  readonly graphLookup: GraphLookup;
  private readonly state: MeshState;
  private readonly idempotency: Idempotency;
  private readonly store: EntityStore;
  private readonly decider: Decider;
  private readonly batch = new BatchBuffer();
  /** The last record given to `apply`; `offset` trails it while a batch is open. */
  private lastOffset = 0;
  private lastAt = 0;
  private settledOffset = 0;
  private settledAt = 0;

  constructor(options: FoldOptions) {
    this.state = new MeshState(options);
    this.idempotency = new Idempotency(options.idempotency ?? DEFAULT_WINDOW);
    this.store = new EntityStore(this.state);
    this.decider = new Decider(this.state, this.idempotency);
    this.compileInputs = compileInputsOf(this.state);
    this.graphLookup = graphLookupOf(this.state);
  }

  get offset(): number {
    return this.settledOffset;
  }

  get recordedAt(): number {
    return this.settledAt;
  }

  get rememberedFrom(): number {
    this.idempotency.forget(this.settledOffset, this.settledAt);
    return this.idempotency.rememberedFrom;
  }

  apply(record: LogRecord): readonly FoldOutcome[] {
    const { offset, recordedAt, event } = record;
    if (offset <= this.lastOffset) {
      throw new TendrilError('FOLD_ORDER', `record ${offset} comes after record ${this.lastOffset}`, {
        remedy: 'give records in ascending order of offset',
      });
    }
    if (this.batch.openedAt === undefined && event !== undefined && event.batch === undefined) {
      this.settle(offset, recordedAt);
      return this.count([this.decider.decide(event)]);
    }
    return this.count(this.applyInBatch(record));
  }

  drain(): FoldChanges {
    return { ...this.store.drain(), idempotency: this.idempotency.drain() };
  }

  load(key: string, bytes: Uint8Array): void {
    this.store.load(key, bytes);
  }

  loadIdempotency(packed: Uint8Array): void {
    this.idempotency.load(packed);
  }

  loaded(offset: number, recordedAt: number): void {
    this.idempotency.forget(offset, recordedAt);
    this.idempotency.loaded();
    this.settle(offset, recordedAt);
  }

  graphInputs(): Iterable<string> {
    return graphInputsOf(this.state);
  }

  serviceNames(): Iterable<string> {
    return this.state.serviceIndex.inOrder();
  }

  service(name: string): ServiceView | undefined {
    return this.state.service(name);
  }

  serviceFacets(name: string): readonly ServiceFacet[] {
    return this.state.services.get(name)?.facets ?? [];
  }

  externalOwner(host: string): string | undefined {
    return this.state.externalOwner(host);
  }

  endpoint(service: string, id: string): EndpointView | undefined {
    return this.state.endpoints.get(service)?.peek(id)?.view;
  }

  endpointCount(service: string): number {
    return this.state.endpoints.get(service)?.count ?? 0;
  }

  *policies(kind?: string): Iterable<PolicyEntity> {
    const keys = [...this.state.policies.keys()].sort();
    for (const key of keys) {
      const policy = this.state.policies.get(key);
      if (policy !== undefined && (kind === undefined || policy.kind === kind)) yield policy;
    }
  }

  policy(kind: string, namespace: string, name: string): PolicyEntity | undefined {
    return this.state.policies.get(`${kind}/${namespace}/${name}`);
  }

  edges(caller: string): EdgeList {
    return this.state.edges.get(caller) ?? EdgeList.EMPTY;
  }

  keeperEpoch(keeper: string): number {
    return this.state.keepers.get(keeper)?.epoch ?? 0;
  }

  keeperHolder(keeper: string): string | undefined {
    return this.state.keepers.get(keeper)?.holder;
  }

  replicas(): readonly ReplicaView[] {
    const { replicas } = this.state;
    return [...replicas.keys()].sort().flatMap((id) => {
      const entity = replicas.get(id);
      return entity === undefined ? [] : [{ id, ...entity }];
    });
  }

  *leases(): Iterable<LeaseView> {
    for (const key of this.state.leases.keys()) {
      const lease = this.state.leases.get(key);
      if (lease !== undefined) yield lease;
    }
  }

  leasesOf(service: string): readonly LeaseView[] {
    return [...this.state.leaseIndex.of(service)].flatMap((key) => this.state.leases.get(key) ?? []);
  }

  lease(service: string, id: string, source: string): LeaseView | undefined {
    return this.state.leases.get(leaseKey(service, id, source));
  }

  get leaseCount(): number {
    return this.state.leaseIndex.count;
  }

  endpointOf(service: string, id: string, source: string): EndpointView | undefined {
    return facetOf(this.state.endpoints.get(service)?.peek(id), source, rankOf(source))?.view;
  }

  callersWithEdges(): Iterable<string> {
    return this.state.edges.keys();
  }

  raw(key: string): RawEntity | undefined {
    return this.state.raw.get(key);
  }

  rawKeys(): Iterable<string> {
    return this.state.raw.keys();
  }

  rawLabel(key: string): string | undefined {
    return this.state.rawSets.get(key)?.label;
  }

  rawSetKeys(): Iterable<string> {
    return this.state.rawSets.keys();
  }

  get rawTotals(): { readonly resources: number; readonly bytes: number } {
    return { resources: this.state.rawIndex.count, bytes: this.state.rawIndex.bytes };
  }

  get entityCounts(): StateCounts {
    return { ...this.state.tally.counts };
  }

  subjectOffset(subject: string): number {
    return subjectOffset(this.state, subject);
  }

  /** Everything that is not a plain event outside of batches. */
  private applyInBatch(record: LogRecord): FoldOutcome[] {
    const { offset, recordedAt, event } = record;
    const outcomes = this.batch.openedAt !== undefined && !this.batch.continues(event) ? this.giveUp() : [];
    if (event === undefined) {
      this.settle(offset, recordedAt);
      const message = `The record cannot be read: ${record.unreadable ?? 'no reason given'}.`;
      return [...outcomes, { offset, status: 'quarantined', code: 'unreadable', message }];
    }
    if (this.batch.openedAt === undefined && !this.batch.opens(event)) {
      this.settle(offset, recordedAt);
      return [...outcomes, this.decideLoose(event)];
    }
    // What came before the batch is settled, even if it was given up just now.
    if (outcomes.length > 0) this.settle(this.lastOffset, this.lastAt);
    const whole = this.batch.add(event);
    this.lastOffset = offset;
    this.lastAt = recordedAt;
    if (whole === undefined) return outcomes;
    this.settle(offset, recordedAt);
    return [...outcomes, ...this.decider.decideBatch(whole)];
  }

  /** An event without a batch, or one that says it belongs to a batch but cannot open it. */
  private decideLoose(event: RecordedEvent): FoldOutcome {
    const { batch, offset } = event;
    if (batch === undefined || !Number.isSafeInteger(batch.index) || !Number.isSafeInteger(batch.size)) {
      return this.decider.decide(event);
    }
    const reason =
      batch.size > MAX_BATCH
        ? `The batch has ${batch.size} events, ${MAX_BATCH} are allowed.`
        : `Event ${batch.index + 1} of ${batch.size} of a batch, but its beginning does not stand before it.`;
    return { offset, status: 'rejected', code: 'batch', message: reason };
  }

  private giveUp(): FoldOutcome[] {
    return this.batch.takeAll().map(({ offset, batch }) => ({
      offset,
      status: 'rejected',
      code: 'batch',
      message: `The batch is incomplete: something else follows before all ${batch?.size ?? 0} events were there.`,
    }));
  }

  private settle(offset: number, recordedAt: number): void {
    this.lastOffset = offset;
    this.lastAt = recordedAt;
    this.settledOffset = offset;
    this.settledAt = recordedAt;
  }

  private count(outcomes: FoldOutcome[]): readonly FoldOutcome[] {
    for (const { status } of outcomes) this.counters[status] += 1;
    return outcomes.length === 0 ? NOTHING : outcomes;
  }
}

export const createFoldState = (options: FoldOptions): FoldState => new Fold(options);
