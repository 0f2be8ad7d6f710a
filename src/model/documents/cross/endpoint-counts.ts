/** Counting endpoints by labels, for warnings. */
import type { LookupEndpoint, MeshUsageLookup } from '../mesh-lookup.ts';
import { isWithin } from '../scope.ts';

export type LabelConditions = readonly { readonly key: string; readonly value: string }[];

const hasLabels = (endpoint: LookupEndpoint, labels: LabelConditions): boolean =>
  labels.every(({ key, value }) => endpoint.labels?.[key] === value);

export interface EndpointCount {
  readonly all: number;
  readonly healthy: number;
  /** Ids, sorted and joined: equal for equal sets. */
  readonly ids: string;
}

export const countEndpoints = (mesh: MeshUsageLookup, service: string, labels: LabelConditions = []): EndpointCount => {
  const ids: string[] = [];
  let healthy = 0;
  for (const endpoint of mesh.endpoints(service)) {
    if (!hasLabels(endpoint, labels)) continue;
    ids.push(endpoint.id);
    if (endpoint.health === undefined || endpoint.health === 'healthy') healthy++;
  }
  return { all: ids.length, healthy, ids: ids.sort().join('\n') };
};

/** Registered services inside a scope, by name. */
export const servicesInside = (mesh: MeshUsageLookup, scope: string): string[] => {
  if (scope.startsWith('svc:')) {
    const [service = ''] = scope.slice(4).split(':');
    return mesh.service(service) === undefined ? [] : [service];
  }
  const names: string[] = [];
  for (const [name] of mesh.services()) if (isWithin(`svc:${name}`, scope)) names.push(name);
  return names.sort();
};
