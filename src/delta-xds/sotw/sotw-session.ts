/**
 * The session of one state-of-the-world stream: pure, beside the delta session and behind the same hub, with the same view of the mesh.
 * Its clients are gRPC applications without a proxy, and whoever cannot speak delta (xds_protocol.rst, "SotW").
 *
 * Invariants (cited by the tests as W1, W2, …):
 *  W1  At rest the client holds what it asked for and what exists of it, at the newest version that it has not refused.
 *  W2  A CDS or LDS response holds everything subscribed; what is missing in it is gone. Of other types it holds what is new to the
 *      client, and absence says nothing; an assignment that does not exist is answered without endpoints.
 *  W3  A request with a nonce that is not the last one of its type changes no subscription; its verdict counts all the same.
 *  W4  A newly listed name is answered though the client may hold it; so is one that a request of W3 left out and the next one lists.
 *      `version_info` alone skips an answer only to a pure wildcard.
 *  W5  A change waits until the last response of its type is answered, or 1 s old. Answers to names never wait.
 *  W6  A rejected response of n changed resources is tried again in halves; the bad one is parked: never sent again at that version. Where
 *      there was a good one before, full responses go on holding that.
 *  W7  Nothing is sent that the client did not ask for.
 *  W8  A changed cluster is followed by its assignment, where that is subscribed.
 *  W9  Order within a pass: clusters, assignments, listeners, route configurations, others.
 *  W10 A cluster or assignment that is gone stays while listeners or route configurations are on their way: until they are acknowledged,
 *      or 1 s old.
 */

import type { StateRequest } from '../../proto/index.ts';
import type { ChangeItem } from '../change.ts';
import type { Effect } from '../effect.ts';
import { parkedCounts, refusedNow } from '../parked.ts';
import type { NodeFacts } from '../resource-source.ts';
import type { ResourceType } from '../resource-type.ts';
import type { SessionOptions } from '../session-state.ts';
import { type HeldResource, type StreamSession, servicePortsIn, type TypeStatus } from '../stream-session.ts';
import { deliver } from './deliver.ts';
import { noteItem } from './note.ts';
import { SotwState } from './sotw-state.ts';
import { takeStateRequest } from './take-request.ts';

export class SotwSession implements StreamSession {
  readonly #state: SotwState;

  constructor(options: SessionOptions) {
    this.#state = new SotwState(options);
  }

  get facts(): NodeFacts {
    return this.#state.view.facts;
  }

  get subjects(): ReadonlySet<string> {
    return this.#state.interest;
  }

  /** Hosts are asked for on delta streams alone. */
  get waiting(): number {
    return 0;
  }

  /** Nothing to renew: no client of this form asks for virtual hosts (`current-routes.ts`). */
  get generation(): number {
    return 0;
  }

  get stale(): number {
    return 0;
  }

  asks(request: StateRequest): boolean {
    return this.#state.asks(request);
  }

  onRequest(request: StateRequest, now: number): Effect[] {
    const out: Effect[] = [];
    if (this.#state.closed) return out;
    this.#state.beginPass();
    takeStateRequest(this.#state, request, out);
    deliver(this.#state, now, out);
    return out;
  }

  onChange(items: readonly ChangeItem[], now: number): Effect[] {
    this.note(items);
    return this.#deliver(now);
  }

  note(items: readonly ChangeItem[]): void {
    for (const item of items) noteItem(this.#state, item);
  }

  onTick(now: number): Effect[] {
    this.#state.timerAt = 0;
    return this.#deliver(now);
  }

  hold(): void {
    this.#state.paused = true;
  }

  onDrained(now: number): Effect[] {
    this.#state.paused = false;
    return this.#deliver(now);
  }

  #deliver(now: number): Effect[] {
    const out: Effect[] = [];
    this.#state.beginPass();
    deliver(this.#state, now, out);
    return out;
  }

  takenVersion(type: ResourceType, name: string): string | undefined {
    return this.#state.channels.get(type)?.held.get(name)?.good?.version;
  }

  status(): TypeStatus[] {
    return [...this.#state.channels.values()].map(
      ({ type, subscription, held, unanswered, parked, now, dirty, lastError }) => {
        return {
          type,
          wildcard: subscription.wildcard,
          asked: subscription.asked.size,
          held: held.size,
          unacked: unanswered.length,
          parked: refusedNow(this.#state, type, parked).size,
          pending: now.size + dirty.size,
          ...(lastError === undefined ? {} : { lastError }),
        };
      },
    );
  }

  parkedNow(): readonly (readonly [ResourceType, number])[] {
    return parkedCounts(this.#state, this.#state.channels.values(), ({ parked }) => parked);
  }

  servicePorts(): number {
    return servicePortsIn(this.#state.channels.get('cds')?.held.keys() ?? []);
  }

  resources(): HeldResource[] {
    const list: HeldResource[] = [];
    for (const { type, subscription, held, parked, now, dirty, stale } of this.#state.channels.values()) {
      const refused = refusedNow(this.#state, type, parked);
      for (const [name, { sent, good }] of held) {
        const version = refused.get(name);
        list.push({
          type,
          name,
          version: sent?.version ?? '',
          ...(good === undefined ? {} : { acked: good.version }),
          ...(version === undefined ? {} : { refused: version }),
          asked: subscription.has(name),
          ...(stale || now.has(name) || dirty.has(name) ? { due: true } : {}),
        });
      }
      for (const [name, version] of refused)
        if (!held.has(name)) list.push({ type, name, version: '', refused: version, asked: true });
    }
    return list;
  }
}
