/**
 * The dependency graph: who may hold what, and whom a change touches.
 *
 * Invariants:
 * 1. `record(caller)` is a function of the lookup and of the edges last given to `setEdges` (see derive.ts).
 * 2. `affected(inputs)` has every caller whose record differs from before those inputs changed, and more only among callers
 *    that refer to what changed. Its cost follows the callers it gives (and the number of distinct patterns), not the mesh.
 * 3. A caller has a record of its own when it has stored edges or a Dependency document of its scope; all others are served by
 *    `*.<namespace>`, or `*` where the namespace is unknown.
 *
 * At start: `setEdges` for every caller with edges, then `affected` with `svc:` of every service and `doc:Dependency|<scope>`
 * of every Dependency document. Afterwards: `setEdges` before `affected` for every `edges:` input.
 */
import type { ResolvedDependency } from '../model/index.ts';
import { type CallerFacts, deriveRecord, deriveViews } from './derive.ts';
import { EdgeIndex, type References } from './edge-index.ts';
import { EdgeList } from './edge-list.ts';
import { queryEdges } from './edge-query.ts';
import { NamespaceIndex } from './namespace-index.ts';
import { patternsOf } from './pattern.ts';
import { splitTarget } from './target.ts';
import type { CallerRecord, EdgeQuery, EdgeView, GraphLookup } from './types.ts';

const ALL = '*';
const defaultCaller = (namespace: string): string => `*.${namespace}`;
const namespaceOf = (caller: string): string => caller.slice(caller.lastIndexOf('.') + 1);
const isDefault = (caller: string): boolean => caller.startsWith('*');

const DOCUMENT_INPUT = 'doc:Dependency|';

const sameDocuments = (a: ResolvedDependency, b: ResolvedDependency): boolean =>
  a.documents.length === b.documents.length && a.documents.every((document, index) => document === b.documents[index]);

export class DependencyGraph {
  private readonly lookup: GraphLookup;
  private readonly index = new EdgeIndex();
  private readonly namespaces = new NamespaceIndex();
  private readonly stored = new Map<string, EdgeList>();
  /** Callers with a Dependency document of their own scope. */
  private readonly documented = new Set<string>();
  /** Callers with a record of their own, by namespace. */
  private readonly callersIn = new Map<string, Set<string>>();

  constructor(lookup: GraphLookup) {
    this.lookup = lookup;
    this.refresh(ALL);
  }

  /** Replaces the stored edges of a caller (those of the fold; none: an empty list). */
  setEdges(caller: string, edges: EdgeList): void {
    const before = this.stored.get(caller);
    if (edges.size === 0) this.stored.delete(caller);
    else this.stored.set(caller, edges);
    // Renewals change no target: nothing of the indexes.
    if (before?.targets() !== edges.targets()) this.refresh(caller);
  }

  /** Callers whose record may have changed, `*.<namespace>` and `*` included. Inputs of other families are ignored. */
  affected(inputs: Iterable<string>): Set<string> {
    const callers = new Set<string>();
    const services: string[] = [];
    for (const input of inputs) {
      if (input.startsWith('svc:')) services.push(input.slice(4));
      else if (input.startsWith('edges:')) callers.add(input.slice(6));
      else if (input.startsWith(DOCUMENT_INPUT)) this.touchDocument(input.slice(DOCUMENT_INPUT.length), callers);
    }
    for (const name of services) {
      const service = this.lookup.service(name);
      for (const namespace of this.namespaces.touch(name, service)) {
        this.refresh(defaultCaller(namespace));
        callers.add(defaultCaller(namespace));
      }
      for (const caller of this.index.touch(name, service)) callers.add(caller);
    }
    return callers;
  }

  /** The caller's record; of a caller without one of its own, what the defaults give it. */
  record(caller: string): CallerRecord {
    return deriveRecord(this.facts(caller));
  }

  /** True when the caller has a record of its own; false: its stored record, if any, can go. */
  has(caller: string): boolean {
    if (caller === ALL) return true;
    if (isDefault(caller)) return this.namespaces.has(namespaceOf(caller));
    return this.stored.has(caller) || this.documented.has(caller);
  }

  /** Everybody with a record of their own, defaults included. */
  *callers(): Iterable<string> {
    yield ALL;
    for (const namespace of this.namespaces.names()) yield defaultCaller(namespace);
    for (const callers of this.callersIn.values()) yield* callers;
  }

  /** Edges of one caller, sorted by target. `now`: see `EdgeQuery`. */
  edgesOf(caller: string, now?: number): EdgeView[] {
    return deriveViews(this.facts(caller), now);
  }

