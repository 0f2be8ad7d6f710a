/** An effective Dependency in normal form (policies.md section 7). */
import { compareText, escapeToken, isObject } from '../json.ts';
import type { Effective } from '../merge/effective.ts';
import type { ResolvedDependency, ResolvedDependencySelector, ResolvedDependencyTarget } from '../resolved.ts';
import { parseDuration } from '../text/duration.ts';
import { parseDependencyTarget } from '../text/target.ts';
import { narrowest, originsBelow } from './origin.ts';
import { resolveLabels } from './resolve-upstream.ts';

/** Where a document took the default away (`ttl: null`). */
const DEFAULT_TTL_MS = 24 * 3_600_000;

type DependencySpec = Effective<'Dependency'>['value'];

const documentOf = (dependency: Effective<'Dependency'>, field: string, key: string): string =>
  narrowest(originsBelow(dependency.provenance, `/spec/${field}/${escapeToken(key)}`))?.document ?? '';

/** A denied edge is never kept: deny wins over pin, whichever layer said it. */
const flags = (entry: { readonly pin?: boolean | null; readonly deny?: boolean | null }) => {
  const deny = entry.deny === true;
  return { deny, pin: !deny && entry.pin === true };
};

const resolveTargets = (dependency: Effective<'Dependency'>, to: DependencySpec['to']): ResolvedDependencyTarget[] => {
  const targets: ResolvedDependencyTarget[] = [];
  for (const [key, entry] of Object.entries(to ?? {})) {
    const target = parseDependencyTarget(key);
    if (target === undefined || !isObject(entry)) continue;
    targets.push({
      key,
      ...target,
      ...flags(entry),
      localPort: entry.localPort ?? undefined,
      document: documentOf(dependency, 'to', key),
    });
  }
  return targets.sort((a, b) => compareText(a.key, b.key));
};

const resolveSelectors = (
  dependency: Effective<'Dependency'>,
  select: DependencySpec['select'],
): ResolvedDependencySelector[] => {
  const selectors: ResolvedDependencySelector[] = [];
  for (const [name, entry] of Object.entries(select ?? {})) {
    if (!isObject(entry)) continue;
    const labels = resolveLabels(entry.labels);
    // Without labels it would select the whole mesh; E103 keeps it out.
    if (labels.length === 0) continue;
    selectors.push({
      name,
      labels,
      namespaces: [...new Set(entry.namespaces ?? [])].sort(compareText),
      ...flags(entry),
      document: documentOf(dependency, 'select', name),
    });
  }
  return selectors.sort((a, b) => compareText(a.name, b.name));
};

export const resolveDependency = (dependency: Effective<'Dependency'>): ResolvedDependency => ({
  to: resolveTargets(dependency, dependency.value.to),
  select: resolveSelectors(dependency, dependency.value.select),
  learn: dependency.value.learn ?? true,
  ttlMs: parseDuration(dependency.value.ttl ?? '') ?? DEFAULT_TTL_MS,
  documents: dependency.documents,
});
