/**
 * What workers need besides resources: services, external hosts, endpoint facts, callers, mesh. Each is compared with what is
 * stored; only a difference is written and told.
 */
import type { EndpointView } from '../compile/index.ts';
import type { DependencyGraph } from '../dependency-graph/index.ts';
import { CHECKSUM_BYTES } from '../store/index.ts';
import type { DerivedChanges } from './changes.ts';
import type { EndpointChange, FoldState } from './fold/index.ts';
import {
  decodeService,
  encodeCaller,
  encodeEndpoint,
  encodeMesh,
  encodeService,
  isSameOwner,
  parseEndpointKey,
} from './records.ts';
import { Slab } from './slab.ts';

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

/** An endpoint is little work: one turn in so many is enough. */
const ENDPOINTS_PER_YIELD = 32;

const same = (stored: Buffer | undefined, now: Buffer | undefined): boolean =>
  stored === undefined || now === undefined ? stored === now : stored.equals(now);

const bodyOf = (framed: Buffer): Buffer => framed.subarray(CHECKSUM_BYTES);

const setEndpoint = (key: string, framed: Buffer | undefined, into: DerivedChanges): void => {
  into.endpoints.set(key, framed);
  into.keys.add(`own|${key}`);
};

export class CatalogDeriver {
  readonly #fold: FoldState;
  readonly #graph: DependencyGraph;
  readonly #stored: StoredCatalog;
  /** Of the records that the next commit writes. */
  #slab = new Slab();

  constructor(fold: FoldState, graph: DependencyGraph, stored: StoredCatalog) {
    this.#fold = fold;
    this.#graph = graph;
    this.#stored = stored;
  }

  /** Services, hosts, mesh; tells the graph of changed edges. Yields often. */
  *records(inputs: Iterable<string>, into: DerivedChanges): Generator<void> {
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
  }

  /**
   * Facts of endpoints that changed. What was served before is what is stored, so nothing is read: most changes are of health, which is
   * no part of the facts, and in a mesh that is loaded all endpoints are new.
   */
  *endpoints(changes: ReadonlyMap<string, EndpointChange>, into: DerivedChanges): Generator<void> {
    let done = 0;
    for (const [key, { before, after }] of changes) {
      if (++done % ENDPOINTS_PER_YIELD === 0) yield;
      if (before !== undefined && after !== undefined && isSameOwner(before, after)) continue;
      const now = after === undefined ? undefined : encodeEndpoint(after, this.#slab);
      if (!same(before && bodyOf(encodeEndpoint(before, this.#slab)), now && bodyOf(now))) setEndpoint(key, now, into);
    }
    this.#slab = new Slab();
  }

  /** The same for all endpoints there are, and those that are stored, compared with what is stored. */
  *allEndpoints(
    all: Iterable<readonly [key: string, endpoint: EndpointView]>,
    stored: readonly string[],
    into: DerivedChanges,
  ): Generator<void> {
    let done = 0;
    for (const [key, endpoint] of all) {
      if (++done % ENDPOINTS_PER_YIELD === 0) yield;
      const now = encodeEndpoint(endpoint, this.#slab);
      if (!same(this.#stored.endpoint(key), bodyOf(now))) setEndpoint(key, now, into);
    }
    for (const key of stored) {
      if (++done % ENDPOINTS_PER_YIELD === 0) yield;
      const { service, id } = parseEndpointKey(key);
      if (this.#fold.endpoint(service, id) === undefined) setEndpoint(key, undefined, into);
    }
    this.#slab = new Slab();
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
