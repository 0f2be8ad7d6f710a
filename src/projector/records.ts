/** How the records of the read model stand in the state environment. */

import type { EndpointView, MeshView } from '../compile/index.ts';
import type { CallerRecord } from '../dependency-graph/index.ts';
import { compareText, TendrilError } from '../model/index.ts';
import { CHECKSUM_BYTES } from '../store/index.ts';
import type { Slab } from './slab.ts';
import type { ServiceRecord, StoredResource } from './types.ts';

const damaged = (what: string): TendrilError =>
  new TendrilError('CORRUPT_RECORD', `a stored ${what} cannot be read`, { remedy: 'run `tendril verify --data DIR`' });

/**
 * `[version length u8][version][facts length u32][facts as JSON: domains, clusters, eds][body]`, little endian; the facts are
 * left out (length 0) when there are none. Framed: room for the checksum stands in front.
 */
export const encodeResource = (resource: StoredResource, slab: Slab): Buffer => {
  const { version, body, domains, clusters, eds } = resource;
  const hasFacts = domains !== undefined || clusters !== undefined || eds !== undefined;
  const facts = hasFacts ? JSON.stringify({ domains, clusters, eds }) : '';
  const factBytes = facts === '' ? 0 : Buffer.byteLength(facts);
  const bytes = slab.take(CHECKSUM_BYTES + 1 + version.length + 4 + factBytes + body.length);
  let at = bytes.writeUInt8(version.length, CHECKSUM_BYTES);
  at += bytes.write(version, at, 'latin1');
  at = bytes.writeUInt32LE(factBytes, at);
  if (factBytes > 0) at += bytes.write(facts, at, 'utf8');
  bytes.set(body, at);
  return bytes;
};

/** What a changed resource is compared with. */
export interface ResourceFacts {
  readonly version: string;
  /** Of the body. */
  readonly bytes: number;
}

const versionIn = (bytes: Buffer): string => bytes.toString('latin1', 1, 1 + (bytes[0] ?? 0));

/** Version, and bytes of the body, without a copy of it. */
export const factsIn = (bytes: Buffer): ResourceFacts => {
  const version = versionIn(bytes);
  const factsAt = 1 + version.length + 4;
  return { version, bytes: bytes.length - factsAt - bytes.readUInt32LE(factsAt - 4) };
};

/** `body` is a copy: `bytes` may be overwritten. */
export const decodeResource = (bytes: Buffer): StoredResource => {
  const version = versionIn(bytes);
  const factsAt = 1 + version.length + 4;
  if (bytes.length < factsAt) throw damaged('resource');
  const bodyAt = factsAt + bytes.readUInt32LE(factsAt - 4);
  const body = new Uint8Array(bytes.length - bodyAt);
  body.set(bytes.subarray(bodyAt));
  if (bodyAt === factsAt) return { version, body };
  return {
    version,
    body,
    ...(JSON.parse(bytes.toString('utf8', factsAt, bodyAt)) as Omit<StoredResource, 'version' | 'body'>),
  };
};

/** The same members in order of their keys, so that what was loaded gives the same bytes as what was folded. */
const inOrder = <T>(map: Readonly<Record<string, T>>): Readonly<Record<string, T>> => {
  const keys = Object.keys(map);
  if (keys.every((key, at) => at === 0 || compareText(keys[at - 1] ?? '', key) < 0)) return map;
  return Object.fromEntries(Object.entries(map).sort(([a], [b]) => compareText(a, b)));
};

const json = (value: object): Buffer => Buffer.from(JSON.stringify(value));
const parse = <T>(bytes: Buffer): T => {
  try {
    return JSON.parse(bytes.toString('utf8', 0, bytes.length)) as T;
  } catch {
    throw damaged('record');
  }
};

export const encodeService = (service: ServiceRecord): Buffer => {
  const { name, namespace, ports, labels, interfaces, externalHosts, visibility, defaultPort } = service;
  return json({
    name,
    namespace,
    ports: ports.map(({ port, protocol, name: portName }) => ({ port, protocol, name: portName })),
    labels: inOrder(labels),
    interfaces: interfaces.map((spec) => ({ name: spec.name, methods: spec.methods, port: spec.port })),
    externalHosts,
    visibility,
    defaultPort,
  });
};
export const decodeService = (bytes: Buffer): ServiceRecord => parse<ServiceRecord>(bytes);

