/**
 * A schema as a tree that is quick to walk: made once per kind from the JSON Schema and its marks. Checking, merging and
 * conflicts all walk this tree.
 */
import type { TSchema } from 'typebox';
import { KINDS, type Kind } from '../kinds.ts';
import { metadataSchema, specSchemas } from '../schema/index.ts';
import { type Marks, marksOf } from '../schema/marks.ts';

interface ShapeBase {
  /** null is allowed: forget the wider scopes. */
  readonly nullable: boolean;
  readonly marks: Marks;
}

export interface ObjectShape extends ShapeBase {
  readonly type: 'object';
  readonly fields: ReadonlyMap<string, Shape>;
  readonly required: readonly string[];
  /** Shape of fields not listed; undefined: they are errors. */
  readonly others: Shape | undefined;
}

export interface MapShape extends ShapeBase {
  readonly type: 'map';
  readonly item: Shape;
  readonly min: number;
  readonly max: number;
}

export interface ListShape extends ShapeBase {
  readonly type: 'list';
  readonly item: Shape;
  readonly min: number;
  readonly max: number;
}

export interface TextShape extends ShapeBase {
  readonly type: 'text';
  readonly min: number;
  readonly max: number;
  readonly pattern: RegExp | undefined;
}

export interface NumberShape extends ShapeBase {
  readonly type: 'number';
  readonly whole: boolean;
  readonly min: number;
  readonly max: number;
}

export interface WordShape extends ShapeBase {
  readonly type: 'word';
  readonly words: readonly unknown[];
}

export interface SimpleShape extends ShapeBase {
  readonly type: 'boolean' | 'any';
}

/** Alternatives told apart by their JSON type, objects by their fields. */
export interface UnionShape extends ShapeBase {
  readonly type: 'union';
  readonly options: readonly Shape[];
}

export type Shape = ObjectShape | MapShape | ListShape | TextShape | NumberShape | WordShape | SimpleShape | UnionShape;

type Raw = Readonly<Record<string, unknown>>;
const asRaw = (value: unknown): Raw => (typeof value === 'object' && value !== null ? (value as Raw) : {});
const numberOr = (value: unknown, otherwise: number): number => (typeof value === 'number' ? value : otherwise);

/** The alternatives of nested unions in one list. */
const optionsOf = (schema: Raw): Raw[] => {
  const options = schema.anyOf;
  return Array.isArray(options) ? options.flatMap((option) => optionsOf(asRaw(option))) : [schema];
};

const union = (options: readonly Raw[], nullable: boolean): Shape => {
  const words = options.every((option) => option.const !== undefined);
  if (words) return { type: 'word', nullable, marks: {}, words: options.map((option) => option.const) };
  return { type: 'union', nullable, marks: {}, options: options.map((option) => shapeOf(option)) };
};

const objectShape = (schema: Raw, base: ShapeBase): Shape => {
  const entries = asRaw(schema.patternProperties);
  const [item] = Object.values(entries);
  if (item !== undefined) {
    const [pattern] = Object.keys(entries);
    const digits = pattern?.includes('[0-9]') === true;
    return {
      type: 'map',
      nullable: base.nullable,
      // Maps of the event contract carry no marks: ports by number, and labels.
      marks: base.marks.key === undefined ? { ...base.marks, key: digits ? 'portNumber' : 'labelKey' } : base.marks,
      item: shapeOf(asRaw(item)),
      min: numberOr(schema.minProperties, 0),
      max: numberOr(schema.maxProperties, Number.MAX_SAFE_INTEGER),
    };
  }
  const others = schema.additionalProperties;
  const required = schema.required;
  return {
    type: 'object',
    ...base,
    fields: new Map(Object.entries(asRaw(schema.properties)).map(([name, child]) => [name, shapeOf(asRaw(child))])),
    required: Array.isArray(required) ? required.map(String) : [],
    others: typeof others === 'object' && others !== null ? shapeOf(asRaw(others)) : undefined,
  };
};

const plainShape = (schema: Raw, base: ShapeBase): Shape => {
  if (Array.isArray(schema.enum)) return { type: 'word', ...base, words: schema.enum };
  if (schema.const !== undefined) return { type: 'word', ...base, words: [schema.const] };
  switch (schema.type) {
    case 'object':
      return objectShape(schema, base);
    case 'array':
      return {
        type: 'list',
        ...base,
        item: shapeOf(asRaw(schema.items)),
        min: numberOr(schema.minItems, 0),
        max: numberOr(schema.maxItems, Number.MAX_SAFE_INTEGER),
      };
    case 'string': {
      const pattern = schema.pattern;
      const check = typeof pattern === 'string' && base.marks.text === undefined;
      return {
        type: 'text',
        ...base,
        min: numberOr(schema.minLength, 0),
        max: numberOr(schema.maxLength, Number.MAX_SAFE_INTEGER),
        pattern: check ? new RegExp(pattern) : undefined,
      };
    }
    case 'integer':
    case 'number':
      return {
        type: 'number',
        ...base,
        whole: schema.type === 'integer',
        min: numberOr(schema.minimum, -Number.MAX_VALUE),
        max: numberOr(schema.maximum, Number.MAX_VALUE),
      };
    case 'boolean':
      return { type: 'boolean', ...base };
    default:
      return { type: 'any', ...base };
  }
};

const shapeOf = (schema: Raw): Shape => {
  const all = optionsOf(schema);
  const options = all.filter((option) => option.type !== 'null');
  const nullable = options.length < all.length;
  const [only, second] = options;
  if (only === undefined) return { type: 'any', nullable, marks: {} };
  // A mark on a union (a unit, say) lies on the union's own schema.
  const outer = nullable && all.length === 2 ? {} : marksOf(schema);
  if (second === undefined) return plainShape(only, { nullable, marks: { ...outer, ...marksOf(only) } });
  return { ...union(options, nullable), marks: unionMarks(schema) };
};

/** Marks of the union nearest to the alternatives: `field(unit(union))` wraps it once more. */
const unionMarks = (schema: Raw): Marks => {
  const own = marksOf(schema);
  if (Object.keys(own).length > 0) return own;
  const options = schema.anyOf;
  if (!Array.isArray(options)) return own;
  const inner = options.map(asRaw).find((option) => Array.isArray(option.anyOf));
  return inner === undefined ? own : unionMarks(inner);
};

const shapeOfSchema = (schema: TSchema): Shape => shapeOf(asRaw(schema));

const asObject = (shape: Shape): ObjectShape => {
  if (shape.type !== 'object') throw new TypeError('a document part is an object');
  return shape;
};

const specShapes = new Map<Kind, ObjectShape>(KINDS.map((kind) => [kind, asObject(shapeOfSchema(specSchemas[kind]))]));

export const specShape = (kind: Kind): ObjectShape => {
  const shape = specShapes.get(kind);
  if (shape === undefined) throw new TypeError(`no such kind: ${kind}`);
  return shape;
};

export const metadataShape: ObjectShape = asObject(shapeOfSchema(metadataSchema));

/** Shape of a field or entry; undefined: there is none of that name. */
export const childShape = (shape: Shape, key: string): Shape | undefined => {
  if (shape.type === 'object') return shape.fields.get(key) ?? shape.others;
  if (shape.type === 'map' || shape.type === 'list') return shape.item;
  return undefined;
};

/** Merged key by key: objects and maps that are no units. Everything else is replaced whole. */
export const isMergeable = (shape: Shape): shape is ObjectShape | MapShape =>
  (shape.type === 'object' || shape.type === 'map') && shape.marks.unit !== true;
