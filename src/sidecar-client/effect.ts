/** What a client session asks its surroundings to do. */
import type { DeltaRequest } from '../proto/wire.ts';
import type { ResourceKind } from './kinds.ts';

/** Send a request on the stream. */
export interface RequestEffect {
  readonly kind: 'request';
  readonly request: DeltaRequest;
}

/** What the client holds has changed. */
export interface UpdateEffect {
  readonly kind: 'update';
  readonly type: ResourceKind;
  readonly changed: readonly string[];
  readonly removed: readonly string[];
}

/** A host asked for has its answer, or another one than before. */
export interface HostEffect {
  readonly kind: 'host';
  readonly host: string;
  /** Name of the virtual host; undefined: nobody answers this host. */
  readonly virtualHost: string | undefined;
}

/** A response was refused. */
export interface RefusedEffect {
  readonly kind: 'refused';
  readonly type: string;
  readonly message: string;
}

export type ClientEffect = RequestEffect | UpdateEffect | HostEffect | RefusedEffect;
