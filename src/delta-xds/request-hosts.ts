/**
 * Takes a VHDS request. Names are `<route configuration>/<host>`; a host stands for a service port of whatever name.
 *
 * The first message of a stream is empty (a new Envoy) or holds `*`, the asked names and the versions of everything held (a
 * reconnect); both mean "the state of this node", never "all hosts" (envoy-wire, facts 1, 2 and 9).
 */
import type { DeltaRequest } from '../proto/index.ts';
import { isTooLong } from './bounds.ts';
import type { Channel } from './channel.ts';
import { type Generation, splitVirtualHostName } from './generation.ts';
import type { SessionState } from './session-state.ts';
import { NEGATIVE_PREFIX } from './shapes.ts';
import type { SubscriptionChange } from './subscription.ts';

export const takeHosts = (
  s: SessionState,
  channel: Channel,
  request: DeltaRequest,
  change: SubscriptionChange,
): void => {
  if (change.first) seedHosts(s, channel, request);
  for (const name of change.dropped.keys()) dropName(s, channel, name);
  for (const name of change.asked) takeQuestion(s, channel, request, change, name);
  if (change.first) {
    adopt(s, channel);
    s.releaseClusters();
    s.collectAfter = 0;
    s.sweep.all();
    s.current.look = true;
  }
  if (change.wildcardBegan) {
    // Where the client holds something its listener is up: silence is an answer. Elsewhere it waits to be primed.
    channel.owed = change.first && request.initialResourceVersions.size === 0;
    for (const { routeConfiguration, primed } of s.demand.generations.values()) {
      channel.owed ||= !primed;
      for (const servicePort of s.demand.preload)
        channel.now.add(s.shapes.text(`${routeConfiguration}/${servicePort}`));
    }
  }
};

/** What the client says it holds. Versions of negative answers say "asked, and nothing there": the name is in `subscribe` too. */
const seedHosts = (s: SessionState, channel: Channel, request: DeltaRequest): void => {
  const routes = s.channel('rds');
  const many = request.initialResourceVersions.size > s.portion;
  const asked = new Set(request.subscribe);
  for (const [name, version] of request.initialResourceVersions) {
    const split = splitVirtualHostName(name);
    if (split === undefined) continue;
    // A version of a generation that has ended, which a server did not live to take back.
    if (routes?.subscription.has(split.routeConfiguration) === false && !asked.has(name)) {
      channel.absent.add(s.shapes.text(name));
      continue;
    }
    if (version.startsWith(NEGATIVE_PREFIX)) continue;
    const generation = s.demand.open(split.routeConfiguration, s.limits.generations);
    if (generation === undefined) continue;
    generation.primed = true;
    const body = many ? undefined : s.view.get('vhds', split.rest);
    channel.ledger.seed(
      s.shapes.text(name),
      body?.version === version ? s.shapes.of(body) : s.shapes.unknown(s.shapes.text(version)),
    );
  }
};

/**
 * Virtual hosts that the client holds, that no edge preloads and nobody asked for by a name that still leads to them: they stay while
 * the node may hold them. All are compared: changed ones go out again, vanished ones are removed.
 */
const adopt = (s: SessionState, channel: Channel): void => {
  for (const name of [...channel.ledger.held.keys()]) {
    channel.now.add(name);
    const split = splitVirtualHostName(name);
    const generation = split === undefined ? undefined : s.demand.generations.get(split.routeConfiguration);
    if (split === undefined || generation === undefined) continue;
    const servicePort = s.shapes.text(split.rest);
    if (!channel.subscription.wildcard && !generation.asks(servicePort)) {
      // A version alone is no subscription (checklist 21).
      channel.ledger.forget(name);
      channel.settled(name);
      continue;
    }
    if (!s.demand.preloads(servicePort) && !generation.asks(servicePort)) generation.adopted.add(servicePort);
    s.take(servicePort);
  }
};

