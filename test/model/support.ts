/** Documents and a mesh in memory for the tests of policy documents. */
import {
  type DocumentChange,
  type Finding,
  type JsonObject,
  type Kind,
  keyOf,
  type LayerDocument,
  type LayeredKind,
  type LookupEndpoint,
  type LookupService,
  type MeshUsageLookup,
  type PolicyDocument,
  parseDocuments,
  scopeKeyOf,
} from '../../src/model/index.ts';

export const envelope = (kind: string, name: string, spec: unknown, namespace?: string): Record<string, unknown> => ({
  apiVersion: 'tendril.dev/v1',
  kind,
  metadata: namespace === undefined ? { name } : { name, namespace },
  spec,
});

/** A good document; the test fails at once when it is not. */
export const document = (kind: Kind, name: string, spec: object, namespace?: string): PolicyDocument =>
  envelope(kind, name, spec, namespace) as unknown as PolicyDocument;

export const layer = (made: PolicyDocument): LayerDocument => ({
  document: keyOf(made),
  scope: scopeKeyOf(made),
  spec: made.spec as unknown as JsonObject,
});

/** YAML without the `apiVersion` line, as the examples of policies.md are written. */
export const fromYaml = (yaml: string, inert = false): PolicyDocument[] => {
  const text = yaml
    .split(/^---$/m)
    .map((part) => `apiVersion: tendril.dev/v1\n${part.trimStart()}`)
    .join('\n---\n');
  const { documents, findings } = parseDocuments(text, { inert });
  const errors = findings.filter(({ severity }) => severity === 'error');
  if (errors.length > 0) throw new Error(JSON.stringify(errors, null, 1));
  return documents.map((parsed) => parsed.document);
};

export const codesOf = (findings: readonly Finding[]): string[] => findings.map(({ code }) => code);

/** The one finding of a code; fails when there is none or several. */
export const only = (findings: readonly Finding[], code: string): Finding => {
  const found = findings.filter((finding) => finding.code === code);
  const [first] = found;
  if (first === undefined || found.length > 1) {
    throw new Error(`expected one ${code}, found ${JSON.stringify(findings, null, 1)}`);
  }
  return first;
};

export const service = (namespace: string, fields: Partial<LookupService> = {}): LookupService => ({
  namespace,
  ports: [{ port: 80, protocol: 'http' }],
  labels: {},
  interfaces: [],
  externalHosts: [],
  visibility: 'mesh',
  ...fields,
});

export interface MeshFacts {
  readonly documents?: readonly PolicyDocument[];
  readonly services?: Readonly<Record<string, LookupService>>;
  readonly endpoints?: Readonly<Record<string, readonly LookupEndpoint[]>>;
  readonly sources?: Readonly<Record<string, readonly string[]>>;
  readonly callerSidecars?: number;
  readonly used?: Readonly<Record<string, readonly { readonly to: string; readonly lastSeen: number }[]>>;
  readonly listens?: readonly { readonly port: number; readonly owner: string }[];
  readonly now?: number;
}

/** A lookup over plain lists: slow and obvious. */
export const meshOf = (facts: MeshFacts): MeshUsageLookup => {
  const documentsOf = (kind: LayeredKind): LayerDocument[] =>
    (facts.documents ?? []).filter((made) => made.kind === kind).map(layer);
  const services = facts.services ?? {};
  return {
    service: (name) => services[name],
    services: () => Object.entries(services),
    documents: (kind, scope) => documentsOf(kind).filter((candidate) => candidate.scope === scope),
    documentsOf,
    hostOwners: (host) =>
      Object.entries(services)
        .filter(([, { externalHosts }]) => externalHosts.includes(host))
        .map(([name]) => name),
    listenPorts: () => facts.listens ?? [],
    endpoints: (name) => facts.endpoints?.[name] ?? [],
    endpointSources: (name, id) => facts.sources?.[`${name}/${id}`] ?? [],
    callerSidecars: () => facts.callerSidecars ?? 0,
    usedEdges: (caller) => facts.used?.[caller] ?? [],
    callers: () => Object.keys({ ...services, ...facts.used }),
    now: facts.now ?? 0,
  };
};

/** The last documents of the mesh as just applied, none of them there before. */
export const applied = (...documents: readonly PolicyDocument[]): DocumentChange[] =>
  documents.map((after) => ({ before: undefined, after }));
