/** The client of an application: services by name, their configuration in memory and on disk, asked for on first use. */
import { hostname } from 'node:os';
import { TendrilError } from '../model/basics.ts';
import { Asker, isServicePort } from './asker.ts';
import { Attached } from './attached.ts';
import { type ClientCache, openCache } from './cache.ts';
import type { EarlierState } from './cache-content.ts';
import type { CacheProblem } from './cache-record.ts';
import { type CallCore, CHECK_RULES, createCallCore, refuseReason } from './calls/index.ts';
import type { HostPort } from './channel.ts';
import type { ClientOptions, TendrilClient } from './client-types.ts';
import type { ConfigChange, ConfigKind, HeldResource } from './config-source.ts';
import { Connection } from './connection.ts';
import type { UpdateEffect } from './effect.ts';
import { IdleServices } from './idle-services.ts';
import { clustersOf } from './read-resource.ts';
import { Services } from './services.ts';
import { ClientSession } from './session.ts';
import { callUser } from './user-code.ts';

const CONFIG_KINDS: Readonly<Partial<Record<UpdateEffect['type'], ConfigKind>>> = {
  cds: 'cluster',
  eds: 'assignment',
  vhds: 'virtualHost',
};
const IDLE_MS = 600_000;
/** How often the cache is told that what it has still holds. */
const LIVE_MS = 15_000;
/** HTTP calls that run when the client is closed. */
const GRACE_MS = 5_000;
const SWEEP_MS = 1_000;

const parseAddress = (address: HostPort | string): HostPort => {
  if (typeof address !== 'string') return address;
  const [, host = '', port = ''] = /^\[?([^\]]+?)\]?:(\d{1,5})$/.exec(address) ?? [];
  if (host !== '' && Number(port) > 0 && Number(port) < 65_536) return { host, port: Number(port) };
  throw new TendrilError('CLIENT_ADDRESS', `addresses: "${address}" is no HOST:PORT`, {
    remedy: 'name the --xds address of a control plane, as in 127.0.0.1:18000',
  });
};

const warn = ({ code, message, remedy }: CacheProblem): void =>
  process.emitWarning(`${message}; ${remedy}`, { type: 'TendrilWarning', code });

/** Takes what the cache has from an earlier process. */
const restoreInto = (
  session: ClientSession,
  idle: IdleServices,
  cache: ClientCache | undefined,
  onProblem: (problem: CacheProblem) => void,
): Partial<Pick<EarlierState, 'ageMs' | 'interfaces'>> => {
  const earlier = cache?.takeEarlier();
  if (earlier === undefined) return {};
  for (const message of session.restore(earlier))
    onProblem({ code: 'CACHE_CORRUPT', message, remedy: 'nothing to do: it is asked for anew' });
  const nowMs = performance.now();
  for (const names of [earlier.hosts, earlier.clusters]) for (const name of names) idle.touch(name, nowMs);
  return { ageMs: earlier.ageMs, interfaces: earlier.interfaces };
};

/**
 * Reads the cache, begins to connect, and resolves without waiting for the control plane: what was cached can be used at once.
 * @throws TendrilError `CLIENT_ADDRESS`. Nothing that is wrong with the cache throws.
 */
