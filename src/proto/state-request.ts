/** DiscoveryRequest by hand: what a client says on a state-of-the-world stream (envoy.service.discovery.v3). */
import { emptyNode, encodeNode, type NodeDraft, type ProtoNode, readNode } from './node.ts';
import { encodeStatus, readStatus, type StatusParts, statusLength } from './status.ts';
import { BYTES, DEFAULT_WIRE_LIMITS, overLimit, type WireLimits, WireReader } from './wire-reader.ts';
import { delimitedSize, textLength, WireWriter } from './wire-writer.ts';

export interface StateRequest {
  /** `version_info` of the last response taken; empty: none. */
  readonly versionInfo: string;
  /** Present in the first message of a stream only. */
  readonly node?: ProtoNode;
  /** All names that the client wants from now on. */
  readonly names: readonly string[];
  readonly typeUrl: string;
  /** Nonce of the response that this message acknowledges or rejects; empty before the first one. */
  readonly responseNonce: string;
  /** Present in a NACK. */
  readonly errorDetail?: StatusParts;
}

/**
 * Decodes a DiscoveryRequest. `node.extensions`, resource locators and the details of an error are passed over.
 * Throws `TendrilError` `XDS_MALFORMED` (no valid message) or `XDS_LIMIT` (more, or longer, names than `limits` allow).
 */
export function decodeStateRequest(bytes: Uint8Array, limits: WireLimits = DEFAULT_WIRE_LIMITS): StateRequest {
  const reader = new WireReader(bytes);
  let node: NodeDraft | undefined;
  let versionInfo = '';
  let typeUrl = '';
  let responseNonce = '';
  let errorDetail: { code: number; message: string } | undefined;
  const names: string[] = [];
  while (reader.at < reader.end) {
    const tag = reader.tag();
    if (tag === ((3 << 3) | BYTES)) {
      if (names.length >= limits.maxNames) throw overLimit('names', limits.maxNames);
      names.push(reader.text('resource name', limits.maxNameBytes));
    } else if (tag === ((1 << 3) | BYTES)) versionInfo = reader.text('version', limits.maxNameBytes);
    else if (tag === ((4 << 3) | BYTES)) typeUrl = reader.text('type URL', limits.maxNameBytes);
    else if (tag === ((5 << 3) | BYTES)) responseNonce = reader.text('nonce', limits.maxNameBytes);
    else if (tag === ((2 << 3) | BYTES)) {
      node ??= emptyNode();
      readNode(reader, node, limits);
    } else if (tag === ((6 << 3) | BYTES)) {
      errorDetail ??= { code: 0, message: '' };
      readStatus(reader, errorDetail);
    } else reader.skip(tag);
  }
  return {
    versionInfo,
    names,
    typeUrl,
    responseNonce,
    ...(node === undefined ? {} : { node }),
    ...(errorDetail === undefined ? {} : { errorDetail }),
  };
}

/** Encodes a DiscoveryRequest (the client's side). `errorDetail.code` must be 0..16. */
export function encodeStateRequest(request: StateRequest): Uint8Array {
  const { versionInfo, names, typeUrl, responseNonce, errorDetail } = request;
  const node = request.node === undefined ? undefined : encodeNode(request.node);
  let size = node === undefined ? 0 : delimitedSize(node.length);
  for (const name of names) size += delimitedSize(textLength(name));
  for (const text of [versionInfo, typeUrl, responseNonce]) if (text !== '') size += delimitedSize(textLength(text));
  if (errorDetail !== undefined) size += delimitedSize(statusLength(errorDetail));

  const writer = new WireWriter(size);
  if (versionInfo !== '') writer.text(1, versionInfo, textLength(versionInfo));
  if (node !== undefined) writer.bytes(2, node);
  for (const name of names) writer.text(3, name, textLength(name));
  if (typeUrl !== '') writer.text(4, typeUrl, textLength(typeUrl));
  if (responseNonce !== '') writer.text(5, responseNonce, textLength(responseNonce));
  if (errorDetail !== undefined) encodeStatus(writer, 6, errorDetail);
  return writer.finish();
}
