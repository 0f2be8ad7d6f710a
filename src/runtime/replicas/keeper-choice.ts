/**
 * Which replica keeps the edges: owns their clock, and says when they expire. Pure.
 *
 * Invariants (cited by the tests as H1, …):
 *  H1  The holder of the newest term goes on as long as it is heard.
 *  H2  When it is not heard for `lostMs`, or has left, the first by id of those that are heard begins the next term. Two that do so
 *      at once are no harm: the fold takes the first, and rejects whatever another term says.
 *  H3  A process that did not begin the newest term itself begins the next one, also when its own replica held it: what the process before
 *      it did not see is not known.
 */

export interface Member {
  readonly id: string;
  /** Since its last answer; 0 of this one. */
  readonly silentMs: number;
}

export type KeeperChoice =
  /** This process holds the newest term. */
  | 'mine'
  /** Somebody else does, or is about to. */
  | 'theirs'
  /** This process is to begin the next term. */
  | 'begin';

export interface KeeperQuestion {
  /** Id of this replica, and name of this process: `<replica>/<unique>`. */
  readonly self: string;
  readonly holderName: string;
  /** Of the newest term; undefined: there was none yet. */
  readonly holder: string | undefined;
  /** All that have joined, this one too. */
  readonly members: readonly Member[];
  readonly lostMs: number;
}

/** `<replica>` of `<replica>/<unique>`. */
export const replicaOf = (holder: string): string => holder.slice(0, Math.max(0, holder.indexOf('/')));

export const chooseKeeper = ({ self, holderName, holder, members, lostMs }: KeeperQuestion): KeeperChoice => {
  if (holder === holderName) return 'mine';
  const heard = members.filter(({ silentMs }) => silentMs < lostMs).map(({ id }) => id);
  const keeper = holder === undefined ? undefined : replicaOf(holder);
  // H3
  if (keeper === self) return 'begin';
  // H1
  if (keeper !== undefined && heard.includes(keeper)) return 'theirs';
  // H2
  const first = heard.sort()[0];
  return first === self ? 'begin' : 'theirs';
};
