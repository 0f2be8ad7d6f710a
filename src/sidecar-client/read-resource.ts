/**
 * The few fields that a session needs of a resource, read by hand; everything else is passed over by its length. A generated decoder makes
 * all of a cluster to give its name. Fields and merging are those of the generated decoders (test/sidecar-client/read-resource.test.ts);
 * what is passed over is judged by whoever uses it (`check` of the session). All throw `XDS_MALFORMED` on bytes that are no message.
 */
import { WireReader } from '../proto/wire.ts';

const field = (number: number, wireType: 0 | 2): number => (number << 3) | wireType;
/** `Cluster.DiscoveryType.EDS` */
const EDS_TYPE = 3;

const NAME = field(1, 2);

/** Reads a message whose fields are told to `onField`, which says whether it has read one. */
const readFields = (reader: WireReader, onField: (tag: number) => boolean): void => {
  while (reader.at < reader.end) {
    const tag = reader.tag();
    if (!onField(tag)) reader.skip(tag);
  }
};

const readInside = (reader: WireReader, onField: (tag: number) => boolean): true => {
  const outer = reader.enter();
  readFields(reader, onField);
  reader.leave(outer);
  return true;
};

/** `Cluster`: name (1), type (2), eds_cluster_config.service_name (3.2). `eds` undefined: not of type EDS. */
export const readCluster = (body: Uint8Array): { readonly name: string; readonly eds: string | undefined } => {
  const reader = new WireReader(body);
  let name = '';
  let type = 0;
  let service = '';
  while (reader.at < reader.end) {
    const tag = reader.tag();
    if (tag === NAME) name = reader.text('cluster name');
    else if (tag === field(2, 0)) type = reader.int32();
    else if (tag === field(3, 2)) {
      readInside(reader, (inner) => {
        if (inner !== field(2, 2)) return false;
        service = reader.text('EDS name');
        return true;
      });
    } else reader.skip(tag);
  }
  return { name, eds: type === EDS_TYPE ? service || name : undefined };
};

/** `ClusterLoadAssignment`: cluster_name (1). */
export const readAssignmentName = (body: Uint8Array): string => {
  const reader = new WireReader(body);
  let name = '';
  while (reader.at < reader.end) {
    const tag = reader.tag();
    if (tag === NAME) name = reader.text('EDS name');
    else reader.skip(tag);
  }
  return name;
};

/** `VirtualHost`: name (1), domains (2). */
export const readHostNames = (body: Uint8Array): { readonly name: string; readonly domains: readonly string[] } => {
  const reader = new WireReader(body);
  let name = '';
  const domains: string[] = [];
  while (reader.at < reader.end) {
    const tag = reader.tag();
    if (tag === NAME) name = reader.text('virtual host name');
    else if (tag === field(2, 2)) domains.push(reader.text('domain'));
    else reader.skip(tag);
  }
  return { name, domains };
};

export interface RouteTarget {
  readonly cluster: string;
  readonly weight: number;
}

interface RouteParts {
  prefix: string | undefined;
  headers: number;
  hasAction: boolean;
  cluster: string;
  weighted: { cluster: string; weight: number }[] | undefined;
}

/** `WeightedCluster.ClusterWeight`: name (1), weight (2), a UInt32Value. */
const readWeight = (reader: WireReader): { cluster: string; weight: number } => {
  const target = { cluster: '', weight: 0 };
  readInside(reader, (tag) => {
    if (tag === NAME) target.cluster = reader.text('cluster name');
    else if (tag === field(2, 2))
      readInside(reader, (inner) => {
        if (inner !== field(1, 0)) return false;
        target.weight = reader.int32() >>> 0;
        return true;
      });
    else return false;
    return true;
  });
  return target;
};

/** `RouteAction`: cluster (1), weighted_clusters (3). */
const readAction = (reader: WireReader, route: RouteParts): true => {
  route.hasAction = true;
  return readInside(reader, (tag) => {
    if (tag === field(1, 2)) route.cluster = reader.text('cluster name');
    else if (tag === field(3, 2)) {
      const weighted = route.weighted ?? [];
      route.weighted = weighted;
      readInside(reader, (inner) => {
        if (inner !== field(1, 2)) return false;
        weighted.push(readWeight(reader));
        return true;
      });
    } else return false;
    return true;
  });
};

/** `RouteMatch`: prefix (1), headers (6). */
const readMatch = (reader: WireReader, route: RouteParts): true =>
  readInside(reader, (tag) => {
    if (tag === field(1, 2)) route.prefix = reader.text('path prefix');
    else {
      if (tag === field(6, 2)) route.headers++;
      return false;
    }
    return true;
  });

/** `VirtualHost.routes` (3): match (1), route (2). */
const readRoutes = (body: Uint8Array): readonly RouteParts[] => {
  const reader = new WireReader(body);
  const routes: RouteParts[] = [];
  readFields(reader, (tag) => {
    if (tag !== field(3, 2)) return false;
    const route: RouteParts = { prefix: undefined, headers: 0, hasAction: false, cluster: '', weighted: undefined };
    readInside(reader, (inner) => {
      if (inner === field(1, 2)) return readMatch(reader, route);
      return inner === field(2, 2) && readAction(reader, route);
    });
    routes.push(route);
    return true;
  });
  return routes;
};

/** Clusters of the route that takes everything: the last one without conditions. Weights are as written. */
export const targetsOf = (body: Uint8Array): readonly RouteTarget[] => {
  let targets: readonly RouteTarget[] = [];
  for (const { prefix, headers, hasAction, cluster, weighted } of readRoutes(body)) {
    if (!hasAction || prefix !== '/' || headers > 0) continue;
    if (cluster !== '') targets = [{ cluster, weight: 1 }];
    else if (weighted !== undefined) targets = weighted;
  }
  return targets;
};

/** Every cluster that a virtual host's routes send calls to. */
export const clustersOf = (body: Uint8Array): readonly string[] => {
  const names = new Set<string>();
  for (const { cluster, weighted } of readRoutes(body)) {
    if (cluster !== '') names.add(cluster);
    for (const target of weighted ?? []) if (target.cluster !== '') names.add(target.cluster);
  }
  return [...names];
};
