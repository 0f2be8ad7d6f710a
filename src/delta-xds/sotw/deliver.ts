/**
 * The one decision function of a state-of-the-world session: looks at all facts and says what to send.
 */
import { isCollection } from '../../model/index.ts';
import { type Effect, plainResource } from '../effect.ts';
import { GATE_MS } from '../ledger.ts';
import type { ResourceBody } from '../resource-source.ts';
import type { ResourceType } from '../resource-type.ts';
import { RESOURCE_OVERHEAD, split } from '../work.ts';
import type { SotwState } from './sotw-state.ts';
import type { StateChannel } from './state-channel.ts';
import { stateVersion, wildcardNames } from './state-version.ts';

/** W9; types not named here come behind them, as they were asked for. */
const ORDER: readonly ResourceType[] = ['cds', 'eds', 'lds', 'rds', 'srds', 'sds', 'ecds', 'rtds'];
const ORDERED: ReadonlySet<string> = new Set(ORDER);
/** W10: of these, what is gone is kept while routes are on their way. */
const KEPT: readonly ResourceType[] = ['cds', 'eds'];
const ROUTES: readonly ResourceType[] = ['lds', 'rds'];

export const deliver = (s: SotwState, now: number, out: Effect[]): void => {
  if (s.closed) return;
  if (!s.paused) pass(s, now, out);
  announce(s, out);
  schedule(s, now, out);
};

const pass = (s: SotwState, now: number, out: Effect[]): void => {
  const others = [...s.channels.keys()].filter((type) => !ORDERED.has(type));
  for (const type of [...ORDER, ...others]) {
    const channel = s.channels.get(type);
    if (channel?.subscription.opened !== true) continue;
    if (!sendType(s, channel, now, out)) return;
  }
  // Nothing moved after all: what was kept goes.
  for (const type of KEPT) {
    const channel = s.channels.get(type);
    if (channel?.keeps === true && !routesMove(s, now) && !sendType(s, channel, now, out)) return;
  }
};

const sendType = (s: SotwState, channel: StateChannel, now: number, out: Effect[]): boolean =>
  channel.full ? sendWhole(s, channel, now, out) : sendParts(s, channel, now, out);

/** Time from which a change may go; 0: now (W5). */
const gateOpensAt = ({ unanswered }: StateChannel, now: number): number => {
  const last = unanswered.at(-1);
  return last !== undefined && last.at + GATE_MS > now ? last.at + GATE_MS : 0;
};

const hasChange = ({ stale, dirty, trials }: StateChannel): boolean => stale || dirty.size > 0 || trials.length > 0;

/** Listeners or route configurations may change at the client, or have changed and are not acknowledged. */
const routesMove = (s: SotwState, now: number): boolean =>
  ROUTES.some((type) => {
    const channel = s.channels.get(type);
    return channel !== undefined && (hasChange(channel) || gateOpensAt(channel, now) > 0);
  });

/** What the client has of a name that is gone, while routes may still use it (W10). */
const keptOf = (s: SotwState, channel: StateChannel, name: string, now: number): ResourceBody | undefined => {
  const good = KEPT.includes(channel.type) ? channel.held.get(name)?.good : undefined;
  if (good === undefined || !routesMove(s, now)) return undefined;
  channel.keeps = true;
  return good;
};

/** What a name is to be at the client; undefined: nothing (W6). */
const goalOf = (s: SotwState, channel: StateChannel, name: string, now: number): ResourceBody | undefined => {
  const { type, parked } = channel;
  let body = s.body(type, name);
  if (body === undefined) {
    const kept = keptOf(s, channel, name, now);
    if (kept !== undefined) return kept;
    if (type !== 'eds' || isCollection(name)) return undefined;
    body = s.placeholder('eds', name);
  }
  return parked.has(name, body.version) || channel.waits(name) ? channel.held.get(name)?.good : body;
};

/** CDS, LDS: everything in one response, whenever anything of it is new. False: paused. */
const sendWhole = (s: SotwState, channel: StateChannel, now: number, out: Effect[]): boolean => {
  const asked = channel.owed || channel.now.size > 0;
  if (!asked && (!hasChange(channel) || gateOpensAt(channel, now) > 0)) return true;
  const { subscription, held } = channel;
  channel.keeps = false;
  const names = new Set(subscription.asked);
  if (subscription.wildcard) for (const name of wildcardNames(s, channel)) names.add(name);
  // Those that a wildcard no longer stands for.
  const leaving = subscription.wildcard ? [...held.keys()].filter((name) => !names.has(name)) : [];
  let items = new Map<string, ResourceBody>();
  let changed: string[] = [];
  // Parts whose resources have become what the client holds need no trial.
  for (;;) {
    items = new Map();
    changed = [];
    for (const name of [...names, ...leaving]) {
      const body = names.has(name) ? goalOf(s, channel, name, now) : keptOf(s, channel, name, now);
      if (body === undefined) continue;
      items.set(s.shapes.text(name), body);
      if (held.get(name)?.good?.version !== body.version) changed.push(name);
    }
    if (channel.trials[0] === undefined || changed.some((name) => channel.trials[0]?.has(name))) break;
    channel.trials.shift();
  }
  channel.now.clear();
  channel.dirty.clear();
  channel.stale = channel.trials.length > 0 || channel.keeps;
  if (!asked && isHeld(channel, items)) return true;
  const followers = channel.type === 'cds' ? changedAssignments(channel, items) : [];
  send(s, channel, items, changed, now, out);
  const assignments = s.channels.get('eds');
  for (const name of followers) if (assignments?.subscription.has(name)) assignments.now.add(name);
  return s.goOn(sizeOf(items.values()), out);
};