const dropName = (s: SessionState, channel: Channel, name: string): void => {
  const split = splitVirtualHostName(name);
  const generation = split === undefined ? undefined : s.demand.generations.get(split.routeConfiguration);
  channel.questions.delete(name);
  if (split === undefined || generation === undefined) return;
  // Of other names the client has been told nothing that it could remember: whoever invents them must not be kept in memory.
  if (generation.hosts.has(split.rest) || channel.ledger.held.has(name)) {
    generation.dropped.add(s.shapes.text(name));
    // The oldest goes: its version stays with the client and is taken back when it comes with it to another stream (`seedHosts`).
    const [oldest] = generation.dropped.all;
    if (oldest !== undefined && generation.dropped.size > s.limits.namesPerStream) generation.dropped.delete(oldest);
  }
  const servicePort = generation.hosts.get(split.rest);
  if (servicePort !== undefined) {
    generation.dropHost(split.rest);
    channel.dirty.addAll(channel.ledger.parked.companionsOf(`${generation.routeConfiguration}/${servicePort}`));
  }
  if (channel.ledger.held.has(name)) {
    // Envoy drops pushed ones too, when a route configuration ends: they are not pushed again under it.
    channel.ledger.forget(name);
    channel.settled(name);
    generation.declined.add(s.shapes.text(split.rest));
    // It gave up what answered the dropped host, and asks for another one that the same virtual host answers by now.
    if (generation.asks(split.rest)) channel.now.add(s.shapes.text(name));
  }
  s.interestStale = true;
  s.sweep.all();
};

const takeQuestion = (
  s: SessionState,
  channel: Channel,
  request: DeltaRequest,
  change: SubscriptionChange,
  name: string,
): void => {
  const isLong = isTooLong(name, s.limits);
  // It knows already.
  if (isLong && change.first && request.initialResourceVersions.get(name)?.startsWith(NEGATIVE_PREFIX)) return;
  if (isLong) s.counters.namesTooLong++;
  const split = isLong ? undefined : splitVirtualHostName(name);
  const generation = split === undefined ? undefined : s.demand.open(split.routeConfiguration, s.limits.generations);
  if (split === undefined || generation === undefined) {
    if (split !== undefined) s.counters.generationsFull++;
    s.unknownAsked++;
    channel.questions.add(name);
    return;
  }
  const servicePort = resolveHost(s, generation, split.rest);
  // Aliases first, then versions: `rc/svc` was asked, `rc/svc.ns:80` is what the client holds.
  const held = change.first ? channel.ledger.versionOf(`${generation.routeConfiguration}/${servicePort}`) : undefined;
  if (servicePort !== '') {
    // Who names again what it holds does not use it: an edge that has expired stays so.
    if (held === undefined || !s.current.hasExpired(servicePort)) s.observe(servicePort, held !== undefined);
    s.take(servicePort);
  }
  if (change.first) {
    if (servicePort !== '' && held !== undefined) {
      const body = s.view.get('vhds', servicePort);
      if (body?.version === held) return;
    }
    if (servicePort === '' && request.initialResourceVersions.get(name)?.startsWith(NEGATIVE_PREFIX)) return;
  }
  if (servicePort === '') s.unknownAsked++;
  // A name that is not remembered must not push out those that are.
  channel.questions.add(generation.hosts.has(split.rest) ? s.shapes.text(name) : name);
};

/** No further unknown host of this node is remembered. */
const isFull = (s: SessionState): boolean => s.demand.waiting + s.waitingBeside() >= s.limits.unknownNames;

/** Canonical service port of an asked host, remembered; '' when nothing answers it. */
const resolveHost = (s: SessionState, generation: Generation, host: string): string => {
  const servicePort = s.view.resolveHost(host.toLowerCase());
  if (servicePort === undefined && !generation.hosts.has(host) && isFull(s)) {
    s.counters.unknownNotKept++;
    return '';
  }
  const kept = servicePort === undefined ? '' : s.shapes.text(servicePort);
  generation.setHost(s.shapes.text(host), kept);
  return kept;
};
