/** Policy events: documents come whole, patched, or go; a Service document is a facet of its service besides. */
import {
  applyPatch,
  canonicalJson,
  documentKey,
  type Finding,
  isOfKind,
  keyOf,
  namespaceOf,
  type PolicyDocument,
  type RecordedEvent,
  readDocument,
  serviceName,
} from '../../model/index.ts';
import { registerEndpoint, withdrawEndpoint } from './evolve-endpoint.ts';
import { registerService, withdrawService } from './evolve-service.ts';
import { RANK_DOCUMENT } from './facet-rank.ts';
import { servicesWithOtherSubsets } from './foreign-subsets.ts';
import type { MeshState } from './mesh-state.ts';
import { scopeOfEntity } from './policy-index.ts';
import { type Speaker, serviceWordOf } from './service-entity.ts';
import type { PolicyEntity, PolicyRefusal } from './types.ts';
import type { Unit } from './unit.ts';
import { type Applied, type Refusal, rejected, rejectedBy } from './verdict.ts';

const MAX_REFUSALS = 16;

const documentOf = (entity: PolicyEntity | undefined): PolicyDocument | undefined =>
  entity?.document as PolicyDocument | undefined;

const inlineEndpoints = (document: PolicyDocument | undefined) =>
  document !== undefined && isOfKind(document, 'Service') ? (document.spec.endpoints ?? []) : [];

/** What a Service document says becomes the facet of highest rank of its service and of its inline endpoints. */
const applyServiceDocument = (
  state: MeshState,
  unit: Unit,
  before: PolicyDocument | undefined,
  after: PolicyDocument | undefined,
  event: RecordedEvent,
): void => {
  const document = after ?? before;
  if (document === undefined) return;
  const name = serviceName(namespaceOf(document), document.metadata.name);
  const { offset, recordedAt } = event;
  const speaker: Speaker = { source: keyOf(document), rank: RANK_DOCUMENT, offset, recordedAt };
  const kept = new Set(inlineEndpoints(after).map(({ id }) => id));
  for (const { id } of inlineEndpoints(before)) if (!kept.has(id)) withdrawEndpoint(state, name, id, speaker);
  for (const endpoint of inlineEndpoints(after)) registerEndpoint(state, name, endpoint, speaker, { keepEqual: true });
  if (after === undefined || !isOfKind(after, 'Service')) withdrawService(state, unit, name, speaker);
  else registerService(state, unit, name, serviceWordOf(after.spec), speaker);
};

/** Puts a document in place, or removes it (undefined), with all that follows from it. */
const write = (
  state: MeshState,
  unit: Unit,
  key: string,
  next: PolicyEntity | undefined,
  event: RecordedEvent,
): void => {
  const before = state.policies.get(key);
  state.policies.set(key, next);
  unit.touchPolicy(key, before);
  if (before?.document === next?.document) return;
  for (const entity of [before, next]) {
    if (entity !== undefined) state.changes.touchInput(`doc:${entity.kind}|${scopeOfEntity(entity)}`);
  }
  const kind = (before ?? next)?.kind;
  if (kind === 'Service') applyServiceDocument(state, unit, documentOf(before), documentOf(next), event);
  // Those services have clusters for subsets that only routes of others use.
  if (kind === 'Route') {
    for (const service of servicesWithOtherSubsets(before, next)) state.changes.touchInput(`svc:${service}`);
  }
};

const withDocument = (
  state: MeshState,
  before: PolicyEntity | undefined,
  document: PolicyDocument,
  event: RecordedEvent,
  place: { readonly file?: string; readonly line?: number },
): PolicyEntity => {
  const { offset, recordedAt, source, reason } = event;
  const base = before ?? { kind: document.kind, namespace: namespaceOf(document), name: document.metadata.name };
  return state.immer.produce(base as PolicyEntity, (draft) => {
    Object.assign(draft, { offset, recordedAt, source });
    delete draft.reason;
    delete draft.file;
    delete draft.line;
    delete draft.refusals;
    if (reason !== undefined) draft.reason = reason;
    if (place.file !== undefined) draft.file = place.file;
    if (place.line !== undefined) draft.line = place.line;
    // Equal content keeps its identity: nothing is derived again then.
    if (before === undefined || canonicalJson(before.document) !== canonicalJson(document)) {
      draft.document = document as unknown as Record<string, unknown>;
    }
  });
};

const warningsOf = (findings: readonly Finding[]): Applied => (findings.length === 0 ? {} : { findings });

export const policyApplied = (
  state: MeshState,
  unit: Unit,
  event: RecordedEvent<'policy.applied'>,
): Applied | Refusal => {
  const checked = readDocument(event.data.document);
  if (!checked.ok) return rejectedBy(checked.findings);
  const key = keyOf(checked.document);
  write(state, unit, key, withDocument(state, state.policies.get(key), checked.document, event, event.data), event);
  return warningsOf(checked.findings);
};

const unknownDocument = (key: string): string => `There is no document ${key}.`;

export const policyPatched = (
  state: MeshState,
  unit: Unit,
  event: RecordedEvent<'policy.patched'>,
): Applied | Refusal => {
  const key = documentKey(event.data.kind, event.data.namespace, event.data.name);
  const before = state.policies.get(key);
  const document = documentOf(before);
  if (before === undefined || document === undefined) {
    const message = `${unknownDocument(key)} A patch needs one.`;
    return rejected('E110', message, [{ code: 'E110', severity: 'error', message, document: key }]);
  }
  const result = applyPatch(document, event.data.patch);
  if (!result.ok) return rejectedBy(result.findings);
  write(state, unit, key, withDocument(state, before, result.document, event, {}), event);
  return warningsOf(result.findings);
};

export const policyDeleted = (state: MeshState, unit: Unit, event: RecordedEvent<'policy.deleted'>): Applied => {
  const key = documentKey(event.data.kind, event.data.namespace, event.data.name);
  if (state.policies.get(key) === undefined) return { message: `${unknownDocument(key)} Nothing to delete.` };
  write(state, unit, key, undefined, event);
  return {};
};

/** Recorded for display with the document; it does not count as a change of it (`offset`, `expect`). */
export const policyRefused = (state: MeshState, event: RecordedEvent<'policy.refused'>): Applied => {
  const { kind, namespace, name, ...refused } = event.data;
  const key = documentKey(kind, namespace, name);
  const before = state.policies.get(key);
  if (before === undefined) return { message: unknownDocument(key) };
  const refusal: PolicyRefusal = { ...refused, recordedAt: event.recordedAt };
  const isSame = (other: PolicyRefusal): boolean =>
    other.node === refusal.node && other.typeUrl === refusal.typeUrl && other.resource === refusal.resource;
  const next = state.immer.produce(before, (draft) => {
    const others = (before.refusals ?? []).filter((other) => !isSame(other));
    draft.refusals = [refusal, ...others].slice(0, MAX_REFUSALS);
  });
  state.policies.set(key, next);
  return {};
};
