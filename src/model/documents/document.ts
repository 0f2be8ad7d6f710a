/** A policy document: what one `policy.applied` event carries (contracts, "Documents"). */
import { documentKey, type Kind } from './kinds.ts';
import type { SpecOf } from './schema/index.ts';

export const DEFAULT_NAMESPACE = 'default';

/** A checked document: `checkDocument` found no error in it. */
export interface PolicyDocument<K extends Kind = Kind> {
  readonly apiVersion: string;
  readonly kind: K;
  readonly metadata: {
    readonly name: string;
    /** Default `default`. */
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly spec: SpecOf<K>;
}

export const namespaceOf = (document: Pick<PolicyDocument, 'metadata'>): string =>
  document.metadata.namespace ?? DEFAULT_NAMESPACE;

/** `Kind/namespace/name`. */
export const keyOf = (document: Pick<PolicyDocument, 'kind' | 'metadata'>): string =>
  documentKey(document.kind, namespaceOf(document), document.metadata.name);

/** Narrows to one kind. */
export const isOfKind = <K extends Kind>(document: PolicyDocument, kind: K): document is PolicyDocument<K> =>
  document.kind === kind;
