/** Whether bytes are a message of a type, by its descriptor: structure, wire types of known fields, UTF-8 of texts. */
import { TendrilError } from '../../model/basics.ts';
import { BYTES, WireReader } from '../wire-reader.ts';
import { enumType, type FieldType, type MessageType, messageType } from './api-types.ts';
import { ProtoJsonError } from './proto-json-error.ts';
import { scalarOf } from './scalars.ts';
import { MAX_DEPTH } from './well-known.ts';

/** Texts are bounded by the resource as a whole. */
const NO_LIMIT = Number.MAX_SAFE_INTEGER;

class Mismatch extends Error {}

const enums = new Map<string, boolean>();

/** Remembers the types of fields. */
const isEnum = (type: string): boolean => {
  const known = enums.get(type);
  if (known !== undefined) return known;
  const found = enumType(type) !== undefined;
  enums.set(type, found);
  return found;
};

/** Reads the packed numbers of a list. */
const readPacked = (reader: WireReader, wireType: number): void => {
  const outer = reader.enter();
  while (reader.at < reader.end) reader.skip(wireType);
  reader.leave(outer);
};

const readField = (reader: WireReader, tag: number, field: FieldType, names: readonly string[]): void => {
  const wireType = tag & 7;
  const here = [...names, field.name];
  if (field.keyType !== undefined) {
    if (wireType !== BYTES) throw new Mismatch(here.join('.'));
    readEntry(reader, field, here);
    return;
  }
  const scalar = scalarOf(field.type);
  const type = scalar === undefined && !isEnum(field.type) ? messageType(field.type) : undefined;
  const due = type === undefined ? (scalar?.wireType ?? 0) : BYTES;
  if (field.isRepeated && due !== BYTES && wireType === BYTES) readPacked(reader, due);
  else if (wireType !== due) throw new Mismatch(here.join('.'));
  else if (type !== undefined) {
    const outer = reader.enter();
    readMessage(reader, type, here);
    reader.leave(outer);
  } else if (field.type === 'string') reader.text(here.join('.'), NO_LIMIT);
  else reader.skip(tag);
};

/** One entry of a map: a message {key 1, value 2}. */
const readEntry = (reader: WireReader, field: FieldType, names: readonly string[]): void => {
  const { keyType: _keyType, oneof: _oneof, ...value } = field;
  const key: FieldType = { ...value, id: 1, type: field.keyType ?? 'string', isRepeated: false };
  const outer = reader.enter();
  while (reader.at < reader.end) {
    const tag = reader.tag();
    if (tag >>> 3 === 1) readField(reader, tag, key, names);
    else if (tag >>> 3 === 2) readField(reader, tag, { ...value, id: 2, isRepeated: false }, names);
    else reader.skip(tag);
  }
  reader.leave(outer);
};

const readMessage = (reader: WireReader, type: MessageType, names: readonly string[]): void => {
  if (names.length > MAX_DEPTH) throw new Mismatch(`${names.slice(0, 3).join('.')}… (nested too deep)`);
  while (reader.at < reader.end) {
    const tag = reader.tag();
    const field = type.byId.get(tag >>> 3);
    if (field === undefined) reader.skip(tag);
    else readField(reader, tag, field, names);
  }
};

const PREFIX = 'discovery message is malformed: ';

/**
 * Bytes of a message that is unknown here pass.
 * @param path of the bytes, for the error
 * @throws ProtoJsonError
 */
export const checkWire = (fullName: string, bytes: Uint8Array, path: readonly (string | number)[]): void => {
  const type = messageType(fullName);
  if (type === undefined) return;
  try {
    readMessage(new WireReader(bytes), type, []);
  } catch (error) {
    const isOurs = error instanceof Mismatch || error instanceof TendrilError;
    if (!isOurs) throw error;
    const why =
      error instanceof Mismatch ? `field ${error.message} is of another type` : error.message.replace(PREFIX, '');
    throw new ProtoJsonError(
      'E102',
      path,
      `the bytes are no ${fullName}: ${why}`,
      'encode the message that "@type" names, or give it as JSON',
    );
  }
};
