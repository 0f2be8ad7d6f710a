/** Who stands behind a merged value. */
import { compareText } from '../json.ts';
import type { Provenance, ProvenanceMap } from '../resolved.ts';
import { scopeRank } from '../scope.ts';

/** Of several origins the one of the narrowest scope (among equals the last by name). */
export const narrowest = (origins: Iterable<Provenance>): Provenance | undefined => {
  let best: Provenance | undefined;
  for (const origin of origins) {
    const order =
      best === undefined
        ? 1
        : scopeRank(origin.scope) - scopeRank(best.scope) || compareText(origin.document, best.document);
    if (order > 0) best = origin;
  }
  return best;
};

/** Origins of a field and of all below it. */
export const originsBelow = function* (provenance: ProvenanceMap, pointer: string): Generator<Provenance> {
  for (const [key, origin] of provenance) if (key === pointer || key.startsWith(`${pointer}/`)) yield origin;
};
