/** DeltaDiscoveryRequest by hand: what a client says on a delta stream (envoy.service.discovery.v3). */
import { emptyNode, encodeNode, type NodeDraft, type ProtoNode, readNode } from './node.ts';
import { encodeStatus, readStatus, type StatusParts, statusLength } from './status.ts';
import { BYTES, DEFAULT_WIRE_LIMITS, overLimit, type WireLimits, WireReader } from './wire-reader.ts';
import { delimitedSize, textLength, WireWriter } from './wire-writer.ts';

export interface DeltaRequest {
  /** Present in the first message of a stream only. */
  readonly node?: ProtoNode;
  readonly typeUrl: string;
  readonly subscribe: readonly string[];
  readonly unsubscribe: readonly string[];
  /** Resource name to version: what the client holds when a stream begins. */
  readonly initialResourceVersions: ReadonlyMap<string, string>;
  /** Nonce of the response that this message acknowledges or rejects; empty for a message on the client's own account. */
  readonly responseNonce: string;
  /** Present in a NACK. */
  readonly errorDetail?: StatusParts;
}

const NO_NAMES: readonly string[] = [];
const NO_VERSIONS: ReadonlyMap<string, string> = new Map();

/**
 * Decodes a DeltaDiscoveryRequest. `node.extensions`, resource locators and the details of an error are passed over.
 * Throws `TendrilError` `XDS_MALFORMED` (no valid message) or `XDS_LIMIT` (more, or longer, names than `limits` allow).
 */
export function decodeDeltaRequest(bytes: Uint8Array, limits: WireLimits = DEFAULT_WIRE_LIMITS): DeltaRequest {
  const reader = new WireReader(bytes);
  let node: NodeDraft | undefined;
  let typeUrl = '';
  let responseNonce = '';
  let errorDetail: { code: number; message: string } | undefined;
  // Nearly every message is an ACK: it names nothing and holds nothing.
  let subscribe: string[] | undefined;
  let unsubscribe: string[] | undefined;
  let initialResourceVersions: Map<string, string> | undefined;
  let names = 0;
  const name = (): string => {
    names += 1;
    if (names > limits.maxNames) throw overLimit('names', limits.maxNames);
    return reader.text('resource name', limits.maxNameBytes);
  };
  while (reader.at < reader.end) {
    const tag = reader.tag();
    if (tag === ((3 << 3) | BYTES)) {
      subscribe ??= [];
      subscribe.push(name());
    } else if (tag === ((5 << 3) | BYTES)) {
      const outer = reader.enter();
      let key = '';
      let version = '';
      names += 1;
      if (names > limits.maxNames) throw overLimit('names', limits.maxNames);
      while (reader.at < reader.end) {
        const part = reader.tag();
        if (part === ((1 << 3) | BYTES)) key = reader.text('resource name', limits.maxNameBytes);
        else if (part === ((2 << 3) | BYTES)) version = reader.text('resource version', limits.maxNameBytes);
        else reader.skip(part);
      }
      reader.leave(outer);
      initialResourceVersions ??= new Map();
      initialResourceVersions.set(key, version);
    } else if (tag === ((2 << 3) | BYTES)) typeUrl = reader.text('type URL', limits.maxNameBytes);
    else if (tag === ((6 << 3) | BYTES)) responseNonce = reader.text('nonce', limits.maxNameBytes);
    else if (tag === ((4 << 3) | BYTES)) {
      unsubscribe ??= [];
      unsubscribe.push(name());
    } else if (tag === ((1 << 3) | BYTES)) {
      node ??= emptyNode();
      readNode(reader, node, limits);
    } else if (tag === ((7 << 3) | BYTES)) {
      errorDetail ??= { code: 0, message: '' };
      readStatus(reader, errorDetail);
    } else reader.skip(tag);
  }
  return {
    typeUrl,
    subscribe: subscribe ?? NO_NAMES,
    unsubscribe: unsubscribe ?? NO_NAMES,
    initialResourceVersions: initialResourceVersions ?? NO_VERSIONS,
    responseNonce,
    ...(node === undefined ? {} : { node }),
    ...(errorDetail === undefined ? {} : { errorDetail }),
  };
}

/** Encodes a DeltaDiscoveryRequest (the sidecar client's side). `errorDetail.code` must be 0..16. */
export function encodeDeltaRequest(request: DeltaRequest): Uint8Array {
  const node = request.node === undefined ? undefined : encodeNode(request.node);
  const versions = [...request.initialResourceVersions].sort(([a], [b]) => (a < b ? -1 : 1));
  const errorLength = request.errorDetail === undefined ? 0 : statusLength(request.errorDetail);
  let size = node === undefined ? 0 : delimitedSize(node.length);
  for (const name of request.subscribe) size += delimitedSize(textLength(name));
  for (const name of request.unsubscribe) size += delimitedSize(textLength(name));
  for (const [name, version] of versions) size += delimitedSize(pairLength(name, version));
  for (const text of [request.typeUrl, request.responseNonce]) if (text !== '') size += delimitedSize(textLength(text));
  if (request.errorDetail !== undefined) size += delimitedSize(errorLength);

  const writer = new WireWriter(size);
  if (node !== undefined) writer.bytes(1, node);
  if (request.typeUrl !== '') writer.text(2, request.typeUrl, textLength(request.typeUrl));
  for (const name of request.subscribe) writer.text(3, name, textLength(name));
  for (const name of request.unsubscribe) writer.text(4, name, textLength(name));
  for (const [name, version] of versions) {
    writer.open(5, pairLength(name, version));
    writer.text(1, name, textLength(name));
    writer.text(2, version, textLength(version));
  }
  if (request.responseNonce !== '') writer.text(6, request.responseNonce, textLength(request.responseNonce));
  if (request.errorDetail !== undefined) encodeStatus(writer, 7, request.errorDetail);
  return writer.finish();
}

function pairLength(name: string, version: string): number {
  return delimitedSize(textLength(name)) + delimitedSize(textLength(version));
}
