/** Canonical bytes: equal messages give equal bytes on every replica and after every restart, so a hash of them is a version. */
import * as crypto from 'node:crypto';
import type { ProtoWriter } from './generated/envoy.js';
import { type IAny, type IVirtualHost, VirtualHost } from './messages.ts';

/** A generated message class, as far as encoding needs it. */
export interface ProtoEncoder<T> {
  readonly encode: (message: T, writer?: ProtoWriter) => ProtoWriter;
}

/**
 * Encodes deterministically: fields by number, map keys sorted (UTF-16 order) at any depth, proto3 defaults left out, no unknown
 * fields. The sorting is part of the generated encoders (scripts/generate-proto.mjs); messages without maps pay nothing for it.
 */
export function encodeCanonical<T>(type: ProtoEncoder<T>, message: NoInfer<T>): Uint8Array {
  return type.encode(message).finish();
}

/** A `google.protobuf.Any` around bytes already encoded. */
export function anyOf(typeUrl: string, value: Uint8Array): IAny {
  return { typeUrl, value };
}

/** Encodes a message canonically into a `google.protobuf.Any`. */
export function packAny<T>(typeUrl: string, type: ProtoEncoder<T>, message: NoInfer<T>): IAny {
  return { typeUrl, value: encodeCanonical(type, message) };
}

/** base64url. One call instead of an object with a state, where Node has it (20.12 and later). */
const sha256: (data: Uint8Array) => string =
  typeof crypto.hash === 'function'
    ? (data) => crypto.hash('sha256', data, 'base64url')
    : (data) => crypto.createHash('sha256').update(data).digest('base64url');

/** Input of the hash, used again from call to call. */
let scratch = Buffer.alloc(16_384);

/**
 * Content version: SHA-256, cut to 12 bytes, base64url: 16 characters. Each part is hashed with its length (4 bytes, big-endian)
 * before it, so ['ab', 'c'] and ['a', 'bc'] differ. No salt, no counter, no time (design, principle 3).
 */
export function contentVersion(parts: readonly Uint8Array[]): string {
  let size = 0;
  for (const part of parts) size += 4 + part.length;
  if (scratch.length < size) scratch = Buffer.alloc(2 * size);
  let at = 0;
  for (const part of parts) {
    at = scratch.writeUInt32BE(part.length, at);
    scratch.set(part, at);
    at += part.length;
  }
  // 12 bytes are exactly 16 characters.
  return sha256(scratch.subarray(0, size)).slice(0, 16);
}

/** The canonical bytes of a virtual host without its name, for `encodeVirtualHostResource`. */
export function virtualHostTail(virtualHost: Omit<IVirtualHost, 'name'>): Uint8Array {
  return encodeCanonical(VirtualHost, { ...virtualHost, name: null });
}
