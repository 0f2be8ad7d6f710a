/**
 * Versions of what several sidecars hold of the same name. All holders of a service should have the same: the one that most have is taken for
 * the right one, and who has another has lost a push.
 */

/** Name -> version -> sidecars that hold it. */
export type VersionCounts = ReadonlyMap<string, ReadonlyMap<string, number>>;

/** One sidecar that holds these. */
export const addVersions = (
  counts: Map<string, Map<string, number>>,
  held: Iterable<readonly [name: string, version: string]>,
): void => {
  for (const [name, version] of held) {
    const known = counts.get(name) ?? new Map<string, number>();
    counts.set(name, known);
    known.set(version, (known.get(version) ?? 0) + 1);
  }
};

/** Name -> the version that most sidecars of all processes have; of equals, the one that sorts first. */
export const mostHeld = (all: readonly VersionCounts[]): ReadonlyMap<string, string> => {
  const sums = new Map<string, Map<string, number>>();
  for (const counts of all)
    for (const [name, versions] of counts) {
      const known = sums.get(name) ?? new Map<string, number>();
      sums.set(name, known);
      for (const [version, count] of versions) known.set(version, (known.get(version) ?? 0) + count);
    }
  const most = new Map<string, string>();
  for (const [name, versions] of sums) {
    const [first] = [...versions].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1));
    if (first !== undefined) most.set(name, first[0]);
  }
  return most;
};
