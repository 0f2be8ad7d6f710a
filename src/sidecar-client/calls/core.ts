/** The pure core of calls: routes and clusters, decoded once for each version held; state of clusters lives as long as they are held. */
import type { ConfigChange, HeldResource } from '../config-source.ts';
import { type ClusterSettings, decodeCluster } from './cluster-settings.ts';
import { type AssignedEndpoint, decodeEndpoints } from './endpoints.ts';
import { decodeRoutes, type RouteTable } from './routes.ts';
import type { CallCore, CallFacts, ChosenRoute, CreateCallCore, UpstreamCluster } from './types.ts';
import { Upstream } from './upstream.ts';

/** The address that a sidecar sees calls of its application come from. */
const LOOPBACK = '127.0.0.1';

/** Once for each resource object; undefined: it cannot be used, which `refuseReason` explains. */
const memo = <T>(decode: (body: Uint8Array) => T): ((resource: HeldResource) => T | undefined) => {
  const known = new WeakMap<HeldResource, { readonly value: T | undefined }>();
  return (resource) => {
    let entry = known.get(resource);
    if (entry === undefined) {
      try {
        entry = { value: decode(resource.body) };
      } catch {
        entry = { value: undefined };
      }
      known.set(resource, entry);
    }
    return entry.value;
  };
};

const NO_ENDPOINTS: readonly AssignedEndpoint[] = [];

interface HeldCluster {
  readonly upstream: Upstream;
  settings: ClusterSettings;
  endpoints: readonly AssignedEndpoint[];
  cluster: HeldResource;
  assignment: HeldResource | undefined;
}

const sameBytes = (a: HeldResource | undefined, b: HeldResource | undefined): boolean =>
  a === b || (a !== undefined && b !== undefined && Buffer.compare(a.body, b.body) === 0);

export const createCallCore: CreateCallCore = ({ source, random, sourceAddress = LOOPBACK }): CallCore => {
  const routesOf = memo((body): RouteTable => decodeRoutes(body, sourceAddress));
  const settingsOf = memo(decodeCluster);
  const assigned = memo(decodeEndpoints);
  const held = new Map<string, HeldCluster>();

  const endpointsOf = (settings: ClusterSettings, assignment: HeldResource | undefined): readonly AssignedEndpoint[] =>
    settings.endpoints ?? (assignment === undefined ? NO_ENDPOINTS : (assigned(assignment) ?? NO_ENDPOINTS));

  /** Brings a cluster to what the source holds of it. */
  const refresh = (name: string, known: HeldCluster): void => {
    const cluster = source.cluster(name);
    const assignment = source.assignmentOf(name);
    if (cluster === undefined) {
      held.delete(name);
      known.upstream.close();
      return;
    }
    const sameCluster = sameBytes(cluster, known.cluster);
    const sameAssignment = sameBytes(assignment, known.assignment);
    if (sameCluster && sameAssignment) return;
    // What cannot be used leaves the last good one in place, as a refused resource does.
    if (!sameCluster) known.settings = settingsOf(cluster) ?? known.settings;
    if (!sameAssignment || !sameCluster) known.endpoints = endpointsOf(known.settings, assignment);
    known.cluster = cluster;
    known.assignment = assignment;
    known.upstream.update(known.settings, known.endpoints);
  };

  /** Assignments may have another name than their cluster, so each of them is looked at: by identity, which costs little. */
  const forget = source.onChange(({ kind, names }: ConfigChange) => {
    if (kind === 'virtualHost') return;
    for (const name of names) {
      const known = held.get(name);
      if (known !== undefined) refresh(name, known);
      else if (kind === 'assignment')
        for (const [other, cluster] of [...held])
          if (source.assignmentOf(other) !== cluster.assignment) refresh(other, cluster);
    }
  });

  return {
    route(facts: CallFacts): ChosenRoute | undefined {
      const host = source.virtualHostOf(facts.authority);
      return host === undefined ? undefined : routesOf(host)?.route(facts, random);
    },

    cluster(name: string): UpstreamCluster | undefined {
      const known = held.get(name);
      if (known !== undefined) return known.upstream;
      const cluster = source.cluster(name);
      const settings = cluster === undefined ? undefined : settingsOf(cluster);
      if (cluster === undefined || settings === undefined) return undefined;
      const assignment = source.assignmentOf(name);
      const endpoints = endpointsOf(settings, assignment);
      const upstream = new Upstream(settings, source.locality, random);
      upstream.update(settings, endpoints);
      held.set(name, { upstream, settings, endpoints, cluster, assignment });
      return upstream;
    },

    sweep(nowMs: number): void {
      for (const { upstream } of held.values()) upstream.sweep(nowMs);
    },

    close(): void {
      forget();
      for (const { upstream } of held.values()) upstream.close();
      held.clear();
    },
  };
};
