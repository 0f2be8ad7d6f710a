/**
 * ACK and NACK of one response.
 *
 * NACK: Envoy applies nothing of a VHDS, EDS or RDS response and an unknown part of a CDS or LDS one. A response of several atoms is
 * sent again in halves until the bad atom stands alone; that one is parked: its version is never sent again on this stream, the last
 * good one stays. A response of n atoms of which k are bad costs at most 2k(1 + log2 n) responses, however often the client refuses.
 *
 * A virtual host that is good by itself is refused too while the client keeps a domain of it in another one, of which it has refused the
 * version that gives the domain up. When it has given the domain up after all, what was parked for it is tried again; and so is what was
 * refused in one atom with others, when one of these has changed (`host-plan.ts`).
 */

import type { Channel, Suspects } from './channel.ts';
import type { Effect } from './effect.ts';
import type { Outstanding } from './ledger.ts';
import { countNack } from './limits.ts';
import { refusedNow } from './parked.ts';
import { acceptListeners, acceptStale, refuseListeners } from './renew.ts';
import type { SessionState } from './session-state.ts';
import { GONE, sameList } from './shapes.ts';

export interface Verdict {
  readonly nonce: string;
  readonly error: { readonly code: number; readonly message: string } | undefined;
}

/** Notes a verdict; false: an unknown nonce changes nothing (checklist 31), the names in the same message still count. */
export const settle = (s: SessionState, channel: Channel, verdict: Verdict, now: number, out: Effect[]): boolean => {
  const response = channel.ledger.settle(verdict.nonce);
  if (response === undefined) return false;
  const { type } = channel;
  const { nonce, items } = response;
  if (verdict.error === undefined) {
    // What is parked stays refused, whatever else is taken.
    if (channel.lastError !== undefined && refusedNow(s, type, channel.ledger.parked).size === 0)
      channel.lastError = undefined;
    if (type === 'vhds') acceptHosts(s, channel, response);
    else channel.ledger.accept(response);
    if (type === 'lds') acceptListeners(s, response);
    if (s.collectAgain.size > 0) {
      s.sweep.some(s.collectAgain.all);
      s.collectAgain.clear();
    }
    out.push({ kind: 'acked', type, nonce, items });
    return true;
  }
  const { code, message } = verdict.error;
  countNack(s.counters, type);
  channel.lastError = { at: now, code, message };
  channel.ledger.reject(response);
  const atoms = [...new Set(items.map(({ atom }) => atom))];
  const final = atoms.length <= 1;
  out.push({ kind: 'rejected', type, nonce, items, code, message, final });
  if (type === 'vhds') noteClusters(s, channel, response);
  if (final && type === 'lds') refuseListeners(s, response);
  if (final) park(s, channel, response);
  else halve(s, channel, response, atoms);
  for (const generation of s.demand.generations.values())
    if (type === 'vhds' && generation.primedBy === nonce && items.length > 0) {
      // What was to prime it has been refused: the bare removal does it, once.
      generation.primed = false;
      channel.owed = true;
    }
  return true;
};

const acceptHosts = (s: SessionState, channel: Channel, response: Outstanding): void => {
  recall(s, channel, response);
  for (const { name, version } of response.items) channel.refused.taken(name, version);
  const givenUp = new Set<string>();
  let isUnknown = false;
  channel.ledger.accept(response, (before, after) => {
    for (const domain of before.domains ?? []) if (after.domains?.includes(domain) !== true) givenUp.add(domain);
    isUnknown ||= before.domains === undefined;
    // What it used and no longer does.
    if (after !== GONE && sameList(before.clusters, after.clusters)) return;
    if (before.clusters === undefined) s.sweep.all();
    else s.sweep.some(before.clusters);
  });
  if (isUnknown || givenUp.size > 0) tryAgain(s, channel, isUnknown ? undefined : givenUp);
  for (const generation of s.demand.generations.values())
    if (generation.primedBy === response.nonce) generation.primedBy = '';
  acceptStale(s, response);
};

