/**
 * Framing of every value in an environment: `[checksum, 4 bytes little endian][body]`. LMDB itself has no checksums: 17 of 20
 * images with one flipped bit opened and gave wrong values (reference/reliability.md, finding 2).
 *
 * The checksum covers key and body, so a record that turns up under another key is found too.
 */
import { crc32 } from './crc32.ts';

/** A number sorts before every text; an array sorts by its parts. */
export type TableKey = number | string | readonly (number | string)[];

/** Bytes in front of the body that `seal` fills. */
export const CHECKSUM_BYTES = 4;

const seedOf = (key: TableKey): number => {
  if (typeof key === 'number') return key >>> 0;
  if (typeof key === 'string') return crc32(key);
  // Two parts are the common case, and `join` costs as much as the checksum.
  return crc32(key.length === 2 ? `${key[0]}\0${key[1]}` : key.join('\0'));
};

const checksumOf = (key: TableKey, framed: Uint8Array): number => crc32(framed.subarray(CHECKSUM_BYTES), seedOf(key));

/** Writes the checksum into the first four bytes of `framed`, whose rest is the body. */
export const seal = (key: TableKey, framed: Uint8Array): void => {
  const sum = checksumOf(key, framed);
  framed[0] = sum;
  framed[1] = sum >>> 8;
  framed[2] = sum >>> 16;
  framed[3] = sum >>> 24;
};

/** A framed copy of `body`. */
export const frame = (key: TableKey, body: Uint8Array): Buffer => {
  const framed = Buffer.allocUnsafe(CHECKSUM_BYTES + body.length);
  framed.set(body, CHECKSUM_BYTES);
  seal(key, framed);
  return framed;
};

/** True when the checksum fits key and body. */
export const isIntact = (key: TableKey, framed: Uint8Array): boolean => {
  if (framed.length < CHECKSUM_BYTES) return false;
  const [a = 0, b = 0, c = 0, d = 0] = framed;
  return checksumOf(key, framed) === (a | (b << 8) | (c << 16) | (d << 24)) >>> 0;
};

/** `key` as it stands in messages. */
export const showKey = (key: TableKey): string => (Array.isArray(key) ? key.join('/') : String(key));
