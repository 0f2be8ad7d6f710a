/** Views of the state for those who derive: compile and the dependency graph. */
import type { CompileInputs, EndpointBlock, ServiceView } from '../../compile/index.ts';
import type { GraphLookup } from '../../dependency-graph/index.ts';
import { parseClusterName, servicePort } from '../../model/index.ts';
import type { MeshState } from './mesh-state.ts';

const NO_BLOCKS: readonly EndpointBlock[] = [];

function* servicesInOrder(state: MeshState): Iterable<ServiceView> {
  for (const name of state.serviceIndex.inOrder()) {
    const service = state.service(name);
    if (service !== undefined) yield service;
  }
}

/** Subsets that Routes of others name, for each HTTP port that they may mean; sorted, without repeats. */
const subsetsUsedElsewhere = (
  state: MeshState,
  name: string,
): readonly { readonly port: number; readonly subset: string }[] => {
  const ports = state.service(name)?.ports.filter(({ protocol }) => protocol !== 'tcp') ?? [];
  const clusters = state.foreignSubsets
    .of(name)
    .flatMap((use) =>
      ports
        .filter(({ port }) => use.port === undefined || use.port === port)
        .map(({ port }) => `${servicePort(name, port)}/${use.subset}`),
    );
  return [...new Set(clusters)].sort().flatMap((cluster) => {
    const parsed = parseClusterName(cluster);
    return parsed?.subset === undefined ? [] : [{ port: parsed.port, subset: parsed.subset }];
  });
};

export const compileInputsOf = (state: MeshState): Required<CompileInputs> => ({
  mesh: () => state.meshView(),
  service: (name) => state.service(name),
  endpoints: (service) => state.endpoints.get(service)?.views ?? NO_BLOCKS,
  route: (service, port) => {
    const spec = state.service(service)?.ports.find((candidate) => candidate.port === port);
    return state.documents.route(service, port, spec?.protocol ?? 'http');
  },
  upstream: (service, port) => state.documents.upstream(service, port),
  subsetsUsedElsewhere: (service) => subsetsUsedElsewhere(state, service),
});

export const graphLookupOf = (state: MeshState): GraphLookup => ({
  service: (name) => state.service(name),
  services: () => servicesInOrder(state),
  dependency: (caller) => state.documents.dependency(caller),
  defaultDependency: (namespace) => state.documents.defaultDependency(namespace),
});

/** Everything a new graph has to be told once. */
export function* graphInputsOf(state: MeshState): Iterable<string> {
  for (const scope of state.policyIndex.scopesOf('Dependency')) yield `doc:Dependency|${scope}`;
  for (const name of state.services.keys()) yield `svc:${name}`;
}
