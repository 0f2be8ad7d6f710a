/** A sidecar in this process: holds what a caller may use, asks for what it calls. */
import type { ChannelCredentials } from '@grpc/grpc-js';
import type { ProtoNode } from '../proto/index.ts';
import { Asker, isServicePort } from './asker.ts';
import type { BackoffOptions } from './backoff.ts';
import type { HostPort, Keepalive } from './channel.ts';
import { Connection, type ConnectionStats, type ConnectionStatus } from './connection.ts';
import type { DecodedHost, Endpoint } from './decode.ts';
import type { UpdateEffect } from './effect.ts';
import type { ResourceKind } from './kinds.ts';
import { ClientSession } from './session.ts';
import { callUser } from './user-code.ts';

export interface SidecarOptions {
  /** Control planes, tried in turn. */
  readonly addresses: readonly HostPort[];
  /** Who the client is: contracts, "xDS names: node". */
  readonly node: {
    readonly id: string;
    readonly cluster?: string;
    readonly metadata?: ProtoNode['metadata'];
  } & Partial<Pick<ProtoNode, 'locality' | 'userAgentName'>>;
  /** Takes listeners too, as an Envoy would. Default false. */
  readonly listeners?: boolean;
  /** How long a question may wait for its answer, ms (default 5,000). */
  readonly timeoutMs?: number;
  readonly backoff?: BackoffOptions;
  readonly random?: () => number;
  /** Default: plaintext. */
  readonly credentials?: ChannelCredentials;
  /** When a control plane that is silent is pinged, and given up (default: after 10 s, and 5 s later). */
  readonly keepalive?: Keepalive;
  readonly onUpdate?: (update: UpdateEffect) => void;
  readonly onStatus?: (status: ConnectionStatus) => void;
  /** Waits for `start`. Default: connects at once. */
  readonly idle?: boolean;
}

export interface SidecarStats extends Readonly<ConnectionStats> {
  readonly connected: boolean;
  /** Resources held, by type. */
  readonly held: Readonly<Record<ResourceKind, number>>;
}

export interface SidecarClient {
  /** Connects, if not yet; resolves at the first answer of a control plane. Rejects with `SIDECAR_CLOSED`. */
  start(): Promise<void>;
  /** Asks for a host (`host` or `host:port`). Undefined: nobody answers it. Rejects with `SIDECAR_TIMEOUT`, `SIDECAR_CLOSED`. */
  ask(host: string): Promise<DecodedHost | undefined>;
  /** Asks for a service port (`<service>.<namespace>:<port>`) and waits until it can be called: virtual host, clusters, endpoints. False: it does not exist. */
  hold(servicePort: string): Promise<boolean>;
  /** Healthy endpoints for calls to a host: of its route's clusters; of a TCP service port: of the cluster of that name. Empty: none. */
  resolve(authority: string): Promise<readonly Endpoint[]>;
  /** Endpoints of a cluster held; undefined: not held. */
  endpoints(cluster: string): readonly Endpoint[] | undefined;
  /** Name -> version of what is held. */
  versions(type: ResourceKind): ReadonlyMap<string, string>;
  stats(): SidecarStats;
  close(): Promise<void>;
}

const KINDS: readonly ResourceKind[] = ['cds', 'eds', 'lds', 'rds', 'vhds'];

export const connectSidecar = (options: SidecarOptions): SidecarClient => {
  const session = new ClientSession({
    node: {
      id: options.node.id,
      cluster: options.node.cluster ?? '',
      metadata: options.node.metadata ?? {},
      locality: options.node.locality ?? { region: '', zone: '', subzone: '' },
      userAgentName: options.node.userAgentName ?? 'tendril-sidecar',
      clientFeatures: [],
    },
    ...(options.listeners === undefined ? {} : { listeners: options.listeners }),
  });
  const asker = new Asker(session, options.timeoutMs);

  const connection = new Connection({
    addresses: options.addresses,
    session,
    onEffect: (effect) => {
      if (effect.kind === 'update') callUser('onUpdate', () => options.onUpdate?.(effect));
      asker.onEffect(effect);
    },
    onStatus: (status) => {
      callUser('onStatus', () => options.onStatus?.(status));
      asker.look();
    },
    ...(options.backoff === undefined ? {} : { backoff: options.backoff }),
    ...(options.random === undefined ? {} : { random: options.random }),
    ...(options.credentials === undefined ? {} : { credentials: options.credentials }),
    ...(options.keepalive === undefined ? {} : { keepalive: options.keepalive }),
  });

  asker.attach(connection);

  const resolve = async (authority: string): Promise<readonly Endpoint[]> => {
    const host = await asker.ask(authority);
    if (host === undefined) {
      if (!isServicePort(authority)) return [];
      return (await asker.endpointsOf(authority.toLowerCase())).filter(({ healthy }) => healthy);
    }
    const lists = await Promise.all(
      host.targets.filter(({ weight }) => weight > 0).map(({ cluster }) => asker.endpointsOf(cluster)),
    );
    return lists.flat().filter(({ healthy }) => healthy);
  };

  const client: SidecarClient = {
    start: () => {
      connection.start();
      return asker.until('start', () => (connection.connected ? true : undefined), []).then(() => undefined);
    },
    ask: (host) => asker.ask(host),
    hold: async (servicePort) => {
      const host = await asker.ask(servicePort);
      if (host === undefined) return (await asker.endpointsOf(servicePort)).length > 0;
      await Promise.all(host.targets.map(({ cluster }) => asker.endpointsOf(cluster)));
      return true;
    },
    resolve,
    endpoints: (cluster) => session.endpoints(cluster),
    versions: (type) => session.versions(type),
    stats: () => ({
      ...connection.stats,
      connected: connection.connected,
      held: Object.fromEntries(KINDS.map((type) => [type, session.versions(type).size])) as Record<
        ResourceKind,
        number
      >,
    }),
    close: async () => {
      connection.close();
      asker.close();
    },
  };
  if (options.idle !== true) connection.start();
  return client;
};
