/** What checks across documents see of the state, as the unit that is being decided would leave it. */
import type { LayeredKind, LookupEndpoint, MeshUsageLookup } from '../../model/index.ts';
import { RANK_DOCUMENT } from './facet-rank.ts';
import type { MeshState } from './mesh-state.ts';

function* viewsOf(state: MeshState, service: string): Iterable<LookupEndpoint> {
  for (const record of state.endpoints.get(service)?.records() ?? []) yield record.view;
}

function* listenPorts(state: MeshState, caller: string): Iterable<{ readonly port: number; readonly owner: string }> {
  const seen = new Set<number>();
  for (const { view } of state.endpoints.get(caller)?.records() ?? []) {
    for (const [port, inbound] of Object.entries(view.inbound ?? {})) {
      if (seen.has(inbound)) continue;
      seen.add(inbound);
      yield { port: inbound, owner: `inbound/${port}` };
    }
  }
}

function* callers(state: MeshState): Iterable<string> {
  yield* state.services.keys();
  for (const caller of state.edges.keys()) if (state.services.get(caller) === undefined) yield caller;
}

/** @param now log time of the question, ms */
export const usageLookup = (state: MeshState, now: number): MeshUsageLookup => ({
  now,
  service: (name) => state.service(name),
  documents: (kind: LayeredKind, scope: string) => state.policyIndex.of(kind, scope),
  documentsOf: (kind: LayeredKind) => state.policyIndex.ofKind(kind),
  hostOwners: (host) => state.serviceIndex.claimants(host),
  listenPorts: (caller) => listenPorts(state, caller),
  *services() {
    for (const name of state.serviceIndex.inOrder()) {
      const service = state.service(name);
      if (service !== undefined) yield [name, service] as const;
    }
  },
  endpoints: (service) => viewsOf(state, service),
  endpointSources: (service, id) =>
    state.endpoints
      .get(service)
      ?.peek(id)
      ?.facets.filter(({ rank }) => rank !== RANK_DOCUMENT)
      .map(({ source }) => source) ?? [],
  // Who is connected is no fact of the log: `plan` knows it, the fold must not.
  callerSidecars: () => 0,
  *usedEdges(caller) {
    for (const edge of state.edges.get(caller) ?? []) {
      if (edge.evidence.length > 0) yield { to: edge.to, lastSeen: edge.lastSeen };
    }
  },
  callers: () => callers(state),
});
