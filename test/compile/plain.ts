/** Generated messages as plain JSON values, for comparing and for golden files: unset fields left out, `Any` opened. */
import {
  Cluster,
  ClusterLoadAssignment,
  envoy,
  google,
  type IAny,
  Listener,
  RouteConfiguration,
  VirtualHost,
} from '../../src/proto/index.ts';

interface Decoder {
  decode(bytes: Uint8Array): object;
}

const isDecoder = (value: unknown): value is Decoder =>
  (typeof value === 'function' || (typeof value === 'object' && value !== null)) &&
  typeof (value as Partial<Decoder>).decode === 'function';

const decoderOf = (typeUrl: string): Decoder => {
  let at: unknown = { envoy, google };
  for (const part of typeUrl.slice(typeUrl.indexOf('/') + 1).split('.')) at = (at as Record<string, unknown>)[part];
  if (!isDecoder(at)) throw new Error(`no message ${typeUrl}`);
  return at;
};

const isAny = (value: object): value is { readonly typeUrl: string; readonly value: Uint8Array } =>
  'typeUrl' in value && 'value' in value && (value as IAny).value instanceof Uint8Array;

/** Lists and maps (not messages) without entries: what decoding puts where nothing was sent. */
const isEmptyField = (value: unknown): boolean => {
  if (Array.isArray(value)) return value.length === 0;
  if (typeof value !== 'object' || value === null) return value === null || value === undefined;
  const prototype: unknown = Object.getPrototypeOf(value);
  return (prototype === Object.prototype || prototype === null) && Object.keys(value).length === 0;
};

/** Fields that are set, in the order in which they were read. */
export const plain = (value: unknown): unknown => {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== 'object') return value;
  if (isAny(value)) {
    const inner = plain(decoderOf(value.typeUrl).decode(value.value));
    return { '@type': value.typeUrl, ...(inner as object) };
  }
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, item]) => !isEmptyField(item))
      .map(([key, item]) => [key, plain(item)]),
  );
};

const RESOURCE_TYPES = {
  cds: Cluster,
  eds: ClusterLoadAssignment,
  local: ClusterLoadAssignment,
  vhds: VirtualHost,
  lds: Listener,
  rds: RouteConfiguration,
} as const;

export const plainResource = (type: keyof typeof RESOURCE_TYPES, body: Uint8Array): unknown =>
  plain(RESOURCE_TYPES[type].decode(body));

/** The canonical bytes of what the bytes say: equal to them, or they were not canonical. */
export const recoded = (type: keyof typeof RESOURCE_TYPES, body: Uint8Array): Uint8Array => {
  const {
    decode,
    encode,
  }: { decode: (bytes: Uint8Array) => object; encode: (message: never) => { finish(): Uint8Array } } =
    RESOURCE_TYPES[type];
  return encode(decode(body) as never).finish();
};
