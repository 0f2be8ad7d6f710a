/** A replica whose state differs from that of the others leaves a mark beside its data, so that it does not serve again by a restart. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TendrilError } from '../../model/index.ts';
import { OUT_MARK } from '../../projector/index.ts';

export const divergedError = (why: string): TendrilError =>
  new TendrilError('STATE_DIVERGED', why, {
    remedy:
      'stop this replica, look at it with `tendril verify --data DIR`, and take the state of another one: `tendril recover --data DIR --from URL`',
  });

/** Best effort: without it a restart serves until the next comparison, a few seconds. */
export const markOut = (dir: string, why: string): void => {
  try {
    writeFileSync(join(dir, OUT_MARK), `${why}\n`, { mode: 0o600 });
  } catch {
    // A full disk is the disk guard's matter.
  }
};

/** @throws TendrilError `STATE_DIVERGED` when the mark is there. */
export const requireNotOut = (dir: string): void => {
  const path = join(dir, OUT_MARK);
  if (existsSync(path)) throw divergedError(readFileSync(path, 'utf8').trim());
};
