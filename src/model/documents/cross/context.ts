/** What the checks across documents share: effective values of the mesh after the batch, each merged once. */
import type { Finding } from '../../finding.ts';
import { keyOf, type PolicyDocument } from '../document.ts';
import type { LayeredKind } from '../kinds.ts';
import { type Effective, effective } from '../merge/effective.ts';
import type { LayerDocument, LookupService, MeshLookup } from '../mesh-lookup.ts';
import { chainOfScope, isWithin, scopeKeyOf } from '../scope.ts';

/** A document before and after the batch; undefined: it was or is not there. */
export interface DocumentChange {
  readonly before: PolicyDocument | undefined;
  readonly after: PolicyDocument | undefined;
}

export interface CrossContext<M extends MeshLookup = MeshLookup> {
  readonly mesh: M;
  readonly effectiveAt: <K extends LayeredKind>(kind: K, scope: string) => Effective<K>;
  /** Documents of a kind whose scope lies inside the given one, that one left out. */
  readonly documentsInside: (kind: LayeredKind, scope: string) => LayerDocument[];
}

export const createCrossContext = <M extends MeshLookup>(mesh: M): CrossContext<M> => {
  const known = new Map<string, Effective<LayeredKind>>();
  const effectiveAt = <K extends LayeredKind>(kind: K, scope: string): Effective<K> => {
    const key = `${kind} ${scope}`;
    let found = known.get(key);
    if (found === undefined) {
      found = effective(
        kind,
        chainOfScope(scope).flatMap((part) => mesh.documents(kind, part)),
      );
      known.set(key, found);
    }
    return found as Effective<K>;
  };
  const documentsInside = (kind: LayeredKind, scope: string): LayerDocument[] => {
    // A service with a port has nothing inside; this saves reading all documents for the most common change.
    if (scope.startsWith('svc:') && scope.indexOf(':', 4) >= 0) return [];
    return [...mesh.documentsOf(kind)].filter(
      (document) => document.scope !== scope && isWithin(document.scope, scope),
    );
  };
  return { mesh, effectiveAt, documentsInside };
};

export interface Subject {
  /** `Kind/namespace/name` */
  readonly document: string;
  readonly scope: string;
}

export const subjectOfDocument = (document: PolicyDocument): Subject => ({
  document: keyOf(document),
  scope: scopeKeyOf(document),
});

export const finding = (
  code: string,
  document: string,
  pointer: string,
  message: string,
  extra: Pick<Finding, 'related' | 'hint'> = {},
): Finding => ({
  code,
  severity: code.startsWith('W') ? 'warning' : 'error',
  message,
  document,
  pointer,
  ...(extra.related === undefined ? {} : { related: extra.related }),
  ...(extra.hint === undefined ? {} : { hint: extra.hint }),
});

/** The service that a scope key names: `<service>.<namespace>` and port. */
export const serviceOfScope = (
  scope: string,
): { readonly service: string; readonly port: number | undefined } | undefined => {
  if (!scope.startsWith('svc:')) return undefined;
  const [service = '', port] = scope.slice(4).split(':');
  return { service, port: port === undefined ? undefined : Number(port) };
};

export const hasHttpPort = (service: LookupService): boolean =>
  service.ports.some(({ protocol }) => protocol !== 'tcp');

/** At most `count` names, and how many more there are. */
export const someOf = (names: readonly string[], count = 5): string =>
  names.length <= count ? names.join(', ') : `${names.slice(0, count).join(', ')} and ${names.length - count} more`;

/** How people call a scope. */
export const scopeWords = (scope: string): string => {
  if (scope === 'mesh') return 'the mesh';
  return scope.startsWith('ns:') ? `namespace ${scope.slice(3)}` : scope.slice(4);
};
