/**
 * What the fold would say to documents, without writing: each document by itself, then the batch against the mesh as it would
 * leave it (policies.md section 1). Reads the folded state, changes nothing.
 *
 * Known limit: of a service with several sources only the served one is looked at when its Service document is deleted.
 */
import {
  applyPatch,
  crossErrors,
  type DocumentChange,
  documentKey,
  type Finding,
  isOfKind,
  keyOf,
  type LayerDocument,
  type LookupService,
  type MeshLookup,
  namespaceOf,
  type PolicyDocument,
  readDocument,
  scopeKeyOf,
  serviceName,
} from '../model/index.ts';
import type { StatePort, StoredDocument } from './ports.ts';

/** A `policy.*` event as it would be submitted. */
export interface DryEvent {
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** Errors that would reject the events, and warnings of the documents themselves. */
export type DryRun = (events: readonly DryEvent[]) => readonly Finding[];

type Changes = Map<string, { before: PolicyDocument | undefined; after: PolicyDocument | undefined }>;

const keyOfStored = (stored: StoredDocument): string => documentKey(stored.kind, stored.namespace, stored.name);

// A stored document was checked when it was folded.
const asDocument = (stored: StoredDocument | undefined): PolicyDocument | undefined =>
  stored?.document as PolicyDocument | undefined;

const text = (data: Readonly<Record<string, unknown>>, name: string): string => String(data[name] ?? '');

/** Puts one event's effect into `changes`. */
const take = (state: StatePort, changes: Changes, event: DryEvent): readonly Finding[] => {
  const { data } = event;
  const change = (key: string, stored: StoredDocument | undefined, after: PolicyDocument | undefined): void => {
    const known = changes.get(key);
    if (known === undefined) changes.set(key, { before: asDocument(stored), after });
    else known.after = after;
  };
  if (event.type === 'policy.applied') {
    const checked = readDocument(data.document);
    if (!checked.ok) return checked.findings;
    const { document } = checked;
    change(keyOf(document), state.policy(document.kind, namespaceOf(document), document.metadata.name), document);
    return checked.findings;
  }
  const [kind, namespace, name] = [text(data, 'kind'), text(data, 'namespace'), text(data, 'name')];
  const stored = state.policy(kind, namespace, name);
  const key = documentKey(kind, namespace, name);
  if (event.type === 'policy.deleted') {
    change(key, stored, undefined);
    return [];
  }
  const current = changes.has(key) ? changes.get(key)?.after : asDocument(stored);
  if (current === undefined)
    return [
      { code: 'E110', severity: 'error', message: `there is no document ${key}, a patch needs one`, document: key },
    ];
  const patched = applyPatch(current, data.patch);
  if (patched.ok) change(key, stored, patched.document);
  return patched.findings;
};

const layerOf = (document: PolicyDocument): LayerDocument => ({
  document: keyOf(document),
  scope: scopeKeyOf(document),
  spec: document.spec as LayerDocument['spec'],
});

const serviceOf = (document: PolicyDocument<'Service'>): LookupService => ({
  namespace: namespaceOf(document),
  ports: document.spec.ports,
  labels: document.spec.labels ?? {},
  interfaces: document.spec.interfaces ?? [],
  externalHosts: (document.spec.external?.hosts ?? []).map((host) => host.toLowerCase()),
  visibility: document.spec.visibility ?? 'mesh',
});

const nameOf = (document: PolicyDocument): string => serviceName(namespaceOf(document), document.metadata.name);

/** The mesh as the changes would leave it. */
const meshAfter = (state: StatePort, changes: Changes): MeshLookup => {
  const byScope = new Map<string, LayerDocument[]>();
  const byKind = new Map<string, LayerDocument[]>();
  const services = new Map<string, LookupService | undefined>();
  const add = (document: PolicyDocument): void => {
    const layer = layerOf(document);
    for (const [map, key] of [
      [byScope, `${document.kind}|${layer.scope}`],
      [byKind, document.kind],
    ] as const) {
      const list = map.get(key);
      if (list === undefined) map.set(key, [layer]);
      else list.push(layer);
    }
  };
  for (const stored of state.policies()) {
    const document = asDocument(stored);
    if (document !== undefined && document.kind !== 'Service' && !changes.has(keyOfStored(stored))) add(document);
  }
  for (const [key, { before, after }] of changes) {
    if (after !== undefined && after.kind !== 'Service') add(after);
    else if (after !== undefined && isOfKind(after, 'Service')) services.set(nameOf(after), serviceOf(after));
    else if (before !== undefined && isOfKind(before, 'Service')) {
      const name = nameOf(before);
      const others = state.serviceFacets(name).some((facet) => facet.source !== key);
      services.set(name, others ? state.service(name) : undefined);
    }
  }
  return {
    service: (name) => (services.has(name) ? services.get(name) : state.service(name)),
    documents: (kind, scope) => byScope.get(`${kind}|${scope}`) ?? [],
    documentsOf: (kind) => byKind.get(kind) ?? [],
    listenPorts: (caller) => state.listenPorts?.(caller) ?? [],
    hostOwners: (host) => {
      const owner = state.externalOwner(host);
      const changed = [...services].flatMap(([name, service]) =>
        service?.externalHosts.includes(host) === true ? [name] : [],
      );
      return owner === undefined || services.has(owner) ? changed : [owner, ...changed];
    },
  };
};

export const createDryRun =
  (state: StatePort): DryRun =>
  (events) => {
    const changes: Changes = new Map();
    const findings = events.flatMap((event) => take(state, changes, event));
    if (findings.some((finding) => finding.severity === 'error')) return findings;
    const list: readonly DocumentChange[] = [...changes.values()];
    return [...findings, ...crossErrors(list, meshAfter(state, changes))];
  };
