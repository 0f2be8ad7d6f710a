/** Which fields a JSON object gives, by descriptor; names, repetition and oneofs are checked here. */
import { nearestWord } from '../../model/basics.ts';
import type { FieldType, MessageType } from './api-types.ts';
import { NULL_VALUE } from './plain-types.ts';
import { ProtoJsonError } from './proto-json-error.ts';

type Path = readonly (string | number)[];

const VALUE = 'google.protobuf.Value';

/** True for JSON that sets a field; null unsets, but for `Value` and `NullValue`, which have a null of their own. */
const isSet = (field: FieldType, value: unknown): boolean =>
  value !== undefined &&
  (value !== null ||
    (!field.isRepeated && field.keyType === undefined && (field.type === VALUE || field.type === NULL_VALUE)));

/** Fields of the object by number, checked for names, repetition and oneofs. */
export const fieldsIn = (type: MessageType, json: Record<string, unknown>, path: Path): Map<FieldType, string> => {
  const given = new Map<FieldType, string>();
  const oneofs = new Map<string, string>();
  for (const key of Object.keys(json)) {
    const field = type.byName.get(key);
    if (field === undefined) {
      const near = nearestWord(
        key,
        type.fields.map(({ jsonName }) => jsonName),
      );
      const meant = near === undefined ? '' : ` (did you mean ${near}?)`;
      const names = type.fields.map(({ jsonName }) => jsonName).join(', ');
      throw new ProtoJsonError(
        'E101',
        [...path, key],
        `unknown field "${key.slice(0, 80)}" of ${type.fullName}${meant}`,
        names === ''
          ? 'it has no fields'
          : `its fields are ${names.length > 400 ? `${names.slice(0, 400)}, …` : names}`,
      );
    }
    const twice = given.get(field);
    if (twice !== undefined)
      throw new ProtoJsonError(
        'E102',
        [...path, key],
        `"${twice}" and "${key}" are the same field`,
        'leave one of them',
      );
    if (!isSet(field, json[key])) continue;
    given.set(field, key);
    if (field.oneof === undefined) continue;
    const other = oneofs.get(field.oneof);
    if (other !== undefined)
      throw new ProtoJsonError(
        'E103',
        [...path, key],
        `"${other}" and "${key}" are both given; only one of ${field.oneof} may be`,
        'leave one of them',
      );
    oneofs.set(field.oneof, key);
  }
  return given;
};
