/**
 * DeltaDiscoveryResponse and Resource by hand, from bytes encoded once (envoy.service.discovery.v3). Field numbers:
 * response {system_version_info 1, resources 2, type_url 4, nonce 5, removed_resources 6, control_plane 7},
 * resource {version 1, resource 2, name 3, aliases 4}, Any {type_url 1, value 2}.
 */
import { VHDS } from './type-urls.ts';
import { BYTES, DEFAULT_WIRE_LIMITS, overLimit, type WireLimits, WireReader } from './wire-reader.ts';
import { delimitedSize, textLength, WireWriter } from './wire-writer.ts';

export interface DeltaResponseParts {
  readonly typeUrl: string;
  readonly nonce: string;
  /** Encoded `Resource` messages. */
  readonly resources: readonly Uint8Array[];
  /** Names that the client shall forget. */
  readonly removed: readonly string[];
  readonly systemVersionInfo?: string;
  readonly controlPlaneId?: string;
}

/** The bytes of a DeltaDiscoveryResponse (without the gRPC frame), composed from encoded resources. */
export function composeDeltaResponse(parts: DeltaResponseParts): Uint8Array {
  const { typeUrl, nonce, resources, removed, systemVersionInfo = '', controlPlaneId = '' } = parts;
  const systemLength = textLength(systemVersionInfo);
  const typeLength = textLength(typeUrl);
  const nonceLength = textLength(nonce);
  const controlLength = textLength(controlPlaneId);
  let size = 0;
  if (systemLength > 0) size += delimitedSize(systemLength);
  for (const resource of resources) size += delimitedSize(resource.length);
  if (typeLength > 0) size += delimitedSize(typeLength);
  if (nonceLength > 0) size += delimitedSize(nonceLength);
  for (const name of removed) size += delimitedSize(textLength(name));
  if (controlLength > 0) size += delimitedSize(delimitedSize(controlLength));

  const writer = new WireWriter(size);
  if (systemLength > 0) writer.text(1, systemVersionInfo, systemLength);
  for (const resource of resources) writer.bytes(2, resource);
  if (typeLength > 0) writer.text(4, typeUrl, typeLength);
  if (nonceLength > 0) writer.text(5, nonce, nonceLength);
  for (const name of removed) writer.text(6, name, textLength(name));
  if (controlLength > 0) {
    writer.open(7, delimitedSize(controlLength));
    writer.text(1, controlPlaneId, controlLength);
  }
  return writer.finish();
}

/** The response with this nonce in a copy of `head`, a response that was composed with an empty one. `nonce`: ASCII, below 128. */
export function appendNonce(head: Uint8Array, nonce: string): Uint8Array {
  const { length } = nonce;
  const bytes = Buffer.allocUnsafe(head.length + 2 + length);
  bytes.set(head, 0);
  let at = head.length;
  bytes[at++] = (5 << 3) | BYTES;
  bytes[at++] = length;
  for (let index = 0; index < length; index++) bytes[at++] = nonce.charCodeAt(index);
  return bytes;
}

export interface ResourceParts {
  readonly name: string;
  readonly version: string;
  readonly typeUrl: string;
  /** Value of the Any; absent = a resource without body ("this name does not exist", VHDS). */
  readonly body?: Uint8Array;
  readonly aliases?: readonly string[];
}

/** The bytes of a `Resource`. */
export function encodeResource({ name, version, typeUrl, body, aliases = [] }: ResourceParts): Uint8Array {
  if (body === undefined) return writeResource(name, version, aliases, undefined, [], 0);
  return writeResource(name, version, aliases, typeUrl, [body], body.length);
}

export interface VirtualHostParts {
  /** `<route configuration>/<service port>`: name of the resource and of the virtual host inside it, which must be equal. */
  readonly name: string;
  readonly version: string;
  /** The encoded VirtualHost without its name (`virtualHostTail`). */
  readonly tail: Uint8Array;
  readonly aliases: readonly string[];
}

/** Length of what `encodeResource` writes, without writing it. */
export function resourceSize({ name, version, typeUrl, body, aliases = [] }: ResourceParts): number {
  return sizeOf(name, version, aliases, body === undefined ? undefined : anySize(typeUrl, body.length));
}

/** Length of what `encodeVirtualHostResource` writes, without writing it. */
export function virtualHostResourceSize({ name, version, tail, aliases }: VirtualHostParts): number {
  return sizeOf(name, version, aliases, anySize(VHDS, delimitedSize(textLength(name)) + tail.length));
}

function anySize(typeUrl: string, valueLength: number): number {
  const typeLength = textLength(typeUrl);
  return (typeLength > 0 ? delimitedSize(typeLength) : 0) + (valueLength > 0 ? delimitedSize(valueLength) : 0);
}

function sizeOf(name: string, version: string, aliases: readonly string[], anyLength: number | undefined): number {
  const nameLength = textLength(name);
  const versionLength = textLength(version);
  let size = anyLength === undefined ? 0 : delimitedSize(anyLength);
  if (versionLength > 0) size += delimitedSize(versionLength);
  if (nameLength > 0) size += delimitedSize(nameLength);
  for (const alias of aliases) size += delimitedSize(textLength(alias));
  return size;
}