export const encodeCaller = ({ caller, preload, expired, denied, learn, tcp }: CallerRecord): Buffer =>
  json({
    caller,
    preload,
    expired,
    denied,
    learn,
    tcp: tcp.map(({ servicePort, localPort }) => ({ servicePort, localPort })),
  });
export const decodeCaller = (bytes: Buffer): CallerRecord => parse<CallerRecord>(bytes);

export const encodeMesh = (mesh: MeshView): Buffer => json({ name: mesh.name, suffixes: mesh.suffixes });
export const decodeMesh = (bytes: Buffer): MeshView => parse<MeshView>(bytes);

/** What many endpoints of a service say alike, as the rest of the JSON; the latest few are remembered. */
const remembered: { readonly endpoint: EndpointView; readonly text: string }[] = [];
const MOST_REMEMBERED = 8;

const saysTheSame = (a: EndpointView, b: EndpointView): boolean =>
  a.ports === b.ports &&
  a.inbound === b.inbound &&
  a.labels === b.labels &&
  a.locality === b.locality &&
  a.serviceAccount === b.serviceAccount;

const sharedText = (endpoint: EndpointView): string => {
  for (const known of remembered) if (saysTheSame(known.endpoint, endpoint)) return known.text;
  const { ports, inbound, labels, locality, serviceAccount } = endpoint;
  const json = JSON.stringify({
    ports: ports && inOrder(ports),
    inbound: inbound && inOrder(inbound),
    labels: labels && inOrder(labels),
    locality: locality && { region: locality.region, zone: locality.zone, subzone: locality.subzone },
    serviceAccount,
  });
  const text = json === '{}' ? '' : `,${json.slice(1, -1)}`;
  remembered.unshift({ endpoint, text });
  if (remembered.length > MOST_REMEMBERED) remembered.pop();
  return text;
};

/**
 * Facts of one endpoint for the own resources of its node. Health and weight are left out: own resources do not depend on them,
 * so a health change neither writes this record nor wakes a worker for it. Framed, as `encodeResource`.
 */
export const encodeEndpoint = (endpoint: EndpointView, slab: Slab): Buffer => {
  const text = `{"id":${JSON.stringify(endpoint.id)},"address":${JSON.stringify(endpoint.address)}${sharedText(endpoint)}}`;
  const framed = slab.take(CHECKSUM_BYTES + Buffer.byteLength(text));
  framed.write(text, CHECKSUM_BYTES);
  return framed;
};

/** True without a doubt when both give the same record: endpoints of a service share what they say alike. */
export const isSameOwner = (a: EndpointView, b: EndpointView): boolean => a.address === b.address && saysTheSame(a, b);

export const decodeEndpoint = (bytes: Buffer): EndpointView => parse<EndpointView>(bytes);

/** Key of an endpoint record: as the fold names it in its changes. */
export const endpointKey = (service: string, id: string): string => `${service}|${id}`;
/** A service name has no bar, an id may. */
export const parseEndpointKey = (key: string): { readonly service: string; readonly id: string } => {
  const bar = key.indexOf('|');
  return { service: key.slice(0, bar), id: key.slice(bar + 1) };
};

/** Facts that the resources of one compile unit were made from, and the resources it has. */
export interface StoredUnit {
  /** Families of its own service's inputs that it read, see `unit-reads.ts`. */
  readonly own: number;
  /** Input keys of other services that it read, sorted. */
  readonly foreign: readonly string[];
  /** Keys of its resources. */
  readonly resources: readonly string[];
}

export const encodeUnits = (config: StoredUnit, endpoints: StoredUnit): Buffer =>
  json([config.own, config.foreign, config.resources, endpoints.own, endpoints.foreign, endpoints.resources]);

export const decodeUnits = (bytes: Buffer): { readonly config: StoredUnit; readonly endpoints: StoredUnit } => {
  const [a, b, c, d, e, f] = parse<[number, string[], string[], number, string[], string[]]>(bytes);
  return { config: { own: a, foreign: b, resources: c }, endpoints: { own: d, foreign: e, resources: f } };
};
