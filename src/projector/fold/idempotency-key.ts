/** Fingerprint of (source, id): the first 128 bits of SHA-256, so that nobody can make two events share one on purpose. */

import * as crypto from 'node:crypto';
import { createHash } from 'node:crypto';

/** Four 32-bit words. */
export type Fingerprint = Uint32Array;

/** `crypto.hash` costs half of `createHash`; Node has it from 20.12 on. */
const digest: (text: string) => string =
  typeof crypto.hash === 'function'
    ? (text) => crypto.hash('sha256', text, 'binary')
    : (text) => createHash('sha256').update(text).digest('binary');

const word = (text: string, at: number): number =>
  (text.charCodeAt(at) << 24) |
  (text.charCodeAt(at + 1) << 16) |
  (text.charCodeAt(at + 2) << 8) |
  text.charCodeAt(at + 3);

/** Writes the fingerprint of an event into `into`. The length in front keeps ("a", "bc") and ("ab", "c") apart. */
export const fingerprint = (source: string, id: string, into: Fingerprint): void => {
  const text = digest(`${source.length}\n${source}${id}`);
  into[0] = word(text, 0);
  into[1] = word(text, 4);
  into[2] = word(text, 8);
  into[3] = word(text, 12);
};