/** The client holds, or is about to hold, exactly this. */
const isHeld = ({ held }: StateChannel, items: ReadonlyMap<string, ResourceBody>): boolean => {
  let count = 0;
  for (const [name, { sent }] of held) {
    if (sent === undefined) continue;
    if (items.get(name)?.version !== sent.version) return false;
    count++;
  }
  return count === items.size;
};

/** Assignments of the clusters that are new to the client (W8). */
const changedAssignments = ({ held }: StateChannel, items: ReadonlyMap<string, ResourceBody>): string[] => {
  const names: string[] = [];
  for (const [name, { version, eds }] of items)
    if (eds !== undefined && held.get(name)?.sent?.version !== version) names.push(eds);
  return names;
};

interface Unit {
  readonly name: string;
  readonly body: ResourceBody;
  readonly size: number;
}

/** All other types: what is new to the client, below the size limit. False: paused. */
const sendParts = (s: SotwState, channel: StateChannel, now: number, out: Effect[]): boolean => {
  const open = hasChange(channel) && gateOpensAt(channel, now) === 0;
  if (channel.now.size === 0 && !open) return true;
  channel.keeps = false;
  let units = newParts(s, channel, open, now);
  // Parts whose resources have become what the client holds need no trial.
  while (open && channel.trials[0] !== undefined && !units.some(({ name }) => channel.trials[0]?.has(name))) {
    channel.trials.shift();
    channel.stale = true;
    units = newParts(s, channel, open, now);
  }
  channel.now.clear();
  if (open) {
    channel.dirty.clear();
    channel.stale = channel.trials.length > 0 || channel.keeps;
  }
  const runs: Unit[][] = split(units, s.limits.responseBytes);
  for (const [at, run] of runs.entries()) {
    const items = new Map(run.map(({ name, body }) => [name, body]));
    const isGood = ({ name, body }: Unit): boolean => channel.held.get(name)?.good?.version === body.version;
    const changed = run.filter((unit) => !isGood(unit)).map(({ name }) => name);
    send(s, channel, items, changed, now, out);
    if (s.goOn(sizeOf(items.values()), out)) continue;
    for (const { name } of runs.slice(at + 1).flat()) channel.now.add(name);
    return false;
  }
  return true;
};

const newParts = (s: SotwState, channel: StateChannel, open: boolean, now: number): Unit[] => {
  const { subscription, held } = channel;
  const units: Unit[] = [];
  const consider = (name: string, force: boolean): void => {
    const body = subscription.has(name) ? goalOf(s, channel, name, now) : undefined;
    if (body === undefined || (!force && held.get(name)?.sent?.version === body.version)) return;
    units.push({ name: s.shapes.text(name), body, size: body.body.length + name.length + RESOURCE_OVERHEAD });
  };
  for (const name of channel.now.all) consider(name, true);
  if (open)
    for (const name of channel.stale ? subscription.asked : channel.dirty.all)
      if (!channel.now.has(name)) consider(name, false);
  return units;
};

const sizeOf = (bodies: Iterable<ResourceBody>): number => {
  let size = 0;
  for (const { body } of bodies) size += body.length;
  return size;
};

const send = (
  s: SotwState,
  channel: StateChannel,
  items: ReadonlyMap<string, ResourceBody>,
  changed: readonly string[],
  now: number,
  out: Effect[],
): void => {
  const nonce = s.nextNonce();
  const gone = channel.full
    ? [...channel.held].flatMap(([name, { sent }]) => (sent !== undefined && !items.has(name) ? [name] : []))
    : [];
  channel.record({ nonce, at: now, items, changed, gone });
  for (const name of changed) if (channel.subscription.has(name)) s.observe(channel.type, name, out);
  const label = s.view.label(channel.type);
  out.push({
    kind: 'send',
    type: channel.type,
    nonce,
    resources: [...items].map(([name, { version, body }]) => plainResource(name, version, body)),
    removed: gone,
    versionInfo: stateVersion(items),
    ...(label === undefined ? {} : { label }),
  });
};

/** Subjects whose changes this session must hear of. */
const announce = (s: SotwState, out: Effect[]): void => {
  if (!s.interestStale) return;
  s.interestStale = false;
  const current = new Set<string>([s.view.facts.caller]);
  for (const channel of s.channels.values()) {
    for (const name of channel.subscription.asked) current.add(s.shapes.subjectOf(name));
    if (channel.subscription.wildcard)
      for (const name of wildcardNames(s, channel)) current.add(s.shapes.subjectOf(name));
  }
  // Route configurations hold the virtual hosts of the node's edges.
  if (s.channels.has('rds')) for (const servicePort of s.view.preload()) current.add(s.shapes.subjectOf(servicePort));
  const dropped = [...s.interest].filter((subject) => !current.has(subject));
  const added = [...current].filter((subject) => !s.interest.has(subject));
  for (const subject of dropped) s.interest.delete(subject);
  for (const subject of added) s.interest.add(subject);
  if (added.length + dropped.length > 0) out.push({ kind: 'interest', added, dropped, waiting: false });
};

/** When to look again without being told anything. */
const schedule = (s: SotwState, now: number, out: Effect[]): void => {
  if (s.paused) return;
  let at = 0;
  const consider = (time: number): void => {
    if (time > now && (at === 0 || time < at)) at = time;
  };
  for (const channel of s.channels.values()) {
    consider(hasChange(channel) ? gateOpensAt(channel, now) : 0);
    if (!channel.keeps) continue;
    for (const type of ROUTES) {
      const routes = s.channels.get(type);
      if (routes !== undefined) consider(gateOpensAt(routes, now));
    }
  }
  if (at === 0 || (s.timerAt !== 0 && s.timerAt <= at)) return;
  s.timerAt = at;
  out.push({ kind: 'timer', at });
};