export const createClient = async (options: ClientOptions): Promise<TendrilClient> => {
  const { node, random = Math.random, now = Date.now } = options;
  const log = (problem: CacheProblem): void => callUser('log', () => (options.log ?? warn)(problem));
  const addresses = options.addresses.map(parseAddress);
  if (addresses.length === 0)
    throw new TendrilError('CLIENT_ADDRESS', 'addresses: none given', { remedy: 'name at least one control plane' });
  const caller = `${node.service}.${node.namespace}`;
  const id = node.id ?? `sidecar~${hostname()}~${caller}`;
  const locality = { region: node.region ?? '', zone: node.zone ?? '' };
  const session = new ClientSession({
    node: {
      id,
      cluster: caller,
      metadata: {
        service: node.service,
        namespace: node.namespace,
        ...(node.labels === undefined ? {} : { labels: { ...node.labels } }),
      },
      locality: { ...locality, subzone: '' },
      userAgentName: 'tendril-client',
      clientFeatures: [],
    },
    bodies: true,
    check: refuseReason,
  });

  let problem: CacheProblem | undefined;
  const cache: ClientCache | undefined =
    options.cacheDir === undefined
      ? undefined
      : await openCache({
          dir: options.cacheDir,
          mesh: options.mesh ?? 'default',
          node: id,
          now,
          rules: CHECK_RULES,
          onProblem: (found) => {
            problem = found;
            log(found);
          },
          read: (kind, name) => session.resource(kind, name),
          asked: () => session.asked(),
          interfaces: () => services.interfaces(),
        });
  const idle = new IdleServices(options.idleMs ?? IDLE_MS);
  const { ageMs: restoredAgeMs, interfaces: earlier = new Map() } = restoreInto(session, idle, cache, (found) => {
    problem = found;
    log(found);
  });

  /** When the last stream was lost, by `performance.now`. */
  let liveAt: number | undefined;
  let wasLive = false;
  const asker = new Asker(session, options.timeoutMs);
  const listeners = new Set<(change: ConfigChange) => void>();
  const connection = new Connection({
    addresses,
    session,
    random,
    onEffect: (effect) => {
      if (effect.kind === 'refused')
        log({
          code: 'CALLS_UNUSABLE',
          message: effect.message,
          remedy: 'the last good version is kept; docs/calls.md',
        });
      if (effect.kind === 'update') changed(effect);
      asker.onEffect(effect);
    },
    onStatus: (status) => {
      if (status.is === 'connected') cache?.noteLive();
      if (status.is === 'connected') wasLive = true;
      else if (wasLive) {
        wasLive = false;
        liveAt = performance.now();
      }
      callUser('onStatus', () => options.onStatus?.(status));
      asker.look();
    },
    ...(options.backoff === undefined ? {} : { backoff: options.backoff }),
    ...(options.credentials === undefined ? {} : { credentials: options.credentials }),
  });
  asker.attach(connection);

  const changed = ({ type, changed: names, removed }: UpdateEffect): void => {
    const kind = CONFIG_KINDS[type];
    if (kind === undefined || type === 'lds' || type === 'rds') return;
    const all = removed.length === 0 ? names : [...names, ...removed];
    cache?.noteChange(type, all);
    for (const listener of [...listeners]) callUser('a listener of onChange', () => listener({ kind, names: all }));
  };

  const assignmentOf = (cluster: string): HeldResource | undefined => {
    const eds = session.cluster(cluster)?.eds;
    return eds === undefined ? undefined : session.resource('eds', eds);
  };
  let noted = session.questions;
  /** The cache is told of what was asked for anew, not of every call. */
  const noteAsked = (): void => {
    if (session.questions === noted) return;
    noted = session.questions;
    cache?.noteAsked();
  };
  const ready = async (authority: string): Promise<boolean> => {
    const name = authority.toLowerCase();
    idle.touch(name, performance.now());
    const host = await asker.ask(name);
    const body = host === undefined ? undefined : session.resource('vhds', host.name)?.body;
    const clusters = (body === undefined ? [] : clustersOf(body)).map((cluster) => asker.cluster(cluster, name));
    noteAsked();
    await Promise.all(clusters);
    return host !== undefined;
  };
  /** The same for TCP services, whose service port is their cluster; one that does not exist comes without endpoints. */
  const readyService = async (authority: string): Promise<boolean> => {
    // Held already: that no virtual host answers it is not on disk, and nobody may be there to ask.
    const isHeld = session.isAsked(authority) && session.virtualHostOf(authority) === undefined;
    if (isHeld && (session.endpoints(authority) ?? []).length > 0) return true;
    if (await ready(authority)) return true;
    if (!isServicePort(authority)) return false;
    const endpoints = asker.endpointsOf(authority);
    noteAsked();
    return (await endpoints).length > 0;
  };

  let core: CallCore | undefined;
  const client: TendrilClient = {
    locality,
    virtualHostOf: (authority) => {
      const name = session.virtualHostOf(authority.toLowerCase());
      return name === undefined ? undefined : session.resource('vhds', name);
    },
    cluster: (name) => session.resource('cds', name),
    assignmentOf,
    ready,
    touch: (authority) => idle.touch(authority.toLowerCase(), performance.now()),
    onChange: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    service: (name, how) => services.of(name, how),
    fetch: (input, init) => attached.fetch(input, init),
    dispatcher: () => attached.dispatcher(),
    registerGrpc: (how) => attached.registerGrpc(how),
    register: (how) => attached.register(how),
    prefetch: async (authorities) => {
      await Promise.all(
        authorities.map((authority) => {
          client.touch(authority);
          return readyService(authority.toLowerCase());
        }),
      );
    },
    calls: () => {
      core ??= createCallCore({ source: client, random });
      return core;
    },
    status: () => {
      const held = session.counts();
      const age = ageMs();
      const isEmpty = held.clusters + held.assignments + held.virtualHosts === 0;
      return {
        connected: connection.connected,
        source: connection.connected ? 'live' : isEmpty ? 'none' : 'cache',
        ageMs: isEmpty && !connection.connected ? undefined : age,
        since: age === undefined || (isEmpty && !connection.connected) ? undefined : now() - age,
        held,
        refused: connection.stats.refused,
        cache: { state: cache === undefined ? 'off' : 'on', ...(problem === undefined ? {} : { problem }) },
      };
    },
    close: async ({ graceMs = GRACE_MS } = {}) => {
      await attached.close(graceMs);
      services.close();
      clearInterval(sweeper);
      clearInterval(beat);
      if (connection.connected) cache?.noteLive();
      connection.close();
      asker.close();
      core?.close();
      listeners.clear();
      await cache?.close();
    },
  };

  const attached = new Attached(client, options);
  const services = new Services(
    {
      source: client,
      core: client.calls,
      now: () => performance.now(),
      ready: readyService,
      hold: (name, by) => idle.hold(name, by, performance.now()),
    },
    { ...options, earlier, onFound: () => cache?.noteInterfaces() },
  );
  const restoredAt = performance.now();
  const ageMs = (): number | undefined => {
    if (connection.connected) return 0;
    if (liveAt !== undefined) return Math.round(performance.now() - liveAt);
    return restoredAgeMs === undefined ? undefined : Math.round(restoredAgeMs + performance.now() - restoredAt);
  };
  const sweeper = setInterval(() => {
    core?.sweep(performance.now());
    // While no control plane is there nothing is given up: it could not be had again.
    const over = connection.connected ? idle.takeIdle(performance.now()) : [];
    for (const name of over) {
      const clusters = asker.forget(name);
      connection.run([...session.release(name), ...clusters.flatMap((cluster) => session.releaseCluster(cluster))]);
    }
    if (over.length > 0) cache?.noteAsked();
  }, SWEEP_MS);
  sweeper.unref();
  const beat = setInterval(() => {
    if (connection.connected) cache?.noteLive();
  }, LIVE_MS);
  beat.unref();
  // In a turn of its own: whoever waits for what was cached is served first.
  setImmediate(() => connection.start());
  return client;
};