/** The bytes of a VHDS `Resource`: the name is written in front of `tail`, so one encoding serves all route configurations. */
export function encodeVirtualHostResource({ name, version, tail, aliases }: VirtualHostParts): Uint8Array {
  const length = textLength(name);
  const head = new WireWriter(delimitedSize(length));
  head.text(1, name, length);
  return writeResource(name, version, aliases, VHDS, [head.finish(), tail], head.buffer.length + tail.length);
}

function writeResource(
  name: string,
  version: string,
  aliases: readonly string[],
  typeUrl: string | undefined,
  value: readonly Uint8Array[],
  valueLength: number,
): Uint8Array {
  const nameLength = textLength(name);
  const versionLength = textLength(version);
  const typeLength = typeUrl === undefined ? 0 : textLength(typeUrl);
  const anyLength = typeUrl === undefined ? 0 : anySize(typeUrl, valueLength);
  const writer = new WireWriter(sizeOf(name, version, aliases, typeUrl === undefined ? undefined : anyLength));
  if (versionLength > 0) writer.text(1, version, versionLength);
  if (typeUrl !== undefined) {
    writer.open(2, anyLength);
    if (typeLength > 0) writer.text(1, typeUrl, typeLength);
    if (valueLength > 0) {
      writer.open(2, valueLength);
      for (const part of value) writer.raw(part);
    }
  }
  if (nameLength > 0) writer.text(3, name, nameLength);
  for (const alias of aliases) writer.text(4, alias, textLength(alias));
  return writer.finish();
}

export interface DecodedResource {
  readonly name: string;
  readonly version: string;
  readonly aliases: readonly string[];
  /** Type URL and value of the Any; both absent = a resource without body. `body` is a view into the message: copy what you keep. */
  readonly typeUrl?: string;
  readonly body?: Uint8Array;
}

export interface DeltaResponse {
  readonly typeUrl: string;
  readonly nonce: string;
  readonly systemVersionInfo: string;
  readonly controlPlaneId: string;
  readonly resources: readonly DecodedResource[];
  readonly removed: readonly string[];
}

/** Decodes a DeltaDiscoveryResponse (the sidecar client's side). Throws `TendrilError` `XDS_MALFORMED` or `XDS_LIMIT`. */
export function decodeDeltaResponse(bytes: Uint8Array, limits: WireLimits = DEFAULT_WIRE_LIMITS): DeltaResponse {
  const reader = new WireReader(bytes);
  const result = { typeUrl: '', nonce: '', systemVersionInfo: '', controlPlaneId: '' };
  const resources: DecodedResource[] = [];
  const removed: string[] = [];
  while (reader.at < reader.end) {
    const tag = reader.tag();
    if (tag === ((2 << 3) | BYTES)) {
      if (resources.length >= limits.maxNames) throw overLimit('resources', limits.maxNames);
      resources.push(readResource(reader, limits));
    } else if (tag === ((6 << 3) | BYTES)) {
      if (removed.length >= limits.maxNames) throw overLimit('removed names', limits.maxNames);
      removed.push(reader.text('resource name', limits.maxNameBytes));
    } else if (tag === ((4 << 3) | BYTES)) result.typeUrl = reader.text('type URL', limits.maxNameBytes);
    else if (tag === ((5 << 3) | BYTES)) result.nonce = reader.text('nonce', limits.maxNameBytes);
    else if (tag === ((1 << 3) | BYTES)) result.systemVersionInfo = reader.text('version', limits.maxNameBytes);
    else if (tag === ((7 << 3) | BYTES)) {
      const outer = reader.enter();
      while (reader.at < reader.end) {
        const part = reader.tag();
        if (part === ((1 << 3) | BYTES)) result.controlPlaneId = reader.text('control plane', limits.maxNameBytes);
        else reader.skip(part);
      }
      reader.leave(outer);
    } else reader.skip(tag);
  }
  return { ...result, resources, removed };
}

function readResource(reader: WireReader, limits: WireLimits): DecodedResource {
  const outer = reader.enter();
  let name = '';
  let version = '';
  const aliases: string[] = [];
  let any: { typeUrl: string; body: Uint8Array } | undefined;
  while (reader.at < reader.end) {
    const tag = reader.tag();
    if (tag === ((1 << 3) | BYTES)) version = reader.text('version', limits.maxNameBytes);
    else if (tag === ((3 << 3) | BYTES)) name = reader.text('resource name', limits.maxNameBytes);
    else if (tag === ((4 << 3) | BYTES)) {
      if (aliases.length >= limits.maxNames) throw overLimit('aliases', limits.maxNames);
      aliases.push(reader.text('alias', limits.maxNameBytes));
    } else if (tag === ((2 << 3) | BYTES)) {
      any ??= { typeUrl: '', body: new Uint8Array(0) };
      const afterAny = reader.enter();
      while (reader.at < reader.end) {
        const part = reader.tag();
        if (part === ((1 << 3) | BYTES)) any.typeUrl = reader.text('type URL', limits.maxNameBytes);
        else if (part === ((2 << 3) | BYTES)) any.body = reader.bytes();
        else reader.skip(part);
      }
      reader.leave(afterAny);
    } else reader.skip(tag);
  }
  reader.leave(outer);
  return any === undefined
    ? { name, version, aliases }
    : { name, version, aliases, typeUrl: any.typeUrl, body: any.body };
}
