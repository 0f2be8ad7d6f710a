/** Errors that several files of the log throw. */
import { TendrilError } from '../model/index.ts';

export const closedError = (): TendrilError =>
  new TendrilError('LOG_CLOSED', 'the log is closed', { remedy: 'the control plane is stopping; try again later' });

/** @throws TendrilError `OFFSET_INVALID`, `OFFSET_GONE`. */
export const requireOffset = (from: number, first: number): void => {
  if (!Number.isSafeInteger(from) || from < 1) {
    throw new TendrilError('OFFSET_INVALID', `an offset is a whole number from 1, not ${from}`);
  }
  if (from >= first) return;
  throw new TendrilError('OFFSET_GONE', `offset ${from} is no longer in the log; it begins at ${first}`, {
    remedy: `read from ${first} on, or start from a snapshot`,
  });
};

/** A base that is to be the new beginning, and is not in the log. */
export const notInLog = (offset: number, head: { readonly first: number; readonly offset: number }): TendrilError =>
  new TendrilError('OFFSET_INVALID', `offset ${offset} is not in the log, which has ${head.first} to ${head.offset}`);
