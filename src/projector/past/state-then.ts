/** What a look at an earlier state sees: the reads of `FoldState`, each noted where what it reads is not loaded yet. */
import type { CompileInputs, EndpointView, ServiceView } from '../../compile/index.ts';
import { KINDS, type ResolvedDependency } from '../../model/index.ts';
import { compileInputsOf } from '../fold/fold-inputs.ts';
import type { MeshState } from '../fold/mesh-state.ts';
import type { PolicyEntity, RawEntity, ServiceFacet } from '../fold/types.ts';

/** Ends a look early: enough is missing. */
export class Enough extends Error {}

/** `svc`, `eps`, `pol`, `raw`: one entity; `kind`: all documents of a kind; `names`: keys that begin so. */
export type Family = 'svc' | 'eps' | 'pol' | 'raw' | 'kind' | 'names';

/** As in `FoldState`; to be used inside of `PastState.read` only. */
export interface StateThen {
  readonly offset: number;
  /** Sorted. Some may not have been registered then: `service` tells. */
  serviceNames(): Iterable<string>;
  service(name: string): ServiceView | undefined;
  serviceFacets(name: string): readonly ServiceFacet[];
  endpoint(service: string, id: string): EndpointView | undefined;
  endpointCount(service: string): number;
  /** Ascending by key (`Kind/namespace/name`), those behind `after`. */
  policies(kind?: string, after?: string): Iterable<PolicyEntity>;
  policy(kind: string, namespace: string, name: string): PolicyEntity | undefined;
  /** @param key as `rawKey` of the model gives it */
  raw(key: string): RawEntity | undefined;
  /** Keys of raw resources that begin so, sorted. Some may not have been there then: `raw` tells. */
  rawKeys(prefix: string): Iterable<string>;
  readonly compileInputs: Required<CompileInputs>;
  readonly graphLookup: { dependency(caller: string): ResolvedDependency };
}

interface Loaded {
  readonly offset: number;
  readonly state: MeshState;
  readonly names: ReadonlyMap<string, readonly string[]>;
}

/** @param has says whether something (`<family> <name>`) is loaded, and notes it if not */
export const stateThen = ({ offset, state, names }: Loaded, has: (need: string) => boolean): StateThen => {
  const inputs = compileInputsOf(state);
  const loaded = (family: Family, name: string): boolean => has(`${family} ${name}`);
  const candidates = (prefix: string): readonly string[] => (loaded('names', prefix) ? (names.get(prefix) ?? []) : []);
  const endpoints = (name: string) => (loaded('eps', name) ? state.endpoints.get(name) : undefined);
  const service = (name: string) => (loaded('svc', name) ? state.service(name) : undefined);
  const policy = (key: string) => (loaded('pol', key) ? state.policies.get(key) : undefined);
  /** Merged documents need all of the kind, and the ports of the service. */
  const whole = (kind: string, name: string): void => {
    loaded('kind', kind);
    service(name);
  };
  function* policies(kind: string | undefined, after: string): Iterable<PolicyEntity> {
    for (const one of kind === undefined ? [...KINDS].sort() : [kind]) {
      for (const key of candidates(`pol/${one}/`)) {
        const found = key > after ? policy(key) : undefined;
        if (found !== undefined) yield found;
      }
    }
  }
  return {
    offset,
    serviceNames: () => candidates('svc/'),
    service,
    serviceFacets: (name) => (loaded('svc', name) ? (state.services.get(name)?.facets ?? []) : []),
    endpoint: (name, id) => endpoints(name)?.peek(id)?.view,
    endpointCount: (name) => endpoints(name)?.count ?? 0,
    policies: (kind, after = '') => policies(kind, after),
    policy: (kind, namespace, name) => policy(`${kind}/${namespace}/${name}`),
    raw: (key) => (loaded('raw', key) ? state.raw.get(key) : undefined),
    rawKeys: (prefix) => candidates(`raw/${prefix}`),
    compileInputs: {
      mesh: inputs.mesh,
      service,
      endpoints: (name) => endpoints(name)?.views ?? [],
      route: (name, port) => {
        whole('Route', name);
        return inputs.route(name, port);
      },
      upstream: (name, port) => {
        whole('Upstream', name);
        return inputs.upstream(name, port);
      },
      subsetsUsedElsewhere: (name) => {
        whole('Route', name);
        return inputs.subsetsUsedElsewhere(name);
      },
    },
    graphLookup: {
      dependency: (caller) => {
        loaded('kind', 'Dependency');
        return state.documents.dependency(caller);
      },
    },
  };
};
