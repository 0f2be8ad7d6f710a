/** Damages protobuf messages, blindly and by their structure. */
import type { Random } from './random.ts';

/** Bytes of top-level fields, tag included. Undefined: not well-formed. */
const fieldsOf = (bytes: Uint8Array): Uint8Array[] | undefined => {
  const fields: Uint8Array[] = [];
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = bytes[at++];
      if (byte === undefined) return -1;
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
    return -1;
  };
  while (at < bytes.length) {
    const start = at;
    const tag = varint();
    if (tag < 0) return undefined;
    const wire = tag & 7;
    if (wire === 0) varint();
    else if (wire === 1) at += 8;
    else if (wire === 5) at += 4;
    else if (wire === 2) {
      const length = varint();
      if (length < 0) return undefined;
      at += length;
    } else return undefined;
    if (at > bytes.length) return undefined;
    fields.push(bytes.subarray(start, at));
  }
  return fields;
};

/** A copy: `slice` of a Buffer is none. */
const copy = (bytes: Uint8Array): Uint8Array => new Uint8Array(bytes);

const join = (parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts));

type Mutation = (bytes: Uint8Array, random: Random) => Uint8Array;

const flipBits: Mutation = (bytes, random) => {
  const out = copy(bytes);
  for (let count = 1 + random.below(8); count > 0 && out.length > 0; count--) {
    const at = random.below(out.length);
    out[at] = (out[at] ?? 0) ^ (1 << random.below(8));
  }
  return out;
};

const truncate: Mutation = (bytes, random) => bytes.subarray(0, random.below(bytes.length + 1));

const insert: Mutation = (bytes, random) => {
  const at = random.below(bytes.length + 1);
  const noise = Uint8Array.from({ length: 1 + random.below(16) }, () => random.below(256));
  return join([bytes.subarray(0, at), noise, bytes.subarray(at)]);
};

/** Lengths and numbers far too large, or without an end. */
const hugeVarint: Mutation = (bytes, random) => {
  const at = random.below(bytes.length + 1);
  const length = 1 + random.below(11);
  const huge = Uint8Array.from({ length }, (_, index) => (index === length - 1 ? random.below(256) : 255));
  return join([bytes.subarray(0, at), huge, bytes.subarray(at + 1)]);
};

const onFields =
  (change: (fields: Uint8Array[], random: Random) => void): Mutation =>
  (bytes, random) => {
    const fields = fieldsOf(bytes);
    if (fields === undefined || fields.length === 0) return flipBits(bytes, random);
    change(fields, random);
    return join(fields);
  };

const duplicate = onFields((fields, random) => {
  const copies = 1 + random.below(4);
  const field = random.pick(fields);
  for (let count = 0; count < copies; count++) fields.splice(random.below(fields.length + 1), 0, field);
});

const swap = onFields((fields, random) => {
  const [from, to] = [random.below(fields.length), random.below(fields.length)];
  const [a, b] = [fields[from], fields[to]];
  if (a === undefined || b === undefined) return;
  fields[from] = b;
  fields[to] = a;
});

const drop = onFields((fields, random) => {
  fields.splice(random.below(fields.length), 1);
});

/** The content of one field under the number, or the wire type, of another. */
const retag = onFields((fields, random) => {
  const at = random.below(fields.length);
  const found = fields[at];
  if (found === undefined) return;
  const field = copy(found);
  field[0] = random.chance(0.5)
    ? (random.below(16) << 3) | ((field[0] ?? 0) & 7)
    : ((field[0] ?? 0) & 0xf8) | random.below(8);
  fields[at] = field;
});

/** A field inside a field inside a field, as a bottomless node or value would be. */
const nest = onFields((fields, random) => {
  let inner = random.pick(fields);
  const tag = (random.below(8) << 3) | 2;
  for (let depth = 1 + random.below(200); depth > 0 && inner.length < 60_000; depth--) {
    const length: number[] = [];
    for (let left = inner.length; ; left = Math.floor(left / 128)) {
      length.push(left >= 128 ? (left % 128) | 128 : left);
      if (left < 128) break;
    }
    inner = join([Uint8Array.from([tag, ...length]), inner]);
  }
  fields.splice(random.below(fields.length + 1), 0, inner);
});

const MUTATIONS: readonly Mutation[] = [
  flipBits,
  flipBits,
  truncate,
  insert,
  hugeVarint,
  duplicate,
  swap,
  drop,
  retag,
  nest,
];

/** One to three damages; `other` lends its tail at times. */
export const mutate = (bytes: Uint8Array, other: Uint8Array, random: Random): Uint8Array => {
  let out = random.chance(0.1)
    ? join([bytes.subarray(0, random.below(bytes.length + 1)), other.subarray(random.below(other.length + 1))])
    : bytes;
  for (let count = 1 + random.below(3); count > 0; count--) out = random.pick(MUTATIONS)(out, random);
  return out;
};
