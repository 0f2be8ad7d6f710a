/** E301: a route to a subset that no Upstream defines, seen from the Route and from the Upstream that would take it away. */
import type { Finding } from '../../finding.ts';
import type { PolicyDocument } from '../document.ts';
import { isObject } from '../json.ts';
import { isWithin } from '../scope.ts';
import { type CrossContext, type DocumentChange, finding, scopeWords, subjectOfDocument } from './context.ts';
import { routeTargets, targetsOf } from './route-references.ts';

export const definedSubsets = (context: CrossContext, scope: string): string[] => [
  ...context.effectiveAt('Upstream', scope).variants.keys(),
];

/** A target with a subset that nobody defines. */
interface Missing {
  readonly subset: string;
  /** Where it would have to be defined. */
  readonly scope: string;
  /** Who names it. */
  readonly document: string;
  readonly pointer: string;
}

const scopeOfService = (service: string, port: number | undefined): string =>
  port === undefined ? `svc:${service}` : `svc:${service}:${port}`;

/** Subsets missing for the merged Route of a scope, with the documents that name them. */
const missingAt = (context: CrossContext, scope: string): Missing[] => {
  const route = context.effectiveAt('Route', scope);
  const defined = new Set(definedSubsets(context, scope));
  const levels = [{ value: route.value as object, provenance: route.provenance }, ...route.variants.values()];
  const missing: Missing[] = [];
  for (const { value, provenance } of levels) {
    const origin = provenance.get('/spec/to');
    if (origin === undefined) continue;
    for (const { target, pointer } of targetsOf(
      (value as Record<string, unknown>).to,
      origin.pointer.replace(/\/to$/, ''),
    )) {
      if (target.kind === 'subset' && !defined.has(target.subset)) {
        missing.push({ subset: target.subset, scope, document: origin.document, pointer });
      }
    }
  }
  return missing;
};

const missingForeign = (context: CrossContext, spec: object, document: string): Missing[] =>
  routeTargets(spec).flatMap(({ target, pointer }) => {
    if (target.kind !== 'service' || target.subset === undefined) return [];
    const scope = scopeOfService(target.service, target.port);
    return definedSubsets(context, scope).includes(target.subset)
      ? []
      : [{ subset: target.subset, scope, document, pointer }];
  });

const unique = (missing: readonly Missing[]): Missing[] => {
  const seen = new Map<string, Missing>();
  for (const entry of missing) {
    const key = `${entry.document} ${entry.pointer}`;
    if (!seen.has(key)) seen.set(key, entry);
  }
  return [...seen.values()];
};

const definedWords = (context: CrossContext, scope: string): string =>
  definedSubsets(context, scope).join(', ') || 'none';

/** Names that a document forgets with null, so that they are gone in its scope and inside of it. */
const forgottenSubsets = (spec: object): boolean => {
  const subsets = (spec as Record<string, unknown>).subsets;
  return subsets === null || (isObject(subsets) && Object.values(subsets).includes(null));
};

/** A changed Route: all subsets that it names are defined, also where a narrower Upstream forgets one. */
export const checkRouteSubsets = (context: CrossContext, document: PolicyDocument): Finding[] => {
  const { document: key, scope } = subjectOfDocument(document);
  const scopes = [scope];
  for (const upstream of context.documentsInside('Upstream', scope)) {
    if (forgottenSubsets(upstream.spec)) scopes.push(upstream.scope);
  }
  const missing = [
    ...scopes.flatMap((inside) => missingAt(context, inside)).filter((entry) => entry.document === key),
    ...missingForeign(context, document.spec, key),
  ];
  return unique(missing).map((entry) =>
    finding(
      'E301',
      key,
      entry.pointer,
      `Subset "${entry.subset}" is not defined by any Upstream of ${scopeWords(entry.scope)} (defined: ${definedWords(context, entry.scope)}).`,
    ),
  );
};

const subsetNames = (document: PolicyDocument | undefined): string[] => {
  const subsets = document === undefined ? undefined : (document.spec as Record<string, unknown>).subsets;
  return isObject(subsets) ? Object.keys(subsets).filter((name) => isObject(subsets[name])) : [];
};

/** False for the most common changes: then no Route need be read. */
const mayTakeAway = (context: CrossContext, { before, after }: DocumentChange): boolean => {
  if (after !== undefined && forgottenSubsets(after.spec)) return true;
  if (before === undefined) return false;
  const left = new Set(definedSubsets(context, subjectOfDocument(before).scope));
  return subsetNames(before).some((name) => !left.has(name));
};

/** A changed Upstream: no Route loses a subset. One finding per subset names all users. */
export const checkUpstreamSubsets = (context: CrossContext, { before, after }: DocumentChange): Finding[] => {
  const findings: Finding[] = [];
  if (!mayTakeAway(context, { before, after })) return findings;
  const changed = [before, after].filter((document) => document !== undefined);
  const blamed = after ?? before;
  if (blamed === undefined) return findings;
  const missing: Missing[] = [];
  for (const scope of new Set(changed.map((document) => subjectOfDocument(document).scope))) {
    const scopes = new Set([scope, ...context.documentsInside('Route', scope).map((route) => route.scope)]);
    for (const inside of scopes) missing.push(...missingAt(context, inside));
    for (const route of context.mesh.documentsOf('Route')) {
      missing.push(
        ...missingForeign(context, route.spec, route.document).filter((entry) => isWithin(entry.scope, scope)),
      );
    }
  }
  const bySubset = new Map<string, Missing[]>();
  for (const entry of unique(missing)) bySubset.set(entry.subset, [...(bySubset.get(entry.subset) ?? []), entry]);
  for (const [subset, users] of bySubset) {
    const names = [...new Set(users.map((user) => user.document))];
    findings.push(
      finding(
        'E301',
        subjectOfDocument(blamed).document,
        '/spec/subsets',
        `Subset "${subset}" is in use by ${names.join(', ')}, and would no longer be defined for ${scopeWords(users[0]?.scope ?? 'mesh')}.`,
        { related: users.map((user) => ({ document: user.document, pointer: user.pointer })) },
      ),
    );
  }
  return findings;
};
