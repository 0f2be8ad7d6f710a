/**
 * What the relay answers by itself: which resources of the last good configuration an Envoy is sent that holds nothing yet, or asks.
 * Pure; sources: reference/envoy-wire.md (server rules), envoy-wire2.md.
 */
import {
  CDS,
  ClusterLoadAssignment,
  ECDS,
  EDS,
  encodeCanonical,
  encodeResource,
  LDS,
  RDS,
  RTDS,
  SDS,
  SRDS,
  VHDS,
} from '../../proto/index.ts';
import type { LastGoodView } from './last-good.ts';
import { placeholderOf, type Subscription } from './subscription.ts';
import { type RawResource, readResource } from './wire.ts';

export interface LocalAnswer {
  readonly typeUrl: string;
  readonly resources: readonly RawResource[];
  readonly removed: readonly string[];
}

/** Clusters before the routes that name them, assignments directly after their clusters. */
const ORDER: readonly string[] = [RTDS, CDS, EDS, SDS, ECDS, LDS, RDS, SRDS, VHDS];

/** Those that Envoy has asked for, in the order in which they are to be answered. */
export const inOrder = <T extends { readonly typeUrl: string; readonly opened: boolean }>(types: Iterable<T>): T[] => {
  const rank = ({ typeUrl }: T): number => {
    const at = ORDER.indexOf(typeUrl);
    return at < 0 ? ORDER.length : at;
  };
  return [...types].filter(({ opened }) => opened).sort((a, b) => rank(a) - rank(b));
};

export interface Questions {
  readonly types: ReadonlyMap<string, Subscription>;
  readonly lastGood: LastGoodView;
  /** Names that the message in hand asks for: the question proves that Envoy does not hold them. */
  readonly asked?: { readonly typeUrl: string; readonly names: readonly string[] };
  /** Route configurations that Envoy has been told of virtual hosts of. */
  readonly primed: ReadonlySet<string>;
}

const routeConfigurationOf = (virtualHost: string): string => virtualHost.slice(0, virtualHost.indexOf('/'));

export const emptyAssignment = (name: string, version: string): RawResource => {
  const body = encodeCanonical(ClusterLoadAssignment, { clusterName: name });
  return readResource(encodeResource({ name, version, typeUrl: EDS, body }));
};

/**
 * Answers in the order in which they are to be sent. A name that is not known gets none: it stays asked for until a control plane
 * answers it. Of a node whose configuration was never seen nothing is answered.
 */
export const answersTo = ({ types, lastGood, asked, primed }: Questions): LocalAnswer[] => {
  if (lastGood.size === 0) return [];
  const out: LocalAnswer[] = [];
  for (const type of inOrder(types.values())) {
    const names = asked?.typeUrl === type.typeUrl ? asked.names : [];
    const answer =
      type.typeUrl === VHDS ? hostsFor(type, names, lastGood, types, primed) : plainFor(type, names, lastGood);
    if (answer === undefined) continue;
    // Clusters that a virtual host names are there before it.
    const clusters = types.get(CDS);
    if (type.typeUrl === VHDS && answer.resources.length > 0 && clusters?.wildcard === true) {
      const missing = [...lastGood.all(CDS)].filter(({ name }) => lacks(clusters, name));
      if (missing.length > 0) out.push({ typeUrl: CDS, resources: missing, removed: [] });
    }
    out.push(answer);
  }
  return out;
};

const lacks = (type: Subscription, name: string): boolean => !type.held.has(name) && !type.inFlight.has(name);

const plainFor = (type: Subscription, asked: readonly string[], lastGood: LastGoodView): LocalAnswer | undefined => {
  const { typeUrl } = type;
  const whole = type.wildcard && !type.answered;
  const found = new Map<string, RawResource>();
  if (whole)
    for (const resource of lastGood.all(typeUrl)) if (lacks(type, resource.name)) found.set(resource.name, resource);
  for (const name of new Set([...type.names, ...asked])) {
    const wanted = asked.includes(name) ? !type.inFlight.has(name) : lacks(type, name);
    if (!wanted || name === '*') continue;
    // Never in place of endpoints that Envoy may have: only where it waits for its first ones.
    const version = asked.includes(name) || !type.answered ? placeholderOf(typeUrl) : undefined;
    const resource =
      lastGood.find(typeUrl, name) ?? (version === undefined ? undefined : emptyAssignment(name, version));
    if (resource !== undefined) found.set(resource.name, resource);
  }
  return found.size === 0 && !whole ? undefined : { typeUrl, resources: [...found.values()], removed: [] };
};

/** Asked hosts, and what readies each route configuration: its virtual hosts, or a removal of nothing (envoy-wire, section 0, fact 1). */
const hostsFor = (
  type: Subscription,
  asked: readonly string[],
  lastGood: LastGoodView,
  types: ReadonlyMap<string, Subscription>,
  primed: ReadonlySet<string>,
): LocalAnswer | undefined => {
  const found = new Map<string, RawResource>();
  const removed: string[] = [];
  for (const name of new Set([...type.names, ...asked])) {
    const resource = lastGood.find(VHDS, name);
    if (resource === undefined) continue;
    const wanted = asked.includes(name) ? !type.inFlight.has(resource.name) : lacks(type, resource.name);
    if (wanted) found.set(resource.name, resource);
  }
  const fresh = type.held.size === 0;
  for (const rc of types.get(RDS)?.names ?? []) {
    if (primed.has(rc)) continue;
    if (fresh)
      for (const resource of lastGood.all(VHDS))
        if (routeConfigurationOf(resource.name) === rc && lacks(type, resource.name))
          found.set(resource.name, resource);
    if (![...found.keys()].some((name) => routeConfigurationOf(name) === rc)) removed.push(`${rc}/-`);
  }
  if (found.size === 0 && removed.length === 0) return undefined;
  return { typeUrl: VHDS, resources: [...found.values()], removed };
};
