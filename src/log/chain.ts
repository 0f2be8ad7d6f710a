/**
 * Hash chain over the log: chain_n = SHA-256(chain_{n-1} ‖ bytes_n), chain_0 = 32 zero bytes (design, section 5). Each follower
 * computes it and keeps it with its projection; equal chains at an offset prove equal logs up to it.
 */
import * as crypto from 'node:crypto';

export const CHAIN_BYTES = 32;

/** The chain before the first record. */
export const chainStart = (): Buffer => Buffer.alloc(CHAIN_BYTES);

/** One call instead of an object with a state (Node 20.12 and later), and text instead of a buffer of its own: 0.9 µs against 1.4 µs. */
const sha256: (data: Uint8Array) => Buffer =
  typeof crypto.hash === 'function'
    ? (data) => Buffer.from(crypto.hash('sha256', data, 'binary'), 'latin1')
    : (data) => crypto.createHash('sha256').update(data).digest();

/** Input of the hash, used again from call to call. */
let scratch = Buffer.alloc(4096);

/** The chain after a record with these bytes (`LogRecord.bytes`). */
export const nextChain = (previous: Uint8Array, bytes: Uint8Array): Buffer => {
  const length = CHAIN_BYTES + bytes.length;
  if (scratch.length < length) scratch = Buffer.alloc(2 * length);
  scratch.set(previous, 0);
  scratch.set(bytes, CHAIN_BYTES);
  return sha256(scratch.subarray(0, length));
};
