/** RateLimit (policies.md section 8): how much a service takes. Published; not compiled in this version. */
import type { Static } from 'typebox';
import {
  bool,
  duration,
  exactlyOne,
  field,
  integer,
  list,
  map,
  number,
  object,
  optional,
  percent,
  text,
  weight,
  yes,
} from './fields.ts';
import { limitMatch } from './matchers.ts';
import { scope } from './scope.ts';

const DAY = 86_400_000;
const MAX_REQUESTS = 1_000_000_000;

const key = () => {
  const words = {
    caller: optional(yes()),
    header: optional(text('headerName')),
    claim: optional(text('token')),
    path: optional(yes()),
    ip: optional(yes()),
  };
  return exactlyOne(object(words), Object.keys(words));
};

const limit = () =>
  object({
    requests: field(integer(1, MAX_REQUESTS)),
    per: field(duration({ minMs: 50, maxMs: DAY })),
    burst: field(integer(1, MAX_REQUESTS)),
    match: field(limitMatch()),
    keys: field(list(key(), { min: 1, max: 8 })),
    share: field(bool({ default: false })),
    global: field(bool({ default: false })),
    fair: field(object({ weights: field(map('token', weight())) })),
    failOpen: field(bool({ default: true })),
    status: field(integer(400, 599, { default: 429 })),
    shadow: field(bool({ default: false })),
    caller: field(bool({ default: false })),
  });

export const RateLimitSpec = object({
  scope: optional(scope()),
  limits: field(map('dnsLabel', field(limit()))),
  connections: field(object({ perSecond: field(integer(1, MAX_REQUESTS)), burst: field(integer(1, MAX_REQUESTS)) })),
  shed: field(
    object({
      concurrency: field(integer(1, 1_000_000)),
      admission: field(
        object({
          successPercent: field(percent({ default: 95 })),
          minRate: field(integer(0, MAX_REQUESTS, { default: 10 })),
          maxPercent: field(percent({ default: 80 })),
          window: field(duration({ default: '30s' })),
          aggression: field(number(0, 100, { default: 1 })),
        }),
      ),
      adaptive: field(
        object({
          maxConcurrency: field(integer(1, 1_000_000, { default: 1000 })),
          minConcurrency: field(integer(1, 1_000_000, { default: 3 })),
          percentile: field(percent({ default: 90 })),
          buffer: field(percent({ default: 25 })),
        }),
      ),
    }),
  ),
});
export type RateLimitSpec = Static<typeof RateLimitSpec>;
