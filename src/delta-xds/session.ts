/**
 * The session: the pure machine of one delta stream of one node. Facts come in (requests, change keys, time, drained), effects come
 * out; it has no clock, no socket, no randomness. `request.ts`, `change.ts` and `settle.ts` write facts down, `delivery.ts` decides.
 *
 * Invariants (cited by the tests as S1, S2, …):
 *  S1  At rest the client holds exactly: own listeners and inbound clusters; the virtual hosts (under every route configuration it uses)
 *      of its preload list, of the hosts it asked for, and of what it held when the stream began and may hold; the clusters these
 *      need, those it asked for by name, and their assignments. Except for what it has refused, nothing is missing or outdated.
 *  S2  Nothing is sent that is neither in S1 nor the answer to a question; what a node may not hold looks like what does not exist.
 *  S3  A name asked for is answered in the same pass: body, negative (hosts), empty cluster or assignment, or removal (listeners,
 *      route configurations). Exceptions: an assignment on its way, equal versions in a type's first message, questions beyond 32
 *      answers in flight, names beyond a portion (256 of a type), which have their turn when others had theirs, a paused stream,
 *      listeners of a client whose generation is not known yet (S13), hosts of one that keeps its clusters back (S4).
 *  S4  Order within a pass: clusters, each response directly followed by the assignments of its EDS clusters; assignments; listeners;
 *      route configurations; virtual hosts, after all clusters they use and the assignments of these; removals of clusters last. To a
 *      client that comes back and says nothing of clusters, virtual hosts go when it has, or 1 s has passed.
 *  S5  A broadcast of a type waits until the last broadcast of that type is acknowledged, or 1 s old. Answers, what they need, and
 *      assignments behind clusters never wait.
 *  S6  A version that the client has or is about to have is not sent again, but as an answer, behind its cluster, after a NACK that
 *      may have been another's, beside the virtual host that takes a domain from it, or, of an assignment: ahead of the virtual host that
 *      needs it while EDS has not been heard, and to a client that keeps its clusters back, for it may wait for just that one.
 *  S7  A rejected resource is never sent again at the same version on this stream; the last good one stays; whoever asked is answered.
 *      Exception: a virtual host, after the client has given up a domain of it that it had in another one, and when one of
 *      those has changed with which it was refused.
 *  S8  After every response that Envoy takes, no domain belongs to two virtual hosts of a route configuration, and none has left one
 *      without arriving at the next.
 *  S9  A cluster goes only when no virtual host that the client may have uses it; never by removal when the client asked for it by name.
 *  S10 No response has a name twice, or both as resource and as removed; each stays below the size limit unless it holds one atom.
 *  S11 A negative answer has a version that the client cannot hold, is only sent when asked for, and never stands in for a removal.
 *  S12 Every route configuration gets something under its name as soon as VHDS is open.
 *  S13 A listener names the generation that the client is in. None is sent to one that comes back until that is known
 *      (`current-routes.ts`), and no cluster is taken away meanwhile.
 *  S14 A renewal (R1 to R4, `renewal.ts`) sends in one pass: the listener, its route configuration, and under that name the virtual
 *      hosts of the preload list or the bare removal. Nothing is taken away for it: the earlier generation is answered until the client
 *      unsubscribes it; then its names go, the client is told that they are gone, and the clusters that only they used go (S9).
 *  S15 A renewal that the client refuses leaves it in the generation that it is in, and is not tried again on its stream.
 */
import type { DeltaRequest } from '../proto/index.ts';
import { type ChangeItem, note } from './change.ts';
import { deliver } from './delivery.ts';
import type { Effect } from './effect.ts';
import { parkedCounts, refusedNow } from './parked.ts';
import { takeRequest } from './request.ts';
import type { NodeFacts } from './resource-source.ts';
import type { ResourceType } from './resource-type.ts';
import { sendAloneAssignment } from './send-alone.ts';
import { type SessionOptions, SessionState } from './session-state.ts';
import { GONE } from './shapes.ts';
import { type HeldResource, type StreamSession, servicePortsIn, type TypeStatus } from './stream-session.ts';

