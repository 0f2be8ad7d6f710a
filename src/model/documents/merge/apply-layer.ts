/**
 * Puts one layer over a wider value, field by field (policies.md section 1, "how fields merge").
 *
 * 1. Objects and maps merge key by key; units and leaves are replaced whole.
 * 2. null forgets the wider layers and takes the built-in default.
 * 3. A sticky true stays, also below a null; additive maps only grow.
 * 4. Of fields that exclude one another the narrower layer's one removes the wider one.
 */
import { childShape, isMergeable, type MapShape, type ObjectShape, type Shape } from '../check/shape.ts';
import { escapeToken, isForbiddenKey, isObject } from '../json.ts';
import type { Provenance } from '../resolved.ts';

export type Tree = Record<string, unknown>;

export interface Origin {
  readonly document: string;
  readonly scope: string;
}

export interface LayerStep {
  readonly origin: Origin;
  /** Filled while merging: pointer in the merged value -> where it came from. */
  readonly provenance: Map<string, Provenance>;
  /** Leave out fields that this version does not compile. */
  readonly compiledOnly: boolean;
}

/** A copy that may be changed down to where merging goes; what is replaced whole is shared. */
export const copyTree = (shape: Shape | undefined, value: unknown): unknown => {
  if (shape === undefined || !isMergeable(shape) || !isObject(value)) return value;
  const copy: Tree = {};
  for (const key of Object.keys(value)) {
    if (!isForbiddenKey(key)) copy[key] = copyTree(childShape(shape, key), value[key]);
  }
  return copy;
};

/** What of a value outlives a null: the sticky truths, with the objects around them. */
const stickyRest = (shape: Shape, value: unknown): unknown => {
  if (shape.marks.sticky === true) return value === true ? true : undefined;
  if (shape.marks.additive === true) return value;
  if (!isMergeable(shape) || !isObject(value)) return undefined;
  const rest: Tree = {};
  for (const key of Object.keys(value)) {
    const child = childShape(shape, key);
    const kept = child === undefined ? undefined : stickyRest(child, value[key]);
    if (kept !== undefined) rest[key] = kept;
  }
  return Object.keys(rest).length === 0 ? undefined : rest;
};

const forget = (provenance: Map<string, Provenance>, pointer: string): void => {
  provenance.delete(pointer);
  for (const key of provenance.keys()) if (key.startsWith(`${pointer}/`)) provenance.delete(key);
};

interface Place {
  readonly shape: ObjectShape | MapShape;
  readonly target: Tree;
  /** In the merged value. */
  readonly pointer: string;
  /** In the layer's document. */
  readonly source: string;
  readonly builtIn: Tree | undefined;
}

const record = (step: LayerStep, place: Place, key: string): void => {
  const token = escapeToken(key);
  step.provenance.set(`${place.pointer}/${token}`, { ...step.origin, pointer: `${place.source}/${token}` });
};

const applyNull = (step: LayerStep, place: Place, child: Shape, key: string): void => {
  const { target, builtIn } = place;
  const rest = stickyRest(child, target[key]);
  if (rest !== undefined && rest === target[key]) return;
  forget(step.provenance, `${place.pointer}/${escapeToken(key)}`);
  if (rest !== undefined) target[key] = rest;
  else if (builtIn?.[key] === undefined) delete target[key];
  else target[key] = copyTree(child, builtIn[key]);
  record(step, place, key);
};

const takesPart = (step: LayerStep, shape: Shape | undefined): shape is Shape =>
  shape !== undefined && !(step.compiledOnly && shape.marks.later === true);

const applyExclusions = (step: LayerStep, place: Place, layer: Tree): void => {
  const isSet = (name: string): boolean =>
    layer[name] !== undefined && layer[name] !== null && takesPart(step, childShape(place.shape, name));
  for (const { fields } of place.shape.marks.atMostOne ?? []) {
    if (!fields.some(isSet)) continue;
    for (const name of fields) {
      if (isSet(name)) continue;
      delete place.target[name];
      forget(step.provenance, `${place.pointer}/${escapeToken(name)}`);
    }
  }
};

/** `skip`: top-level keys that are not merged here. */
export const applyLayer = (step: LayerStep, place: Place, layer: Tree, skip?: ReadonlySet<string>): void => {
  const { shape, target } = place;
  if (shape.marks.atMostOne !== undefined) applyExclusions(step, place, layer);
  for (const key of Object.keys(layer)) {
    const value = layer[key];
    const child = childShape(shape, key);
    if (!takesPart(step, child) || value === undefined || isForbiddenKey(key) || skip?.has(key) === true) continue;
    if (shape.marks.additive === true) {
      if (value === null) continue;
      const name = `${step.origin.scope}/${step.origin.document}/${key}`;
      target[name] = value;
      step.provenance.set(`${place.pointer}/${escapeToken(name)}`, {
        ...step.origin,
        pointer: `${place.source}/${escapeToken(key)}`,
      });
      continue;
    }
    if (child.marks.sticky === true && target[key] === true && value !== true) continue;
    if (value === null) {
      applyNull(step, place, child, key);
      continue;
    }
    if (!isMergeable(child) || !isObject(value)) {
      target[key] = value;
      record(step, place, key);
      continue;
    }
    let inner = target[key];
    if (!isObject(inner)) {
      inner = {};
      target[key] = inner;
    }
    const below: Place = {
      shape: child,
      target: inner as Tree,
      pointer: `${place.pointer}/${escapeToken(key)}`,
      source: `${place.source}/${escapeToken(key)}`,
      builtIn: isObject(place.builtIn?.[key]) ? (place.builtIn[key] as Tree) : undefined,
    };
    applyLayer(step, below, value);
    // An entry without fields is still there (an edge, an outlier section): its own pointer says who put it there.
    if (Object.keys(value).length === 0 && !step.provenance.has(below.pointer)) record(step, place, key);
  }
};
