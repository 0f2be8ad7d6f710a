/**
 * Do the replicas have the same state? Each tells proofs: hash of the state and chain of the log at some offsets. Pure.
 *
 * Invariants (cited by the tests as R1, …):
 *  R1  Only proofs of one offset, one version of the fold and one beginning are compared: what an older version folded, and the log no
 *      longer has, may differ.
 *  R2  At an offset the larger half of those who tell decides: who differs from it is odd. Without a larger half nobody is: the alarm is
 *      everybody's, and an operator decides.
 *  R3  A difference at any offset both told of counts, whatever other offsets say: equal proofs of earlier events do not take it back.
 */

export interface Proof {
  readonly offset: number;
  /** Of the state, hexadecimal. */
  readonly hash: string;
  /** Of the log, hexadecimal. */
  readonly chain: string;
  readonly foldVersion: number;
  /** What it was folded from, where that is not the first event (`StateProof.base`). */
  readonly base?: { readonly offset: number; readonly foldVersion: number };
}

export interface Statement {
  readonly id: string;
  readonly proofs: readonly Proof[];
}

export type Difference = 'log' | 'state';

export type Verdict =
  /** Nobody else told of an offset that this one knows. */
  | { readonly verdict: 'alone' }
  | { readonly verdict: 'agree'; readonly offset: number; readonly with: readonly string[] }
  /** This replica differs from the larger half. */
  | { readonly verdict: 'odd'; readonly offset: number; readonly what: Difference; readonly from: readonly string[] }
  /** Others differ from the larger half, which this one belongs to. */
  | { readonly verdict: 'others'; readonly offset: number; readonly what: Difference; readonly odd: readonly string[] }
  | { readonly verdict: 'tied'; readonly offset: number; readonly what: Difference; readonly with: readonly string[] };

interface Told {
  readonly id: string;
  readonly proof: Proof;
}

const comparable = ({ offset, foldVersion, base }: Proof): string =>
  `${offset} ${foldVersion} ${base === undefined ? '' : `${base.offset}/${base.foldVersion}`}`;

const placeOf = ({ chain, hash }: Proof): string => `${chain}/${hash}`;

/** Other logs give other states: the log is named then. */
const differenceOf = (all: readonly Told[]): Difference =>
  new Set(all.map(({ proof }) => proof.chain)).size > 1 ? 'log' : 'state';

/** R2. Undefined: all are equal. */
const judge = (self: string, offset: number, all: readonly Told[]): Verdict | undefined => {
  const groups = new Map<string, string[]>();
  for (const { id, proof } of all) groups.set(placeOf(proof), [...(groups.get(placeOf(proof)) ?? []), id]);
  if (groups.size === 1) return undefined;
  const what = differenceOf(all);
  const most = [...groups.values()].find((ids) => ids.length * 2 > all.length);
  const others = (ids: readonly string[]): string[] => ids.filter((id) => id !== self);
  if (most === undefined) return { verdict: 'tied', offset, what, with: others(all.map(({ id }) => id)) };
  if (!most.includes(self)) return { verdict: 'odd', offset, what, from: most };
  return { verdict: 'others', offset, what, odd: all.map(({ id }) => id).filter((id) => !most.includes(id)) };
};

const WEIGHT = { odd: 3, others: 2, tied: 1 } as const;

/** What this replica has to think of itself and of the others. */
export const compareReplicas = (self: Statement, others: readonly Statement[]): Verdict => {
  const own = new Map(self.proofs.map((proof) => [comparable(proof), proof]));
  const told = new Map<string, Told[]>();
  for (const { id, proofs } of others)
    for (const proof of proofs) {
      const key = comparable(proof);
      if (own.has(key)) told.set(key, [...(told.get(key) ?? []), { id, proof }]);
    }
  let worst: Extract<Verdict, { readonly verdict: 'odd' | 'others' | 'tied' }> | undefined;
  let newest: Extract<Verdict, { readonly verdict: 'agree' }> | undefined;
  for (const [key, peers] of told) {
    const proof = own.get(key);
    if (proof === undefined) continue;
    const found = judge(self.id, proof.offset, [{ id: self.id, proof }, ...peers]);
    if (found === undefined) {
      if (newest === undefined || proof.offset > newest.offset)
        newest = { verdict: 'agree', offset: proof.offset, with: peers.map(({ id }) => id) };
    } else if (found.verdict !== 'alone' && found.verdict !== 'agree') {
      // R3
      if (worst === undefined || WEIGHT[found.verdict] > WEIGHT[worst.verdict]) worst = found;
    }
  }
  return worst ?? newest ?? { verdict: 'alone' };
};
