/**
 * The bootstrap of a gRPC application that calls without a proxy (contracts: `tendril bootstrap grpc`; gRFC A27, A30). The
 * application reads it from the file that GRPC_XDS_BOOTSTRAP names, or from GRPC_XDS_BOOTSTRAP_CONFIG itself. Pure.
 */
import { isIP } from 'node:net';
import { TendrilError } from '../model/index.ts';
import { bootstrapNode, type NodeOptions } from './bootstrap-node.ts';
import type { HostPort } from './config.ts';

export interface GrpcBootstrapOptions extends NodeOptions {
  /** One replica, or several by their IPv4 addresses: another one is used when the first is not reached. */
  readonly xds: HostPort | readonly HostPort[];
  /** Stands for the process in the default of `id`. */
  readonly host: string;
  /** node.id; default `grpc~<endpoint or host>~<service>`. */
  readonly id?: string | undefined;
}

/** gRPC knows lists of addresses (`ipv4:`), and no lists of names. */
const serverUri = (replicas: readonly HostPort[]): string => {
  const addresses = replicas.map(({ host, port }) => `${host.includes(':') ? `[${host}]` : host}:${port}`);
  if (replicas.length === 1) return addresses[0] ?? '';
  if (replicas.some(({ host }) => isIP(host) !== 4))
    throw new TendrilError('USAGE', '--xds has several addresses; for gRPC each of them has to be an IPv4 address', {
      remedy: 'name one host that resolves to all replicas, or their IPv4 addresses',
    });
  return `ipv4:${addresses.join(',')}`;
};

/** A complete bootstrap. Throws `USAGE` for names that do not fit. */
export const grpcBootstrap = (options: GrpcBootstrapOptions): Record<string, unknown> => {
  return {
    xds_servers: [
      {
        server_uri: serverUri([options.xds].flat()),
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
