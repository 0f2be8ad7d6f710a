/** A real Envoy as a sidecar of Tendril, and the questions that the tests ask it. */
import { envoyBootstrap, type HostPort } from '../../src/runtime/index.ts';
import { assertHealthy, type Envoy, type HeldResources, startEnvoy } from '../support/envoy.ts';
import { freePort } from '../support/ports.ts';

export interface SidecarInput {
  /** `<service>.<namespace>` */
  readonly service: string;
  readonly endpoint?: string;
  readonly inboundPort?: number;
  /** Default: a port that is free. */
  readonly outboundPort?: number;
  readonly concurrency?: number;
  readonly drainTimeS?: number;
  readonly id?: string;
  readonly region?: string;
  readonly zone?: string;
  /** As `tendril bootstrap envoy --needs`. */
  readonly needs?: string;
  /** Speak the state-of-the-world form instead of delta. */
  readonly stateOfTheWorld?: boolean;
}

/** One endpoint of a cluster in Envoy's `/clusters`. */
export interface HostStatus {
  readonly address: string;
  readonly port: number;
  readonly edsHealth: string;
  readonly ejected: boolean;
}

export interface Sidecar {
  readonly id: string;
  readonly envoy: Envoy;
  readonly outboundPort: number;
  /**
   * What Envoy's own dump holds besides the bootstrap's `xds` and `local`; virtual hosts without their route configuration's name.
   */
  holds(): Promise<HeldResources>;
  /** Sum over all stats whose name matches; rejects when there is none. */
  stat(pattern: RegExp): Promise<number>;
  hosts(cluster: string): Promise<readonly HostStatus[]>;
  /** The cluster in `config_dump`; undefined: Envoy has none of this name. */
  clusterConfig(name: string): Promise<Record<string, unknown> | undefined>;
  /** Bytes from and to the control plane since the start, as Envoy counts them on its connections. */
  wireBytes(): Promise<{ readonly received: number; readonly sent: number }>;
  /** Resolves when nothing has come or gone for `ms`: what was sent is acknowledged. */
  quiet(ms?: number): Promise<void>;
  /** `init_fetch_timeout` 0, nothing warming, nothing rejected (issue 3, section 8). */
  assertHealthy(): Promise<void>;
  stop(): Promise<void>;
}

const record = (value: unknown): Record<string, unknown> =>
  value !== null && typeof value === 'object' ? (value as Record<string, unknown>) : {};
const list = (value: unknown): Record<string, unknown>[] => (Array.isArray(value) ? value.map(record) : []);

const hostStatus = (host: Record<string, unknown>): HostStatus => {
  const { address, port_value: port } = record(record(host.address).socket_address);
  const health = record(host.health_status);
  return {
    address: String(address),
    port: Number(port),
    edsHealth: String(health.eds_health_status),
    ejected: health.failed_outlier_check === true,
  };
};

const statOf = async (envoy: Envoy, pattern: RegExp): Promise<number> => {
  const values = Object.values(await envoy.stats(pattern.source));
  if (values.length === 0) throw new Error(`Envoy has no stat ${pattern.source}`);
  return values.reduce((sum, value) => sum + value, 0);
};

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const QUIET_LIMIT_MS = 60_000;

/** Starts an Envoy with the bootstrap that `tendril bootstrap envoy` writes. It may not be LIVE yet. */
export const startSidecar = async (input: SidecarInput, xds: HostPort | readonly HostPort[]): Promise<Sidecar> => {
  const outboundPort = input.outboundPort ?? (await freePort());
  const id = input.id ?? `sidecar~${input.endpoint ?? outboundPort}~${input.service}`;
  const { service, endpoint, inboundPort, region, zone, needs, concurrency, drainTimeS } = input;
  const written = envoyBootstrap({
    ...{ service, endpoint, inboundPort, region, zone, needs },
    ...{ id, xds, adminPort: 0, outboundPort },
  });
  const bootstrap =
    input.stateOfTheWorld === true
      ? (JSON.parse(JSON.stringify(written).replace('"DELTA_GRPC"', '"GRPC"')) as typeof written)
      : written;
  const given = {
    bootstrap,
    ...(concurrency === undefined ? {} : { concurrency }),
    ...(drainTimeS === undefined ? {} : { drainTimeS }),
  };
  return sidecarOf(id, outboundPort, await startEnvoy(given));
};

/** The same of an Envoy that has its bootstrap from elsewhere. */
export const sidecarOf = (id: string, outboundPort: number, envoy: Envoy): Sidecar => {
  const wireBytes: Sidecar['wireBytes'] = async () => {
    const stats = await envoy.stats('^cluster\\.xds\\.upstream_cx_(rx|tx)_bytes_total$');
    return {
      received: stats['cluster.xds.upstream_cx_rx_bytes_total'] ?? 0,
      sent: stats['cluster.xds.upstream_cx_tx_bytes_total'] ?? 0,
    };
  };
  return {
    id,
    envoy,
    outboundPort,
    holds: async () => {
      const held = await envoy.held();
      const own = (names: readonly string[]): string[] => names.filter((name) => name !== 'xds' && name !== 'local');
      return {
        ...held,
        clusters: own(held.clusters),
        endpoints: own(held.endpoints),
        virtualHosts: held.virtualHosts.map((name) => name.replace(/^outbound\//, '')).sort(),
      };
    },
    stat: (pattern) => statOf(envoy, pattern),
    hosts: async (cluster) => {
      const clusters = list(record(await envoy.adminJson('/clusters?format=json')).cluster_statuses);
      return list(clusters.find(({ name }) => name === cluster)?.host_statuses).map(hostStatus);
    },
    clusterConfig: async (name) => {
      const clusters = (await envoy.configDump()).configs
        .flatMap((config) => list(config.dynamic_active_clusters))
        .map((entry) => record(entry.cluster));
      return clusters.find((cluster) => cluster.name === name);
    },
    wireBytes,
    quiet: async (ms = 300) => {
      const deadline = Date.now() + QUIET_LIMIT_MS;
      let last = await wireBytes();
      for (let since = Date.now(); Date.now() - since < ms; ) {
        if (Date.now() > deadline) throw new Error(`the stream of ${id} is not quiet after ${QUIET_LIMIT_MS} ms`);
        await sleep(50);
        const now = await wireBytes();
        if (now.received !== last.received || now.sent !== last.sent) since = Date.now();
        last = now;
      }
    },
    assertHealthy: () => assertHealthy(envoy),
    stop: () => envoy.stop(),
  };
};
