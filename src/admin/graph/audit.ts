/**
 * What documents and use say differently: edges that are declared and not used, and edges that are used and not declared; with the
 * documents that would settle it.
 *
 * Not findings: what is pinned (kept on purpose) or denied. An edge counts as used when a sidecar asked for it or reported use. What is
 * declared is there before anybody asks, so only reports of use can tell that it is not used: of callers whose sidecars report none, such
 * a finding is a guess, says so, and no document settles it. It is no longer used when its last use is a TTL of its caller ago, by the
 * documents of now.
 */
import { documentKey } from '../../model/index.ts';
import type { AdminPorts, DocumentView, EdgeView } from '../ports.ts';
import { declaring, learnedByCaller, scopeService, withoutTargets } from './dependency-documents.ts';
import { edgeRow, targetOf } from './edge-rows.ts';
import { yamlOf } from './export.ts';
import type { GraphMoment } from './moment.ts';
import { declaredAsWhole, lastUses } from './whole-services.ts';

export type AuditKind = 'never-used' | 'no-longer-used' | 'undeclared';

export interface AuditFinding {
  readonly kind: AuditKind;
  readonly edge: Readonly<Record<string, unknown>>;
  /** Declared, last used, or first seen since, RFC 3339. */
  readonly since?: string;
  /** Keys of the documents that settle it; without any, `hint` says what to do. */
  readonly documents: readonly string[];
  readonly hint?: string;
}

/** Settles all findings that name it. */
export interface SettlingDocument {
  readonly document: string;
  readonly action: 'apply' | 'delete';
  /** What to apply; of a deletion, nothing. */
  readonly yaml?: string;
}

export interface Audit {
  readonly findings: readonly AuditFinding[];
  readonly documents: readonly SettlingDocument[];
}

const storedOf = (ports: AdminPorts, key: string): DocumentView | undefined => {
  const [kind = '', namespace = '', name = ''] = key.split('/');
  return ports.state.policy(kind, namespace, name);
};

/** Tells of each edge what is the matter with it; `edges` are all that there are between its ends. */
const judge = (ports: AdminPorts, edges: readonly EdgeView[], now: number) => {
  const isDeclaredAsWhole = declaredAsWhole(edges);
  const lastUse = lastUses(edges);
  const kindOf = (edge: EdgeView): AuditKind | undefined => {
    if (edge.state === 'denied' || edge.state === 'pinned') return undefined;
    if (edge.origin === 'learned')
      return edge.state === 'expired' || isDeclaredAsWhole(edge) ? undefined : 'undeclared';
    const used = lastUse(edge);
    if (used === undefined) return 'never-used';
    return used + ports.state.graphLookup.dependency(edge.from).ttlMs <= now ? 'no-longer-used' : undefined;
  };
  const unusedSince = (edge: EdgeView): number | undefined =>
    lastUse(edge) ?? declaredAt(ports, edge) ?? edge.firstSeen;
  return { kindOf, unusedSince };
};

const time = (ms: number | undefined): { readonly since?: string } =>
  ms === undefined ? {} : { since: new Date(ms).toISOString() };

