/** A resource as a client session holds it: what it reads out of it, or why it refuses it. */
import type { DecodedResource } from '../proto/wire.ts';
import type { ConfigKind, HeldResource } from './config-source.ts';
import { type DecodedCluster, decodeAssignment, decodeCluster, decodeVirtualHost } from './decode.ts';
import { type BodySlabs, HeldAssignment, HeldCluster, HeldHost } from './held-body.ts';
import { type ResourceKind, URLS } from './kinds.ts';
import { readAssignmentName, readHostNames } from './read-resource.ts';

export interface Held<T> {
  readonly version: string;
  readonly value: T;
  /** With option `slabs`; then an assignment has no decoded value. */
  readonly resource?: HeldResource;
}

export interface HoldOptions {
  /** Where bodies are kept; undefined: they are not. */
  readonly slabs?: Readonly<Record<ConfigKind, BodySlabs>> | undefined;
  readonly check?: ((kind: ConfigKind, body: Uint8Array) => string | undefined) | undefined;
}

const CONFIG_KINDS: Partial<Record<ResourceKind, ConfigKind>> = {
  cds: 'cluster',
  eds: 'assignment',
  vhds: 'virtualHost',
};

/** `held` undefined: a resource without body, the answer that nobody answers a host. */
export const decodeResource = (
  type: ResourceKind,
  { name, version, body, typeUrl, aliases }: DecodedResource,
  options: HoldOptions,
): { readonly held: Held<unknown> | undefined } | { readonly error: string } => {
  if (body === undefined) {
    if (type === 'vhds' && aliases.length > 0) return { held: undefined };
    return { error: `resource ${name} has no body` };
  }
  if (typeUrl !== URLS[type])
    return { error: `type URL ${typeUrl ?? ''} embedded in an individual Any does not match` };
  return hold(type, { name, version, body }, options);
};

/** The same of its parts. Of `body` nothing is kept but a copy: a view would keep the whole message. */
export const hold = (
  type: ResourceKind,
  resource: HeldResource,
  { slabs, check }: HoldOptions,
): { readonly held: Held<unknown> } | { readonly error: string } => {
  const { name, version, body } = resource;
  const kind = CONFIG_KINDS[type];
  const read = readBody(type, name, body, slabs !== undefined && kind !== undefined);
  if ('error' in read) return read;
  if (kind === undefined) return { held: { version, value: read.value } };
  const reason = check?.(kind, body);
  if (reason !== undefined) return { error: `${name}: ${reason}` };
  if (slabs === undefined) return { held: { version, value: read.value } };
  return { held: keep(kind, resource, read.value, slabs[kind]) };
};

const keep = (kind: ConfigKind, resource: HeldResource, value: unknown, slabs: BodySlabs): Held<unknown> => {
  if (kind === 'cluster') return new HeldCluster(resource, value as DecodedCluster, slabs);
  if (kind === 'assignment') return new HeldAssignment(resource, slabs);
  return new HeldHost(resource, value as ReturnType<typeof readHostNames>, slabs);
};

const readBody = (
  type: ResourceKind,
  name: string,
  body: Uint8Array,
  isKept: boolean,
): { readonly value: unknown } | { readonly error: string } => {
  try {
    switch (type) {
      case 'cds': {
        const cluster = decodeCluster(body);
        if (cluster.name !== name) return { error: `cluster ${cluster.name} came as ${name}` };
        // One copy of the name.
        return { value: { name, eds: cluster.eds === name ? name : cluster.eds } };
      }
      case 'eds': {
        const read = isKept ? { clusterName: readAssignmentName(body), endpoints: undefined } : decodeAssignment(body);
        return read.clusterName === name
          ? { value: read.endpoints }
          : { error: `Unexpected EDS cluster (expecting ${name}): ${read.clusterName}` };
      }
      case 'vhds': {
        const host = isKept ? readHostNames(body) : decodeVirtualHost(body);
        return host.name === name ? { value: host } : { error: `virtual host ${host.name} came as ${name}` };
      }
      case 'lds':
      case 'rds':
        return { value: true };
    }
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
};
