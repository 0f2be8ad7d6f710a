/** Virtual hosts: plan, then one response after the other. */

import type { Channel } from './channel.ts';
import type { Effect, Item, SentResource } from './effect.ts';
import { splitVirtualHostName } from './generation.ts';
import { HostPlan } from './host-plan.ts';
import type { SessionState } from './session-state.ts';
import { GONE } from './shapes.ts';
import { RESOURCE_OVERHEAD, split, type Work } from './work.ts';

/** Plans the virtual hosts of a round; undefined: VHDS has not been opened, clusters come first, or there is nothing to say. */
export const planHosts = (s: SessionState, work: Work, now: number): HostPlan | undefined => {
  const channel = s.channel('vhds');
  if (channel === undefined || s.hostsWait(now)) return undefined;
  const names = work.names('vhds');
  const { questions } = work;
  if (names.length === 0 && questions.length === 0) return undefined;
  const plan = new HostPlan(s, channel);
  for (const question of questions) plan.answer(question);
  for (const name of names) plan.compare(name);
  plan.complete();
  return plan;
};

/** Virtual hosts that go together, or one negative answer. */
interface Unit {
  readonly resources: SentResource[];
  readonly removed: string[];
  readonly items: Item[];
  readonly questions: string[];
  size: number;
}

/** False: paused. */
export const sendHosts = (
  s: SessionState,
  work: Work,
  plan: HostPlan | undefined,
  now: number,
  out: Effect[],
): boolean => {
  const channel = s.channel('vhds');
  if (channel === undefined) return true;
  return sendPlanned(s, channel, work, plan, now, out) && (work.lane !== 'answer' || sendAbsent(s, channel, now, out));
};

/** Names of generations that have ended; one that is held again meanwhile is not among them. */
const sendAbsent = (s: SessionState, channel: Channel, now: number, out: Effect[]): boolean => {
  const names = [...channel.absent.all].filter((name) => channel.ledger.versionOf(name) === undefined);
  const units = names.map((name) => ({ name, size: name.length + 4 }));
  for (const run of split(units, s.limits.responseBytes)) {
    const removed = run.map(({ name }) => name);
    s.send({ type: 'vhds', lane: 'answer', resources: [], removed, items: [], questions: [] }, now, out);
    for (const name of removed) channel.absent.delete(name);
    if (!s.goOn(out)) return false;
  }
  channel.absent.clear();
  return true;
};

const sendPlanned = (
  s: SessionState,
  channel: Channel,
  work: Work,
  plan: HostPlan | undefined,
  now: number,
  out: Effect[],
): boolean => {
  const owed = work.lane === 'answer' && channel.owed;
  if (plan === undefined && !owed && s.allPrimed) return true;
  const primes = primeNames(s, channel, plan);
  const runs: Unit[][] = plan === undefined ? [] : runsOf(s, plan);
  if (runs.length === 0 && (primes.length > 0 || owed)) runs.push([]);
  for (const [at, run] of runs.entries()) {
    const questions = run.flatMap((unit) => unit.questions);
    const items = run.flatMap((unit) => unit.items);
    const nonce = s.send(
      {
        type: 'vhds',
        lane: work.lane,
        resources: run.flatMap((unit) => unit.resources),
        removed: [...(at === 0 ? primes : []), ...run.flatMap((unit) => unit.removed)],
        items,
        questions,
      },
      now,
      out,
    );
    for (const { name } of items) channel.settled(name);
    for (const question of questions) channel.questions.delete(question);
    if (at === 0)
      for (const generation of s.demand.generations.values()) {
        if (generation.primed) continue;
        generation.primed = true;
        generation.primedBy = nonce;
      }
    if (!s.goOn(out)) return false;
  }
  return true;
};

/**
 * Route configurations that Envoy has been told nothing about: until a virtual host or a removal names one, its listener waits for
 * `initial_fetch_timeout`. Removing a name that never was does it (envoy-wire, facts 1 and 2).
 */
const primeNames = (s: SessionState, channel: Channel, plan: HostPlan | undefined): string[] => {
  const primes: string[] = [];
  if (!channel.subscription.wildcard) return primes;
  for (const { routeConfiguration, primed } of s.demand.generations.values()) {
    if (primed) continue;
    const prefix = `${routeConfiguration}/`;
    const named =
      plan !== undefined &&
      ([...plan.additions.keys()].some((name) => name.startsWith(prefix)) ||
        [...plan.removals].some((name) => name.startsWith(prefix)));
    if (!named) primes.push(`${prefix}-`);
  }
  return primes;
};

const isRemembered = (s: SessionState, question: string): boolean => {
  const split = splitVirtualHostName(question);
  return split !== undefined && s.demand.generations.get(split.routeConfiguration)?.hosts.has(split.rest) === true;
};

const runsOf = (s: SessionState, plan: HostPlan): Unit[][] => {
  const units = new Map<number, Unit>();
  const unitOf = (name: string): Unit => {
    const atom = plan.atomOf(name);
    let unit = units.get(atom);
    if (unit === undefined) {
      unit = { resources: [], removed: [], items: [], questions: [], size: 0 };
      units.set(atom, unit);
    }
    return unit;
  };
  for (const { name, body, prefix, extra } of plan.additions.values()) {
    const unit = unitOf(name);
    const domains = body.domains ?? [];
    unit.resources.push({ name, version: body.version, body: body.body, prefix, domains, extra });
    unit.items.push({ name, version: body.version, shape: s.shapes.of(body), atom: plan.atomOf(name) });
    unit.size += body.body.length + 2 * name.length + RESOURCE_OVERHEAD;
    for (const domain of [...domains, ...extra]) unit.size += prefix.length + domain.length + 4;
  }
  for (const name of plan.removals) {
    const unit = unitOf(name);
    unit.removed.push(name);
    unit.items.push({ name, version: '', shape: GONE, atom: plan.atomOf(name) });
    unit.size += name.length + 4;
  }
  for (const [question, name] of plan.answers) unitOf(name).questions.push(question);
  // Envoy refuses a response that removes a name and answers it; and the answer must come after the removal.
  const later: Unit[] = [];
  for (const question of plan.negatives) {
    const version = s.negativeVersion();
    const key = `?${question}`;
    const clash = plan.removals.has(question) || plan.additions.has(question);
    const unit: Unit = clash ? { resources: [], removed: [], items: [], questions: [], size: 0 } : unitOf(key);
    if (clash) later.push(unit);
    const unrecorded = isRemembered(s, question) ? undefined : ({ unrecorded: true } as const);
    unit.resources.push({
      ...{ name: question, version, body: undefined, prefix: '', domains: [], extra: [question] },
      ...unrecorded,
    });
    unit.items.push({ name: question, version, shape: undefined, atom: plan.atomOf(key), ...unrecorded });
    unit.questions.push(question);
    unit.size += 2 * question.length + RESOURCE_OVERHEAD;
  }
  const limit = s.limits.responseBytes;
  return [...split([...units.values()], limit), ...split(later, limit)];
};
