/**
 * Checks across documents and services, once per unit, on the state as the whole unit would leave it (policies.md section 1).
 */
import {
  API_VERSION,
  crossErrors,
  crossWarnings,
  type DocumentChange,
  documentKey,
  type Finding,
  type PolicyDocument,
  parseServiceName,
  type RecordedEvent,
  type ServiceData,
} from '../../model/index.ts';
import { RANK_API, rankOf } from './facet-rank.ts';
import { meshNameFindings } from './mesh-names.ts';
import type { MeshState } from './mesh-state.ts';
import { claimedHosts, type ServiceEntity, serviceViewOf } from './service-entity.ts';
import { lastIndexOf, type Unit } from './unit.ts';
import { usageLookup } from './usage-lookup.ts';

/** Findings by index of the event that is to blame. */
export type UnitFindings = ReadonlyMap<number, readonly Finding[]>;

const serviceDocument = (name: string, spec: object): PolicyDocument | undefined => {
  const ref = parseServiceName(name);
  if (ref === undefined) return undefined;
  const document = { apiVersion: API_VERSION, kind: 'Service', metadata: ref, spec };
  return document as unknown as PolicyDocument;
};

const servedDocument = (name: string, entity: ServiceEntity | undefined): PolicyDocument | undefined => {
  const view = entity === undefined ? undefined : serviceViewOf(name, entity);
  return view === undefined ? undefined : serviceDocument(name, { ports: view.ports });
};

/**
 * What `service.registered` says, in the words of a Service document: so it meets the same rules. Adapters and leases report
 * what is; that ports vanish there is a fact, not a wish, so E211 is for writers of the API.
 */
const registration = (unit: Unit, name: string, event: RecordedEvent): DocumentChange | undefined => {
  if (event.type !== 'service.registered') return undefined;
  const { external, ports } = event.data as ServiceData;
  const left = new Set(ports.map(({ port }) => port));
  const old = unit.services.get(name)?.before;
  const loses = old !== undefined && serviceViewOf(name, old)?.ports.some(({ port }) => !left.has(port)) === true;
  if (external === undefined && !loses) return undefined;
  const { namespace: _namespace, name: _name, ...spec } = event.data as ServiceData;
  const before = rankOf(event.source) < RANK_API ? undefined : servedDocument(name, old);
  return { before, after: serviceDocument(name, spec) };
};

/** Checks what the unit touched; undefined: nothing that needs it. */
const changesOf = (state: MeshState, unit: Unit, events: readonly RecordedEvent[]): DocumentChange[] => {
  const changes: { readonly index: number; readonly change: DocumentChange }[] = [];
  for (const [key, touched] of unit.policies) {
    const { before } = touched;
    const after = state.policies.get(key);
    if (before?.document === after?.document) continue;
    const change = {
      before: before?.document as PolicyDocument | undefined,
      after: after?.document as PolicyDocument | undefined,
    };
    changes.push({ index: lastIndexOf(touched) ?? 0, change });
  }
  for (const [name, { indexes }] of unit.services) {
    for (const index of indexes) {
      const event = events[index];
      const change = event === undefined ? undefined : registration(unit, name, event);
      if (change !== undefined) changes.push({ index, change });
    }
  }
  return changes.sort((a, b) => a.index - b.index).map(({ change }) => change);
};

const addTo = (findings: Map<number, Finding[]>, index: number, finding: Finding): void => {
  const known = findings.get(index);
  if (known === undefined) findings.set(index, [finding]);
  else known.push(finding);
};

/** Index of the event that a finding is about. */
const indexOf = (unit: Unit, finding: Finding): number => {
  const key = finding.document ?? '';
  const [, namespace = '', name = ''] = key.split('/');
  return lastIndexOf(unit.policies.get(key)) ?? lastIndexOf(unit.services.get(`${name}.${namespace}`)) ?? unit.index;
};

/** Errors that reject the unit, by event; an empty map: it may be applied. */
export const unitErrors = (state: MeshState, unit: Unit, events: readonly RecordedEvent[]): UnitFindings => {
  const findings = new Map<number, Finding[]>();
  if (unit.isEmpty) return findings;
  const changes = changesOf(state, unit, events);
  if (changes.length > 0) {
    for (const finding of crossErrors(changes, usageLookup(state, 0))) addTo(findings, indexOf(unit, finding), finding);
  }
  for (const [name, touched] of unit.services) {
    const { before } = touched;
    const after = state.services.get(name);
    if (after === undefined) continue;
    const known = claimedHosts(before);
    const hosts = [...claimedHosts(after)].filter((host) => !known.has(host));
    if (before !== undefined && hosts.length === 0) continue;
    const ref = parseServiceName(name);
    const document = documentKey('Service', ref?.namespace ?? '', ref?.name ?? '');
    for (const finding of meshNameFindings(state, name, document, hosts, before === undefined)) {
      addTo(findings, lastIndexOf(touched) ?? 0, finding);
    }
  }
  return findings;
};

/** Warnings of changed documents, by event. */
export const unitWarnings = (state: MeshState, unit: Unit, events: readonly RecordedEvent[]): UnitFindings => {
  const findings = new Map<number, Finding[]>();
  if (unit.policies.size === 0) return findings;
  const changes = changesOf(state, unit, events);
  const now = events[events.length - 1]?.recordedAt ?? 0;
  for (const finding of crossWarnings(changes, usageLookup(state, now))) {
    addTo(findings, indexOf(unit, finding), finding);
  }
  return findings;
};
