/** State-of-the-world messages as they pass through the relay; resources of them in the form in which they are kept (`Resource`). */
import {
  decodeStateResponse,
  encodeResource,
  encodeStateRequest,
  type StateRequest,
  WireReader,
} from '../../proto/index.ts';
import { nodeField, type RawResource, readResource } from './wire.ts';

export interface RawState {
  readonly typeUrl: string;
  readonly nonce: string;
  readonly versionInfo: string;
  readonly resources: readonly RawResource[];
}

const NAME_TAG = (1 << 3) | 2;
const WRAPPED_NAME_TAG = (3 << 3) | 2;
const ANY_TAG = (2 << 3) | 2;
const NODE_TAG = (2 << 3) | 2;
/** A resource with a name (and a time to live) around it. */
const WRAPPER = 'type.googleapis.com/envoy.service.discovery.v3.Resource';
const MAX_NAME_BYTES = 4_096;

/** Every type of xDS has its name in field 1. Undefined: this one has none, and is passed on without being kept. */
const nameOf = (value: Uint8Array, tagOfName: number): string | undefined => {
  const reader = new WireReader(value);
  try {
    while (reader.at < reader.end) {
      const tag = reader.tag();
      if (tag === tagOfName) return reader.text('resource name', MAX_NAME_BYTES);
      reader.skip(tag);
    }
  } catch {
    // What is inside a resource is Envoy's business.
  }
  return undefined;
};

/** Reads a DiscoveryResponse. Throws `TendrilError` `XDS_MALFORMED` or `XDS_LIMIT`. */
export const readState = (bytes: Uint8Array): RawState => {
  const { typeUrl, nonce, versionInfo, resources } = decodeStateResponse(bytes);
  return {
    ...{ typeUrl, nonce, versionInfo },
    resources: resources.flatMap((any) => {
      const name = nameOf(any.value, any.typeUrl === WRAPPER ? WRAPPED_NAME_TAG : NAME_TAG);
      if (name === undefined) return [];
      // Without the version of its response: a resource that stayed the same is not written again.
      return readResource(encodeResource({ name, version: '', typeUrl: any.typeUrl, body: any.value }));
    }),
  };
};

/** The `Any` inside the bytes of a `Resource`. Throws `TendrilError` `XDS_MALFORMED`. */
export const anyOf = (raw: Uint8Array): Uint8Array => {
  const reader = new WireReader(raw);
  while (reader.at < reader.end) {
    const tag = reader.tag();
    if (tag === ANY_TAG) return reader.bytes();
    reader.skip(tag);
  }
  return new Uint8Array(0);
};

/** The node of a DiscoveryRequest as it stands in its bytes, tag and length included. */
export const stateNodeField = (bytes: Uint8Array): Uint8Array => nodeField(bytes, NODE_TAG);

/** A DiscoveryRequest; `node`: what `stateNodeField` gave. */
export const stateRequest = (parts: Omit<StateRequest, 'node'>, node?: Uint8Array): Uint8Array => {
  const bytes = encodeStateRequest(parts);
  return node === undefined ? bytes : Buffer.concat([node, bytes]);
};
