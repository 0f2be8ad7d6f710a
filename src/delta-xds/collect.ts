/**
 * Takes clusters away, after the virtual hosts that used them: only when no virtual host that the client has, or may still have, names
 * them. One that the client asked for by name is never removed (Envoy would not ask again, and every call would cost the whole
 * on-demand time-out): it becomes a cluster without endpoints (envoy-wire2, section 14, rules 2 to 4).
 */
import { type Effect, type Item, plainResource, type SentResource } from './effect.ts';
import type { SessionState } from './session-state.ts';
import { GONE, type Shape } from './shapes.ts';
import { RESOURCE_OVERHEAD } from './work.ts';

/** Clusters named by virtual hosts at the client; `unknown`: some of those are of versions that this process never saw. */
interface Using {
  /** Of virtual hosts as the client will have them. */
  readonly clusters: ReadonlySet<string>;
  /** Of those as it may still have them. */
  readonly before: ReadonlySet<string>;
  readonly unknown: boolean;
}

const inUse = (s: SessionState): Using => {
  const clusters = new Set<string>();
  const before = new Set<string>();
  let unknown = false;
  const ledger = s.channels.get('vhds')?.ledger;
  const use = (shape: Shape, into: Set<string>): void => {
    if (shape.clusters === undefined) unknown = true;
    else for (const name of shape.clusters) into.add(name);
  };
  for (const { sent } of ledger?.held.values() ?? []) use(sent, clusters);
  for (const [, shape] of ledger?.alternatives() ?? []) use(shape, before);
  return { clusters, before, unknown };
};

const isNeededByName = (s: SessionState, name: string): boolean =>
  s.demand.needsByName(name) || s.view.own('cds').includes(name);

/**
 * Some other service port needs it. When the client has all virtual hosts as they should be, what they use says so; else everything
 * wanted is looked at.
 */
const isNeededElsewhere = (s: SessionState, name: string, exists: boolean, { clusters, unknown }: Using): boolean => {
  const hosts = s.channel('vhds');
  const isAtRest =
    hosts?.subscription.wildcard === true &&
    s.demand.generations.size > 0 &&
    hosts.now.size + hosts.dirty.size + hosts.questions.size + hosts.suspects.length + hosts.ledger.parked.size === 0;
  const isUsed = clusters.has(name);
  // What is gone may be used by a virtual host that is on its way out.
  return isAtRest && !unknown && (exists || !isUsed) ? isUsed : s.needed().has(name);
};

/** A listener that may not be gone yet may use any cluster: its ACK brings us back. */
export const listenersAreOnTheirWay = (s: SessionState): boolean =>
  (s.channel('lds')?.ledger.outstanding.length ?? 0) > 0;

export const collect = (s: SessionState, now: number, out: Effect[]): void => {
  const channel = s.channel('cds');
  if (channel === undefined) {
    s.sweep.clear();
    return;
  }
  // Listeners that are kept back may use any of them.
  if (s.current.waits(now)) return;
  if (now < s.collectAfter || channel.ledger.gateOpensAt(now) > 0) return;
  if (listenersAreOnTheirWay(s)) return;
  const { ledger, subscription } = channel;
  let using: Using | undefined;
  const resources: SentResource[] = [];
  const removed: string[] = [];
  const items: Item[] = [];
  let size = 0;
  for (const name of s.sweep.next(ledger.held, 4 * s.portion)) {
    const sent = ledger.held.get(name)?.sent;
    if (sent === undefined || sent === GONE) continue;
    const exists = s.body('cds', name) !== undefined;
    const asked = subscription.has(name);
    if (exists && (asked || s.adopted.has(name) || !subscription.wildcard)) continue;
    if (exists && isNeededByName(s, name)) continue;
    using ??= inUse(s);
    const needed = subscription.wildcard && (isNeededByName(s, name) || isNeededElsewhere(s, name, exists, using));
    if (exists && needed) continue;
    if (!needed && (using.unknown || using.clusters.has(name) || using.before.has(name))) {
      s.collectAgain.add(name);
      continue;
    }
    if (needed || asked) {
      const body = s.placeholder('cds', name);
      if (sent.version === body.version || ledger.parked.has(name, body.version)) continue;
      resources.push(plainResource(name, body.version, body.body));
      items.push({ name, version: body.version, shape: s.shapes.of(body), atom: items.length });
      size += body.body.length + name.length + RESOURCE_OVERHEAD;
    } else {
      removed.push(name);
      items.push({ name, version: '', shape: GONE, atom: items.length });
      size += name.length + 4;
    }
    if (size >= s.limits.responseBytes) {
      // The gate opens with its ACK: then once more.
      s.sweep.all();
      break;
    }
  }
  if (s.sweep.wanted && items.length === 0) s.rest(out);
  if (items.length === 0) return;
  s.send({ type: 'cds', lane: 'broadcast', resources, removed, items, questions: [] }, now, out);
  // Envoy drops the assignments of both kinds by itself.
  for (const { name } of items) {
    channel.settled(name);
    const eds = s.channels.get('eds');
    // One it has asked for goes with its unsubscribe, which is on its way: until then nothing is sent again.
    if (eds?.subscription.has(name) !== true) eds?.ledger.forget(name);
    eds?.settled(name);
  }
  s.interestStale = true;
};