export class Session implements StreamSession {
  readonly #state: SessionState;

  constructor(options: SessionOptions) {
    this.#state = new SessionState(options);
  }

  get facts(): NodeFacts {
    return this.#state.view.facts;
  }

  get subjects(): ReadonlySet<string> {
    return this.#state.interest;
  }

  get waiting(): number {
    return this.#state.demand.waiting;
  }

  asks(request: DeltaRequest): boolean {
    return request.subscribe.length > 0 || request.responseNonce === '';
  }

  onRequest(request: DeltaRequest, now: number): Effect[] {
    const out: Effect[] = [];
    if (this.#state.closed) return out;
    this.#state.current.began ??= now;
    this.#state.beginPass();
    takeRequest(this.#state, request, now, out);
    deliver(this.#state, now, out);
    return out;
  }

  onChange(items: readonly ChangeItem[], now: number): Effect[] {
    const out: Effect[] = [];
    const [only] = items;
    if (items.length === 1 && only?.kind === 'eds' && sendAloneAssignment(this.#state, only.name, now, out)) return out;
    this.note(items);
    deliver(this.#state, now, out);
    return out;
  }

  note(items: readonly ChangeItem[]): void {
    this.#state.beginPass();
    for (const item of items) note(this.#state, item);
  }

  onTick(now: number): Effect[] {
    const out: Effect[] = [];
    this.#state.timerAt = 0;
    deliver(this.#state, now, out);
    return out;
  }

  hold(): void {
    this.#state.paused = true;
  }

  onDrained(now: number): Effect[] {
    const out: Effect[] = [];
    this.#state.paused = false;
    deliver(this.#state, now, out);
    return out;
  }

  takenVersion(type: ResourceType, name: string): string | undefined {
    return this.#state.channels.get(type)?.ledger.held.get(name)?.good?.version;
  }

  status(): TypeStatus[] {
    const list: TypeStatus[] = [];
    for (const { type, subscription, ledger, now, dirty, questions, lastError } of this.#state.channels.values()) {
      list.push({
        type,
        wildcard: subscription.wildcard,
        asked: type === 'vhds' ? this.#state.demand.hosts : subscription.asked.size,
        held: ledger.held.size,
        unacked: ledger.outstanding.length,
        parked: refusedNow(this.#state, type, ledger.parked).size,
        pending: now.size + dirty.size + questions.size,
        ...(lastError === undefined ? {} : { lastError: { code: lastError.code, message: lastError.message } }),
      });
    }
    return list;
  }

  parkedNow(): readonly (readonly [ResourceType, number])[] {
    return parkedCounts(this.#state, this.#state.channels.values(), ({ ledger }) => ledger.parked);
  }

  get generation(): number {
    return this.#state.current.n;
  }

  get stale(): number {
    return this.#state.current.stale;
  }

  servicePorts(): number {
    return servicePortsIn(this.#state.channels.get('cds')?.ledger.held.keys() ?? []);
  }

  resources(): HeldResource[] {
    const list: HeldResource[] = [];
    for (const { type, subscription, ledger, now, dirty } of this.#state.channels.values()) {
      const parked = refusedNow(this.#state, type, ledger.parked);
      for (const [name, { sent, good }] of ledger.held) {
        const refused = parked.get(name);
        list.push({
          type,
          name,
          version: sent === GONE ? '' : sent.version,
          ...(good === undefined ? {} : { acked: good.version }),
          ...(refused === undefined ? {} : { refused }),
          asked: type === 'vhds' ? this.#state.asksHost(name) : subscription.has(name),
          ...(now.has(name) || dirty.has(name) ? { due: true } : {}),
        });
      }
      for (const [name, version] of parked)
        if (!ledger.held.has(name)) list.push({ type, name, version: '', refused: version, asked: true });
    }
    return list;
  }
}
