/** Discovery messages as they pass through the relay: read without being taken apart, and put together from parts kept as bytes. */
import {
  composeDeltaResponse,
  type DeltaRequest,
  decodeDeltaResponse,
  encodeDeltaRequest,
  WireReader,
} from '../../proto/index.ts';

/** One resource of a response with its own bytes (`envoy.service.discovery.v3.Resource`, aliases included). */
export interface RawResource {
  readonly name: string;
  readonly version: string;
  readonly aliases: readonly string[];
  /** False: "this name does not exist" (VHDS). */
  readonly hasBody: boolean;
  /** A view into the message it came in: copy what you keep. */
  readonly raw: Uint8Array;
}

export interface RawResponse {
  readonly typeUrl: string;
  readonly nonce: string;
  readonly resources: readonly RawResource[];
  readonly removed: readonly string[];
}

const NODE_TAG = (1 << 3) | 2;
const RESOURCES_TAG = (2 << 3) | 2;

/** Reads a DeltaDiscoveryResponse. Throws `TendrilError` `XDS_MALFORMED` or `XDS_LIMIT`. */
export const readResponse = (bytes: Uint8Array): RawResponse => {
  const { typeUrl, nonce, resources, removed } = decodeDeltaResponse(bytes);
  const raws: Uint8Array[] = [];
  const reader = new WireReader(bytes);
  while (reader.at < reader.end) {
    const tag = reader.tag();
    if (tag === RESOURCES_TAG) raws.push(reader.bytes());
    else reader.skip(tag);
  }
  return {
    typeUrl,
    nonce,
    removed,
    resources: resources.map(({ name, version, aliases, body }, at) => ({
      ...{ name, version, aliases },
      hasBody: body !== undefined,
      raw: raws[at] ?? new Uint8Array(0),
    })),
  };
};

/** A resource out of bytes that were kept. Throws `TendrilError` `XDS_MALFORMED` or `XDS_LIMIT`. */
export const readResource = (raw: Uint8Array): RawResource => {
  const [resource] = readResponse(
    composeDeltaResponse({ typeUrl: '', nonce: '', resources: [raw], removed: [] }),
  ).resources;
  return { ...(resource as RawResource), raw };
};

/** The node of a request as it stands in its bytes, tag and length included: it goes in front of another request. */
export const nodeField = (bytes: Uint8Array, nodeTag = NODE_TAG): Uint8Array => {
  const parts: Uint8Array[] = [];
  const reader = new WireReader(bytes);
  while (reader.at < reader.end) {
    const start = reader.at;
    const tag = reader.tag();
    reader.skip(tag);
    if (tag === nodeTag) parts.push(bytes.subarray(start, reader.at));
  }
  return Buffer.concat(parts);
};

export type RequestParts = Partial<Omit<DeltaRequest, 'node'>> & Pick<DeltaRequest, 'typeUrl'>;

/** A DeltaDiscoveryRequest; `node`: what `nodeField` gave. */
export const request = (parts: RequestParts, node?: Uint8Array): Uint8Array => {
  const bytes = encodeDeltaRequest({
    subscribe: [],
    unsubscribe: [],
    initialResourceVersions: new Map(),
    responseNonce: '',
    ...parts,
  });
  return node === undefined ? bytes : Buffer.concat([node, bytes]);
};

/** Bytes of resources in one response made here. */
const RESPONSE_BYTES = 4 * 2 ** 20;

/** Resources of one answer in responses of a bounded size; one at least, which may be empty. */
export const partsOf = (resources: readonly RawResource[]): RawResource[][] => {
  let part: RawResource[] = [];
  let bytes = 0;
  const parts = [part];
  for (const resource of resources) {
    if (bytes > 0 && bytes + resource.raw.length > RESPONSE_BYTES) {
      part = [];
      bytes = 0;
      parts.push(part);
    }
    part.push(resource);
    bytes += resource.raw.length;
  }
  return parts;
};
