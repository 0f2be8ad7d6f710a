/**
 * Merged documents of services, ports and callers, kept until a document of a scope in their chain changes.
 *
 * Bounds: results of 4,096 services and of 4,096 namespaces, the oldest go first. Services without documents of their own share
 * their namespace's base.
 */
import {
  type Effective,
  effective,
  type LayeredKind,
  type Protocol,
  parseServiceName,
  type ResolvedDependency,
  type ResolvedRoute,
  type ResolvedUpstream,
  resolveDependency,
  resolveRoute,
  resolveUpstream,
  scopeChain,
} from '../../model/index.ts';
import type { PolicyIndex } from './policy-index.ts';

const MAX_SERVICES = 4096;
const MAX_NAMESPACES = 4096;

interface ServiceResults {
  readonly routes: Map<string, ResolvedRoute>;
  readonly upstreams: Map<number, ResolvedUpstream>;
  dependency: ResolvedDependency | undefined;
}

interface NamespaceResults {
  readonly base: Map<LayeredKind, Effective<LayeredKind>>;
  upstream: ResolvedUpstream | undefined;
  dependency: ResolvedDependency | undefined;
}

const namespaceOf = (service: string): string =>
  parseServiceName(service)?.namespace ?? service.slice(service.indexOf('.') + 1);

/** Removes the oldest entry of a map that is full. */
const makeRoom = (map: Map<string, unknown>, bound: number): void => {
  if (map.size < bound) return;
  for (const oldest of map.keys()) {
    map.delete(oldest);
    return;
  }
};

/** Scope of "no namespace": only mesh documents. */
const MESH = '';

export class EffectiveDocuments {
  private readonly index: PolicyIndex;
  private readonly services = new Map<string, ServiceResults>();
  private readonly namespaces = new Map<string, NamespaceResults>();

  constructor(index: PolicyIndex) {
    this.index = index;
  }

  /** A document of this scope changed: results that have it in their chain are forgotten. */
  forget(scope: string): void {
    if (scope === 'mesh') {
      this.services.clear();
      this.namespaces.clear();
    } else if (scope.startsWith('ns:')) {
      const namespace = scope.slice(3);
      this.namespaces.delete(namespace);
      for (const service of this.services.keys()) if (namespaceOf(service) === namespace) this.services.delete(service);
    } else {
      this.services.delete(scope.slice(4).split(':', 1)[0] ?? '');
    }
  }

  route(service: string, port: number, protocol: Protocol): ResolvedRoute {
    const { routes } = this.resultsOf(service);
    const key = `${port}/${protocol}`;
    let route = routes.get(key);
    if (route === undefined) {
      route = resolveRoute(this.effective('Route', service, port), { service, port, protocol });
      routes.set(key, route);
    }
    return route;
  }

  upstream(service: string, port: number): ResolvedUpstream {
    if (!this.hasOwn('Upstream', service, port)) {
      const results = this.namespaceResults(namespaceOf(service));
      results.upstream ??= resolveUpstream(this.base('Upstream', namespaceOf(service)));
      return results.upstream;
    }
    const { upstreams } = this.resultsOf(service);
    let upstream = upstreams.get(port);
    if (upstream === undefined) {
      upstream = resolveUpstream(this.effective('Upstream', service, port));
      upstreams.set(port, upstream);
    }
    return upstream;
  }

  dependency(caller: string): ResolvedDependency {
    if (!this.hasOwn('Dependency', caller, undefined)) return this.defaultDependency(namespaceOf(caller));
    const results = this.resultsOf(caller);
    results.dependency ??= resolveDependency(this.effective('Dependency', caller, undefined));
    return results.dependency;
  }

  /** @param namespace undefined: only mesh documents */
  defaultDependency(namespace: string | undefined): ResolvedDependency {
    const results = this.namespaceResults(namespace ?? MESH);
    results.dependency ??= resolveDependency(this.base('Dependency', namespace ?? MESH));
    return results.dependency;
  }

  private hasOwn(kind: LayeredKind, service: string, port: number | undefined): boolean {
    if (this.index.of(kind, `svc:${service}`).length > 0) return true;
    return port !== undefined && this.index.of(kind, `svc:${service}:${port}`).length > 0;
  }

  private effective<K extends LayeredKind>(kind: K, service: string, port: number | undefined): Effective<K> {
    if (!this.hasOwn(kind, service, port)) return this.base(kind, namespaceOf(service));
    const layers = scopeChain(service, port).flatMap((scope) => this.index.of(kind, scope));
    return effective(kind, layers);
  }

  private base<K extends LayeredKind>(kind: K, namespace: string): Effective<K> {
    const { base } = this.namespaceResults(namespace);
    const known = base.get(kind) as Effective<K> | undefined;
    if (known !== undefined) return known;
    const own = namespace === MESH ? [] : this.index.of(kind, `ns:${namespace}`);
    const merged = effective(kind, [...this.index.of(kind, 'mesh'), ...own]);
    base.set(kind, merged as unknown as Effective<LayeredKind>);
    return merged;
  }

  private resultsOf(service: string): ServiceResults {
    let results = this.services.get(service);
    if (results === undefined) {
      makeRoom(this.services, MAX_SERVICES);
      results = { routes: new Map(), upstreams: new Map(), dependency: undefined };
      this.services.set(service, results);
    }
    return results;
  }

  private namespaceResults(namespace: string): NamespaceResults {
    let results = this.namespaces.get(namespace);
    if (results === undefined) {
      makeRoom(this.namespaces, MAX_NAMESPACES);
      results = { base: new Map(), upstream: undefined, dependency: undefined };
      this.namespaces.set(namespace, results);
    }
    return results;
  }
}
