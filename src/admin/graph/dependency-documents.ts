/**
 * `Dependency` documents that declare what was learned, or no longer declare what is not used. They start from the documents that
 * there are, so that applying them loses nothing that somebody wrote.
 *
 * A caller's own document is that of its name (its scope is the service); a document of that name and another scope is left alone, and
 * `<name>-learned` declares for the service beside it. A document has at most 256 targets: what is beyond goes into a further one.
 */
import { parseServiceName } from '../../model/index.ts';
import type { DocumentView, EdgeView, StatePort } from '../ports.ts';
import { targetOf } from './edge-rows.ts';
import type { ServiceFacts } from './moment.ts';

type Targets = Record<string, unknown>;

export interface DependencyDocument {
  readonly apiVersion: string;
  readonly kind: 'Dependency';
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly spec: Readonly<Record<string, unknown>>;
}

/** Entries of one map of a document (policies.md section 1). */
const MAX_TARGETS = 256;

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const specOf = (stored: DocumentView | undefined): Record<string, unknown> =>
  isObject(stored?.document.spec) ? stored.document.spec : {};

/** The service that a document is for by its name or its scope; undefined: a namespace or the mesh. */
export const scopeService = (stored: DocumentView): string | undefined => {
  const { scope } = specOf(stored);
  if (!isObject(scope)) return `${stored.name}.${stored.namespace}`;
  return typeof scope.service === 'string' ? `${scope.service}.${stored.namespace}` : undefined;
};

const withTargets = (stored: DocumentView | undefined, head: DependencyDocument, to: Targets): DependencyDocument => {
  if (stored === undefined) return { ...head, spec: { ...head.spec, to } };
  return { ...(stored.document as unknown as DependencyDocument), spec: { ...specOf(stored), to } };
};

const inOrder = (targets: Targets): Targets =>
  Object.fromEntries(Object.entries(targets).sort(([a], [b]) => (a < b ? -1 : 1)));

/** Documents of a caller with these targets besides those that are declared already. */
export const declaring = (
  state: Pick<StatePort, 'policy'>,
  caller: string,
  targets: readonly string[],
): readonly DependencyDocument[] => {
  const ref = parseServiceName(caller);
  if (ref === undefined || targets.length === 0) return [];
  const documents: DependencyDocument[] = [];
  const left = [...targets].sort();
  for (let number = 1; left.length > 0; number++) {
    const own = number === 1 ? ref.name : `${ref.name}-learned${number === 2 ? '' : `-${number - 1}`}`;
    // Names are DNS labels.
    const name = own.length <= 63 ? own : `${ref.name.slice(0, 63 - 12)}-learned-${number}`;
    const stored = state.policy('Dependency', ref.namespace, name);
    if (stored !== undefined && scopeService(stored) !== caller) continue;
    const { to } = specOf(stored);
    const known: Targets = isObject(to) ? { ...to } : {};
    const room = Math.max(0, MAX_TARGETS - Object.keys(known).length);
    const added = left.splice(0, room);
    if (added.length === 0) continue;
    for (const target of added) known[target] ??= {};
    const head: DependencyDocument = {
      apiVersion: 'tendril.dev/v1',
      kind: 'Dependency',
      metadata: { name, namespace: ref.namespace },
      spec: name === ref.name ? {} : { scope: { service: ref.name } },
    };
    documents.push(withTargets(stored, head, inOrder(known)));
  }
  return documents;
};

/** A document without these targets; undefined: nothing of it is left. */
export const withoutTargets = (stored: DocumentView, targets: ReadonlySet<string>): DependencyDocument | undefined => {
  const { to, scope: _scope, ...rest } = specOf(stored);
  const kept = Object.entries(isObject(to) ? to : {}).filter(([target]) => !targets.has(target));
  if (kept.length === 0 && Object.keys(rest).length === 0) return undefined;
  const spec: Record<string, unknown> = { ...specOf(stored), to: Object.fromEntries(kept) };
  if (kept.length === 0) delete spec.to;
  return { ...(stored.document as unknown as DependencyDocument), spec };
};

/** Why a learned edge cannot be declared as it is; undefined: it can. */
export const undeclarable = (edge: EdgeView, service: ServiceFacts | undefined): string | undefined => {
  if (edge.state === 'denied' || edge.state === 'expired') return `it is ${edge.state}`;
  if (service === undefined) return `${edge.to} is not registered`;
  const ports = service.ports.filter(({ port }) => edge.port === undefined || port === edge.port);
  if (ports.length === 0) return `${edge.to} has no port ${edge.port}`;
  if (ports.every(({ protocol }) => protocol === 'tcp'))
    return 'it is TCP: add it with a localPort that is free on the caller (E604)';
  return undefined;
};

/** Learned edges that nobody declares, by caller: targets that a document can have, and edges that it cannot, with the reason. */
export const learnedByCaller = (
  edges: readonly EdgeView[],
  services: ReadonlyMap<string, ServiceFacts>,
): ReadonlyMap<
  string,
  { readonly targets: string[]; readonly left: { readonly edge: EdgeView; readonly why: string }[] }
> => {
  const callers = new Map<string, { targets: string[]; left: { edge: EdgeView; why: string }[] }>();
  for (const edge of edges) {
    if (edge.origin !== 'learned') continue;
    const entry = callers.get(edge.from) ?? { targets: [], left: [] };
    callers.set(edge.from, entry);
    const why = undeclarable(edge, services.get(edge.to));
    if (why === undefined) entry.targets.push(targetOf(edge));
    else entry.left.push({ edge, why });
  }
  return callers;
};
