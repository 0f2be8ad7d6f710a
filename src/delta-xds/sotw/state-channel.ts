/** One type on one state-of-the-world stream: what was asked, what the client holds, what it has refused. */
import { NameSet } from '../name-set.ts';
import { Parked } from '../parked.ts';
import type { ResourceBody } from '../resource-source.ts';
import type { ResourceType } from '../resource-type.ts';
import { Subscription } from '../subscription.ts';

/** One resource at the client. `sent`: what it will hold once it has taken everything; `good`: what it is known to have taken. */
export interface Holding {
  sent: ResourceBody | undefined;
  good: ResourceBody | undefined;
}

/** A response that the client has neither acknowledged nor rejected. */
export interface Unanswered {
  readonly nonce: string;
  /** ms */
  readonly at: number;
  /** Everything in it; of a full type all that the client then holds. */
  readonly items: ReadonlyMap<string, ResourceBody>;
  /** Names whose version is not the client's last good one: what a NACK can be about. */
  readonly changed: readonly string[];
  /** Of a full type: names that the client held before, and that are gone by not being in it. */
  readonly gone: readonly string[];
}

/** Responses remembered per type; of a client that never answers the oldest are forgotten. */
const MAX_UNANSWERED = 32;

/** Types of which every response holds the whole state; what is missing in it is gone (xds_protocol.rst, "Deleting resources"). */
const FULL: ReadonlySet<string> = new Set(['cds', 'lds']);

export class StateChannel {
  readonly type: ResourceType;
  readonly full: boolean;
  readonly subscription = new Subscription();
  readonly held = new Map<string, Holding>();
  readonly parked = new Parked();
  /** Of the last response; '': none was sent on this stream. */
  nonce = '';
  unanswered: Unanswered[] = [];
  /** A response is owed, even an empty one. */
  owed = false;
  /** Asked for, or to follow its cluster: sent at once, though the client may hold it. */
  readonly now = new NameSet();
  /** Missing in a request that changed nothing (W3): to be answered should the next one list them. */
  readonly doubtful = new NameSet();
  /** To compare when the gate is open. */
  readonly dirty = new NameSet();
  /** Something is gone and kept for the sake of routes on their way (W10). */
  keeps = false;
  /** Compare everything. */
  stale = false;
  /** Parts of rejected responses, each to be tried by itself, the first one next. */
  trials: ReadonlySet<string>[] = [];
  lastError: { readonly code: number; readonly message: string } | undefined;

  constructor(type: ResourceType) {
    this.type = type;
    this.full = FULL.has(type);
  }

  /** The name stands in a part that is not tried yet: the client keeps its last good one meanwhile. */
  waits(name: string): boolean {
    for (let at = 1; at < this.trials.length; at++) if (this.trials[at]?.has(name)) return true;
    return false;
  }

  record(response: Unanswered): void {
    this.nonce = response.nonce;
    this.owed = false;
    for (const [name, body] of response.items) {
      const holding = this.held.get(name);
      if (holding === undefined) this.held.set(name, { sent: body, good: undefined });
      else holding.sent = body;
    }
    if (this.full) for (const [name, holding] of this.held) if (!response.items.has(name)) holding.sent = undefined;
    if (this.unanswered.length >= MAX_UNANSWERED) this.unanswered.shift();
    this.unanswered.push(response);
  }

  /** Takes the response with this nonce off the list; undefined: unknown or already settled. `later`: on their way behind it. */
  settle(nonce: string): { readonly response: Unanswered; readonly later: readonly Unanswered[] } | undefined {
    const at = this.unanswered.findIndex((response) => response.nonce === nonce);
    const [response] = at < 0 ? [] : this.unanswered.splice(at, 1);
    return response === undefined ? undefined : { response, later: this.unanswered.slice(at) };
  }

  accept({ items }: Unanswered): void {
    for (const [name, body] of items) {
      const holding = this.held.get(name);
      if (holding !== undefined) holding.good = body;
    }
    if (this.full)
      for (const [name, holding] of this.held)
        if (!items.has(name)) {
          holding.good = undefined;
          if (holding.sent === undefined) this.held.delete(name);
        }
    this.#tried(items.keys());
  }

  /**
   * The client kept what it had (a gRPC client has taken the valid ones: sending them again does no harm), and will hold what is on its
   * way behind the rejected response.
   */
  reject({ items, changed }: Unanswered, later: readonly Unanswered[]): void {
    for (const [name, holding] of this.held) {
      if (!this.full && !items.has(name)) continue;
      const next = this.full ? later.at(-1) : later.findLast((response) => response.items.has(name));
      holding.sent = next === undefined ? holding.good : next.items.get(name);
      if (holding.sent === undefined && holding.good === undefined) this.held.delete(name);
    }
    this.#tried(changed);
  }

  /** These are no longer suspects. */
  #tried(names: Iterable<string>): void {
    if (this.trials.length === 0) return;
    const gone = new Set(names);
    this.trials = this.trials
      .map((group) => new Set([...group].filter((name) => !gone.has(name))))
      .filter((group) => group.size > 0);
  }

  forget(name: string): void {
    this.held.delete(name);
    this.now.delete(name);
    this.dirty.delete(name);
    this.#tried([name]);
  }
}
