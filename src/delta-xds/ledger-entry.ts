import type { ResourceType } from './resource-source.ts';

/** One line of the delivery ledger: what happened to one resource at one node. */
export interface LedgerEntry {
  /** ms since the epoch. */
  readonly at: number;
  readonly node: string;
  readonly type: ResourceType;
  /** Name on the wire. */
  readonly name: string;
  /** Content hash; `neg-…`: answered as unknown; '' for removals. */
  readonly version: string;
  /** `removed`: a removal was sent; its acknowledgement is `acked` with an empty version. */
  readonly state: 'sent' | 'removed' | 'acked' | 'rejected';
  /** Bytes of the resource on the wire, of `sent`. */
  readonly bytes?: number;
  /** The client's words, of `rejected`. */
  readonly message?: string;
  /** Of `rejected`: this very resource is refused; false: it was in a response of several that was refused. */
  readonly final?: boolean;
}
