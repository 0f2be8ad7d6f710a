/** One line of the delivery ledger: one step of the delivery of one resource to one node (design, section 9). */
export interface LedgerEntry {
  readonly node: string;
  /** `<service>.<namespace>` of the node. */
  readonly caller: string;
  /** Short name of the resource type: `cds`, `eds`, `lds`, `rds`, `vhds`. */
  readonly type: string;
  /** Name on the wire. */
  readonly name: string;
  /** Content hash; `neg-…`: answered as unknown; '' for removals. */
  readonly version: string;
  /** Bytes of the resource on the wire; 0 unless `sent`. */
  readonly bytes: number;
  /** Offset of the state it was made from; 0 when the server was not told. */
  readonly offset: number;
  /** ms since the epoch. */
  readonly at: number;
  /** `removed`: a removal was sent; its acknowledgement is `acked` with an empty version. */
  readonly event: 'sent' | 'acked' | 'rejected' | 'removed';
  /** `rejected`: the node's error text, at most 1,024 characters. */
  readonly message?: string;
  /** `rejected`: true: this very resource is refused; false: it was in a response of several that was refused as a whole. */
  readonly final?: boolean;
}
