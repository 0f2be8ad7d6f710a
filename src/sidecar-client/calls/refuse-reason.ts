/** What the session asks before it acknowledges a resource: a reason here becomes a NACK. */
import type { ConfigKind } from '../config-source.ts';
import { decodeCluster } from './cluster-settings.ts';
import { clusterLoadAssignment } from './messages.ts';
import { decodeRoutes } from './routes.ts';

const DECODERS: Readonly<Record<ConfigKind, (body: Uint8Array) => unknown>> = {
  cluster: decodeCluster,
  // Whatever it assigns can be used.
  assignment: clusterLoadAssignment.decode,
  virtualHost: (body) => decodeRoutes(body, ''),
};

/**
 * Version of these rules. Raise it with every change that refuses what was taken before: bodies that an earlier version has checked and
 * a cache has kept are checked anew then.
 */
export const CHECK_RULES = 1;

/** Why calls cannot use a resource, in one sentence with the field; undefined: they can. */
export const refuseReason = (kind: ConfigKind, body: Uint8Array): string | undefined => {
  try {
    DECODERS[kind](body);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
};
