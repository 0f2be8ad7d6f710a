/**
 * DiscoveryResponse by hand, from bytes encoded once (envoy.service.discovery.v3). Field numbers: response {version_info 1, resources 2
 * (Any), type_url 4, nonce 5, control_plane 6 {identifier 1}}, Any {type_url 1, value 2}.
 */
import { BYTES, DEFAULT_WIRE_LIMITS, overLimit, type WireLimits, WireReader } from './wire-reader.ts';
import { delimitedSize, textLength, WireWriter } from './wire-writer.ts';

export interface StateResponseParts {
  readonly versionInfo: string;
  readonly typeUrl: string;
  readonly nonce: string;
  /** Encoded `Any` messages. */
  readonly resources: readonly Uint8Array[];
  readonly controlPlaneId?: string;
}

/** The bytes of a DiscoveryResponse (without the gRPC frame), composed from encoded resources. */
export function composeStateResponse(parts: StateResponseParts): Uint8Array {
  const { versionInfo, typeUrl, nonce, resources, controlPlaneId = '' } = parts;
  const controlLength = textLength(controlPlaneId);
  let size = controlLength > 0 ? delimitedSize(delimitedSize(controlLength)) : 0;
  for (const resource of resources) size += delimitedSize(resource.length);
  for (const text of [versionInfo, typeUrl, nonce]) if (text !== '') size += delimitedSize(textLength(text));

  const writer = new WireWriter(size);
  if (versionInfo !== '') writer.text(1, versionInfo, textLength(versionInfo));
  for (const resource of resources) writer.bytes(2, resource);
  if (typeUrl !== '') writer.text(4, typeUrl, textLength(typeUrl));
  if (nonce !== '') writer.text(5, nonce, textLength(nonce));
  if (controlLength > 0) {
    writer.open(6, delimitedSize(controlLength));
    writer.text(1, controlPlaneId, controlLength);
  }
  return writer.finish();
}

/** The bytes of an `Any`. */
export function encodeAny(typeUrl: string, value: Uint8Array): Uint8Array {
  const typeLength = textLength(typeUrl);
  const writer = new WireWriter(delimitedSize(typeLength) + (value.length > 0 ? delimitedSize(value.length) : 0));
  writer.text(1, typeUrl, typeLength);
  if (value.length > 0) writer.bytes(2, value);
  return writer.finish();
}

export interface StateResponse {
  readonly versionInfo: string;
  readonly typeUrl: string;
  readonly nonce: string;
  readonly controlPlaneId: string;
  /** `value` is a view into the message: copy what you keep. */
  readonly resources: readonly { readonly typeUrl: string; readonly value: Uint8Array }[];
}

/** Decodes a DiscoveryResponse (the client's side). Throws `TendrilError` `XDS_MALFORMED` or `XDS_LIMIT`. */
export function decodeStateResponse(bytes: Uint8Array, limits: WireLimits = DEFAULT_WIRE_LIMITS): StateResponse {
  const reader = new WireReader(bytes);
  const result = { versionInfo: '', typeUrl: '', nonce: '', controlPlaneId: '' };
  const resources: { typeUrl: string; value: Uint8Array }[] = [];
  while (reader.at < reader.end) {
    const tag = reader.tag();
    if (tag === ((2 << 3) | BYTES)) {
      if (resources.length >= limits.maxNames) throw overLimit('resources', limits.maxNames);
      const any = { typeUrl: '', value: new Uint8Array(0) };
      const outer = reader.enter();
      while (reader.at < reader.end) {
        const part = reader.tag();
        if (part === ((1 << 3) | BYTES)) any.typeUrl = reader.text('type URL', limits.maxNameBytes);
        else if (part === ((2 << 3) | BYTES)) any.value = new Uint8Array(reader.bytes());
        else reader.skip(part);
      }
      reader.leave(outer);
      resources.push(any);
    } else if (tag === ((1 << 3) | BYTES)) result.versionInfo = reader.text('version', limits.maxNameBytes);
    else if (tag === ((4 << 3) | BYTES)) result.typeUrl = reader.text('type URL', limits.maxNameBytes);
    else if (tag === ((5 << 3) | BYTES)) result.nonce = reader.text('nonce', limits.maxNameBytes);
    else if (tag === ((6 << 3) | BYTES)) {
      const outer = reader.enter();
      while (reader.at < reader.end) {
        const part = reader.tag();
        if (part === ((1 << 3) | BYTES)) result.controlPlaneId = reader.text('control plane', limits.maxNameBytes);
        else reader.skip(part);
      }
      reader.leave(outer);
    } else reader.skip(tag);
  }
  return { ...result, resources };
}
