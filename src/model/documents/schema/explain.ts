/** Every field of a kind in one flat list: what `tendril explain` prints, and which fields this version compiles. */
import { isCompiledKind, type Kind } from '../kinds.ts';
import { specSchemas } from './index.ts';
import { marksOf } from './marks.ts';

export interface FieldInfo {
  /** Below `spec`; `<name>` stands for the key of a map, `[]` for the items of a list: `rules.<name>.timeout`. */
  readonly path: string;
  /** False: known, but refused with E107 in this version. */
  readonly compiled: boolean;
  readonly default: unknown;
  readonly description: string | undefined;
}

type Raw = Readonly<Record<string, unknown>>;
const asRaw = (value: unknown): Raw => (typeof value === 'object' && value !== null ? (value as Raw) : {});

const optionsOf = (schema: Raw): Raw[] =>
  Array.isArray(schema.anyOf) ? schema.anyOf.flatMap((option) => optionsOf(asRaw(option))) : [schema];

/** A mark may lie on the alternatives, or on a union around them. */
const isLater = (schema: Raw): boolean =>
  marksOf(schema).later === true ||
  (Array.isArray(schema.anyOf) && schema.anyOf.some((option) => isLater(asRaw(option))));

const childrenOf = (schema: Raw): [suffix: string, child: Raw][] => {
  const children: [string, Raw][] = [];
  for (const option of optionsOf(schema)) {
    for (const [name, child] of Object.entries(asRaw(option.properties))) children.push([`.${name}`, asRaw(child)]);
    for (const child of Object.values(asRaw(option.patternProperties))) children.push(['.<name>', asRaw(child)]);
    if (option.items !== undefined) children.push(['[]', asRaw(option.items)]);
  }
  return children;
};

const walk = (schema: Raw, path: string, compiled: boolean, found: Map<string, FieldInfo>): void => {
  for (const [suffix, child] of childrenOf(schema)) {
    const at = path === '' ? suffix.slice(1) : `${path}${suffix}`;
    const options = optionsOf(child);
    const here = compiled && !isLater(child);
    const say = options.find((option) => option.description !== undefined || option.default !== undefined) ?? {};
    found.set(at, {
      path: at,
      compiled: here,
      default: say.default,
      description: typeof say.description === 'string' ? say.description : undefined,
    });
    walk(child, at, here, found);
  }
};

/** In the order of the tables. */
export const fieldsOf = (kind: Kind): FieldInfo[] => {
  const found = new Map<string, FieldInfo>();
  walk(asRaw(specSchemas[kind]), '', isCompiledKind(kind), found);
  return [...found.values()];
};
