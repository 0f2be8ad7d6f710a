/** Records of the cache on disk, and its problems in the words of the client. */
import { TendrilError } from '../model/basics.ts';
import type { HeldResource } from './config-source.ts';

export interface CacheProblem {
  /** `CACHE_FOREIGN`, `CACHE_IN_USE`, `CACHE_CORRUPT`, `CACHE_UNUSABLE`, `CACHE_FULL`. */
  readonly code: string;
  readonly message: string;
  readonly remedy: string;
}

const REMEDIES: Readonly<Record<string, string>> = {
  CACHE_FOREIGN: 'give every client and agent a folder of its own, or remove this one if nobody needs it any more',
  CACHE_IN_USE: 'give every client and agent a folder of its own',
  CACHE_CORRUPT: 'nothing to do: it is made again from the control plane; look at the disk if it comes again',
  CACHE_FULL: 'free space on the disk; writing goes on by itself',
  CACHE_UNUSABLE: 'make the folder readable and writable for this user, on a local disk',
};

const CODES: Readonly<Record<string, string>> = {
  MESH_MISMATCH: 'CACHE_FOREIGN',
  DATA_FOREIGN: 'CACHE_FOREIGN',
  DATA_FROM_NEWER_VERSION: 'CACHE_FOREIGN',
  LOG_LOCKED: 'CACHE_IN_USE',
  DATA_CORRUPT: 'CACHE_CORRUPT',
  CORRUPT_RECORD: 'CACHE_CORRUPT',
  DISK_FULL: 'CACHE_FULL',
};

export const problemOf = (code: string, message: string): CacheProblem => ({
  code,
  message,
  remedy: REMEDIES[code] ?? '',
});

/** What the store throws, as a problem of the cache of a client or an agent; anything else is `CACHE_UNUSABLE`. */
export const problemFrom = (error: unknown): CacheProblem => {
  const found = error instanceof TendrilError ? CODES[error.code] : undefined;
  return problemOf(found ?? 'CACHE_UNUSABLE', error instanceof Error ? error.message : String(error));
};

/** `[length of version, 2 bytes][version][body]`, with `room` bytes in front. */
export const encodeRecord = ({ version, body }: HeldResource, room: number): Buffer => {
  const length = Buffer.byteLength(version);
  const record = Buffer.allocUnsafe(room + 2 + length + body.length);
  record.writeUInt16LE(length, room);
  record.write(version, room + 2);
  record.set(body, room + 2 + length);
  return record;
};

/** `body` is a view into the record. */
export const decodeRecord = (name: string, record: Buffer): HeldResource => {
  const end = 2 + record.readUInt16LE(0);
  const body = new Uint8Array(record.buffer, record.byteOffset + end, record.length - end);
  return { name, version: record.toString('utf8', 2, end), body };
};
