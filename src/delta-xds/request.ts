/** Takes one request of a stream: verdict on a response, names, versions held. Writes facts down; `delivery.ts` answers. */
import { isCollection } from '../model/index.ts';
import type { DeltaRequest } from '../proto/index.ts';
import { refuse, withinBounds } from './bounds.ts';
import type { Channel } from './channel.ts';
import { learnGeneration } from './current-routes.ts';
import { portOf } from './demand.ts';
import type { Effect } from './effect.ts';
import { endGeneration } from './generation.ts';
import { GATE_MS } from './ledger.ts';
import { takeHosts } from './request-hosts.ts';
import { typeOf } from './resource-type.ts';
import type { SessionState } from './session-state.ts';
import { settle } from './settle.ts';
import { STATUS } from './status.ts';
import type { SubscriptionChange } from './subscription.ts';

/** Names that the stream has asked for. */
const askedOn = (s: SessionState): number => {
  let asked = s.demand.hosts;
  for (const { subscription, questions } of s.channels.values()) asked += subscription.asked.size + questions.size;
  return asked;
};

export const takeRequest = (s: SessionState, request: DeltaRequest, now: number, out: Effect[]): void => {
  if (request.typeUrl === '') {
    refuse(s, STATUS.INVALID_ARGUMENT, 'a request on an aggregated stream needs a type_url', out);
    return;
  }
  const type = typeOf(request.typeUrl);
  const { subscribe, unsubscribe } = request;
  const count = {
    request: subscribe.length + unsubscribe.length,
    stream: subscribe.length === 0 ? 0 : subscribe.length + askedOn(s),
    waiting: s.channels.get('vhds')?.questions.size ?? 0,
  };
  if (!withinBounds(s, type, subscribe, count, out)) return;
  const channel = s.ensure(type);
  // Names asked in the message that acknowledges their response were asked before it arrived.
  const onTheirWay = request.subscribe.length === 0 ? undefined : channel.ledger.unackedNames();
  if (request.responseNonce !== '') {
    const known = settle(s, channel, { nonce: request.responseNonce, error: request.errorDetail }, now, out);
    // A bare ACK opens nothing, even when it is the first message of its type (assignments are pushed before they are asked for).
    if (known && request.subscribe.length + request.unsubscribe.length === 0) return;
  }
  const change = channel.subscription.apply(request.subscribe, request.unsubscribe);
  switch (type) {
    case 'cds':
      takeClusters(s, channel, request, change, now);
      break;
    case 'eds':
      takeAssignments(s, channel, request, change, onTheirWay);
      break;
    case 'lds':
      takeListeners(s, channel, request, change, now);
      learnGeneration(s, now);
      break;
    case 'rds':
      takeRoutes(s, channel, request, change);
      learnGeneration(s, now);
      break;
    case 'vhds':
      takeHosts(s, channel, request, change);
      break;
    default:
      takeNamed(s, channel, request, change);
  }
  if (s.unknownAsked > 0) throttle(s, now, out);
};

const throttle = (s: SessionState, now: number, out: Effect[]): void => {
  const until = s.allowance?.spend(s.unknownAsked, now) ?? now;
  s.unknownAsked = 0;
  if (until <= now) return;
  s.counters.unknownThrottled++;
  out.push({ kind: 'throttle', until });
};

/** So many versions that they are compared a portion at a time: until its turn comes, nothing is known of one but its text. */
const isMany = (s: SessionState, request: DeltaRequest): boolean => request.initialResourceVersions.size > s.portion;

/** The cluster is not the client's own old one. With many: its service port is wanted, whether or not that still uses it. */
const isNeeded = (s: SessionState, name: string, many: boolean): boolean =>
  many ? s.demand.wantsSomewhere(portOf(name)) || s.view.own('cds').includes(name) : s.needs(name);

