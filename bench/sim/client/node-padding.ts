/**
 * The list of compiled-in extensions that a stock Envoy (1.36) puts into its node: 61 KB on the first message of each stream, most of what a
 * reconnect costs in bytes. Made up, of that size and shape; a server that looks at it pays what it would pay for the real one.
 */
import { encodeDeltaRequest } from '../../../src/proto/index.ts';

/** First message of an Envoy with a short id, bytes. */
const ENVOY_FIRST_MESSAGE = 61_174;
const LENGTH_DELIMITED = 2;

const field = (number: number, bytes: Uint8Array): Buffer => {
  const head = [(number << 3) | LENGTH_DELIMITED];
  let { length } = bytes;
  for (; length > 127; length >>>= 7) head.push((length & 127) | 128);
  head.push(length);
  return Buffer.concat([Buffer.from(head), bytes]);
};

/** `Extension {name 1, category 2, type_urls 7}`, field 9 of Node. */
const extension = (index: number): Buffer =>
  field(
    9,
    Buffer.concat([
      field(1, Buffer.from(`envoy.filters.simulated.extension_${index}`)),
      field(2, Buffer.from('envoy.filters.simulated')),
      field(7, Buffer.from(`envoy.extensions.filters.simulated.v3.Extension${index}`)),
    ]),
  );

const list = (): Buffer => {
  const parts: Buffer[] = [];
  const overhead = 300;
  for (let size = overhead, index = 0; size < ENVOY_FIRST_MESSAGE; index++) {
    const next = extension(index);
    size += next.length;
    parts.push(next);
  }
  return Buffer.concat(parts);
};

/** Field 1 (node) of a DeltaDiscoveryRequest once more: repeated on the wire, it merges into the node before it. */
export const NODE_PADDING: Buffer = field(1, list());

export const withPadding = (request: Parameters<typeof encodeDeltaRequest>[0]): Uint8Array =>
  Buffer.concat([encodeDeltaRequest(request), NODE_PADDING]);
