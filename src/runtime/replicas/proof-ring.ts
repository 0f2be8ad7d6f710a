/** The newest proofs of this replica: those of the last commits, and of some round offsets, at which all replicas have one. */
import type { Proof } from './compare.ts';

const MAX_RECENT = 64;
const MAX_ROUND = 8;

export interface ProofSource {
  /** Of the newest commit, or the newest stored one at or below `at`; as `Projector.proof`. */
  proof(at?: number): Proof | undefined;
}

export class ProofRing {
  readonly #source: ProofSource;
  /** Distance of the offsets at which every replica takes a proof. */
  readonly #every: number;
  #recent: Proof[] = [];

  constructor(source: ProofSource, every: number) {
    this.#source = source;
    this.#every = every;
  }

  /** To be called after a commit. */
  note(): void {
    const proof = this.#source.proof();
    if (proof === undefined) return;
    this.#recent.push(proof);
    if (this.#recent.length > 2 * MAX_RECENT) this.#recent = this.#recent.slice(-MAX_RECENT);
  }

  /** Newest first. */
  proofs(): readonly Proof[] {
    const head = this.#source.proof();
    if (head === undefined) return [];
    const found = new Map<number, Proof>([[head.offset, head]]);
    for (const proof of this.#recent.slice(-MAX_RECENT).reverse()) found.set(proof.offset, proof);
    let round = head.offset - (head.offset % this.#every);
    for (let taken = 0; taken < MAX_ROUND && round > 0; taken++, round -= this.#every) {
      const proof = this.#source.proof(round);
      if (proof?.offset === round) found.set(round, proof);
    }
    return [...found.values()]
      .sort((a, b) => b.offset - a.offset)
      .map(({ offset, hash, chain, foldVersion, base }) => ({
        offset,
        hash,
        chain,
        foldVersion,
        ...(base === undefined ? {} : { base }),
      }));
  }
}
