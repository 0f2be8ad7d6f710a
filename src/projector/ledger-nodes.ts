/** Nodes that the ledger knows, in order of use. Bound: 100,000; at the bound those not heard of for longest go. */
import type { LedgerNode } from './types.ts';

export const MAX_NODES = 100_000;

interface Known {
  caller: string;
  /** When the ledger first heard of it, ms since the epoch; undefined: before the ledger noted that. */
  since: number | undefined;
  lastSentAt: number | undefined;
  lastAckAt: number | undefined;
}

export const encodeNode = (node: LedgerNode): Buffer => Buffer.from(JSON.stringify(node));

export class LedgerNodes {
  readonly #nodes = new Map<string, Known>();
  /** Differ from what is stored. */
  readonly #touched = new Set<string>();

  /** Takes in a stored node. */
  load(id: string, body: Buffer): void {
    const { caller, since, lastSentAt, lastAckAt } = JSON.parse(body.toString()) as LedgerNode;
    this.#nodes.set(id, { caller, since, lastSentAt, lastAckAt });
  }

  get(id: string): LedgerNode | undefined {
    const known = this.#nodes.get(id);
    if (known === undefined) return undefined;
    const { caller, since, lastSentAt, lastAckAt } = known;
    return {
      caller,
      ...(since === undefined ? {} : { since }),
      ...(lastSentAt === undefined ? {} : { lastSentAt }),
      ...(lastAckAt === undefined ? {} : { lastAckAt }),
    };
  }

  /** `at`: ms since the epoch. */
  note(id: string, caller: string, event: 'sent' | 'acked' | 'rejected' | 'removed', at: number): void {
    const known = this.#touched.has(id) ? this.#nodes.get(id) : this.#renew(id, caller, at);
    if (known === undefined) return;
    known.caller = caller;
    if (event === 'acked') known.lastAckAt = at;
    else if (event !== 'rejected') known.lastSentAt = at;
  }

  /** Set anew once between two writes: the map stays in order of use. */
  #renew(id: string, caller: string, at: number): Known {
    const known = this.#nodes.get(id) ?? { caller, since: at, lastSentAt: undefined, lastAckAt: undefined };
    this.#nodes.delete(id);
    this.#nodes.set(id, known);
    this.#touched.add(id);
    const [oldest] = this.#nodes.keys();
    if (this.#nodes.size > MAX_NODES && oldest !== undefined) this.#drop(oldest);
    return known;
  }

  /**
   * Drops nodes not heard of since `horizon` (ms since the epoch).
   * @param isEarly deliveries from before it are gone ahead of their time: nothing is known of the others before it either
   */
  forget(horizon: number, isEarly: boolean): void {
    for (const [id, known] of this.#nodes) {
      const { lastSentAt = 0, lastAckAt = 0, since = 0 } = known;
      if (Math.max(lastSentAt, lastAckAt) < horizon) this.#drop(id);
      else if (isEarly && since < horizon) {
        known.since = horizon;
        this.#touched.add(id);
      }
    }
  }

  /** Nodes to be written, or removed when `get` no longer has them. */
  takeTouched(): string[] {
    const touched = [...this.#touched];
    this.#touched.clear();
    return touched;
  }

  #drop(id: string): void {
    this.#nodes.delete(id);
    this.#touched.add(id);
  }
}
