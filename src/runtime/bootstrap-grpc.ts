/**
 * The bootstrap of a gRPC application that calls without a proxy (contracts: `tendril bootstrap grpc`; gRFC A27, A30). The
 * application reads it from the file that GRPC_XDS_BOOTSTRAP names, or from GRPC_XDS_BOOTSTRAP_CONFIG itself. Pure.
 */
import { bootstrapNode, type NodeOptions } from './bootstrap-node.ts';
import type { HostPort } from './config.ts';

export interface GrpcBootstrapOptions extends NodeOptions {
  readonly xds: HostPort;
  /** Stands for the process in the default of `id`. */
  readonly host: string;
  /** node.id; default `grpc~<endpoint or host>~<service>`. */
  readonly id?: string | undefined;
}

/** A complete bootstrap. Throws `USAGE` for names that do not fit. */
export const grpcBootstrap = (options: GrpcBootstrapOptions): Record<string, unknown> => {
  const { host, port } = options.xds;
  return {
    xds_servers: [
      {
        server_uri: `${host.includes(':') ? `[${host}]` : host}:${port}`,
        channel_creds: [{ type: 'insecure' }],
        server_features: ['xds_v3'],
      },
    ],
    // grpc-js wants a locality, even an empty one.
    node: {
      id: options.id ?? `grpc~${options.endpoint ?? options.host}~${options.service}`,
      ...bootstrapNode(options),
    },
  };
};
