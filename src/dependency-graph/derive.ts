/**
 * A caller's edges and its record, as pure functions of its effective Dependency document, its stored edges and the services.
 *
 * Rules (policies.md section 7, design.md section 6):
 * 1. The set is the union of declared edges (documents, events), pinned and learned ones.
 * 2. Learned edges count when two nodes or more witnessed them, or when they are among the latest 100; `learn: false`: none.
 * 3. `deny` and visibility win over all of that. What is not registered is not delivered, but kept (dangling).
 */
import { type ResolvedDependency, servicePort } from '../model/index.ts';
import { isLearned } from './edge.ts';
import { canExpire, lifeOf, stateByAge, usedAt } from './life.ts';
import { globPattern, type Pattern, selectorPattern } from './pattern.ts';
import { splitTarget } from './target.ts';
import type { CallerRecord, EdgeRecord, EdgeState, EdgeView, GraphService } from './types.ts';
import { isVisible } from './visibility.ts';

/** Learned edges with one witness that are worth pre-warming for siblings. */
export const LATEST_LEARNED = 100;

export interface CallerFacts {
  readonly caller: string;
  /** Undefined for `*`. */
  readonly namespace: string | undefined;
  readonly dependency: ResolvedDependency;
  readonly edges: Iterable<EdgeRecord>;
  service(name: string): GraphService | undefined;
  /** Names of the registered services that a pattern takes. */
  matched(pattern: Pattern): Iterable<string>;
}

interface DerivedEdge {
  readonly to: string;
  readonly service: string;
  readonly port: number | undefined;
  /** Documents that name it; undefined: none, as of nearly all edges. */
  documents: Set<string> | undefined;
  /** Documents or events declare, pin or deny it: it does not stand on evidence alone. */
  declared: boolean;
  pinned: boolean;
  denied: boolean;
  /** Evidence that counts (rule 2). */
  learned: boolean;
  localPort: number | undefined;
  record: EdgeRecord | undefined;
}

const newestFirst = (a: EdgeRecord, b: EdgeRecord): number =>
  b.firstOffset - a.firstOffset || (a.to < b.to ? -1 : a.to > b.to ? 1 : 0);

/** Targets of learned edges that count (rule 2). */
const learnedTargets = (edges: Iterable<EdgeRecord>): Set<string> => {
  const learned = [...edges].filter(isLearned);
  if (learned.length <= LATEST_LEARNED) return new Set(learned.map((edge) => edge.to));
  const latest = learned.toSorted(newestFirst).slice(0, LATEST_LEARNED);
  return new Set([...latest, ...learned.filter((edge) => edge.witnesses.length > 1)].map((edge) => edge.to));
};

/** Targets that may not be delivered: whole services and single ports. */
class Denials {
  private readonly services = new Set<string>();
  private readonly ports = new Set<string>();

  constructor(edges: Iterable<DerivedEdge>) {
    for (const edge of edges) {
      if (!edge.denied) continue;
      if (edge.port === undefined) this.services.add(edge.service);
      else this.ports.add(edge.to);
    }
  }

  get isEmpty(): boolean {
    return this.services.size === 0 && this.ports.size === 0;
  }

  has(service: string, port: number | undefined): boolean {
    return this.services.has(service) || (port !== undefined && this.ports.has(servicePort(service, port)));
  }

  /** Sorted; ports of a service that is denied as a whole are left out. */
  list(): string[] {
    const single = [...this.ports].filter((to) => !this.services.has(to.slice(0, to.lastIndexOf(':'))));
    return [...this.services, ...single].sort();
  }
}

const targetName = (service: string, port: number | undefined): string =>
  port === undefined ? service : servicePort(service, port);

/** All edges of a caller, by target. */
const deriveEdges = (facts: CallerFacts): Map<string, DerivedEdge> => {
  const derived = new Map<string, DerivedEdge>();
  const edgeTo = (service: string, port: number | undefined, to = targetName(service, port)): DerivedEdge => {
    let edge = derived.get(to);
    if (edge === undefined) {
      edge = {
        to,
        service,
        port,
        documents: undefined,
        declared: false,
        pinned: false,
        denied: false,
        learned: false,
        localPort: undefined,
        record: undefined,
      };
      derived.set(to, edge);
    }
    return edge;
  };
  const declare = (
    edge: DerivedEdge,
    by: { readonly document: string; readonly pin: boolean; readonly deny: boolean },
  ) => {
    edge.declared = true;
    edge.documents ??= new Set();
    edge.documents.add(by.document);
    if (by.pin) edge.pinned = true;
    if (by.deny) edge.denied = true;
  };
  for (const target of facts.dependency.to) {
    const names = target.glob ? facts.matched(globPattern(target)) : [`${target.name}.${target.namespace}`];
    for (const name of names) {
      const edge = edgeTo(name, target.port);
      declare(edge, target);
      if (!target.glob) edge.localPort = target.localPort;
    }
  }
  for (const selector of facts.dependency.select) {
    for (const name of facts.matched(selectorPattern(selector))) declare(edgeTo(name, undefined), selector);
  }
  const learned = facts.dependency.learn ? learnedTargets(facts.edges) : new Set<string>();
  for (const record of facts.edges) {
    const { service, port } = splitTarget(record.to);
    const edge = edgeTo(service, port, record.to);
    edge.record = record;
    if (record.declaredBy.length > 0 || record.pinned || record.denied) edge.declared = true;
    if (record.pinned) edge.pinned = true;
    if (record.denied) edge.denied = true;
    if (learned.has(record.to)) edge.learned = true;
  }
  return derived;
};

