/** From a client to calls. undici is loaded at the first `callerFor`: who calls gRPC alone, or only asks for endpoints, does not pay for it. */
import type { Caller, CallerOptions } from './caller.ts';
import type { CallCore } from './calls/index.ts';
import type { ConfigSource } from './config-source.ts';
import { registerGrpc } from './grpc/index.ts';

/** What `createClient` gives. */
type Client = ConfigSource & { calls(): CallCore };

/** HTTP by names, on the client's core: what `service(…)` picks and what calls do count together. Close it before the client. */
export const callerFor = async (
  client: Client,
  options: Omit<CallerOptions, 'source' | 'core' | 'nowMs' | 'sourceAddress'> = {},
): Promise<Caller> => {
  const { createCaller } = await import('./caller.ts');
  return createCaller({ ...options, source: client, core: client.calls() });
};

export interface GrpcOptions {
  /** For `tendril://<name>/<host>` (default `default`). */
  readonly name?: string;
  /** [0, 1): ids of traces. Default `Math.random`. */
  readonly random?: () => number;
  /** Share of the traces begun here that are marked as sampled, 0..1. Default 0. */
  readonly traceSampledShare?: number;
}

/**
 * Makes `tendril:///<service>.<namespace>:<port>` a target of grpc-js, called by the client that was registered first;
 * `tendril://<name>/<host>` by the one of that name. To be called before the first channel. Throws `CALL_NAME_TAKEN`. Returns how to take it back.
 */
export const registerTendril = (client: Client, options: GrpcOptions = {}): (() => void) => {
  const { name = 'default', random = Math.random, traceSampledShare = 0 } = options;
  return registerGrpc(name, {
    core: client.calls(),
    source: client,
    trace: { random, sampledShare: traceSampledShare },
    nowMs: () => performance.now(),
  });
};
