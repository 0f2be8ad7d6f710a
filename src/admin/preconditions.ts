/** If-Match and If-None-Match: offsets in, `expect` out. */
import type { IncomingHttpHeaders } from 'node:http';
import { TendrilError } from '../model/index.ts';
import { refusal } from './problem.ts';

export interface Precondition {
  /** Offset that the author saw; undefined: no condition. */
  readonly expect?: number;
  readonly conditional: boolean;
}

/**
 * `If-Match: "123"` expects the version at that offset, `If-Match: *` any, `If-None-Match: *` none.
 * @param current offset of the stored version; undefined: there is none
 * @throws TendrilError E102, `EXPECT_FAILED`
 */
export const preconditionOf = (headers: IncomingHttpHeaders, current: number | undefined): Precondition => {
  const match = headers['if-match'];
  const none = headers['if-none-match'];
  if (none !== undefined) {
    if (none.trim() !== '*')
      throw refusal('E102', `If-None-Match is ${none.slice(0, 80)}; allowed is *`, {
        remedy: 'use If-Match: "<offset>"',
      });
    return { expect: 0, conditional: true };
  }
  if (match === undefined) return { conditional: false };
  if (match.trim() === '*') {
    if (current === undefined)
      throw new TendrilError('EXPECT_FAILED', 'there is no version of it, If-Match: * wants one');
    return { conditional: true };
  }
  const offset = /^(?:W\/)?"?([0-9]{1,15})"?$/.exec(match.trim())?.[1];
  if (offset === undefined)
    throw refusal('E102', `If-Match is ${match.slice(0, 80)}; allowed is an offset such as "123", or *`);
  return { expect: Number(offset), conditional: true };
};
