/**
 * Checks of changed documents against each other and the mesh, for a batch as a whole (policies.md section 1, "references").
 * Pure functions of what they are given: every replica decides alike.
 */
import type { Finding } from '../finding.ts';
import { checkConflicts } from './cross/conflict-check.ts';
import { type CrossContext, createCrossContext, type DocumentChange } from './cross/context.ts';
import { checkDependencyInMesh } from './cross/dependency-check.ts';
import { checkRouteInMesh } from './cross/route-check.ts';
import { checkServiceInMesh } from './cross/service-check.ts';
import { checkRouteSubsets, checkUpstreamSubsets } from './cross/subset-check.ts';
import { checkUpstreamInMesh } from './cross/upstream-check.ts';
import { warningsOf } from './cross/warnings.ts';
import type { MeshLookup, MeshUsageLookup } from './mesh-lookup.ts';

export type { DocumentChange } from './cross/context.ts';

/** Findings of one call; what is beyond helps nobody. */
export const MAX_CROSS_FINDINGS = 1000;

const errorsOf = (context: CrossContext, change: DocumentChange, later: readonly DocumentChange[]): Finding[] => {
  const { before, after } = change;
  const kind = (after ?? before)?.kind;
  const findings = after === undefined ? [] : checkConflicts(context, after, later);
  if (kind === 'Service') findings.push(...checkServiceInMesh(context, change));
  if (kind === 'Upstream') findings.push(...checkUpstreamSubsets(context, change));
  if (after === undefined) return findings;
  if (kind === 'Route') findings.push(...checkRouteSubsets(context, after), ...checkRouteInMesh(context, after));
  if (kind === 'Upstream') findings.push(...checkUpstreamInMesh(context, after));
  if (kind === 'Dependency') findings.push(...checkDependencyInMesh(context, after));
  return findings;
};

/**
 * Errors that decide whether the batch is rejected (409): E201, E210, E211, E301, E303, E307, E308, E401, E402, E601, E602,
 * E604, and E103 where something is missing only after merging. Each changed document has passed `checkDocument`.
 * @param mesh the state as the whole batch would leave it
 */
export const crossErrors = (changes: readonly DocumentChange[], mesh: MeshLookup): Finding[] => {
  const context = createCrossContext(mesh);
  return changes
    .flatMap((change, index) => errorsOf(context, change, changes.slice(index + 1)))
    .slice(0, MAX_CROSS_FINDINGS);
};

/** Warnings of changed documents: W101, W212, W302, W401-W403, W406, W407, W601-W603. They reject nothing. */
export const crossWarnings = (changes: readonly DocumentChange[], mesh: MeshUsageLookup): Finding[] => {
  const context = createCrossContext(mesh);
  return changes
    .flatMap(({ after }) => (after === undefined ? [] : warningsOf(context, after)))
    .slice(0, MAX_CROSS_FINDINGS);
};
