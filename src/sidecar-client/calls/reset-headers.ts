/**
 * How long an answer asks to wait before it is tried again: `rate_limited_retry_back_off` of Envoy's RetryPolicy, for `Retry-After` and the
 * like. Seconds, or a time in seconds since 1970; a date as text is ignored, as in Envoy.
 */
import type { RetryPolicy } from '../../proto/index.ts';
import { millis } from './millis.ts';

const DEFAULT_MAX_MS = 300_000;

export interface ResetFacts {
  /** Of the answer; lower-case name. */
  readonly header: (name: string) => string | undefined;
  /** Ms since 1970. */
  readonly wallMs: number;
  /** [0, 1): up to half of what was asked comes on top, so that not all come back at once. */
  readonly random: () => number;
}

/** Ms; undefined: the answer asks nothing, or more than the policy's bound. */
export type ResetWait = (facts: ResetFacts) => number | undefined;

const intervalOf = (value: string | undefined, isTime: boolean, wallMs: number): number | undefined => {
  if (value === undefined || !/^\d{1,15}$/.test(value.trim())) return undefined;
  const seconds = Number(value) - (isTime ? Math.floor(wallMs / 1000) : 0);
  return seconds < 0 ? undefined : seconds * 1000;
};

export const resetWait = (policy: RetryPolicy['rateLimitedRetryBackOff']): ResetWait => {
  const headers = (policy?.resetHeaders ?? []).map(({ name, format }) => ({
    name: name.toLowerCase(),
    isTime: format === 1,
  }));
  const maxMs = millis(policy?.maxInterval) ?? DEFAULT_MAX_MS;
  return ({ header, wallMs, random }) => {
    for (const { name, isTime } of headers) {
      const ms = intervalOf(header(name), isTime, wallMs);
      if (ms !== undefined && ms <= maxMs) return Math.floor(ms + (random() * ms) / 2);
    }
    return undefined;
  };
};
