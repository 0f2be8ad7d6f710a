/**
 * Rows of the history index: (owner, offset) -> an event of that owner, or an image of an entity at that offset.
 *
 * 12 bytes each, in the machine's order of bytes (little endian on all that Node supports): `hash of the owner u32 · offset u48 ·
 * kind u16`, sorted by hash, then offset. Several events in a
 * row of one owner are neighbours, so finding them is a binary search that touches a few bytes. A hash is no proof: whoever
 * finds a row reads the event (or image) and compares the name.
 *
 * Owner: what is folded together. Of an endpoint event it is the service's endpoints, of an edge event the caller's edges, of all
 * others the subject itself. The kind tells the subjects of one owner apart. Events that take something away have a second row, by
 * family.
 */
import { concatenate } from './tiers.ts';

const ROW_BYTES = 12;
const ROW_WORDS = 3;
const TWO_32 = 2 ** 32;
/** The row stands for an image of an entity, stored under the same offset. */
export const KIND_IMAGE = 0;
/** The entity was removed with this offset. */
export const KIND_GONE = 1;
/** The event is of a family (`removalsOf`). */
export const KIND_REMOVAL = 2;
const FIRST_SUBJECT_KIND = 3;
const KINDS = 0x1_0000 - FIRST_SUBJECT_KIND;

/** FNV-1a over UTF-16 code units: only our own memory and files depend on it. */
const FNV_START = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

const fnv = (text: string, from: number, to: number, start: number): number => {
  let hash = start;
  for (let at = from; at < to; at++) hash = Math.imul(hash ^ text.charCodeAt(at), FNV_PRIME);
  return hash >>> 0;
};

export const hashOf = (text: string): number => fnv(text, 0, text.length, FNV_START);

/** Length of the owner in front of a subject. */
const ownerLength = (subject: string): number => {
  const slashes = subject.startsWith('endpoint/') ? 3 : subject.startsWith('edge/') ? 2 : 0;
  if (slashes === 0) return subject.length;
  let at = -1;
  for (let seen = 0; seen < slashes; seen++) {
    at = subject.indexOf('/', at + 1);
    if (at < 0) return subject.length;
  }
  return at;
};

export const ownerOf = (subject: string): string => subject.slice(0, ownerLength(subject));

/**
 * Families of events that take something away, and of puts of raw resources, which a `resource.clear` does not name. What is gone has no
 * key in the state any more: their rows name the events that knew it. `policy/<Kind>`, and `endpoint/<namespace>/<service>` for one service.
 */
export type Removal = 'edge' | 'service' | 'raw' | 'raw-put' | `policy/${string}` | `endpoint/${string}`;

export const removalOwner = (family: Removal): number => hashOf(`removed ${family}`);

const NO_FAMILY: readonly Removal[] = [];
const EDGE: readonly Removal[] = ['edge'];
const SERVICE: readonly Removal[] = ['service'];
const RAW: readonly Removal[] = ['raw'];
const RAW_PUT: readonly Removal[] = ['raw-put'];

/** The families of an event; mostly none. */
export const removalsOf = (type: string, subject: string): readonly Removal[] => {
  switch (type) {
    case 'dependency.withdrawn':
      return EDGE;
    case 'service.deregistered':
      return SERVICE;
    case 'endpoint.deregistered':
    case 'endpoint.expired':
      return [ownerOf(subject) as Removal];
    case 'resource.delete':
    case 'resource.clear':
      return RAW;
    case 'resource.put':
      return RAW_PUT;
    case 'policy.deleted': {
      const kind = subject.slice('policy/'.length, subject.indexOf('/', 'policy/'.length));
      return kind === 'Service' ? ['policy/Service', 'service'] : [`policy/${kind}`];
    }
    default:
      return NO_FAMILY;
  }
};

export interface SubjectHash {
  readonly owner: number;
  readonly kind: number;
}

export const hashSubject = (subject: string): SubjectHash => {
  const length = ownerLength(subject);
  const owner = fnv(subject, 0, length, FNV_START);
  const whole = fnv(subject, length, subject.length, owner);
  return { owner, kind: FIRST_SUBJECT_KIND + (whole % KINDS) };
};

export interface HistoryRow {
  readonly offset: number;
  readonly kind: number;
}

/** Rows of one commit, in order of offset, before they are packed. */
export class RowCollector {
  #hashes: number[] = [];
  #offsets: number[] = [];
  #kinds: number[] = [];

  get size(): number {
    return this.#hashes.length;
  }

  add(hash: number, offset: number, kind: number): void {
    this.#hashes.push(hash);
    this.#offsets.push(offset);
    this.#kinds.push(kind);
  }

  addSubject(subject: string, offset: number): void {
    const { owner, kind } = hashSubject(subject);
    this.add(owner, offset, kind);
  }

