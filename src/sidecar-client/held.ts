/** A resource as a client session holds it: what it reads out of it, or why it refuses it. */
import type { DecodedResource } from '../proto/index.ts';
import type { ConfigKind, HeldResource } from './config-source.ts';
import { decodeAssignment, decodeCluster, decodeVirtualHost } from './decode.ts';
import { type ResourceKind, URLS } from './kinds.ts';

export interface Held<T> {
  readonly version: string;
  readonly value: T;
  /** With option `bodies`; then an assignment has no decoded value. */
  readonly resource?: HeldResource;
}

export interface HoldOptions {
  readonly bodies?: boolean;
  readonly check?: (kind: ConfigKind, body: Uint8Array) => string | undefined;
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
  const read = readBody(type, name, body);
  if ('error' in read) return read;
  const kind = CONFIG_KINDS[type];
  if (kind === undefined) return { held: { version, value: read.value } };
  const reason = check?.(kind, body);
  if (reason !== undefined) return { error: `${name}: ${reason}` };
  if (bodies !== true) return { held: { version, value: read.value } };
  // A copy: the view would keep the whole message.
  const resource: HeldResource = { name, version, body: body.slice() };
  return { held: { version, value: type === 'eds' ? undefined : read.value, resource } };
};

const readBody = (
  type: ResourceKind,
  name: string,
  body: Uint8Array,
): { readonly value: unknown } | { readonly error: string } => {
  try {
    switch (type) {
      case 'cds': {
        const cluster = decodeCluster(body);
        return cluster.name === name ? { value: cluster } : { error: `cluster ${cluster.name} came as ${name}` };
      }
      case 'eds': {
        const { clusterName, endpoints } = decodeAssignment(body);
        return clusterName === name
          ? { value: endpoints }
          : { error: `Unexpected EDS cluster (expecting ${name}): ${clusterName}` };
      }
      case 'vhds': {
        const host = decodeVirtualHost(body);
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
