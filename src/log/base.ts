/** The base of a log as it is stored: JSON in its meta table. */
import { isObject, TendrilError } from '../model/index.ts';
import type { LogBase } from './event-log.ts';

const DIGEST = /^[0-9a-f]{64}$/;

/** True for a value that may stand in front of a log. */
export const isLogBase = (value: unknown): value is LogBase =>
  isObject(value) &&
  Number.isSafeInteger(value.offset) &&
  Number(value.offset) >= 1 &&
  Number.isSafeInteger(value.recordedAt) &&
  typeof value.chain === 'string' &&
  DIGEST.test(value.chain) &&
  typeof value.tail === 'string' &&
  DIGEST.test(value.tail);

/** Undefined: the log begins at offset 1. @throws TendrilError `LOG_CORRUPT`. */
export const requireLogBase = (body: Buffer | undefined, path: string): LogBase | undefined => {
  if (body === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(body.toString());
  } catch {
    value = undefined;
  }
  if (isLogBase(value)) return value;
  throw new TendrilError('LOG_CORRUPT', `${path}: what stood before its first event cannot be read`, {
    remedy: 'restore it from a copy, or from a replica: `tendril recover --data DIR --from URL`',
  });
};
