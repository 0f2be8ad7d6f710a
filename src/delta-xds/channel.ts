/** One type on one delta stream: what was asked, what the client holds, what is to be sent. */
import { Ledger } from './ledger.ts';
import { NameSet } from './name-set.ts';
import { RefusedClusters } from './refused-clusters.ts';
import type { ResourceType } from './resource-type.ts';
import { Subscription } from './subscription.ts';

/** Resources of a rejected response that are sent again, in a response of their own. */
export interface Suspects {
  readonly names: ReadonlySet<string>;
  readonly questions: ReadonlySet<string>;
}

export class Channel {
  readonly type: ResourceType;
  readonly subscription: Subscription;
  readonly ledger = new Ledger();
  /** A response is owed, even an empty one. */
  owed = false;
  /** To compare and send at once. */
  readonly now = new NameSet();
  /** Of those: to send even if the client should have it already. */
  readonly forced = new NameSet();
  /** To compare and send when the gate is open. */
  readonly dirty = new NameSet();
  /** VHDS: on-demand names, as asked, to answer at once. */
  readonly questions = new NameSet();
  /** Names to be told absent at once. */
  readonly absent = new NameSet();
  readonly suspects: Suspects[] = [];
  /** VHDS. */
  readonly refused = new RefusedClusters();
  lastError: { readonly at: number; readonly code: number; readonly message: string } | undefined;

  constructor(type: ResourceType) {
    this.type = type;
    // Hosts asked for are remembered by route configuration (`Generation`).
    this.subscription = new Subscription(type !== 'vhds');
  }

  /** Asked for: to be answered at once, `force`: even if the client should have it already. */
  answer(name: string, force: boolean): void {
    this.now.add(name);
    if (force) this.forced.add(name);
  }

  /** Sent, or found equal: nothing more to do about it. */
  settled(name: string): void {
    this.now.delete(name);
    this.forced.delete(name);
    this.dirty.delete(name);
  }
}