  /** The pack; the collector is empty afterwards. `places`: see `sortRows`. */
  pack(places = PLACES): Uint8Array {
    const { length } = this.#hashes;
    const words = new Uint32Array(length * ROW_WORDS);
    for (let row = 0; row < length; row++) {
      const at = row * ROW_WORDS;
      const offset = this.#offsets[row] ?? 0;
      words[at] = this.#hashes[row] ?? 0;
      words[at + 1] = offset % TWO_32;
      words[at + 2] = Math.floor(offset / TWO_32) | ((this.#kinds[row] ?? 0) << 16);
    }
    this.#hashes = [];
    this.#offsets = [];
    this.#kinds = [];
    return sortRows(words, places);
  }
}

/** Room for the place beside a 32-bit hash in one double. */
const PLACES = 2 ** 21;

/** Places of the rows by their hashes, for at most `PLACES` rows. */
const orderOf = (words: Uint32Array, count: number): Uint32Array => {
  const keys = new Float64Array(count);
  for (let row = 0; row < count; row++) keys[row] = (words[row * ROW_WORDS] ?? 0) * PLACES + row;
  keys.sort();
  return Uint32Array.from(keys, (key) => key % PLACES);
};

/** The same for any number of rows: sorted by the lower half of the hash, then, keeping that order, by the upper. */
const orderOfMany = (words: Uint32Array, count: number): Uint32Array => {
  let order = Uint32Array.from({ length: count }, (_, row) => row);
  for (const shift of [0, 16]) {
    const halfOf = (row: number): number => ((words[row * ROW_WORDS] ?? 0) >>> shift) & 0xffff;
    const places = new Uint32Array(0x1_0001);
    for (let row = 0; row < count; row++) {
      const above = halfOf(row) + 1;
      places[above] = (places[above] ?? 0) + 1;
    }
    for (let half = 1; half < places.length; half++) places[half] = (places[half] ?? 0) + (places[half - 1] ?? 0);
    const next = new Uint32Array(count);
    for (const row of order) {
      const half = halfOf(row);
      const place = places[half] ?? 0;
      next[place] = row;
      places[half] = place + 1;
    }
    order = next;
  }
  return order;
};

/**
 * Sorted by hash; rows of equal hash keep their order, which is that of offsets.
 * @param places most rows that are sorted by one double each
 */
const sortRows = (words: Uint32Array, places = PLACES): Uint8Array => {
  const count = words.length / ROW_WORDS;
  const order = count <= places ? orderOf(words, count) : orderOfMany(words, count);
  const sorted = new Uint32Array(words.length);
  for (let row = 0; row < count; row++) {
    const from = (order[row] ?? 0) * ROW_WORDS;
    const to = row * ROW_WORDS;
    sorted[to] = words[from] ?? 0;
    sorted[to + 1] = words[from + 1] ?? 0;
    sorted[to + 2] = words[from + 2] ?? 0;
  }
  return new Uint8Array(sorted.buffer);
};

/** One pack of several, given in ascending order of offsets. */
export const joinRows = (parts: readonly Uint8Array[]): Uint8Array =>
  sortRows(new Uint32Array(concatenate(parts).buffer));

/** The rows of a pack with offsets above `after`. */
export const rowsAbove = (bytes: Uint8Array, after: number): Uint8Array => {
  const pack = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const kept: Uint8Array[] = [];
  for (let at = 0; at < pack.length; at += ROW_BYTES)
    if (pack.readUIntLE(at + 4, 6) > after) kept.push(pack.subarray(at, at + ROW_BYTES));
  return concatenate(kept);
};

/**
 * Calls `take` with every row of events of subjects in a pack, but for their families: in order of owners, then offsets.
 * @param mark tells subjects apart, by owner and kind
 */
export const eachSubjectRow = (bytes: Uint8Array, take: (mark: number, offset: number) => void): void => {
  const pack = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at < pack.length; at += ROW_BYTES) {
    const kind = pack.readUInt16LE(at + 10);
    if (kind >= FIRST_SUBJECT_KIND) take(pack.readUInt32LE(at) * 0x1_0000 + kind, pack.readUIntLE(at + 4, 6));
  }
};

/** A pack as words, for `hasEventAbove`. */
export const wordsOf = (bytes: Uint8Array): Uint32Array => {
  const words = new Uint32Array(bytes.length / 4);
  new Uint8Array(words.buffer).set(bytes);
  return words;
};

/** True when a pack (`wordsOf`) has an event of this owner with an offset above `after`. */
export const hasEventAbove = (words: Uint32Array, hash: number, after: number): boolean => {
  let low = 0;
  let high = words.length / ROW_WORDS;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((words[middle * ROW_WORDS] ?? 0) < hash) low = middle + 1;
    else high = middle;
  }
  for (let at = low * ROW_WORDS; at < words.length && words[at] === hash; at += ROW_WORDS) {
    const upper = words[at + 2] ?? 0;
    const offset = (upper & 0xffff) * TWO_32 + (words[at + 1] ?? 0);
    if (offset > after && upper >>> 16 >= FIRST_SUBJECT_KIND) return true;
  }
  return false;
};

/** Rows of an owner in a pack, ascending by offset. */
export const findRows = (bytes: Uint8Array, hash: number): HistoryRow[] => {
  const pack = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  let low = 0;
  let high = pack.length / ROW_BYTES;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (pack.readUInt32LE(middle * ROW_BYTES) < hash) low = middle + 1;
    else high = middle;
  }
  const found: HistoryRow[] = [];
  for (let at = low * ROW_BYTES; at < pack.length && pack.readUInt32LE(at) === hash; at += ROW_BYTES) {
    found.push({ offset: pack.readUIntLE(at + 4, 6), kind: pack.readUInt16LE(at + 10) });
  }
  return found;
};
