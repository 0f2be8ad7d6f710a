/** One service -> its shared resources. Pure: what it reads of `inputs` is what it depends on. */
import { clusterName, type ResolvedSubset, type ServicePortSpec } from '../model/index.ts';
import { Cluster, contentVersion, encodeCanonical } from '../proto/index.ts';
import { dnsCluster } from './cluster.ts';
import { edsClusterBytes } from './cluster-bytes.ts';
import { LOCAL, loadAssignment, localAssignment } from './load-assignment.ts';
import { httpPorts, usedSubsets } from './targets.ts';
import type { CompiledResource, CompileInputs, CompileUnit, ServiceView } from './types.ts';
import { compileVirtualHost } from './virtual-host.ts';

/** A cluster of the service: a port, or a subset of it. */
interface ClusterSpec {
  readonly name: string;
  readonly spec: ServicePortSpec;
  readonly subset: ResolvedSubset | undefined;
}

const clusterSpecs = (service: ServiceView, inputs: CompileInputs): readonly ClusterSpec[] => {
  const used = usedSubsets(service, inputs);
  return service.ports.flatMap((spec) => {
    const whole = { name: clusterName(service.name, spec.port), spec, subset: undefined };
    const subsets = used
      .filter(({ port }) => port === spec.port)
      .map(({ name }) => ({
        name: clusterName(service.name, spec.port, name),
        spec,
        subset: inputs.upstream(service.name, spec.port).subsets.find((subset) => subset.name === name),
      }));
    return [whole, ...subsets];
  });
};

/** The host that sidecars resolve themselves: of an external service that has no endpoint record. */
const dnsHost = (service: ServiceView, inputs: CompileInputs): string | undefined => {
  const [host] = service.externalHosts;
  if (host === undefined) return undefined;
  return inputs.endpoints(service.name).some((block) => block.size > 0) ? undefined : host;
};

const clusterResource = (
  { name, spec, subset }: ClusterSpec,
  host: string | undefined,
  inputs: CompileInputs,
  service: string,
): CompiledResource => {
  const settings = subset?.settings ?? inputs.upstream(service, spec.port).base;
  const byDns = host !== undefined && subset === undefined;
  const body = byDns
    ? encodeCanonical(Cluster, dnsCluster(name, spec.protocol, settings, host, spec.port))
    : edsClusterBytes(name, spec.protocol, settings);
  const resource = { type: 'cds', variant: '', name, version: contentVersion([body]), body } as const;
  return byDns ? resource : { ...resource, eds: name };
};

const compileConfig = (service: ServiceView, inputs: CompileInputs): CompiledResource[] => {
  const host = dnsHost(service, inputs);
  return [
    ...clusterSpecs(service, inputs).map((cluster) => clusterResource(cluster, host, inputs, service.name)),
    ...httpPorts(service).flatMap((port) => compileVirtualHost(service, port, inputs)),
  ];
};

const compileEndpoints = (service: ServiceView, inputs: CompileInputs): CompiledResource[] => {
  const blocks = inputs.endpoints(service.name);
  const byDns = dnsHost(service, inputs) !== undefined;
  const lowestPort = Math.min(...service.ports.map(({ port }) => port));
  return [
    ...clusterSpecs(service, inputs)
      .filter(({ subset }) => !byDns || subset !== undefined)
      .map(
        ({ name, spec, subset }): CompiledResource => ({
          type: 'eds',
          variant: '',
          name,
          ...loadAssignment(name, spec.port, subset?.labels ?? [], blocks),
        }),
      ),
    { type: LOCAL, variant: '', name: service.name, ...localAssignment(lowestPort, blocks) },
  ];
};

/**
 * All resources of one unit of a service; none when it is not registered. Same inputs, same bytes, in the same order: clusters by
 * port and subset, then virtual hosts; or assignments, then EDS `local`.
 */
export const compileService = (unit: CompileUnit, service: string, inputs: CompileInputs): CompiledResource[] => {
  const view = inputs.service(service);
  if (view === undefined) return [];
  const sorted = { ...view, ports: [...view.ports].sort((a, b) => a.port - b.port) };
  return unit === 'config' ? compileConfig(sorted, inputs) : compileEndpoints(sorted, inputs);
};
