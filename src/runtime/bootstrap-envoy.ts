/**
 * The bootstrap of an Envoy sidecar (contracts: `tendril bootstrap envoy`; reference: envoy-wire section 1, envoy-wire2
 * sections 4 and 10). Pure.
 */
import { isIP } from 'node:net';
import { TendrilError } from '../model/index.ts';
import { bootstrapNode, type NodeOptions } from './bootstrap-node.ts';
import type { HostPort } from './config.ts';

export interface BootstrapOptions extends NodeOptions {
  /** One replica, or several: Envoy begins with any of them, and goes to another when its stream ends or stands still. */
  readonly xds: HostPort | readonly HostPort[];
  readonly adminPort: number;
  /** Address of all listeners; default 127.0.0.1. */
  readonly bind?: string | undefined;
  /** Default 15001. */
  readonly outboundPort?: number | undefined;
  readonly inboundPort?: number | undefined;
  /** node.id; default `sidecar~<endpoint or bind>~<service>`. */
  readonly id?: string | undefined;
}

/** 2 s in every ConfigSource: Envoy's default stalls 15 s on an unanswered type; 0 s would wait for ever (envoy-wire2, section 4). */
const ADS = { ads: {}, resource_api_version: 'V3', initial_fetch_timeout: '2s' } as const;

/** A replica that stands still is noticed within 15 s (15 % of jitter on the interval). */
const KEEPALIVE = { interval: '8s', timeout: '5s' } as const;

/** Without it every second attempt would go to the one that stands still: its kernel goes on accepting. */
const ONE_FAILURE = {
  consecutive_5xx: 1,
  interval: '1s',
  base_ejection_time: '30s',
  max_ejection_time: '60s',
  max_ejection_percent: 99,
  enforcing_success_rate: 0,
} as const;

const HTTP_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

/** A complete Envoy bootstrap. Throws `USAGE` for names and addresses that do not fit. */
export const envoyBootstrap = (options: BootstrapOptions): Record<string, unknown> => {
  const { cluster, locality, metadata } = bootstrapNode(options);
  const bind = options.bind ?? '127.0.0.1';
  const replicas = [options.xds].flat();
  if (isIP(bind) === 0) throw new TendrilError('USAGE', `--bind is "${bind}"; allowed: an IP address`);
  return {
    node: {
      id: options.id ?? `sidecar~${options.endpoint ?? bind}~${options.service}`,
      cluster,
      ...(Object.keys(locality).length === 0 ? {} : { locality }),
      metadata: {
        ...metadata,
        listen: {
          address: bind,
          outbound: options.outboundPort ?? 15001,
          ...(options.inboundPort === undefined ? {} : { inbound: options.inboundPort }),
        },
      },
    },
    admin: { address: { socket_address: { address: '127.0.0.1', port_value: options.adminPort } } },
    // Envoy's default takes regular expressions of 100 RE2 instructions only, and refuses the whole response beyond.
    layered_runtime: {
      layers: [{ name: 'tendril', static_layer: { 're2.max_program_size.error_level': 100_000 } }],
    },
    // What it gives up when edges expire goes back to the system; else its free pages stay with it.
    memory_allocator_manager: { bytes_to_release: 16_777_216, memory_release_interval: '1s' },
    cluster_manager: { local_cluster_name: 'local' },
    dynamic_resources: {
      ads_config: {
        api_type: 'DELTA_GRPC',
        transport_api_version: 'V3',
        set_node_on_first_message_only: true,
        grpc_services: [
          {
            envoy_grpc: {
              cluster_name: 'xds',
              // Envoy's own back-off took up to 6 s to come back after a restart (envoy-wire, fact 10).
              retry_policy: { retry_back_off: { base_interval: '0.2s', max_interval: '1s' } },
            },
          },
        ],
      },
      lds_config: ADS,
      cds_config: ADS,
    },
    static_resources: {
      clusters: [
        {
          name: 'xds',
          ...(replicas.some(({ host }) => isIP(host) === 0)
            ? { type: 'STRICT_DNS', dns_lookup_family: 'V4_PREFERRED' }
            : { type: 'STATIC' }),
          connect_timeout: '1s',
          typed_extension_protocol_options: {
            [HTTP_OPTIONS]: {
              '@type': `type.googleapis.com/${HTTP_OPTIONS}`,
              explicit_http_config: {
                http2_protocol_options: { connection_keepalive: KEEPALIVE },
              },
            },
          },
          ...(replicas.length > 1 ? { outlier_detection: ONE_FAILURE } : {}),
          load_assignment: {
            cluster_name: 'xds',
            endpoints: [
              {
                lb_endpoints: replicas.map(({ host, port }) => ({
                  endpoint: { address: { socket_address: { address: host, port_value: port } } },
                })),
              },
            ],
          },
        },
        {
          // Zone-aware routing reads it, and Envoy does not start when it comes by CDS (envoy-wire2, section 10).
          name: 'local',
          type: 'EDS',
          connect_timeout: '1s',
          eds_cluster_config: { service_name: 'local', eds_config: ADS },
        },
      ],
    },
  };
};
