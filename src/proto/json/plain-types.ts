/** Types of fields that are no messages: scalars and enums. */
import { nearestWord } from '../../model/basics.ts';
import { enumType } from './api-types.ts';
import { ProtoJsonError, show } from './proto-json-error.ts';
import { type Scalar, scalarOf } from './scalars.ts';

export const NULL_VALUE = 'google.protobuf.NullValue';

/** An enum by name or number; numbers that have no name pass: proto3 enums are open. */
const enumScalar = (fullName: string): Scalar<bigint> => ({
  wireType: 0,
  parse: (value, path) => {
    if (fullName === NULL_VALUE && value === null) return 0n;
    if (typeof value === 'number') return scalarOf('int32')?.parse(value, path) as bigint;
    const values = enumType(fullName)?.values ?? {};
    if (typeof value === 'string' && Object.hasOwn(values, value)) return BigInt(values[value] ?? 0);
    const near = typeof value === 'string' ? nearestWord(value, Object.keys(values)) : undefined;
    const hint = near === undefined ? '' : ` (did you mean ${near}?)`;
    const names = Object.keys(values);
    const shown = names.length > 12 ? `${names.slice(0, 12).join(', ')}, …` : names.join(', ');
    throw new ProtoJsonError('E102', path, `found ${show(value)}; allowed is ${shown}, or its number${hint}`);
  },
  isDefault: (value) => value === 0n,
  write: (sink, value) => sink.varint64(value),
});

const plainTypes = new Map<string, Scalar | undefined>();

/** How a field of this type is written; undefined: it is a message. */
export const plainOf = (type: string): Scalar | undefined => {
  if (plainTypes.has(type)) return plainTypes.get(type);
  const made = scalarOf(type) ?? (enumType(type) === undefined ? undefined : (enumScalar(type) as Scalar));
  plainTypes.set(type, made);
  return made;
};
