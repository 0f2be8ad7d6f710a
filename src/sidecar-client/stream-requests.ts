/** The requests of one client, stream by stream: the first of a stream carries the node (C3 of session.ts). */
import type { DeltaRequest, ProtoNode } from '../proto/wire.ts';
import type { ClientEffect } from './effect.ts';
import type { Held } from './held.ts';
import { type ResourceKind, URLS } from './kinds.ts';

const NO_NAMES: readonly string[] = [];
const NO_VERSIONS: ReadonlyMap<string, string> = new Map();

export interface RequestParts {
  readonly subscribe?: readonly string[];
  readonly unsubscribe?: readonly string[];
  readonly versions?: ReadonlyMap<string, string>;
  readonly responseNonce?: string;
  readonly errorDetail?: { readonly code: number; readonly message: string };
}

export class StreamRequests {
  readonly #node: ProtoNode;
  /** Types whose first message has been sent on this stream. */
  readonly #opened = new Set<ResourceKind>();
  #nodeSent = false;

  constructor(node: ProtoNode) {
    this.#node = node;
  }

  /** A new stream. */
  begin(): void {
    this.#opened.clear();
    this.#nodeSent = false;
  }

  hasOpened(type: ResourceKind): boolean {
    return this.#opened.has(type);
  }

  /** The first message of a type: names what is held. */
  open(
    out: ClientEffect[],
    type: ResourceKind,
    subscribe: readonly string[],
    held: ReadonlyMap<string, Held<unknown>>,
  ): void {
    const versions = new Map<string, string>();
    for (const [name, { version }] of held) versions.set(name, version);
    this.add(out, type, { subscribe, versions });
  }

  add(out: ClientEffect[], type: ResourceKind, parts: RequestParts): void {
    this.#opened.add(type);
    out.push({ kind: 'request', request: this.message(URLS[type], parts) });
  }

  message(typeUrl: string, parts: RequestParts): DeltaRequest {
    const node = this.#nodeSent ? {} : { node: this.#node };
    this.#nodeSent = true;
    return {
      ...node,
      typeUrl,
      subscribe: parts.subscribe ?? NO_NAMES,
      unsubscribe: parts.unsubscribe ?? NO_NAMES,
      initialResourceVersions: parts.versions ?? NO_VERSIONS,
      responseNonce: parts.responseNonce ?? '',
      ...(parts.errorDetail === undefined ? {} : { errorDetail: parts.errorDetail }),
    };
  }
}