/** Parked virtual hosts that want one of these domains; undefined: nobody knows which domains it were, so any of them may. */
const tryAgain = (s: SessionState, channel: Channel, givenUp: ReadonlySet<string> | undefined): void => {
  const { parked } = channel.ledger;
  if (parked.size === 0) return;
  for (const [name, version] of refusedNow(s, 'vhds', parked)) {
    const domains = s.body('vhds', name.slice(name.indexOf('/') + 1))?.domains ?? [];
    if (givenUp !== undefined && !domains.some((domain) => givenUp.has(domain))) continue;
    parked.forgive(name, version);
    channel.dirty.add(name);
  }
};

/**
 * Virtual hosts taken by the client though it had given them up in the meantime, under a route configuration that it uses (again): it
 * holds them now, so they are looked at again.
 */
const recall = (s: SessionState, channel: Channel, { items }: Outstanding): void => {
  for (const { name, shape } of items) {
    if (shape === undefined || shape === GONE || channel.ledger.held.has(name)) continue;
    if (!s.demand.generations.has(name.slice(0, name.indexOf('/')))) continue;
    channel.ledger.seed(name, shape);
    channel.dirty.add(name);
  }
};

/** Clusters that were pushed ahead of what is refused: superfluous when the virtual host of now does not use them. */
const noteClusters = (s: SessionState, channel: Channel, { items }: Outstanding): void => {
  for (const { name, shape } of items) {
    if (shape?.clusters === undefined || shape === GONE) continue;
    channel.refused.note(name, shape);
    s.sweep.some(shape.clusters);
  }
};

const park = (s: SessionState, channel: Channel, { items, questions }: Outstanding): void => {
  let parked = 0;
  for (const { name, version, shape } of items) {
    if (shape === undefined || shape === GONE) continue;
    channel.ledger.parked.add(name, version, channel.type === 'vhds' ? companyOf(name, items) : undefined);
    parked++;
    // Without a good one before it the name gets an empty cluster, so that its calls fail at once.
    if (channel.type === 'cds') channel.now.add(name);
  }
  s.counters.parked += parked;
  // Bound to what is parked, a removal of what no longer exists must not stay undone with it.
  if (parked > 0) for (const { name, shape } of items) if (shape === GONE) channel.dirty.add(name);
  // Whoever asked still waits: now that the virtual host is parked, a negative answer frees them (envoy-wire, section G).
  if (parked > 0) channel.questions.addAll(questions);
};

const companyOf = (name: string, items: Outstanding['items']): ReadonlyMap<string, string> => {
  const others = new Map<string, string>();
  for (const item of items)
    if (item.name !== name && item.shape !== undefined) others.set(item.name, item.shape === GONE ? '' : item.version);
  return others;
};

const halve = (s: SessionState, channel: Channel, response: Outstanding, atoms: readonly number[]): void => {
  const first = new Set(atoms.slice(0, atoms.length >> 1));
  const groups = [
    { names: new Set<string>(), questions: new Set<string>() },
    { names: new Set<string>(), questions: new Set<string>() },
  ] satisfies Suspects[];
  const groupOfName = new Map<string, (typeof groups)[number]>();
  for (const { name, atom, shape } of response.items) {
    const group = groups[first.has(atom) ? 0 : 1];
    if (group === undefined) continue;
    if (shape === undefined) group.questions.add(name);
    else group.names.add(name);
    groupOfName.set(shape === undefined ? `?${name}` : name, group);
    if (channel.type === 'cds' && shape === GONE) s.sweep.all();
  }
  for (const question of response.questions) {
    const group = groupOfName.get(`?${question}`) ?? groupOfName.get(answeredBy(s, question)) ?? groups[0];
    group?.questions.add(question);
  }
  channel.suspects.push(...groups);
};

/** Name of the virtual host that stands for an asked name. */
const answeredBy = (s: SessionState, question: string): string => {
  const slash = question.indexOf('/');
  const generation = s.demand.generations.get(question.slice(0, slash));
  return `${generation?.routeConfiguration ?? ''}/${generation?.hosts.get(question.slice(slash + 1)) ?? ''}`;
};
