/**
 * Reads the fields of a message that a table names, and passes over all others by their length: for who needs little of a message, and
 * pays for the generated code with 30 ms and 10 MB otherwise (an application that loads the client library). What is read is what the
 * generated decoder reads: defaults, merging, packed lists, the last of several (test/sidecar-client/calls/messages.test.ts). Not of the
 * generated decoders: groups, checks of what is passed over, and that a member of a oneof takes another one away (no encoder writes two).
 * Source: protobuf.dev, "Encoding".
 */
import { BYTES, FIXED64, VARINT, WireReader } from './wire-reader.ts';

interface Taking<T> {
  /** `known`: what an earlier occurrence gave, `empty` before the first. */
  take(reader: WireReader, known: T): T;
}

/** A field of type `T`; `id`: its number. */
export interface TableField<T> {
  readonly id: number;
  /** Value of a message that does not have it. */
  readonly empty: T;
  /** Readers by wire type. */
  readonly takes: ReadonlyMap<number, Taking<T>['take']>;
}

export type TableFields = Readonly<Record<string, TableField<unknown>>>;

/** What a table reads. */
export type TableMessage<F extends TableFields> = {
  readonly [K in keyof F]: F[K] extends TableField<infer T> ? T : never;
};

export interface MessageTable<T> {
  /** Throws `TendrilError` `XDS_MALFORMED`. */
  decode(bytes: Uint8Array): T;
  /** Reads up to the end of `reader` into `known`, or a new message. */
  read(reader: WireReader, known?: T | null): T;
}

const NO_BOUND = Number.MAX_SAFE_INTEGER;

interface NamedTake extends Taking<unknown> {
  readonly name: string;
}

/** Fields of a message, by the names that they have in proto3 JSON. */
export const messageTable = <F extends TableFields>(fields: F): MessageTable<TableMessage<F>> => {
  const takes = new Map<number, NamedTake>();
  const blank: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(fields)) {
    blank[name] = field.empty;
    for (const [wireType, take] of field.takes) takes.set((field.id << 3) | wireType, { name, take });
  }
  const read = (reader: WireReader, known?: TableMessage<F> | null): TableMessage<F> => {
    // Defaults stand on the prototype: most fields of most messages are not there.
    const message = (known ?? Object.create(blank)) as Record<string, unknown>;
    while (reader.at < reader.end) {
      const tag = reader.tag();
      const found = takes.get(tag);
      if (found === undefined) reader.skip(tag);
      else message[found.name] = found.take(reader, message[found.name]);
    }
    return message as TableMessage<F>;
  };
  return { read, decode: (bytes) => read(new WireReader(bytes)) };
};

const single = <T>(
  id: number,
  empty: T,
  wireType: number,
  take: (reader: WireReader, known: T) => T,
): TableField<T> => ({
  id,
  empty,
  takes: new Map([[wireType, take]]),
});

const readText = (reader: WireReader): string => reader.text('text', NO_BOUND);
const readFlag = (reader: WireReader): boolean => reader.varint() !== 0;
const readUnsigned = (reader: WireReader): number => reader.int32() >>> 0;

export const text = (id: number): TableField<string> => single(id, '', BYTES, readText);
/** Member of a oneof: null when it is not there. */
export const oneText = (id: number): TableField<string | null> => single<string | null>(id, null, BYTES, readText);
export const flag = (id: number): TableField<boolean> => single(id, false, VARINT, readFlag);
export const oneFlag = (id: number): TableField<boolean | null> => single<boolean | null>(id, null, VARINT, readFlag);
/** `uint32`. */
export const unsigned = (id: number): TableField<number> => single(id, 0, VARINT, readUnsigned);
export const oneUnsigned = (id: number): TableField<number | null> =>
  single<number | null>(id, null, VARINT, readUnsigned);
/** `int32`, or an enum. */
export const signed = (id: number): TableField<number> => single(id, 0, VARINT, (reader) => reader.int32());
export const oneSigned = (id: number): TableField<number | null> =>
  single<number | null>(id, null, VARINT, (reader) => reader.int32());
/** `uint64`, exact up to 2^53. */
export const long = (id: number): TableField<number> => single(id, 0, VARINT, (reader) => reader.varint());
/** `int64`, exact up to 2^53. */
export const signedLong = (id: number): TableField<number> => single(id, 0, VARINT, (reader) => reader.int64());
export const double = (id: number): TableField<number> => single(id, 0, FIXED64, (reader) => reader.double());
/** A view into the message. */
export const octets = (id: number): TableField<Uint8Array> =>
  single(id, new Uint8Array(0), BYTES, (reader) => reader.bytes());

const readInside = <T>(reader: WireReader, table: MessageTable<T>, known: T | null): T => {
  const outer = reader.enter();
  const message = table.read(reader, known);
  reader.leave(outer);
  return message;
};

/** Null when it is not there. */
export const message = <T>(id: number, table: MessageTable<T>): TableField<T | null> =>
  single<T | null>(id, null, BYTES, (reader, known) => readInside(reader, table, known));

/** The first element makes the list: `empty` is shared. */
const added = <T>(known: readonly T[], one: T): readonly T[] => {
  if (known.length === 0) return [one];
  (known as T[]).push(one);
  return known;
};

export const messages = <T>(id: number, table: MessageTable<T>): TableField<readonly T[]> =>
  single<readonly T[]>(id, [], BYTES, (reader, known) => added(known, readInside(reader, table, null)));

/** `repeated uint32`, packed or not. */
export const unsignedList = (id: number): TableField<readonly number[]> => ({
  id,
  empty: [],
  takes: new Map<number, Taking<readonly number[]>['take']>([
    [VARINT, (reader, known) => added(known, readUnsigned(reader))],
    [
      BYTES,
      (reader, known) => {
        const outer = reader.enter();
        let list = known;
        while (reader.at < reader.end) list = added(list, readUnsigned(reader));
        reader.leave(outer);
        return list;
      },
    ],
  ]),
});

/** `map<string, …>`: values by key; an entry without value has an empty one. */
export const messagesByKey = <T>(id: number, table: MessageTable<T>): TableField<ReadonlyMap<string, T>> => {
  const entry = messageTable({ key: text(1), value: message(2, table) });
  const none = table.decode(new Uint8Array(0));
  return single<ReadonlyMap<string, T>>(id, new Map(), BYTES, (reader, known) => {
    const { key, value } = readInside(reader, entry, null);
    return new Map(known).set(key, value ?? none);
  });
};
