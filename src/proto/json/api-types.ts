/**
 * Descriptors of all messages that a raw resource may hold: Envoy's v3 API and the xDS types, as `scripts/generate-proto.mjs` writes
 * them (`generated/api.json`, the JSON form of protobufjs). Read at first use: a mesh without raw resources never pays for it.
 */
import { createRequire } from 'node:module';

export interface FieldType {
  readonly id: number;
  /** As in the .proto file. */
  readonly name: string;
  /** As in proto3 JSON. */
  readonly jsonName: string;
  /** A scalar (`uint32`, `string`, …), or the full name of a message or enum. */
  readonly type: string;
  readonly isRepeated: boolean;
  /** Of a map: scalar type of its keys. */
  readonly keyType?: string;
  readonly oneof?: string;
}

export interface MessageType {
  readonly fullName: string;
  /** Ascending by number. */
  readonly fields: readonly FieldType[];
  /** By both spellings. */
  readonly byName: ReadonlyMap<string, FieldType>;
  readonly byId: ReadonlyMap<number, FieldType>;
}

export interface EnumType {
  readonly fullName: string;
  readonly values: Readonly<Record<string, number>>;
}

interface FieldJson {
  readonly type: string;
  readonly id: number;
  readonly rule?: string;
  readonly keyType?: string;
}

interface TypeJson {
  readonly fields?: Readonly<Record<string, FieldJson>>;
  readonly oneofs?: Readonly<Record<string, { readonly oneof: readonly string[] }>>;
  readonly values?: Readonly<Record<string, number>>;
  readonly nested?: Readonly<Record<string, TypeJson>>;
}

let root: TypeJson | undefined;
/** Those that were asked for and found. */
const messages = new Map<string, MessageType>();

const find = (fullName: string): TypeJson | undefined => {
  root ??= createRequire(import.meta.url)('../generated/api.json') as TypeJson;
  let at: TypeJson | undefined = root;
  for (const part of fullName.split('.')) {
    const nested: TypeJson['nested'] = at.nested;
    at = nested !== undefined && Object.hasOwn(nested, part) ? nested[part] : undefined;
    if (at === undefined) return undefined;
  }
  return at;
};

const jsonNameOf = (name: string): string => name.replace(/_+(.?)/g, (_all, next: string) => next.toUpperCase());

const readMessage = (fullName: string, json: TypeJson): MessageType => {
  const oneofs = new Map<string, string>();
  for (const [oneof, { oneof: members }] of Object.entries(json.oneofs ?? {}))
    for (const member of members) oneofs.set(member, oneof);
  const fields = Object.entries(json.fields ?? {}).map(([name, field]): FieldType => {
    const oneof = oneofs.get(name);
    return {
      id: field.id,
      name,
      jsonName: jsonNameOf(name),
      type: field.type.startsWith('.') ? field.type.slice(1) : field.type,
      isRepeated: field.rule === 'repeated',
      ...(field.keyType === undefined ? {} : { keyType: field.keyType }),
      ...(oneof === undefined ? {} : { oneof }),
    };
  });
  fields.sort((a, b) => a.id - b.id);
  const byName = new Map<string, FieldType>();
  for (const field of fields) byName.set(field.name, field).set(field.jsonName, field);
  return { fullName, fields, byName, byId: new Map(fields.map((field) => [field.id, field])) };
};

/** Undefined: not a message, or none that we know. */
export const messageType = (fullName: string): MessageType | undefined => {
  const known = messages.get(fullName);
  if (known !== undefined) return known;
  const json = find(fullName);
  if (json?.fields === undefined) return undefined;
  const type = readMessage(fullName, json);
  messages.set(fullName, type);
  return type;
};

/** Undefined: not an enum, or none that we know. */
export const enumType = (fullName: string): EnumType | undefined => {
  const values = find(fullName)?.values;
  return values === undefined ? undefined : { fullName, values };
};

/** Full name of the message that a type URL means: what follows the last slash. */
export const fullNameOf = (typeUrl: string): string => typeUrl.slice(typeUrl.lastIndexOf('/') + 1);
