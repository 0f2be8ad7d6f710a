/**
 * Where requests go: the clusters behind the targets of a Route, and which subsets of a service are in use.
 *
 * A target that is not registered keeps its cluster name. The xDS server answers that name with a cluster without endpoints
 * (`emptyCluster`): 503 at once with the flag for "no endpoint", nothing compiled anew when the service appears with that port.
 */
import {
  clusterName,
  compareText,
  type ResolvedRoute,
  type ResolvedRouteRule,
  type ResolvedRouteTarget,
} from '../model/index.ts';
import type { CompileInputs, ServiceView } from './types.ts';

export const httpPorts = (service: ServiceView): readonly number[] =>
  service.ports.filter(({ protocol }) => protocol !== 'tcp').map(({ port }) => port);

/**
 * The port of a target without one, in another service: the called port's number when that is an HTTP port there, else its
 * lowest HTTP port, else the same number (which then has no endpoints).
 */
const foreignPort = (service: string, calledPort: number, inputs: CompileInputs): number => {
  const target = inputs.service(service);
  if (target === undefined) return calledPort;
  const ports = httpPorts(target);
  return ports.length === 0 || ports.includes(calledPort) ? calledPort : Math.min(...ports);
};

/** Cluster of a target of the route of `service:port`. */
export const targetCluster = (
  target: ResolvedRouteTarget,
  service: string,
  port: number,
  inputs: CompileInputs,
): string => {
  const targetPort = target.port ?? (target.service === service ? port : foreignPort(target.service, port, inputs));
  return clusterName(target.service, targetPort, target.subset);
};

export interface WeightedTarget {
  readonly cluster: string;
  readonly weight: number;
}

/** Targets of a rule by cluster, in the order of the rule; two keys that mean one cluster add up. */
export const weightedTargets = (
  rule: ResolvedRouteRule,
  service: string,
  port: number,
  inputs: CompileInputs,
): readonly WeightedTarget[] => {
  const weights = new Map<string, number>();
  for (const target of rule.targets) {
    const cluster = targetCluster(target, service, port, inputs);
    weights.set(cluster, (weights.get(cluster) ?? 0) + target.weight);
  }
  return [...weights].map(([cluster, weight]) => ({ cluster, weight }));
};

export const allRules = (route: ResolvedRoute): readonly ResolvedRouteRule[] => [...route.rules, route.default];

/** A subset in use that its Upstream defines. */
export interface UsedSubset {
  readonly port: number;
  readonly name: string;
}

/**
 * Subsets of the service's ports that a route names, sorted: its own routes, and those of others as far as the inputs know.
 * A name that no Upstream defines has no cluster.
 */
export const usedSubsets = (service: ServiceView, inputs: CompileInputs): readonly UsedSubset[] => {
  const named = new Map<string, UsedSubset>();
  const add = (port: number, name: string): void => {
    named.set(clusterName(service.name, port, name), { port, name });
  };
  for (const port of httpPorts(service)) {
    for (const rule of allRules(inputs.route(service.name, port))) {
      for (const target of rule.targets) {
        if (target.service === service.name && target.subset !== undefined) add(target.port ?? port, target.subset);
      }
    }
  }
  for (const { port, subset } of inputs.subsetsUsedElsewhere?.(service.name) ?? []) add(port, subset);
  const ports = new Set(service.ports.map(({ port }) => port));
  return [...named.values()]
    .filter(
      ({ port, name }) =>
        ports.has(port) && inputs.upstream(service.name, port).subsets.some((subset) => subset.name === name),
    )
    .sort((a, b) => a.port - b.port || compareText(a.name, b.name));
};
