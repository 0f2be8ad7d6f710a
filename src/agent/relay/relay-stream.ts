/**
 * What a stream of the relay is in either form: which node it is, and how it stands to a control plane. The forms (`session.ts`,
 * `state-session.ts`) say what is wanted, held and answered. Invariants R1, R4, R5 and W1, W4 rest on it.
 */
import { TendrilError } from '../../model/basics.ts';
import type { RelayCounters, RelayEffect, RelayMachine, RelayState } from './effect.ts';
import type { LastGoodView } from './last-good.ts';
import type { MemoryBudget } from './memory-budget.ts';

export interface RelaySessionOptions {
  /** The last good configuration of a node; asked once, when its name is known. */
  readonly lastGood: (nodeId: string) => LastGoodView;
  /** For responses that Envoy has not answered; undefined: without a bound of bytes. */
  readonly budget?: MemoryBudget;
}

/** What a form keeps of one resource type. */
export interface StreamType {
  readonly typeUrl: string;
  readonly opened: boolean;
  readonly wildcard: boolean;
  /** A response has been sent on this stream, or Envoy came with versions. */
  readonly answered: boolean;
  readonly names: ReadonlySet<string>;
  readonly inFlight: { readonly length: number; clear(): void };
}

interface Node {
  readonly id: string;
  /** As Envoy wrote it, with its tag. */
  readonly field: Uint8Array;
  readonly lastGood: LastGoodView;
}

export abstract class RelayStream<Type extends StreamType> implements RelayMachine {
  readonly counters: RelayCounters = {
    ...{ relayed: 0, relayedResources: 0, local: 0, localResources: 0, refused: 0, upstreams: 0 },
  };
  protected readonly options: RelaySessionOptions;
  protected readonly types = new Map<string, Type>();
  protected node: Node | undefined;
  /** Answers were made here since the control plane was lost, or may be. */
  protected alone = false;
  /** Number of the control plane's present stream; answers made here have 0. */
  protected stream = 0;
  #state: RelayState = 'connecting';
  #heard = false;
  #nonces = 0;

  constructor(options: RelaySessionOptions) {
    this.options = options;
  }

  get state(): RelayState {
    return this.#state;
  }

  get nodeId(): string | undefined {
    return this.node?.id;
  }

  get starving(): boolean {
    if (this.node === undefined || this.node.lastGood.size === 0) return false;
    return this.#state === 'up' && !this.#heard && [...this.types.values()].every((type) => !type.answered);
  }

  abstract holds(typeUrl: string, name: string): boolean;
  abstract onRequest(bytes: Uint8Array): RelayEffect[];
  abstract onResponse(bytes: Uint8Array): RelayEffect[];

  /** Answers with the last good configuration what is missing. */
  protected abstract serve(out: RelayEffect[]): void;
  protected abstract makeType(typeUrl: string): Type;
  /** First request of a type on a new stream of a control plane; `node`: to be in it. */
  protected abstract again(type: Type, node: Uint8Array | undefined): Uint8Array;

  onReady(): RelayEffect[] {
    const out: RelayEffect[] = [];
    this.#state = 'joining';
    this.join(out);
    if ((this.#state as RelayState) === 'joining') out.push({ kind: 'settle' });
    return out;
  }

  /** R5: Envoy has had its time. */
  onSettleOver(): RelayEffect[] {
    const out: RelayEffect[] = [];
    if (this.#state === 'joining' && this.node !== undefined) this.#begin(out);
    return out;
  }

  onLost(): RelayEffect[] {
    const out: RelayEffect[] = [];
    this.#state = 'away';
    this.alone = true;
    this.serve(out);
    return out;
  }

  onEnd(): void {
    for (const { inFlight } of this.types.values()) inFlight.clear();
  }

  /** The first message names the node. `field` reads it as it was written. */
  protected identify(node: { readonly id: string } | undefined, field: () => Uint8Array): void {
    if (this.node !== undefined) return;
    if (node === undefined || node.id === '')
      throw new TendrilError('XDS_MALFORMED', 'the first message of the stream has no node with an id', {
        remedy: 'set node.id in the bootstrap of Envoy',
      });
    this.node = { id: node.id, field: field(), lastGood: this.options.lastGood(node.id) };
  }

  protected typeOf(typeUrl: string): Type {
    const known = this.types.get(typeUrl);
    if (known !== undefined) return known;
    const made = this.makeType(typeUrl);
    this.types.set(typeUrl, made);
    return made;
  }

  /** R5 */
  protected join(out: RelayEffect[]): void {
    if (this.#state !== 'joining' || this.node === undefined) return;
    for (const { inFlight } of this.types.values()) if (inFlight.length > 0) return;
    this.#begin(out);
  }

  /** R4, W4 */
  #begin(out: RelayEffect[]): void {
    this.#state = 'up';
    this.alone = false;
    this.#heard = false;
    this.stream++;
    this.counters.upstreams++;
    let node = this.node?.field;
    for (const type of this.types.values()) {
      // A type whose names were all given up would be read as one that wants everything.
      if (!type.opened || (!type.wildcard && type.names.size === 0)) continue;
      out.push({ kind: 'to-control-plane', bytes: this.again(type, node) });
      node = undefined;
    }
  }

  /** A response of a control plane passes. */
  protected relayed(resources: number): void {
    this.#heard = true;
    this.counters.relayed++;
    this.counters.relayedResources += resources;
  }

  /** Nonce of a response made here. */
  protected localNonce(resources: number): string {
    this.counters.local++;
    this.counters.localResources += resources;
    return `relay-${++this.#nonces}`;
  }
}