  /** Edges by caller and target; see `EdgeQuery`. */
  edges(query: EdgeQuery): EdgeView[] {
    return queryEdges(query, {
      callers: () => this.visibleCallers(),
      edgesOf: (caller) => this.edgesOf(caller, query.now),
      callersOf: (service) => this.realCallers(this.index.callersOf(service)),
    });
  }

  /** Callers that refer to a service, registered or not; `*.<namespace>` and `*` stand for those without a record of their own. */
  callersOf(service: string): ReadonlySet<string> {
    return this.index.callersOf(service);
  }

  /** Callers with an edge to the service that is not denied, sorted. */
  dependents(service: string): string[] {
    const callers = [...this.realCallers(this.index.callersOf(service))].sort();
    return callers.filter((caller) =>
      this.edgesOf(caller).some((edge) => edge.to === service && edge.state !== 'denied' && edge.state !== 'expired'),
    );
  }

  private touchDocument(scope: string, callers: Set<string>): void {
    if (scope === 'mesh') {
      for (const namespace of [...this.namespaces.names()]) this.refreshNamespace(namespace, callers);
      for (const namespace of [...this.callersIn.keys()]) this.refreshNamespace(namespace, callers);
      this.refresh(ALL);
      callers.add(ALL);
    } else if (scope.startsWith('ns:')) {
      this.refreshNamespace(scope.slice(3), callers);
    } else if (scope.startsWith('svc:')) {
      const caller = scope.slice(4).split(':', 1)[0] ?? '';
      this.refresh(caller);
      callers.add(caller);
    }
  }

  private refreshNamespace(namespace: string, callers: Set<string>): void {
    const documented = !sameDocuments(
      this.lookup.defaultDependency(namespace),
      this.lookup.defaultDependency(undefined),
    );
    this.namespaces.setDocumented(namespace, documented);
    this.refresh(defaultCaller(namespace));
    callers.add(defaultCaller(namespace));
    for (const caller of [...(this.callersIn.get(namespace) ?? [])]) {
      this.refresh(caller);
      callers.add(caller);
    }
  }

  /** Reads a caller's documents and edges again and brings the indexes up to date. */
  private refresh(caller: string): void {
    const dependency = this.dependency(caller);
    if (!isDefault(caller)) this.trackCaller(caller, dependency);
    const known = this.has(caller);
    this.index.set(caller, known ? this.references(caller, dependency) : undefined, () => this.lookup.services());
  }

  private trackCaller(caller: string, dependency: ResolvedDependency): void {
    const namespace = namespaceOf(caller);
    if (sameDocuments(dependency, this.lookup.defaultDependency(namespace))) this.documented.delete(caller);
    else this.documented.add(caller);
    const callers = this.callersIn.get(namespace);
    if (this.has(caller)) {
      if (callers === undefined) this.callersIn.set(namespace, new Set([caller]));
      else callers.add(caller);
    } else if (callers?.delete(caller) === true && callers.size === 0) {
      this.callersIn.delete(namespace);
    }
  }

  private references(caller: string, dependency: ResolvedDependency): References {
    const targets = new Set<string>();
    for (const target of dependency.to) if (!target.glob) targets.add(`${target.name}.${target.namespace}`);
    for (const to of (this.stored.get(caller) ?? EdgeList.EMPTY).targets()) {
      targets.add(splitTarget(to).service);
    }
    return { targets, patterns: new Map(patternsOf(dependency).map((pattern) => [pattern.key, pattern])) };
  }

  private dependency(caller: string): ResolvedDependency {
    if (caller === ALL) return this.lookup.defaultDependency(undefined);
    if (isDefault(caller)) return this.lookup.defaultDependency(namespaceOf(caller));
    return this.lookup.dependency(caller);
  }

  private facts(caller: string): CallerFacts {
    return {
      caller,
      namespace: caller === ALL ? undefined : namespaceOf(caller),
      dependency: this.dependency(caller),
      edges: this.stored.get(caller) ?? EdgeList.EMPTY,
      service: (name) => this.lookup.service(name),
      matched: (pattern) => this.index.matched(pattern),
    };
  }

  /** Callers that a reader of the graph looks for: with a record of their own, or registered and served by defaults. */
  private *visibleCallers(): Iterable<string> {
    for (const callers of this.callersIn.values()) yield* callers;
    for (const service of this.lookup.services()) if (!this.has(service.name)) yield service.name;
  }

  /** Defaults stand for the registered services that they serve. */
  private realCallers(callers: ReadonlySet<string>): Set<string> {
    const real = new Set([...callers].filter((caller) => !isDefault(caller)));
    if (real.size === callers.size) return real;
    for (const { name } of this.lookup.services()) {
      if (this.has(name)) continue;
      const key = defaultCaller(namespaceOf(name));
      if (callers.has(this.has(key) ? key : ALL)) real.add(name);
    }
    return real;
  }
}