/** Findings of the edges that are `wanted`; the others may be evidence for them. */
export const auditOf = async (
  ports: AdminPorts,
  moment: GraphMoment,
  all: readonly EdgeView[],
  wanted: (edge: EdgeView) => boolean,
): Promise<Audit> => {
  const edges = all.filter(wanted);
  const { kindOf, unusedSince } = judge(ports, all, moment.time);
  const findings: AuditFinding[] = [];
  const settling = new Map<string, SettlingDocument>();
  const unused = new Map<string, Set<string>>();
  const reporting = await reportingCallers(moment, all);
  for (const edge of edges) {
    const kind = kindOf(edge);
    if (kind === undefined || kind === 'undeclared') continue;
    if (!reporting.has(edge.from)) {
      const hint = `no sidecar of ${edge.from} reports use: whether this edge is used is not known`;
      findings.push({ kind, edge: edgeRow(edge), ...time(unusedSince(edge)), documents: [], hint });
      continue;
    }
    const place = placeOfDeclaration(ports, edge);
    for (const key of place.documents) unused.set(key, (unused.get(key) ?? new Set()).add(targetOf(edge)));
    findings.push({
      kind,
      edge: edgeRow(edge),
      ...time(unusedSince(edge)),
      documents: place.documents,
      ...hintOf(edge, place.others),
    });
  }
  for (const [key, targets] of unused) {
    const stored = storedOf(ports, key);
    const rest = stored === undefined ? undefined : withoutTargets(stored, targets);
    settling.set(
      key,
      rest === undefined ? { document: key, action: 'delete' } : { document: key, action: 'apply', yaml: yamlOf(rest) },
    );
  }
  const undeclared = edges.filter((edge) => kindOf(edge) === 'undeclared');
  const services = await moment.services([...new Set(undeclared.map(({ to }) => to))]);
  for (const [caller, { targets, left }] of learnedByCaller(undeclared, services)) {
    const documents = declaring(withUnusedGone(ports, unused), caller, targets);
    const keys = new Map<string, string>();
    for (const document of documents) {
      const { name, namespace } = document.metadata as { readonly name: string; readonly namespace?: string };
      const key = documentKey('Dependency', namespace ?? 'default', name);
      settling.set(key, { document: key, action: 'apply', yaml: yamlOf(document) });
      for (const target of Object.keys((document.spec.to ?? {}) as object)) keys.set(target, key);
    }
    const why = new Map(left.map(({ edge, why: reason }) => [edge, reason]));
    for (const edge of undeclared.filter(({ from }) => from === caller)) {
      const reason = why.get(edge);
      const key = keys.get(targetOf(edge));
      findings.push({
        kind: 'undeclared',
        edge: edgeRow(edge),
        ...time(edge.firstSeen),
        documents: key === undefined ? [] : [key],
        ...(reason === undefined ? {} : { hint: `no document as it is: ${reason}` }),
      });
    }
  }
  return { findings, documents: [...settling.values()].sort((a, b) => (a.document < b.document ? -1 : 1)) };
};

/** Documents as they will be once they no longer declare what is not used: one document settles both kinds. */
const withUnusedGone = (ports: AdminPorts, unused: ReadonlyMap<string, ReadonlySet<string>>) => ({
  policy: (kind: string, namespace: string, name: string): DocumentView | undefined => {
    const stored = ports.state.policy(kind, namespace, name);
    const targets = unused.get(documentKey(kind, namespace, name));
    if (stored === undefined || targets === undefined) return stored;
    const document = withoutTargets(stored, targets);
    return document === undefined
      ? undefined
      : { ...stored, document: document as unknown as DocumentView['document'] };
  },
});

const isReport = ({ evidence }: EdgeView): boolean => evidence.includes('observed');

/** Callers of which some edge has evidence of use itself. */
const reportingCallers = async (moment: GraphMoment, edges: readonly EdgeView[]): Promise<ReadonlySet<string>> => {
  const reporting = new Set(edges.filter(isReport).map(({ from }) => from));
  const callers = new Set(edges.filter(({ origin }) => origin !== 'learned').map(({ from }) => from));
  for (const caller of callers) {
    if (reporting.has(caller)) continue;
    // Around a focus not all edges of a caller are among the given ones.
    const own = await moment.edges({ focus: caller, depth: 1 });
    if (own.some((edge) => edge.from === caller && isReport(edge))) reporting.add(caller);
  }
  return reporting;
};

/** When the first of the documents of now that declare an edge was applied. */
const declaredAt = (ports: AdminPorts, { declaredBy }: EdgeView): number | undefined => {
  const times = declaredBy.flatMap((key) =>
    key.startsWith('Dependency/') ? (storedOf(ports, key)?.recordedAt ?? []) : [],
  );
  return times.length === 0 ? undefined : Math.min(...times);
};

/** Documents of the caller that name the edge's target, and what else declares it. */
const placeOfDeclaration = (ports: AdminPorts, edge: EdgeView) => {
  const documents: string[] = [];
  const others: string[] = [];
  for (const key of edge.declaredBy) {
    const stored = key.startsWith('Dependency/') ? storedOf(ports, key) : undefined;
    const { to } = (stored?.document.spec ?? {}) as { readonly to?: Readonly<Record<string, unknown>> | null };
    const isOwn = stored !== undefined && scopeService(stored) === edge.from;
    if (isOwn && Object.hasOwn(to ?? {}, targetOf(edge))) documents.push(key);
    else others.push(key);
  }
  return { documents, others };
};

const hintOf = (edge: EdgeView, others: readonly string[]): { readonly hint?: string } => {
  if (others.length === 0) return {};
  const isDocument = others.some((key) => key.startsWith('Dependency/'));
  const how = isDocument
    ? 'for more than this edge (a pattern, a selector, a namespace or the mesh): narrow it there'
    : `by an event: DELETE /v1/graph/edges/${edge.from}/${targetOf(edge)} takes it back`;
  return { hint: `declared by ${others.join(', ')} ${how}` };
};
