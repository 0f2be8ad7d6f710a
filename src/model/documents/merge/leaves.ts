/** Which fields a document sets, and where two documents of one scope set the same one (policies.md section 1, "conflict"). */
import { childShape, isMergeable, type ObjectShape, type Shape, specShape } from '../check/shape.ts';
import { escapeToken, isForbiddenKey, isObject } from '../json.ts';
import type { LayeredKind } from '../kinds.ts';

interface Leaf {
  readonly value: unknown;
  /** Fields that exclude one another conflict although their pointers differ: this is their common name. */
  readonly group: string | undefined;
  readonly sticky: boolean;
  /** A section without fields. */
  readonly empty: boolean;
}

const groupOf = (shape: Shape, key: string, pointer: string): string | undefined => {
  const group = shape.marks.atMostOne?.find(({ fields }) => fields.includes(key));
  return group === undefined ? undefined : `${pointer}#${group.fields.join('|')}`;
};

const collect = (shape: Shape, value: object, pointer: string, leaves: Map<string, Leaf>): void => {
  for (const [key, item] of Object.entries(value)) {
    const child = childShape(shape, key);
    // Entries of additive maps are told apart by document, so they never meet.
    if (child === undefined || item === undefined || isForbiddenKey(key) || child.marks.additive === true) continue;
    const at = `${pointer}/${escapeToken(key)}`;
    // An empty section has no fields, but it is there: it meets a null, and no other.
    if (isMergeable(child) && isObject(item)) {
      if (Object.keys(item).length > 0) collect(child, item, at, leaves);
      else leaves.set(at, { value: item, group: undefined, sticky: false, empty: true });
    } else
      leaves.set(at, {
        value: item,
        group: groupOf(shape, key, pointer),
        sticky: child.marks.sticky === true,
        empty: false,
      });
  }
};

const withoutScope = (spec: object): object => {
  const { scope: _scope, ...rest } = spec as { scope?: unknown };
  return rest;
};

const leavesOf = (kind: LayeredKind, spec: object): Map<string, Leaf> => {
  const shape: ObjectShape = specShape(kind);
  const leaves = new Map<string, Leaf>();
  collect(shape, withoutScope(spec), '/spec', leaves);
  return leaves;
};

/**
 * Pointers (`/spec/…`) of all fields that a document sets: leaves, and units as one. A null counts as set, for all below it.
 */
export const leavesAndUnits = (kind: LayeredKind, spec: object): string[] => [...leavesOf(kind, spec).keys()].sort();

/** A sticky true stays true whoever says it; a section without fields is there, whoever put it there. */
const agree = (a: Leaf, b: Leaf): boolean => (a.empty && b.empty) || (a.sticky && a.value === true && b.value === true);

export interface Conflict {
  /** In the first document. */
  readonly pointer: string;
  /** In the second document; differs where one of them forgets a whole section with null, or fields exclude one another. */
  readonly other: string;
}

/** Fields that two documents of one scope both set; empty: they live side by side. */
export const conflicts = (kind: LayeredKind, first: object, second: object): Conflict[] => {
  const mine = leavesOf(kind, first);
  const theirs = leavesOf(kind, second);
  const groups = new Map<string, string>();
  for (const [pointer, leaf] of theirs) if (leaf.group !== undefined) groups.set(leaf.group, pointer);
  const found: Conflict[] = [];
  for (const [pointer, leaf] of mine) {
    const same = theirs.get(pointer);
    if (same !== undefined && !agree(leaf, same)) {
      found.push({ pointer, other: pointer });
      continue;
    }
    const sibling = leaf.group === undefined ? undefined : groups.get(leaf.group);
    if (same === undefined && sibling !== undefined) found.push({ pointer, other: sibling });
    for (const [other, theirLeaf] of theirs) {
      const nullAbove = theirLeaf.value === null && pointer.startsWith(`${other}/`);
      const nullBelow = leaf.value === null && other.startsWith(`${pointer}/`);
      if (nullAbove || nullBelow) found.push({ pointer, other });
    }
  }
  return found.sort((a, b) => (a.pointer < b.pointer ? -1 : 1));
};
