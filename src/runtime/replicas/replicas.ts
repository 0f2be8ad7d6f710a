/** This replica of a shared log, joined to the parts of its core. */
import type { Ingest } from '../../ingest/index.ts';
import { TendrilError } from '../../model/index.ts';
import { PROOF_EVERY, type Projector } from '../../projector/index.ts';
import type { WorkerRegistry } from '../worker-registry.ts';
import type { Verdict } from './compare.ts';
import type { LeaseAsked, ReplicaAnswer, ReplicaQuestion, ReplicaStatement } from './peer-client.ts';
import { ProofRing } from './proof-ring.ts';
import { ReplicaGroup, type ReplicaGroupOptions, type ReplicaRow } from './replica-group.ts';

interface Parts {
  readonly self: string;
  readonly holderName: string;
  readonly mesh: string;
  readonly version: string;
  readonly workers: number;
  /** False: nobody else can be on this log. */
  readonly shared: boolean;
  readonly projector: Projector;
  readonly ingest: Pick<Ingest, 'submit'>;
  readonly registry: WorkerRegistry;
  /** Why this replica serves nobody any more. */
  readonly out: () => string | undefined;
  /** The log has ended here: a gap, or another topic. */
  readonly logEnded: () => boolean;
  readonly onOdd: (why: string) => void;
  readonly onBegin: () => Promise<void>;
  /** How long leases were silent here, ms; -1: not known. */
  readonly leases: (asked: readonly LeaseAsked[]) => readonly number[];
  readonly logger: ReplicaGroupOptions['logger'];
}

/** What the HTTP API and the other replicas ask of this one. */
export class Replicas {
  /** Undefined: this is the only control plane of its log. */
  readonly group: ReplicaGroup | undefined;
  readonly #parts: Parts;
  readonly #proofs: ProofRing;
  #admin = '';

  constructor(parts: Parts) {
    const { self, holderName, mesh, projector, ingest, onOdd, onBegin, logger } = parts;
    this.#parts = parts;
    this.#proofs = new ProofRing(projector, PROOF_EVERY);
    projector.onNotice(() => this.#proofs.note());
    this.group = parts.shared
      ? new ReplicaGroup({
          self,
          holderName,
          mesh,
          state: projector.fold,
          statement: () => this.statement(),
          ingest,
          monotonic: () => performance.now(),
          isOut: () => parts.out() !== undefined || parts.logEnded(),
          onOdd,
          onBegin,
          logger,
        })
      : undefined;
  }

  /** @param admin where the HTTP API of this replica is reached */
  start(admin: string): void {
    this.#admin = admin;
    this.group?.start(admin);
  }

  statement(): ReplicaStatement {
    const { self, mesh, version, projector, registry, out } = this.#parts;
    const failed = projector.condition().state === 'failed' || this.#parts.logEnded();
    return {
      id: self,
      mesh,
      version,
      state: out() !== undefined ? 'out' : failed ? 'failed' : projector.lag().tooFar ? 'catching-up' : 'serving',
      offset: projector.notice.offset,
      sidecars: registry.sidecars,
      proofs: this.#proofs.proofs(),
    };
  }

  rows(): readonly ReplicaRow[] {
    const rows = this.group?.rows();
    if (rows !== undefined && rows.length > 0) return rows;
    const { id, state, offset, sidecars, version } = this.statement();
    return [{ id, admin: this.#admin, self: true, keeper: true, state, offset, sidecars, version }];
  }

  comparison(): Verdict {
    return this.group?.verdict ?? { verdict: 'alone' };
  }

  /** Of the keeper on another replica. @throws TendrilError `KEEPER_FENCED` when its term is over */
  async ask(term: number, asked: Readonly<Record<string, unknown>>): Promise<ReplicaAnswer> {
    const { projector, registry, workers } = this.#parts;
    const newest = projector.fold.keeperEpoch('edges');
    if (term < newest)
      throw new TendrilError('KEEPER_FENCED', `term ${term} of the edge keeper is over; the newest is ${newest}`, {
        remedy: 'nothing to do: the other keeper goes on',
      });
    // Its sidecars were sent away.
    if (this.#parts.out() !== undefined) return { answers: [], complete: true };
    const question = asked as unknown as ReplicaQuestion;
    if (question.what === 'leases') return { answers: this.#parts.leases(question.leases), complete: true };
    const answers = await registry.ask<unknown>(question);
    return { answers, complete: answers.length >= Math.max(1, workers) };
  }

  /** False: there is none of that name. */
  async remove(id: string, caller: string, reason: string): Promise<boolean> {
    return (await this.group?.remove(id, caller, reason)) ?? false;
  }

  /** Questions to others end. */
  endQuestions(): void {
    this.group?.endQuestions();
  }

  async close(): Promise<void> {
    await this.group?.close();
  }
}
