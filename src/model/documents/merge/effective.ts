/**
 * The effective spec of a kind for one service, service port, or scope: all layers put over one another, widest first
 * (policies.md section 1, "precedence"). The order in which documents were applied plays no part.
 */
import { childShape, isMergeable, type ObjectShape, specShape } from '../check/shape.ts';
import { compareText, isForbiddenKey, isObject } from '../json.ts';
import type { LayeredKind } from '../kinds.ts';
import type { LayerDocument } from '../mesh-lookup.ts';
import type { Provenance, ProvenanceMap } from '../resolved.ts';
import type { SpecOf } from '../schema/index.ts';
import { scopeRank } from '../scope.ts';
import { applyLayer, copyTree, type Tree } from './apply-layer.ts';
import { BUILT_IN } from './built-in.ts';

/** A rule or subset with all that it inherits. Pointers are those of `spec`: `/spec/timeout`, wherever it was written. */
export interface EffectiveVariant {
  readonly value: Readonly<Record<string, unknown>>;
  readonly provenance: ProvenanceMap;
}

export interface Effective<K extends LayeredKind> {
  readonly kind: K;
  /** Merged `spec` with built-in defaults, without `scope` and without nulls. */
  readonly value: SpecOf<K>;
  readonly provenance: ProvenanceMap;
  /** Route: its rules; Upstream: its subsets; by name, ascending. Empty for other kinds. */
  readonly variants: ReadonlyMap<string, EffectiveVariant>;
  /** All documents of the layers, sorted. */
  readonly documents: readonly string[];
}

/** Map of special cases that inherit every other field of `spec`. */
const VARIANTS: Readonly<Partial<Record<LayeredKind, string>>> = { Route: 'rules', Upstream: 'subsets' };
const SCOPE: ReadonlySet<string> = new Set(['scope']);

/** Widest first; equal scopes by document name, which cannot matter (E201) but keeps even refused pairs in one order. */
const inOrder = (layers: readonly LayerDocument[]): LayerDocument[] =>
  [...layers].sort((a, b) => scopeRank(a.scope) - scopeRank(b.scope) || compareText(a.document, b.document));

const entriesOf = (layer: LayerDocument, field: string): unknown => layer.spec[field];

const variantNames = (layers: readonly LayerDocument[], field: string): string[] => {
  const names = new Set<string>();
  for (const layer of layers) {
    const entries = entriesOf(layer, field);
    if (!isObject(entries)) continue;
    for (const name of Object.keys(entries)) if (!isForbiddenKey(name)) names.add(name);
  }
  return [...names].sort(compareText);
};

interface MergeTools {
  readonly shape: ObjectShape;
  readonly builtIn: Tree;
  readonly layers: readonly LayerDocument[];
  readonly compiledOnly: boolean;
}

export interface MergeOptions {
  /** The widest layer; default: the tables' defaults. */
  readonly builtIn?: Readonly<Record<string, unknown>>;
  /**
   * Leave out fields that this version does not compile: documents stored as inert have them, and they must have no effect.
   * Default true.
   */
  readonly compiledOnly?: boolean;
}

const mergeSpecs = (tools: MergeTools, skip: ReadonlySet<string>): EffectiveVariant => {
  const { shape } = tools;
  const target = copyTree(shape, tools.builtIn) as Tree;
  const provenance = new Map<string, Provenance>();
  for (const { spec, document, scope } of tools.layers) {
    const place = { shape, target, pointer: '/spec', source: '/spec', builtIn: tools.builtIn };
    applyLayer({ origin: { document, scope }, provenance, compiledOnly: tools.compiledOnly }, place, spec, skip);
  }
  return { value: target, provenance };
};

/** Layers whose part of this rule counts: a null for it, or for the whole map, forgets the wider ones. */
const variantLayers = (tools: MergeTools, field: string, name: string): LayerDocument[] => {
  let parts: LayerDocument[] = [];
  for (const layer of tools.layers) {
    const entries = entriesOf(layer, field);
    if (entries === null) parts = [];
    if (!isObject(entries)) continue;
    if (entries[name] === null) parts = [];
    else if (isObject(entries[name])) parts.push(layer);
  }
  return parts;
};

const mergeVariant = (
  tools: MergeTools,
  base: EffectiveVariant,
  field: string,
  name: string,
  shape: ObjectShape,
): EffectiveVariant | undefined => {
  const parts = variantLayers(tools, field, name);
  if (parts.length === 0) return undefined;
  const target = copyTree(shape, base.value) as Tree;
  const provenance = new Map(base.provenance);
  for (const { spec, document, scope } of parts) {
    const entries = spec[field];
    const part = isObject(entries) ? entries[name] : undefined;
    if (!isObject(part)) continue;
    const place = { shape, target, pointer: '/spec', source: `/spec/${field}/${name}`, builtIn: tools.builtIn };
    applyLayer({ origin: { document, scope }, provenance, compiledOnly: tools.compiledOnly }, place, part);
  }
  return { value: target, provenance };
};

const mergeVariants = (tools: MergeTools, kind: LayeredKind): Map<string, EffectiveVariant> => {
  const variants = new Map<string, EffectiveVariant>();
  const field = VARIANTS[kind];
  const map = field === undefined ? undefined : childShape(tools.shape, field);
  const item = map?.type === 'map' ? map.item : undefined;
  if (field === undefined || item === undefined || item.type !== 'object' || !isMergeable(item)) return variants;
  const names = variantNames(tools.layers, field);
  if (names.length === 0) return variants;
  // The shape of the variant leaves out what only `spec` has (rules, rollout), so base and variant merge in one walk.
  const base = mergeSpecs(tools, new Set(['scope', 'rollout', field]));
  for (const name of names) {
    const variant = mergeVariant(tools, base, field, name, item);
    if (variant !== undefined) variants.set(name, variant);
  }
  return variants;
};

/** Merges documents of one kind whose scopes form a chain (`scopeChain`), in whatever order they are given. */
export const effective = <K extends LayeredKind>(
  kind: K,
  layers: readonly LayerDocument[],
  options: MergeOptions = {},
): Effective<K> => {
  const tools: MergeTools = {
    shape: specShape(kind),
    builtIn: options.builtIn ?? BUILT_IN[kind],
    layers: inOrder(layers),
    compiledOnly: options.compiledOnly ?? true,
  };
  const merged = mergeSpecs(tools, SCOPE);
  return {
    kind,
    value: merged.value as SpecOf<K>,
    provenance: merged.provenance,
    variants: mergeVariants(tools, kind),
    documents: [...new Set(layers.map(({ document }) => document))].sort(compareText),
  };
};
