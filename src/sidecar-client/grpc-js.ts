/**
 * grpc-js, loaded when a connection begins or gRPC calls are made: some 50 ms, which a process that starts on its cache does not wait for
 * before its first answer. By `require`, because who needs it cannot wait for an `import()`.
 */
import { createRequire } from 'node:module';
import type * as GrpcJs from '@grpc/grpc-js';

let loaded: typeof GrpcJs | undefined;

export const grpcJs = (): typeof GrpcJs => {
  loaded ??= createRequire(import.meta.url)('@grpc/grpc-js') as typeof GrpcJs;
  return loaded;
};
