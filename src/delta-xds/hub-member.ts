/** One stream among those of the hub: its session, the port that executes effects, and what waits for it. */
import type { AckOwner } from './ack-line.ts';
import type { ChangeItem } from './change.ts';
import type { Effect } from './effect.ts';
import type { StreamSession } from './stream-session.ts';

/** A stream, as the hub sees it: executes effects in order. Interest and timer effects are the hub's own. */
export interface StreamPort {
  execute(effect: Effect): void;
  /** A session threw: a defect of ours; the stream ends. */
  fail(error: unknown): void;
}

export interface Member extends AckOwner {
  readonly session: StreamSession;
  readonly port: StreamPort;
  /** Waiting for its turn; the list may be that of other members. */
  pending: readonly ChangeItem[] | undefined;
  joined: boolean;
}

/** What is in line for a session is noted before it acts on anything else. */
export const notePending = (member: Member): void => {
  if (member.pending === undefined) return;
  member.session.note(member.pending);
  member.pending = undefined;
};