const portsOf = (edge: DerivedEdge, service: GraphService): number[] =>
  service.ports.filter(({ port }) => edge.port === undefined || port === edge.port).map(({ port }) => port);

/** Where a declared TCP target without a port is reached: the lowest TCP port of the service. */
const tcpPort = (edge: DerivedEdge, service: GraphService): number | undefined =>
  service.ports
    .filter(({ port, protocol }) => protocol === 'tcp' && (edge.port === undefined || port === edge.port))
    .map(({ port }) => port)
    .sort((a, b) => a - b)[0];

type LocalTarget = CallerRecord['tcp'][number];

/** One target per local port (the first in order of target), sorted by target. */
const withUniqueLocalPorts = (targets: readonly LocalTarget[]): LocalTarget[] => {
  const taken = new Set<number>();
  const inOrder = targets.toSorted((a, b) =>
    a.servicePort < b.servicePort ? -1 : a.servicePort > b.servicePort ? 1 : 0,
  );
  return inOrder.filter(({ localPort }) => !taken.has(localPort) && taken.add(localPort));
};

/** Service ports whose learned edges have expired and that nothing else brings: who asked for them then holds them still. */
const expiredTargets = (edges: Iterable<DerivedEdge>, preload: ReadonlySet<string>): string[] => {
  const expired: string[] = [];
  for (const { to, port, record } of edges)
    if (record?.expired === true && port !== undefined && !preload.has(to)) expired.push(to);
  return expired.sort();
};

/** What the caller's nodes hold without asking, and what they may not have. */
export const deriveRecord = (facts: CallerFacts): CallerRecord => {
  const edges = deriveEdges(facts);
  const denials = new Denials(edges.values());
  const preload = new Set<string>();
  const tcp: LocalTarget[] = [];
  for (const edge of edges.values()) {
    if (edge.denied || !(edge.declared || edge.learned)) continue;
    const service = facts.service(edge.service);
    if (service === undefined || !isVisible(service.visibility, service.namespace, facts.namespace)) continue;
    for (const { port } of service.ports) {
      if (edge.port !== undefined && edge.port !== port) continue;
      if (denials.isEmpty || !denials.has(edge.service, port))
        preload.add(edge.port === undefined ? servicePort(edge.service, port) : edge.to);
    }
    if (edge.localPort === undefined) continue;
    const port = tcpPort(edge, service);
    if (port === undefined || denials.has(edge.service, port)) continue;
    tcp.push({ servicePort: servicePort(edge.service, port), localPort: edge.localPort });
  }
  const expired = expiredTargets(edges.values(), preload);
  return {
    caller: facts.caller,
    preload: [...preload].sort(),
    ...(expired.length === 0 ? {} : { expired }),
    denied: denials.list(),
    learn: facts.dependency.learn,
    tcp: withUniqueLocalPorts(tcp),
  };
};

const stateOf = (edge: DerivedEdge, denials: Denials, facts: CallerFacts, now: number | undefined): EdgeState => {
  if (edge.denied || denials.has(edge.service, edge.port)) return 'denied';
  if (!edge.declared && !facts.dependency.learn) return 'denied';
  if (!edge.declared && edge.record?.expired === true) return 'expired';
  const service = facts.service(edge.service);
  const dangling = service === undefined || (edge.port !== undefined && portsOf(edge, service).length === 0);
  if (dangling) return 'dangling';
  if (edge.pinned) return 'pinned';
  if (edge.declared || edge.record === undefined || now === undefined) return 'active';
  return stateByAge(edge.record, facts.dependency.ttlMs, now);
};

const originOf = (edge: DerivedEdge): EdgeView['origin'] => {
  const learned = (edge.record?.evidence.length ?? 0) > 0;
  if (!edge.declared) return 'learned';
  return learned ? 'declared+learned' : 'declared';
};

const viewOf = (edge: DerivedEdge, denials: Denials, facts: CallerFacts, now: number | undefined): EdgeView => {
  const { record } = edge;
  const sources = [...(record?.declaredBy ?? []), ...(record?.pinnedBy ?? []), ...(record?.deniedBy ?? [])];
  return {
    from: facts.caller,
    to: edge.service,
    ...(edge.port === undefined ? {} : { port: edge.port }),
    origin: originOf(edge),
    state: stateOf(edge, denials, facts, now),
    evidence: record?.evidence ?? [],
    declaredBy: [...new Set([...(edge.documents ?? []), ...sources])].sort(),
    ...(record === undefined
      ? {}
      : {
          firstOffset: record.firstOffset,
          lastOffset: record.lastOffset,
          firstSeen: record.firstSeen,
          lastSeen: record.lastSeen,
          ...(record.evidence.length === 0 ? {} : { lastUsed: usedAt(record) }),
          ...(edge.declared || !canExpire(record)
            ? {}
            : { expiresAt: usedAt(record) + lifeOf(record, facts.dependency.ttlMs).expiresAfter }),
        }),
  };
};

/** The caller's edges as the outside sees them at a moment, sorted by target. */
export const deriveViews = (facts: CallerFacts, now: number | undefined): EdgeView[] => {
  const edges = deriveEdges(facts);
  const denials = new Denials(edges.values());
  const inOrder = [...edges.values()].sort((a, b) => (a.to < b.to ? -1 : a.to > b.to ? 1 : 0));
  return inOrder.map((edge) => viewOf(edge, denials, facts, now));
};
