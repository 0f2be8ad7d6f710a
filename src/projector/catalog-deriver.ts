/**
 * What workers need besides resources: services, external hosts, endpoint facts, callers, mesh. Each is compared with what is
 * stored; only a difference is written and told.
 */
import type { DependencyGraph } from '../dependency-graph/index.ts';
import type { DerivedChanges } from './changes.ts';
import type { FoldState } from './fold/index.ts';
import { decodeService, encodeCaller, encodeEndpoint, encodeMesh, encodeService } from './records.ts';

/** The committed read model; bytes may be overwritten by the next read. */
export interface StoredCatalog {
  service(name: string): Buffer | undefined;
  host(host: string): string | undefined;
  endpoint(key: string): Buffer | undefined;
  caller(name: string): Buffer | undefined;
  mesh(): Buffer | undefined;
  /** Version of a raw resource. */
  rawVersion(key: string): string | undefined;
  rawLabel(key: string): string | undefined;
}

const same = (stored: Buffer | undefined, now: Buffer | undefined): boolean =>
  stored === undefined || now === undefined ? stored === now : stored.equals(now);

export class CatalogDeriver {
  readonly #fold: FoldState;
  readonly #graph: DependencyGraph;
  readonly #stored: StoredCatalog;

  constructor(fold: FoldState, graph: DependencyGraph, stored: StoredCatalog) {
    this.#fold = fold;
    this.#graph = graph;
    this.#stored = stored;
  }

  /** Services, hosts, endpoint facts, mesh; tells the graph of changed edges. Yields often. */
  *records(inputs: Iterable<string>, endpoints: Iterable<string>, into: DerivedChanges): Generator<void> {
    const hosts = new Set<string>();
    for (const input of inputs) {
      if (input.startsWith('svc:')) {
        this.#service(input.slice(4), hosts, into);
        yield;
      } else if (input.startsWith('edges:')) {
        const caller = input.slice(6);
        this.#graph.setEdges(caller, this.#fold.edges(caller));
        yield;
      } else if (input === 'mesh') this.#mesh(into);
    }
    this.hosts(hosts, into);
    for (const key of endpoints) {
      this.#endpoint(key, into);
      yield;
    }
  }

  *callers(names: Iterable<string>, into: DerivedChanges): Generator<void> {
    for (const name of names) {
      this.#caller(name, into);
      yield;
    }
  }

  /** Compares the owners of these external hosts. */
  hosts(hosts: Iterable<string>, into: DerivedChanges): void {
    for (const host of hosts) {
      const now = this.#fold.externalOwner(host);
      if (this.#stored.host(host) !== now) into.hosts.set(host, now);
    }
  }

  #service(name: string, hosts: Set<string>, into: DerivedChanges): void {
    const service = this.#fold.service(name);
    const now = service === undefined ? undefined : encodeService(service);
    const stored = this.#stored.service(name);
    if (same(stored, now)) return;
    const before = stored === undefined ? undefined : decodeService(stored);
    for (const host of before?.externalHosts ?? []) hosts.add(host);
    for (const host of service?.externalHosts ?? []) hosts.add(host);
    into.services.set(name, now);
    into.keys.add(`svc|${name}`);
  }

  /** The key is `<service>.<namespace>|<endpoint id>`; a service name has no bar, an id may. */
  #endpoint(key: string, into: DerivedChanges): void {
    const bar = key.indexOf('|');
    const endpoint = this.#fold.endpoint(key.slice(0, bar), key.slice(bar + 1));
    const now = endpoint === undefined ? undefined : encodeEndpoint(endpoint);
    if (same(this.#stored.endpoint(key), now)) return;
    into.endpoints.set(key, now);
    into.keys.add(`own|${key}`);
  }

  #caller(name: string, into: DerivedChanges): void {
    const now = this.#graph.has(name) ? encodeCaller(this.#graph.record(name)) : undefined;
    if (same(this.#stored.caller(name), now)) return;
    into.callers.set(name, now);
    into.keys.add(`caller|${name}`);
  }

  #mesh(into: DerivedChanges): void {
    const now = encodeMesh(this.#fold.compileInputs.mesh());
    if (!same(this.#stored.mesh(), now)) into.mesh = now;
  }
}
