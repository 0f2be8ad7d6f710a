/** A raw resource and a set of them as the fold keeps them, and their bytes: `[header length u32][header as JSON][body]`. */
import type { RawResource } from '../../compile/index.ts';
import { canonicalJson } from '../../model/index.ts';

export interface RawEntity extends RawResource {
  /** Of the last `resource.put` of it. */
  readonly offset: number;
  readonly recordedAt: number;
  readonly source: string;
  readonly reason?: string;
}

/** The resource alone. */
export const contentOf = ({ version, body, domains, clusters, eds }: RawEntity): RawResource => ({
  version,
  body,
  ...(domains === undefined ? {} : { domains }),
  ...(clusters === undefined ? {} : { clusters }),
  ...(eds === undefined ? {} : { eds }),
});

/** All raw resources of one node and type; there while it has names or a label. */
export interface RawSetEntity {
  /** `version` of the last event of the node and type. */
  readonly label?: string;
  /** Of that event. */
  readonly offset: number;
}

const HEADER_BYTES = 4;
const decoder = new TextDecoder('utf-8', { fatal: true });

export const encodeRaw = ({ body, ...header }: RawEntity): Uint8Array => {
  const text = canonicalJson(header);
  const length = Buffer.byteLength(text);
  const bytes = Buffer.allocUnsafe(HEADER_BYTES + length + body.length);
  bytes.writeUInt32LE(length, 0);
  bytes.write(text, HEADER_BYTES, 'utf8');
  bytes.set(body, HEADER_BYTES + length);
  return bytes;
};

/** `body` is a copy. @throws RangeError, SyntaxError, TypeError */
export const decodeRaw = (bytes: Uint8Array): RawEntity => {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const bodyAt = HEADER_BYTES + view.readUInt32LE(0);
  if (bodyAt > bytes.length) throw new RangeError('the header is longer than the entity');
  const header = JSON.parse(decoder.decode(bytes.subarray(HEADER_BYTES, bodyAt))) as Omit<RawEntity, 'body'>;
  return { ...header, body: Uint8Array.from(bytes.subarray(bodyAt)) };
};
