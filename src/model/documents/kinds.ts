/** The eight kinds of documents, and which of them this version compiles (policies.md sections 0 and 14). */

export const API_VERSION = 'tendril.dev/v1';

export const KINDS = [
  'Service',
  'Route',
  'Upstream',
  'Access',
  'Dependency',
  'RateLimit',
  'Telemetry',
  'Extension',
] as const;
export type Kind = (typeof KINDS)[number];

export const isKind = (text: unknown): text is Kind => KINDS.some((kind) => kind === text);

/** Kinds that have a scope and are merged in layers: all but Service. */
export type LayeredKind = Exclude<Kind, 'Service'>;

/** Documents of the other kinds have their shape but are refused with E107 (unless stored as inert). */
export const COMPILED_KINDS: readonly Kind[] = ['Service', 'Route', 'Upstream', 'Dependency'];
export const isCompiledKind = (kind: Kind): boolean => COMPILED_KINDS.includes(kind);

/** `Kind/namespace/name`: how findings, provenance and people name a document. */
export const documentKey = (kind: string, namespace: string, name: string): string => `${kind}/${namespace}/${name}`;
