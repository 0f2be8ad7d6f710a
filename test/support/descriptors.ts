/**
 * Reads the protobuf descriptors that a C++ program carries in its binary: the authority on what this very Envoy understands.
 * Each .proto file is embedded as a serialised FileDescriptorProto, which begins with its name and ends with its syntax.
 */
import { readFileSync } from 'node:fs';
import { TendrilError } from '../../src/model/index.ts';
import { WireReader } from '../../src/proto/wire-reader.ts';

export interface FieldFact {
  readonly name: string;
  readonly number: number;
  readonly repeated: boolean;
  /** Scalar name (`uint32`), or full name of a message or enum with a leading dot. */
  readonly type: string;
}

export interface DescriptorFacts {
  /** Full name with a leading dot. */
  readonly messages: ReadonlyMap<string, readonly FieldFact[]>;
  readonly enums: ReadonlyMap<string, ReadonlyMap<string, number>>;
}

/** FieldDescriptorProto.Type, from 1. */
const TYPES = [
  '',
  'double',
  'float',
  'int64',
  'uint64',
  'int32',
  'fixed64',
  'fixed32',
  'bool',
  'string',
  'group',
  'message',
].concat(['bytes', 'uint32', 'enum', 'sfixed32', 'sfixed64', 'sint32', 'sint64']);

type Fields = ReadonlyMap<number, readonly (number | Uint8Array)[]>;

/** All fields of one message by number: numbers as numbers, the rest as bytes. */
const fieldsOf = (bytes: Uint8Array): Fields => {
  const reader = new WireReader(bytes);
  const fields = new Map<number, (number | Uint8Array)[]>();
  while (reader.at < reader.end) {
    const tag = reader.tag();
    const values = fields.get(tag >>> 3) ?? [];
    if ((tag & 7) === 0) values.push(reader.varint());
    else if ((tag & 7) === 2) values.push(reader.bytes());
    else reader.skip(tag);
    fields.set(tag >>> 3, values);
  }
  return fields;
};
const texts = (fields: Fields, number: number): string[] =>
  messages(fields, number).map((bytes) => Buffer.from(bytes).toString('utf8'));
const messages = (fields: Fields, number: number): Uint8Array[] =>
  (fields.get(number) ?? []).filter((value) => typeof value !== 'number');
const numeric = (fields: Fields, number: number): number => {
  const value = fields.get(number)?.at(-1);
  return typeof value === 'number' ? value : 0;
};

/** The file descriptor that begins at `start`, or undefined when there is none. */
const fileAt = (binary: Buffer, start: number): Uint8Array | undefined => {
  const reader = new WireReader(binary);
  reader.at = start;
  try {
    for (let first = true; ; first = false) {
      const tag = reader.tag();
      // 1 name, 2 package, 3 imports, 4 messages, 5 enums, 6 services, 7 extensions, 8 options, 10 and 11 import kinds, 12 syntax
      const known = [1, 2, 3, 4, 5, 6, 7, 8, 12].includes(tag >>> 3) && (tag & 7) === 2;
      if (!(known || tag === 80 || tag === 88) || (tag === 10) !== first) return undefined;
      if (tag === 98)
        return reader.text('syntax', 16).startsWith('proto') ? binary.subarray(start, reader.at) : undefined;
      reader.skip(tag);
    }
  } catch (error) {
    if (error instanceof TendrilError) return undefined;
    throw error;
  }
};

export function readDescriptors(binaryPath: string): DescriptorFacts {
  const binary = readFileSync(binaryPath);
  const facts = { messages: new Map<string, FieldFact[]>(), enums: new Map<string, Map<string, number>>() };
  const addEnum = (bytes: Uint8Array, prefix: string) => {
    const fields = fieldsOf(bytes);
    const values = messages(fields, 2).map(fieldsOf);
    facts.enums.set(
      `${prefix}.${texts(fields, 1)[0]}`,
      new Map(values.map((value) => [texts(value, 1)[0] ?? '', numeric(value, 2)])),
    );
  };
  const addMessage = (bytes: Uint8Array, prefix: string) => {
    const fields = fieldsOf(bytes);
    const fullName = `${prefix}.${texts(fields, 1)[0]}`;
    for (const nested of messages(fields, 3)) addMessage(nested, fullName);
    for (const nested of messages(fields, 4)) addEnum(nested, fullName);
    const list = messages(fields, 2).map((field): FieldFact => {
      const parts = fieldsOf(field);
      const [name = '', type = TYPES[numeric(parts, 5)] ?? ''] = [texts(parts, 1)[0], texts(parts, 6)[0]];
      return { name, number: numeric(parts, 3), repeated: numeric(parts, 4) === 3, type };
    });
    facts.messages.set(fullName, list);
  };
  for (let at = binary.indexOf('.proto'); at >= 0; at = binary.indexOf('.proto', at + 1)) {
    const end = at + 6;
    // The name is a field with tag 0x0a and a length of one byte: look back for a byte that is the distance to here.
    for (let length = 7; length < 128; length++) {
      if (binary[end - length - 1] !== length || binary[end - length - 2] !== 0x0a) continue;
      const file = fileAt(binary, end - length - 2);
      if (file === undefined) continue;
      const fields = fieldsOf(file);
      const prefix = texts(fields, 2).length > 0 ? `.${texts(fields, 2)[0]}` : '';
      for (const message of messages(fields, 4)) addMessage(message, prefix);
      for (const item of messages(fields, 5)) addEnum(item, prefix);
      break;
    }
  }
  return facts;
}
