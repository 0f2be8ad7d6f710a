/** Policy documents by kind and scope (`<Kind>|<scope>`), following the policy table. */
import { type LayerDocument, type PolicyDocument, scopeKeyOf } from '../../model/index.ts';
import type { PolicyEntity } from './types.ts';

const NO_LAYERS: readonly LayerDocument[] = [];

const scopes = new WeakMap<object, string>();

/** Scope key of a stored document, computed once. */
export const scopeOfEntity = (entity: PolicyEntity): string => {
  let scope = scopes.get(entity.document);
  if (scope === undefined) {
    scope = scopeKeyOf(entity.document as unknown as PolicyDocument);
    scopes.set(entity.document, scope);
  }
  return scope;
};

const layerOf = (key: string, entity: PolicyEntity): LayerDocument => ({
  document: key,
  scope: scopeOfEntity(entity),
  spec: entity.document.spec as LayerDocument['spec'],
});

export class PolicyIndex {
  private readonly kinds = new Map<string, Map<string, readonly LayerDocument[]>>();
  private readonly onScope: (kind: string, scope: string) => void;

  /** @param onScope told of every scope whose documents changed, rollbacks included */
  constructor(onScope: (kind: string, scope: string) => void) {
    this.onScope = onScope;
  }

  /** Follows one write of the table. */
  changed(key: string, before: PolicyEntity | undefined, after: PolicyEntity | undefined): void {
    if (before !== undefined && after !== undefined && before.document === after.document) return;
    if (before !== undefined) this.remove(before.kind, scopeOfEntity(before), key);
    if (after !== undefined) this.add(after.kind, layerOf(key, after));
  }

  /** Documents of exactly this scope, by name. */
  of(kind: string, scope: string): readonly LayerDocument[] {
    return this.kinds.get(kind)?.get(scope) ?? NO_LAYERS;
  }

  *ofKind(kind: string): Iterable<LayerDocument> {
    for (const layers of this.kinds.get(kind)?.values() ?? []) yield* layers;
  }

  /** Scopes that have documents of a kind. */
  scopesOf(kind: string): Iterable<string> {
    return this.kinds.get(kind)?.keys() ?? [];
  }

  private add(kind: string, layer: LayerDocument): void {
    const scopesOfKind = this.kinds.get(kind) ?? new Map<string, readonly LayerDocument[]>();
    this.kinds.set(kind, scopesOfKind);
    const layers = [...(scopesOfKind.get(layer.scope) ?? NO_LAYERS), layer];
    scopesOfKind.set(
      layer.scope,
      layers.sort((a, b) => (a.document < b.document ? -1 : 1)),
    );
    this.onScope(kind, layer.scope);
  }

  private remove(kind: string, scope: string, document: string): void {
    const layers = this.of(kind, scope).filter((layer) => layer.document !== document);
    if (layers.length === 0) this.kinds.get(kind)?.delete(scope);
    else this.kinds.get(kind)?.set(scope, layers);
    this.onScope(kind, scope);
  }
}
