/** A sidecar in this process: holds what a caller may use, asks for what it calls. */
import type { ChannelCredentials } from '@grpc/grpc-js';
import { TendrilError } from '../model/basics.ts';
import type { ProtoNode } from '../proto/index.ts';
import type { BackoffOptions } from './backoff.ts';
import { Connection, type ConnectionStats, type ConnectionStatus, type HostPort } from './connection.ts';
import type { DecodedHost, Endpoint } from './decode.ts';
import type { ClientEffect, UpdateEffect } from './effect.ts';
import type { ResourceKind } from './kinds.ts';
import { ClientSession } from './session.ts';

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
const TIMEOUT_MS = 5_000;

const lost = (what: string, ms: number): TendrilError =>
  new TendrilError('SIDECAR_TIMEOUT', `${what}: no answer from the control plane within ${ms} ms`, {
    remedy: 'check that the control plane runs and that the address is its --xds address',
  });

const closed = (): TendrilError => new TendrilError('SIDECAR_CLOSED', 'the sidecar client has been closed');

export const connectSidecar = (options: SidecarOptions): SidecarClient => {
  const timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
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
  /** Waiting for something to become true; looked at after every effect. */
  const waits = new Set<{ readonly look: () => boolean; readonly fail: (error: TendrilError) => void }>();
  const look = (): void => {
    for (const wait of waits) if (wait.look()) waits.delete(wait);
  };
  const answered = new Set<string>();
  let isClosed = false;

  const connection = new Connection({
    addresses: options.addresses,
    session,
    onEffect: (effect) => {
      if (effect.kind === 'host') answered.add(effect.host);
      if (effect.kind === 'update') options.onUpdate?.(effect);
      look();
    },
    onStatus: (status) => {
      options.onStatus?.(status);
      look();
    },
    ...(options.backoff === undefined ? {} : { backoff: options.backoff }),
    ...(options.random === undefined ? {} : { random: options.random }),
    ...(options.credentials === undefined ? {} : { credentials: options.credentials }),
  });

  /** Resolves with the first value that is not undefined. `run` is carried out after the wait has begun. */
  const until = <T>(what: string, read: () => T | undefined, effects: readonly ClientEffect[]): Promise<T> =>
    new Promise((done, fail) => {
      if (isClosed) {
        fail(closed());
        return;
      }
      const wait = {
        look: () => {
          const value = read();
          if (value === undefined) return false;
          clearTimeout(timer);
          done(value);
          return true;
        },
        fail: (error: TendrilError) => {
          clearTimeout(timer);
          fail(error);
        },
      };
      const timer = setTimeout(() => {
        waits.delete(wait);
        fail(lost(what, timeoutMs));
      }, timeoutMs);
      waits.add(wait);
      connection.run(effects);
      if (wait.look()) waits.delete(wait);
    });

  const ask = async (authority: string): Promise<DecodedHost | undefined> => {
    const host = authority.toLowerCase();
    const effects = session.ask(host);
    const found = await until(
      `host ${host}`,
      () => {
        const name = session.virtualHostOf(host);
        if (name !== undefined) return { host: session.hostOf(name) };
        return answered.has(host) ? { host: undefined } : undefined;
      },
      effects,
    );
    return found.host;
  };

  /** Endpoints of a cluster, asked for by name if it is not held. */
  const endpointsOf = (cluster: string): Promise<readonly Endpoint[]> =>
    until(
      `cluster ${cluster}`,
      () => session.endpoints(cluster),
      session.cluster(cluster) === undefined ? session.askCluster(cluster) : [],
    );

  const resolve = async (authority: string): Promise<readonly Endpoint[]> => {
    const host = await ask(authority);
    if (host === undefined) {
      // TCP services have no virtual host: their service port is their cluster.
      if (!/^[^:/]+\.[^:/]+:[0-9]+$/.test(authority)) return [];
      return (await endpointsOf(authority.toLowerCase())).filter(({ healthy }) => healthy);
    }
    const lists = await Promise.all(
      host.targets.filter(({ weight }) => weight > 0).map(({ cluster }) => endpointsOf(cluster)),
    );
    return lists.flat().filter(({ healthy }) => healthy);
  };

  const client: SidecarClient = {
    start: () => {
      connection.start();
      return until('start', () => (connection.connected ? true : undefined), []).then(() => undefined);
    },
    ask,
    hold: async (servicePort) => {
      const host = await ask(servicePort);
      if (host === undefined) return (await endpointsOf(servicePort)).length > 0;
      await Promise.all(host.targets.map(({ cluster }) => endpointsOf(cluster)));
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
      isClosed = true;
      connection.close();
      for (const wait of waits) wait.fail(closed());
      waits.clear();
    },
  };
  if (options.idle !== true) connection.start();
  return client;
};
