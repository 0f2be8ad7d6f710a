/** W403: a subset that a route uses selects no endpoint of a service that has some: calls to it would fail. */
import type { Finding } from '../../finding.ts';
import type { PolicyDocument } from '../document.ts';
import { isObject } from '../json.ts';
import type { EffectiveVariant } from '../merge/effective.ts';
import type { MeshUsageLookup } from '../mesh-lookup.ts';
import { resolveUpstream } from '../resolve/resolve-upstream.ts';
import { type CrossContext, finding, scopeWords, someOf, subjectOfDocument } from './context.ts';
import { countEndpoints, servicesInside } from './endpoint-counts.ts';
import { targetsOf } from './route-references.ts';

type Context = CrossContext<MeshUsageLookup>;

/** Subsets of its own that the merged Route of a scope sends to, with the pointer where one document says so. */
const usedSubsets = (context: Context, scope: string): Map<string, { document: string; pointer: string }> => {
  const used = new Map<string, { document: string; pointer: string }>();
  const route = context.effectiveAt('Route', scope);
  const levels: EffectiveVariant[] = [
    { value: route.value as Readonly<Record<string, unknown>>, provenance: route.provenance },
    ...route.variants.values(),
  ];
  for (const { value, provenance } of levels) {
    const origin = provenance.get('/spec/to');
    if (origin === undefined || !isObject(value.to)) continue;
    for (const { target, pointer } of targetsOf(value.to, origin.pointer.replace(/\/to$/, ''))) {
      if (target.kind === 'subset' && !used.has(target.subset))
        used.set(target.subset, { document: origin.document, pointer });
    }
  }
  return used;
};

interface Gap {
  readonly subset: string;
  readonly definedIn: string;
  readonly pointer: string;
  readonly services: string[];
}

export const subsetWarnings = (context: Context, document: PolicyDocument): Finding[] => {
  const { document: key, scope } = subjectOfDocument(document);
  const gaps = new Map<string, Gap>();
  for (const service of servicesInside(context.mesh, scope)) {
    const chain = scope.startsWith('svc:') ? scope : `svc:${service}`;
    const used = usedSubsets(context, chain);
    if (used.size === 0 || countEndpoints(context.mesh, service).all === 0) continue;
    for (const subset of resolveUpstream(context.effectiveAt('Upstream', chain)).subsets) {
      const use = used.get(subset.name);
      const origins = [...subset.settings.provenance].filter(([pointer]) => pointer.startsWith('/spec/labels'));
      const defined = origins.at(-1)?.[1];
      const mine =
        use?.document === key ? use.pointer : defined?.document === key ? `/spec/subsets/${subset.name}` : undefined;
      if (mine === undefined || use === undefined || countEndpoints(context.mesh, service, subset.labels).all > 0)
        continue;
      const gap = gaps.get(subset.name);
      if (gap === undefined) {
        gaps.set(subset.name, {
          subset: subset.name,
          definedIn: defined?.scope ?? scope,
          pointer: mine,
          services: [service],
        });
      } else gap.services.push(service);
    }
  }
  return [...gaps.values()].map(({ subset, definedIn, pointer, services }) =>
    finding(
      'W403',
      key,
      pointer,
      `Subset ${subset} (from ${scopeWords(definedIn)}) selects no endpoint of ${someOf(services)}: calls to it would fail.`,
    ),
  );
};
