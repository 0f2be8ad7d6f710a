/** Nodes that the ledger knows, in order of use. Bound: 100,000; at the bound those not heard of for longest go. */
import type { LedgerEntry, LedgerNode } from './types.ts';

export const MAX_NODES = 100_000;

export const encodeNode = (node: LedgerNode): Buffer => Buffer.from(JSON.stringify(node));

export class LedgerNodes {
  readonly #nodes = new Map<string, LedgerNode>();
  /** Differ from what is stored. */
  readonly #touched = new Set<string>();

  /** Takes in a stored node. */
  load(node: string, body: Buffer): void {
    this.#nodes.set(node, JSON.parse(body.toString()) as LedgerNode);
  }

  get(node: string): LedgerNode | undefined {
    return this.#nodes.get(node);
  }

  note(entry: LedgerEntry): void {
    const { node, caller, event, at } = entry;
    const { lastSentAt, lastAckAt } = this.#nodes.get(node) ?? {};
    const sentAt = event === 'sent' || event === 'removed' ? at : lastSentAt;
    const ackAt = event === 'acked' ? at : lastAckAt;
    // Set anew: the map stays in order of use.
    this.#nodes.delete(node);
    this.#nodes.set(node, {
      caller,
      ...(sentAt === undefined ? {} : { lastSentAt: sentAt }),
      ...(ackAt === undefined ? {} : { lastAckAt: ackAt }),
    });
    this.#touched.add(node);
    const [oldest] = this.#nodes.keys();
    if (this.#nodes.size > MAX_NODES && oldest !== undefined) this.#drop(oldest);
  }

  /** Drops nodes not heard of since `horizon` (ms since the epoch). */
  forget(horizon: number): void {
    for (const [node, { lastSentAt = 0, lastAckAt = 0 }] of this.#nodes) {
      if (Math.max(lastSentAt, lastAckAt) < horizon) this.#drop(node);
    }
  }

  /** Nodes to be written, or removed when `get` no longer has them. */
  takeTouched(): string[] {
    const touched = [...this.#touched];
    this.#touched.clear();
    return touched;
  }

  #drop(node: string): void {
    this.#nodes.delete(node);
    this.#touched.add(node);
  }
}
