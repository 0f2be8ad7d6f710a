/** Calls of gRPC: a resolver and a balancer for grpc-js (docs/calls.md). */
import { TendrilError } from '../../model/basics.ts';
import { grpcJs } from '../grpc-js.ts';
import { TendrilBalancer, TendrilBalancingConfig } from './balancer.ts';
import { addCaller, type GrpcCaller, removeCaller } from './registry.ts';
import { POLICY, SCHEME, TendrilResolver } from './resolver.ts';

export type { GrpcCaller } from './registry.ts';

let registered = false;

/**
 * From now on grpc-js knows `tendril:///<host>` (the client that was registered first) and `tendril://<name>/<host>`. Throws
 * `CALL_NAME_TAKEN`. Returns how to take it back: channels that exist go on with what the client holds.
 */
export const registerGrpc = (name: string, caller: GrpcCaller): (() => void) => {
  if (!addCaller(name, caller))
    throw new TendrilError('CALL_NAME_TAKEN', `a client "${name}" is registered already`, {
      remedy: 'give each client of the process a name of its own',
    });
  if (!registered) {
    const { experimental } = grpcJs();
    experimental.registerResolver(SCHEME, TendrilResolver);
    experimental.registerLoadBalancerType(POLICY, TendrilBalancer, TendrilBalancingConfig);
    registered = true;
  }
  return () => removeCaller(name);
};