/** All clusters of the wildcard; of a long list a portion at a time (`delivery.ts`). */
const unfoldClusters = (s: SessionState, channel: Channel): void => {
  if (s.demand.preload.length <= s.portion) {
    channel.now.addAll(s.needed());
    return;
  }
  channel.now.addAll(s.view.own('cds'));
  s.unfold = [...s.demand.wanted()];
};

/** Notes the versions that the client brought, in the first message of a type only (checklist 20). */
const seed = (s: SessionState, channel: Channel, request: DeltaRequest, change: SubscriptionChange): void => {
  if (!change.first) return;
  const all = channel.subscription.wildcard && (channel.type === 'cds' || channel.type === 'lds');
  const many = isMany(s, request);
  for (const [name, version] of request.initialResourceVersions) {
    // A version alone is no subscription (checklist 21).
    if (!all && !change.asked.has(name)) continue;
    const body = many ? undefined : s.body(channel.type, name);
    channel.ledger.seed(
      s.shapes.text(name),
      body?.version === version ? s.shapes.of(body) : s.shapes.unknown(s.shapes.text(version)),
    );
  }
};

const isHeldFromBefore = (request: DeltaRequest, change: SubscriptionChange, name: string): boolean =>
  change.first && request.initialResourceVersions.has(name);

const takeClusters = (
  s: SessionState,
  channel: Channel,
  request: DeltaRequest,
  change: SubscriptionChange,
  now: number,
): void => {
  seed(s, channel, request, change);
  const { view } = s;
  for (const [name, wasAsked] of change.dropped) {
    if (!wasAsked) continue;
    forgetCluster(s, channel, name);
    s.interestStale = true;
    // Asked for by name beside the wildcard and given up: the client must be told whether the wildcard still has it (checklist 11).
    if (!channel.subscription.wildcard) continue;
    if (s.needs(name)) channel.answer(name, true);
    else channel.absent.add(name);
  }
  if (change.wildcardEnded)
    for (const name of [...channel.ledger.held.keys()])
      if (!channel.subscription.has(name)) forgetCluster(s, channel, name);
  for (const asked of change.asked) {
    const name = s.shapes.text(asked);
    s.take(name);
    if (isCollection(name)) channel.absent.add(name);
    else channel.answer(name, !isHeldFromBefore(request, change, name));
    const servicePort = view.servicePortOf(name);
    if (view.get('cds', name) === undefined) {
      if (!isHeldFromBefore(request, change, name)) s.unknownAsked++;
    } else if (servicePort !== undefined) {
      const held = isHeldFromBefore(request, change, name);
      if (!held || !s.current.hasExpired(servicePort)) s.observe(servicePort, held);
    }
  }
  if (change.wildcardBegan) {
    channel.owed = true;
    unfoldClusters(s, channel);
  }
  if (change.first && request.initialResourceVersions.size > 0) {
    const many = isMany(s, request);
    for (const name of channel.ledger.held.keys()) {
      channel.now.add(name);
      // It may change before virtual hosts are heard of, which take an interest in it.
      s.take(name);
      if (!isNeeded(s, name, many) && !channel.subscription.has(name)) s.adopted.add(name);
    }
    s.sweep.all();
    if (s.channel('vhds') === undefined) s.collectAfter = now + GATE_MS;
    else s.releaseClusters();
  }
};

/** The client has dropped a cluster by itself; its assignment goes with it unless asked for. */
const forgetCluster = (s: SessionState, channel: Channel, name: string): void => {
  channel.ledger.forget(name);
  channel.settled(name);
  const assignments = s.channels.get('eds');
  if (assignments?.subscription.has(name) === false) assignments.ledger.forget(name);
};

