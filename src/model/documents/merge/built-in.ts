/**
 * Built-in defaults: the widest layer of all (tables of policies.md). Defaults that depend on something else (port protocol,
 * "once the section exists") are filled in when resolving.
 */
import type { LayeredKind } from '../kinds.ts';

export const BUILT_IN: Readonly<Record<LayeredKind, Readonly<Record<string, unknown>>>> = {
  Route: {
    to: { '*': { weight: 1 } },
    timeout: '0s',
    retry: {
      attempts: 1,
      when: { connect: true, refused: true, unprocessed: true, reset: false, gateway: false },
    },
  },
  Upstream: {
    lb: { leastRequest: { choices: 2 } },
    locality: { zoneAware: true },
    panicPercent: 1,
    limits: { retryPercent: 20, minRetries: 3 },
  },
  Dependency: { learn: true, ttl: '24h' },
  Access: { denyByDefault: false },
  RateLimit: {},
  Telemetry: { edges: true },
  Extension: {},
};
