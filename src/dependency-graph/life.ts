/**
 * How long a learned edge lives after its last use.
 *
 * An edge is `active`, after half of its life `quiet`, after its life `expiring`, and after a quarter more it may be expired. The
 * quarter is hysteresis: a nightly job that is late does not lose its edges, and what the log says of the last use may be an eighth of
 * a life old (`edge-keeper.ts`). An edge that came back after it had expired lives twice as long each time, at most eight times: a
 * weekly job flaps three times and then no more.
 */
import { isLearned } from './edge.ts';
import type { EdgeRecord } from './types.ts';

const GRACE = 1 / 4;

/** The least life that any edge has, in TTLs. */
export const LEAST_LIFE = 1 + GRACE;

/** Renewals of one edge are written at most this often: the part of its TTL. */
export const RENEWAL_SHARE = 1 / 8;

/** Ages, ms since the last use. */
export interface Life {
  readonly quietAfter: number;
  readonly expiringAfter: number;
  readonly expiresAfter: number;
}

export const lifeOf = (edge: Pick<EdgeRecord, 'returned'>, ttlMs: number): Life => {
  const life = ttlMs * 2 ** (edge.returned ?? 0);
  return { quietAfter: life / 2, expiringAfter: life, expiresAfter: life * (1 + GRACE) };
};

/** When the edge was last proven to be in use, ms; before version 3 of the fold nothing else was known than when it was seen. */
export const usedAt = (edge: Pick<EdgeRecord, 'usedAt' | 'lastSeen'>): number => edge.usedAt ?? edge.lastSeen;

/** True when the edge stands on evidence alone and may be taken away when nobody uses it. */
export const canExpire = (edge: EdgeRecord): boolean => isLearned(edge) && !edge.pinned;

export const stateByAge = (edge: EdgeRecord, ttlMs: number, now: number): 'active' | 'quiet' | 'expiring' => {
  const { quietAfter, expiringAfter } = lifeOf(edge, ttlMs);
  const age = now - usedAt(edge);
  if (age < quietAfter) return 'active';
  return age < expiringAfter ? 'quiet' : 'expiring';
};