const takeAssignments = (
  s: SessionState,
  channel: Channel,
  request: DeltaRequest,
  change: SubscriptionChange,
  onTheirWay: ReadonlySet<string> | undefined,
): void => {
  seed(s, channel, request, change);
  for (const name of change.dropped.keys()) {
    channel.ledger.forget(name);
    channel.settled(name);
    s.interestStale = true;
  }
  for (const asked of change.asked) {
    const name = s.shapes.text(asked);
    s.take(name);
    // The one exception to "always answer" (checklist 3): Envoy asks for what was just pushed behind its cluster.
    const isNew = !isHeldFromBefore(request, change, name) || s.keepsClustersBack;
    if (isCollection(name)) channel.absent.add(name);
    else channel.answer(name, isNew && onTheirWay?.has(name) !== true);
  }
  if (change.wildcardBegan && change.asked.size === 0) channel.owed = true;
};

const takeListeners = (
  s: SessionState,
  channel: Channel,
  request: DeltaRequest,
  change: SubscriptionChange,
  now: number,
): void => {
  seed(s, channel, request, change);
  const own = s.shapes.setOf(s.view.own('lds'));
  for (const [name, wasAsked] of change.dropped) {
    if (!wasAsked) continue;
    channel.ledger.forget(name);
    channel.settled(name);
    if (!channel.subscription.wildcard) continue;
    if (own.has(name)) channel.answer(name, true);
    else channel.absent.add(name);
  }
  if (change.wildcardEnded)
    for (const name of [...channel.ledger.held.keys()])
      if (!channel.subscription.has(name)) channel.ledger.forget(name);
  for (const name of change.asked) channel.answer(s.shapes.text(name), !isHeldFromBefore(request, change, name));
  if (change.wildcardBegan) {
    channel.owed = true;
    channel.now.addAll(own);
  }
  if (change.first) channel.now.addAll(channel.ledger.held.keys());
  const comesBack = change.first && channel.subscription.wildcard && request.initialResourceVersions.size > 0;
  if (!comesBack || s.channel('cds') !== undefined) return;
  s.hostsAfter = now + GATE_MS;
  // Which of them it waits for nobody knows: it may name the one that it had before.
  const assignments = s.channel('eds');
  for (const name of assignments?.subscription.asked ?? []) assignments?.answer(name, true);
};

/** Types that only raw resources bring, also such as this server does not know (checklist 56): by name, a wildcard holds nothing. */
const takeNamed = (s: SessionState, channel: Channel, request: DeltaRequest, change: SubscriptionChange): void => {
  seed(s, channel, request, change);
  for (const name of change.dropped.keys()) {
    channel.ledger.forget(name);
    channel.settled(name);
  }
  for (const name of change.asked) channel.answer(s.shapes.text(name), !isHeldFromBefore(request, change, name));
  if (change.first) channel.now.addAll(channel.ledger.held.keys());
  if (change.wildcardBegan && change.asked.size === 0) channel.owed = true;
};

const takeRoutes = (s: SessionState, channel: Channel, request: DeltaRequest, change: SubscriptionChange): void => {
  seed(s, channel, request, change);
  for (const name of change.dropped.keys()) {
    channel.ledger.forget(name);
    channel.settled(name);
    endGeneration(s, name);
  }
  const hosts = s.channel('vhds');
  for (const asked of change.asked) {
    const name = s.shapes.text(asked);
    channel.answer(name, !isHeldFromBefore(request, change, name));
    const announced = s.demand.generations.get(name);
    if (announced !== undefined) announced.announced = false;
    if (s.body('rds', name) === undefined || announced !== undefined) continue;
    const generation = s.demand.open(name, s.limits.generations);
    // Opened by the client long ago: this route configuration is primed without being asked (envoy-wire, fact 2).
    if (generation === undefined || hosts?.subscription.wildcard !== true) continue;
    hosts.owed = true;
    for (const servicePort of s.demand.preload) hosts.now.add(s.shapes.text(`${name}/${servicePort}`));
  }
  if (change.first) channel.now.addAll(channel.ledger.held.keys());
  if (change.wildcardBegan && change.asked.size === 0) channel.owed = true;
};
