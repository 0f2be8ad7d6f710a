/**
 * The bootstrap of a gRPC application that calls without a proxy (contracts: `tendril bootstrap grpc`; gRFC A27, A30). The
 * application reads it from the file that GRPC_XDS_BOOTSTRAP names, or from GRPC_XDS_BOOTSTRAP_CONFIG itself. Pure.
 */
import { bootstrapNode, type NodeOptions } from './bootstrap-node.ts';
import type { HostPort } from './config.ts';

export interface GrpcBootstrapOptions extends NodeOptions {
  /**
   * One replica, or several in the order in which they are tried (gRFC A71). Clients that do not know that (grpc-js-xds 1.14) take the
   * first one alone: for them, name one host that resolves to all replicas.
   */
  readonly xds: HostPort | readonly HostPort[];
  /** Stands for the process in the default of `id`. */
  readonly host: string;
  /** node.id; default `grpc~<endpoint or host>~<service>`. */
  readonly id?: string | undefined;
}

/** A complete bootstrap. Throws `USAGE` for names that do not fit. */
export const grpcBootstrap = (options: GrpcBootstrapOptions): Record<string, unknown> => {
  return {
    xds_servers: [options.xds].flat().map(({ host, port }) => ({
      server_uri: `${host.includes(':') ? `[${host}]` : host}:${port}`,
      channel_creds: [{ type: 'insecure' }],
      server_features: ['xds_v3'],
    })),
    // grpc-js wants a locality, even an empty one.
    node: {
      id: options.id ?? `grpc~${options.endpoint ?? options.host}~${options.service}`,
      ...bootstrapNode(options),
    },
  };
};
