/**
 * State hash: the sum, modulo 2^256, of SHA-256(key ‖ value) over all entities (design, section 6). Digests are read as
 * big-endian numbers. Order does not matter, and one changed entity costs one addition and one subtraction.
 */
import * as crypto from 'node:crypto';

/** 32-bit words of one digest, least significant first. */
export const LANES = 8;
export const TERM_BYTES = 32;
const TWO_32 = 2 ** 32;

/** One call instead of an object with a state, where Node has it (20.12 and later). */
const sha256: (data: Uint8Array) => Buffer =
  typeof crypto.hash === 'function'
    ? (data) => crypto.hash('sha256', data, 'buffer')
    : (data) => crypto.createHash('sha256').update(data).digest();

let scratch = Buffer.alloc(8192);

/** SHA-256(key ‖ value): checksum of an entity and its term of the state hash. */
export const entityTerm = (key: string, value: Uint8Array): Buffer => {
  const most = 3 * key.length + value.length;
  if (scratch.length < most) scratch = Buffer.alloc(2 * most);
  const keyBytes = scratch.write(key, 0, 'utf8');
  scratch.set(value, keyBytes);
  return sha256(scratch.subarray(0, keyBytes + value.length));
};

/** Writes a digest into `lanes` from index `at` on. */
export const digestToLanes = (digest: Uint8Array, lanes: Uint32Array, at: number): void => {
  for (let lane = 0; lane < LANES; lane++) {
    const byte = 4 * (LANES - 1 - lane);
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
