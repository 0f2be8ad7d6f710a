/** Change notices as a session takes them: keys, no payloads. */
import { spellings } from '../model/index.ts';
import type { Channel } from './channel.ts';
import type { Generation } from './generation.ts';
import { noteExpired } from './renew.ts';
import type { ChangeKey } from './resource-source.ts';
import { type ResourceType, typeOf } from './resource-type.ts';
import type { SessionState } from './session-state.ts';

/** One thing that may have changed. */
export type ChangeItem =
  | { readonly kind: 'cds' | 'eds' | 'vhds'; readonly name: string }
  /** A service's ports, hosts or visibility. */
  | { readonly kind: 'service'; readonly name: string }
  /** Something about hosts that nothing answered so far. */
  | { readonly kind: 'hosts' }
  /** The node's own endpoint record, listeners, inbound clusters, EDS `local`. */
  | { readonly kind: 'own' }
  /** What the node is preloaded with or denied. */
  | { readonly kind: 'caller' }
  /** One raw resource. */
  | { readonly kind: 'raw'; readonly type: ResourceType; readonly name: string }
  /** Which raw resources of a type there are. */
  | { readonly kind: 'rawset'; readonly type: ResourceType }
  | { readonly kind: 'everything' };

/** Whom a change concerns. */
export type Audience =
  | { readonly by: 'subject'; readonly name: string }
  | { readonly by: 'caller'; readonly name: string }
  | { readonly by: 'namespace'; readonly name: string }
  /** One node, by its id. */
  | { readonly by: 'node'; readonly name: string }
  | { readonly by: 'waiting' }
  | { readonly by: 'all' };

export interface Notice {
  readonly audience: Audience;
  readonly item: ChangeItem;
}

/** Types whose resources `markHeld` looks at. */
const BY_SERVICE: ReadonlySet<string> = new Set(['cds', 'eds', 'vhds']);

const HOSTS: ChangeItem = { kind: 'hosts' };
const OWN: ChangeItem = { kind: 'own' };
const CALLER: ChangeItem = { kind: 'caller' };

/** What a change key says to whom; a key of an unknown form concerns all (it may come from a newer core). */
export const noticesOf = (key: ChangeKey, subjectOf: (name: string) => string): readonly Notice[] => {
  const [kind = '', first = '', ...others] = key.split('|');
  const rest = others.join('|');
  switch (kind) {
    case 'cds':
    case 'eds':
    case 'vhds':
      return [{ audience: { by: 'subject', name: subjectOf(rest) }, item: { kind, name: rest } }];
    case 'svc':
      return [
        { audience: { by: 'subject', name: first }, item: { kind: 'service', name: first } },
        { audience: { by: 'waiting' }, item: HOSTS },
      ];
    case 'caller':
      if (first === '*') return [{ audience: { by: 'all' }, item: CALLER }];
      if (first.startsWith('*.')) return [{ audience: { by: 'namespace', name: first.slice(2) }, item: CALLER }];
      return [{ audience: { by: 'caller', name: first }, item: CALLER }];
    case 'own':
      return [{ audience: { by: 'caller', name: first }, item: OWN }];
    case 'local':
      return [{ audience: { by: 'caller', name: rest }, item: OWN }];
    case 'raw':
    case 'rawset': {
      const [typeUrl = '', ...name] = others;
      const type = typeOf(typeUrl);
      const item: ChangeItem = kind === 'raw' ? { kind, type, name: name.join('|') } : { kind, type };
      return [{ audience: first === '' ? { by: 'all' } : { by: 'node', name: decodeURIComponent(first) }, item }];
    }
    default:
      return [{ audience: { by: 'all' }, item: { kind: 'everything' } }];
  }
};

/** Writes a change down: marks what must be compared. */
export const note = (s: SessionState, item: ChangeItem): void => {
  switch (item.kind) {
    case 'cds':
      s.channel('cds')?.dirty.add(item.name);
      return;
    case 'eds':
      s.channels.get('eds')?.dirty.add(item.name);
      return;
    case 'vhds':
      markPort(s, item.name);
      resolveHosts(s, (_, servicePort) => servicePort === item.name);
      return;
    case 'service': {
      const { view } = s;
      if (item.name === view.facts.caller) markOwn(s);
      // By the beginning of the name: who holds tens of thousands looks at no more than that of each.
      const ports = `${item.name}:`;
      const isOfService = (name: string): boolean => name.startsWith(ports) || name === item.name;
      markHeld(s, isOfService);
      for (const name of s.demand.wantedPorts()) if (isOfService(name)) markPort(s, name);
      for (const name of s.demand.preload) if (isOfService(name)) s.channel('cds')?.dirty.addAll(view.clustersOf(name));
      resolveHosts(s, (_, servicePort) => servicePort !== '' && isOfService(servicePort));
      sweepOf(s, item.name);
      return;
    }
    case 'hosts':
      resolveHosts(s, (_, servicePort) => servicePort === '');
      return;
    case 'own':
      markOwn(s);
      return;
    case 'raw':
      noteRaw(s, item.type, item.name);
      return;
    case 'rawset':
      // Which of them are bases decides what a wildcard holds.
      if (item.type === 'lds' || item.type === 'cds') markOwn(s);
      return;
    case 'caller': {
      const rights = s.view.rights?.();
      if (rights !== undefined && rights === s.rights) refreshPreload(s);
      else refresh(s);
      s.rights = rights;
      noteExpired(s);
      return;
    }
    case 'everything':
      s.rights = s.view.rights?.();
      refresh(s);
      noteExpired(s);
      return;
    default:
      item satisfies never;
  }
};

