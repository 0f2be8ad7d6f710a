/**
 * State hash: the sum, modulo 2^256, of SHA-256(key ‖ value) over all entities (design, section 6). Digests are read as
 * big-endian numbers. Order does not matter, and one changed entity costs one addition and one subtraction.
 */
import * as crypto from 'node:crypto';
import { CHECKSUM_BYTES } from '../store/index.ts';
import type { Slab } from './slab.ts';

/** 32-bit words of one digest, least significant first. */
export const LANES = 8;
export const TERM_BYTES = 32;
const TWO_32 = 2 ** 32;

/** One call instead of an object with a state, where Node has it (20.12 and later); text instead of a buffer saves a quarter. */
const sha256: (data: Uint8Array) => string =
  typeof crypto.hash === 'function'
    ? (data) => crypto.hash('sha256', data, 'binary')
    : (data) => crypto.createHash('sha256').update(data).digest('binary');

let scratch = Buffer.alloc(8192);

/** SHA-256(key ‖ value) as text of 32 characters (latin1). */
const digestOf = (key: string, value: Uint8Array): string => {
  const most = 3 * key.length + value.length;
  if (scratch.length < most) scratch = Buffer.alloc(2 * most);
  const keyBytes = scratch.write(key, 0, 'utf8');
  scratch.set(value, keyBytes);
  return sha256(scratch.subarray(0, keyBytes + value.length));
};

/** SHA-256(key ‖ value): checksum of an entity and its term of the state hash. */
export const entityTerm = (key: string, value: Uint8Array): Buffer => Buffer.from(digestOf(key, value), 'latin1');

/** Place of the term in a framed entity, and of its bytes. */
export const FRAMED_TERM_AT = CHECKSUM_BYTES;
export const FRAMED_BYTES_AT = CHECKSUM_BYTES + TERM_BYTES;

/** An entity as stored: room for the store's checksum, its term, its bytes. */
export const frameEntity = (key: string, value: Uint8Array, slab: Slab): Buffer => {
  const framed = slab.take(FRAMED_BYTES_AT + value.length);
  framed.write(digestOf(key, value), FRAMED_TERM_AT, 'latin1');
  framed.set(value, FRAMED_BYTES_AT);
  return framed;
};

/** Writes the digest at byte `from` into `lanes` from index `at` on. */
export const digestToLanes = (digest: Uint8Array, lanes: Uint32Array, at: number, from = 0): void => {
  for (let lane = 0; lane < LANES; lane++) {
    const byte = from + 4 * (LANES - 1 - lane);
    lanes[at + lane] =
      (((digest[byte] ?? 0) << 24) |
        ((digest[byte + 1] ?? 0) << 16) |
        ((digest[byte + 2] ?? 0) << 8) |
        (digest[byte + 3] ?? 0)) >>>
      0;
  }
};

/** The running sum. */
export class StateHash {
  readonly #sum = new Uint32Array(LANES);

  /** Adds the term at index `at` of `lanes`. */
  add(lanes: Uint32Array, at = 0): void {
    let carry = 0;
    for (let lane = 0; lane < LANES; lane++) {
      const sum = (this.#sum[lane] ?? 0) + (lanes[at + lane] ?? 0) + carry;
      this.#sum[lane] = sum;
      carry = sum >= TWO_32 ? 1 : 0;
    }
  }

  subtract(lanes: Uint32Array, at = 0): void {
    let borrow = 0;
    for (let lane = 0; lane < LANES; lane++) {
      const rest = (this.#sum[lane] ?? 0) - (lanes[at + lane] ?? 0) - borrow;
      this.#sum[lane] = rest;
      borrow = rest < 0 ? 1 : 0;
    }
  }

  /** Big endian, 32 bytes. */
  bytes(): Buffer {
    const bytes = Buffer.allocUnsafe(TERM_BYTES);
    for (let lane = 0; lane < LANES; lane++) bytes.writeUInt32BE(this.#sum[lane] ?? 0, 4 * (LANES - 1 - lane));
    return bytes;
  }

  /** 64 hexadecimal digits. */
  hex(): string {
    return this.bytes().toString('hex');
  }
}
