/** What is asked of the events of a log besides their checksums: offsets without gaps, and the chain. */
import { chainStart, nextChain } from '../../log/index.ts';
import type { TableKey } from '../../store/index.ts';

/** Offsets that are missing, from slice to slice. */
export class Gaps {
  #previous: number | undefined;
  #waiting: { readonly from: number; readonly to: number }[] = [];

  take(offset: number): void {
    if (this.#previous !== undefined && offset !== this.#previous + 1)
      this.#waiting.push({ from: this.#previous + 1, to: offset - 1 });
    this.#previous = offset;
  }

  /**
   * Gaps met since the last call, without those that retention has made: it removes events while they are read. `base` is asked
   * only when there is a gap: the offset before the first event, of the same commit as what was read or a later one.
   */
  missing(base: () => number): readonly { readonly from: number; readonly to: number }[] {
    if (this.#waiting.length === 0) return [];
    const waiting = this.#waiting;
    this.#waiting = [];
    const cut = base();
    return waiting.flatMap(({ from, to }) => (to > cut ? [{ from: Math.max(from, cut + 1), to }] : []));
  }
}

/** Tells of every offset whose chain is not the one in `chains` (hexadecimal, by offset). */
export const chainCheck = (
  chains: ReadonlyMap<number, string>,
  onOther: (offset: number) => void,
): ((key: TableKey, body: Buffer) => void) => {
  let expected: number | undefined;
  let chain: Buffer | undefined;
  return (key, body) => {
    const offset = Number(key);
    if (expected === undefined && offset === 1) chain = chainStart();
    // Records between that are missing or fail their checksum have findings of their own.
    if (expected !== undefined && offset !== expected) chain = undefined;
    expected = offset + 1;
    chain = chain === undefined ? undefined : nextChain(chain, body);
    const stored = chains.get(offset);
    if (stored === undefined) return;
    if (chain !== undefined && chain.toString('hex') !== stored) onOther(offset);
    chain = Buffer.from(stored, 'hex');
  };
};