const noteRaw = (s: SessionState, type: ResourceType, name: string): void => {
  if (type !== 'vhds') {
    const channel = s.channels.get(type);
    channel?.dirty.addAll(spellings(name, channel.subscription.asked));
    return;
  }
  // Put under the name of one route configuration, it stands for the service port under all of them.
  const servicePort = name.slice(name.indexOf('/') + 1);
  markPort(s, servicePort);
  s.channel('cds')?.dirty.addAll(s.view.clustersOf(servicePort));
  s.sweep.all();
};

/** A service port's virtual host, under every route configuration of the node, and its clusters. */
export const markPort = (s: SessionState, servicePort: string): void => {
  const hosts = s.channel('vhds');
  if (hosts !== undefined)
    for (const { routeConfiguration } of s.demand.generations.values()) {
      const name = s.shapes.text(`${routeConfiguration}/${servicePort}`);
      hosts.dirty.add(name);
      hosts.dirty.addAll(hosts.ledger.parked.companionsOf(name));
      s.sweep.some(hosts.refused.of(name));
    }
};

const markAll = (channel: Channel | undefined, select: (name: string) => boolean): void => {
  if (channel === undefined) return;
  for (const name of channel.ledger.held.keys()) if (select(name)) channel.dirty.add(name);
  for (const name of channel.subscription.asked) if (select(name)) channel.dirty.add(name);
};

const markHeld = (s: SessionState, select: (name: string) => boolean): void => {
  markAll(s.channels.get('cds'), select);
  markAll(s.channels.get('eds'), select);
  const hosts = s.channels.get('vhds');
  if (hosts !== undefined)
    for (const name of hosts.ledger.held.keys()) if (select(name.slice(name.indexOf('/') + 1))) hosts.dirty.add(name);
};

/** Own listeners and clusters, and EDS `local`. */
const markOwn = (s: SessionState): void => {
  const listeners = s.channel('lds');
  markAll(listeners, () => true);
  listeners?.dirty.addAll(s.view.own('lds'));
  s.channel('cds')?.dirty.addAll(s.view.own('cds'));
  s.channels.get('eds')?.dirty.add('local');
  s.sweep.all();
};

/** Asks again what the selected hosts stand for. */
const resolveHosts = (s: SessionState, select: (host: string, servicePort: string) => boolean): void => {
  for (const generation of s.demand.generations.values())
    for (const [host, before] of generation.hosts) if (select(host, before)) resolveAgain(s, generation, host, before);
};

/** Asks again what a host stands for; returns its service port, '' for none. */
export const resolveAgain = (s: SessionState, generation: Generation, host: string, before: string): string => {
  const after = s.view.resolveHost(host.toLowerCase()) ?? '';
  if (after === before) return before;
  const kept = s.shapes.text(after);
  generation.setHost(host, kept);
  if (before !== '') {
    markPort(s, before);
    s.sweep.all();
    s.interestStale = true;
  }
  if (kept !== '') {
    markPort(s, kept);
    s.take(kept);
    s.observe(kept);
  }
  return kept;
};

/** Edges came or went, and nothing else: what a sidecar learns by asking comes back to it so, and it holds it already. */
const refreshPreload = (s: SessionState): void => {
  const { went } = comeAndGo(s);
  if (went.length === 0) return;
  for (const name of went) sweepOf(s, s.shapes.subjectOf(name));
  s.interestStale = true;
};

/**
 * Clusters of a service may have become superfluous. Those of others that its virtual hosts used are looked at when the client has taken
 * their change (`settle.ts`); without virtual hosts there is no such time.
 */
const sweepOf = (s: SessionState, service: string): void => {
  if (s.channel('vhds') === undefined) s.sweep.all();
  else s.sweep.of(service);
};

const comeAndGo = (s: SessionState): { readonly went: readonly string[] } => {
  const { came, went } = s.demand.refresh();
  const clusters = s.channel('cds');
  for (const name of came) {
    for (const cluster of s.view.clustersOf(name)) s.adopted.delete(cluster);
    markPort(s, name);
    s.take(name);
    clusters?.dirty.addAll(s.view.clustersOf(name));
  }
  for (const name of went) markPort(s, name);
  return { went };
};

/** Compares everything: the preload list, every host, everything held. */
const refresh = (s: SessionState): void => {
  comeAndGo(s);
  const clusters = s.channel('cds');
  markHeld(s, () => true);
  for (const channel of s.channels.values()) if (!BY_SERVICE.has(channel.type)) markAll(channel, () => true);
  markOwn(s);
  resolveHosts(s, () => true);
  for (const name of s.demand.wanted()) {
    markPort(s, name);
    clusters?.dirty.addAll(s.view.clustersOf(name));
  }
  s.interestStale = true;
};
