/**
 * The change that a control plane is made for: the endpoints of one service, for ten thousand sidecars that hold it and have nothing
 * else in line. The same decision as `delivery.ts` takes, without looking at what there is nothing of; what is not so plain goes there.
 */

import type { Channel } from './channel.ts';
import type { Effect } from './effect.ts';
import type { SessionState } from './session-state.ts';

const NONE: readonly string[] = [];

const isIdle = ({ owed, now, dirty, questions, absent, suspects }: Channel): boolean =>
  !owed && now.size + dirty.size + questions.size + absent.size + suspects.length === 0;

/** Nothing waits to be sent, told or taken away. */
const isAtRest = (s: SessionState): boolean => {
  if (
    s.paused ||
    s.sweep.wanted ||
    s.interestStale ||
    s.interestAdded.length + s.learned.length + s.learnedHeld.length > 0
  )
    return false;
  for (const channel of s.channels.values()) if (!isIdle(channel)) return false;
  return true;
};

/** Sends a changed assignment that the client holds; false: nothing is done, the general way has to be taken. */
export const sendAloneAssignment = (s: SessionState, name: string, now: number, out: Effect[]): boolean => {
  const channel = s.channels.get('eds');
  if (channel === undefined || s.closed || !isAtRest(s)) return false;
  const { ledger } = channel;
  const held = ledger.versionOf(name);
  if (held === undefined || ledger.gateOpensAt(now) > 0) return false;
  s.beginPass();
  const body = s.body('eds', name);
  if (body === undefined) return false;
  if (held === body.version || ledger.parked.has(name, body.version)) return true;
  const { resources, items } = s.shapes.alone(name, body);
  s.send({ type: 'eds', lane: 'broadcast', resources, removed: NONE, items, questions: NONE, alone: true }, now, out);
  s.goOn(out);
  return true;
};
