/**
 * Renewals: looks at what has gathered, and takes the client over to the next generation (decision: `renewal.ts`).
 *
 * A look follows what can change its outcome: edges that expired, the first word about virtual hosts, an acknowledged listener, the end
 * of an earlier generation, or the time that the last look named. All other passes of a session cost a comparison.
 */
import { generationOf, MAX_GENERATION, OUTBOUND_NAME, outboundRoutes } from '../model/index.ts';
import { endGeneration, type Generation } from './generation.ts';
import type { Outstanding } from './ledger.ts';
import { decideRenewal, type RenewalVerdict } from './renewal.ts';
import type { SessionState } from './session-state.ts';

/** Envoy's `--drain-time-s`, ms. */
const DEFAULT_DRAIN_MS = 600_000;

/** Reads again which edges have expired. An edge that did is proved anew by the next question. */
export const noteExpired = (s: SessionState): void => {
  if (s.current.refresh()) for (const servicePort of s.current.expired) s.observed.delete(servicePort);
};

const countStale = (s: SessionState, generation: Generation): number => {
  const { current } = s;
  const ledger = s.channels.get('vhds')?.ledger;
  if (current.expired.length === 0 || ledger === undefined) return 0;
  let stale = 0;
  const look = (servicePort: string): void => {
    if (
      current.hasExpired(servicePort) &&
      ledger.versionOf(`${generation.routeConfiguration}/${servicePort}`) !== undefined
    )
      stale++;
  };
  for (const servicePort of generation.ports) look(servicePort);
  for (const servicePort of generation.adopted.all) if (!generation.asks(servicePort)) look(servicePort);
  return stale;
};

const heldUnder = (s: SessionState, { routeConfiguration }: Generation): number => {
  let held = 0;
  for (const name of s.channels.get('vhds')?.ledger.held.keys() ?? [])
    if (name.startsWith(`${routeConfiguration}/`)) held++;
  return held;
};

/** The client has acknowledged the listener of its generation, uses its route configuration, and takes virtual hosts unasked. */
const isReady = (s: SessionState, routeConfiguration: string): boolean => {
  const listeners = s.channel('lds');
  const version = s.body('lds', OUTBOUND_NAME)?.version;
  return (
    s.current.known &&
    s.current.n < MAX_GENERATION &&
    version !== undefined &&
    listeners?.ledger.held.get(OUTBOUND_NAME)?.good?.version === version &&
    listeners.ledger.versionOf(OUTBOUND_NAME) === version &&
    s.channel('rds')?.subscription.has(routeConfiguration) === true &&
    s.channel('vhds')?.subscription.wildcard === true
  );
};

const decide = (s: SessionState, generation: Generation, now: number): RenewalVerdict => {
  const { current, demand, limits, renewal, view } = s;
  current.stale = countStale(s, generation);
  if (current.refused || current.stale < limits.renewalStale) return { is: 'rest' };
  let drains = false;
  for (const name of demand.generations.keys())
    if (name !== generation.routeConfiguration && generationOf(name) !== undefined) drains = true;
  const { id, drainMs = DEFAULT_DRAIN_MS } = view.facts;
  return decideRenewal(
    {
      stale: current.stale,
      held: heldUnder(s, generation),
      ready: isReady(s, generation.routeConfiguration),
      drains,
      last: renewal?.memory.last(id) ?? current.renewedAt ?? (current.n === 0 ? undefined : current.began),
      longest: renewal?.longStream(id),
      drainMs,
    },
    limits,
    now,
  );
};

/**
 * Listener, route configuration and virtual hosts of the next generation go out together in this pass: whatever is lost of it, Envoy
 * does not wait for a part of it until its time-out. Its own question for the route configuration comes later.
 */
const renew = (s: SessionState, now: number): void => {
  const { current, demand, view } = s;
  const before = view.get('lds', OUTBOUND_NAME)?.version;
  const name = s.shapes.text(outboundRoutes(current.n + 1));
  view.useGeneration?.(current.n + 1);
  const isOurs = view.get('lds', OUTBOUND_NAME)?.version !== before;
  const next = isOurs ? demand.open(name, s.limits.generations) : undefined;
  if (next === undefined) {
    // A raw listener stands in the place of ours, or there is no room.
    view.useGeneration?.(current.n);
    s.counters.renewalsHeldUnready++;
    return;
  }
  next.announced = true;
  current.before = current.n;
  current.n++;
  current.stale = 0;
  current.renewedAt = now;
  s.counters.renewals++;
  s.renewal?.memory.note(view.facts.id, now);
  s.ensure('lds').now.add(OUTBOUND_NAME);
  s.ensure('rds').now.add(name);
  const hosts = s.ensure('vhds');
  hosts.owed = true;
  for (const servicePort of demand.preload) hosts.now.add(s.shapes.text(`${name}/${servicePort}`));
};

export const renewIfDue = (s: SessionState, now: number): void => {
  const { current } = s;
  const due = current.lookAt !== 0 && now >= current.lookAt;
  if (!current.look && !due) return;
  current.look = false;
  current.lookAt = 0;
  const generation = s.demand.generations.get(outboundRoutes(current.n));
  if (generation === undefined || s.renewal === undefined || s.view.useGeneration === undefined) return;
  const verdict = decide(s, generation, now);
  if (verdict.is === 'renew') renew(s, now);
  else if (verdict.is === 'held') {
    s.counters[verdict.why]++;
    current.lookAt = verdict.at;
  }
};

/** The client has taken virtual hosts: one whose edge has expired, of a service that was away, counts again. */
export const acceptStale = (s: SessionState, { items }: Outstanding): void => {
  const { current } = s;
  if (current.expired.length === 0) return;
  current.look ||= items.some(
    ({ name, version }) => version !== '' && current.hasExpired(name.slice(name.indexOf('/') + 1)),
  );
};

/** The client has taken the listener: what it named before is draining. */
export const acceptListeners = (s: SessionState, { items }: Outstanding): void => {
  if (!items.some(({ name }) => name === OUTBOUND_NAME)) return;
  s.current.before = undefined;
  s.current.look = true;
};

/**
 * The client has refused a listener for good. Is it that of a renewal, the client goes on in the generation that it is in; what was sent
 * behind it under the new name has met nobody. Should the listener have changed meanwhile and be taken now, the client's question for
 * the route configuration brings all of that again.
 */
export const refuseListeners = (s: SessionState, { items }: Outstanding): void => {
  const { current } = s;
  const refused = items.find((item) => item.name === OUTBOUND_NAME);
  if (current.before === undefined || refused === undefined) return;
  const name = outboundRoutes(current.n);
  const routes = s.channels.get('rds');
  if (routes?.subscription.has(name) === true) return;
  routes?.ledger.forget(name);
  endGeneration(s, name);
  if (refused.version !== s.body('lds', OUTBOUND_NAME)?.version) return;
  s.view.useGeneration?.(current.before);
  current.n = current.before;
  current.before = undefined;
  current.refused = true;
  s.counters.renewalsRefused++;
};
