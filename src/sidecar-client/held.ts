/** A resource as a client session holds it: what it reads out of it, or why it refuses it. */
import type { DecodedResource } from '../proto/wire.ts';
import type { ConfigKind, HeldResource } from './config-source.ts';
import { decodeAssignment, decodeCluster, decodeVirtualHost, viewVirtualHost } from './decode.ts';
import { type ResourceKind, URLS } from './kinds.ts';
import { readAssignmentName } from './read-resource.ts';

export interface Held<T> {
  readonly version: string;
  readonly value: T;
  /** With option `bodies`; then an assignment has no decoded value. */
  readonly resource?: HeldResource;
}

export interface HoldOptions {
  readonly bodies?: boolean | undefined;
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
  { bodies, check }: HoldOptions,
): { readonly held: Held<unknown> | undefined } | { readonly error: string } => {
  if (body === undefined) {
    if (type === 'vhds' && aliases.length > 0) return { held: undefined };
    return { error: `resource ${name} has no body` };
  }
  if (typeUrl !== URLS[type])
    return { error: `type URL ${typeUrl ?? ''} embedded in an individual Any does not match` };
  // Without `bodies` nothing of the message is kept; with it a copy is, of this length: a view would keep the whole message. (`slice`
  // of a Buffer is such a view.)
  return hold(
    type,
    { name, version, body: bodies === true && type in CONFIG_KINDS ? new Uint8Array(body) : body },
    { bodies, check },
  );
};

/** The same of a resource whose bytes are its own: they are kept as they are. */
export const hold = (
  type: ResourceKind,
  resource: HeldResource,
  { bodies, check }: HoldOptions,
): { readonly held: Held<unknown> } | { readonly error: string } => {
  const { name, version, body } = resource;
  const kind = CONFIG_KINDS[type];
  const read = readBody(type, name, body, bodies === true && kind !== undefined);
  if ('error' in read) return read;
  if (kind === undefined) return { held: { version, value: read.value } };
  const reason = check?.(kind, body);
  if (reason !== undefined) return { error: `${name}: ${reason}` };
  return { held: { version, value: read.value, ...(bodies === true ? { resource } : {}) } };
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
        const host = isKept ? viewVirtualHost(body) : decodeVirtualHost(body);
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
