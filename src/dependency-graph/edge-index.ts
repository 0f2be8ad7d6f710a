/**
 * Inverse indexes of the graph: who names a service, who takes services by pattern, who lives in a namespace.
 * They hold what callers *refer to*, registered or not, so a service that appears finds its callers at once.
 */
import type { Pattern } from './pattern.ts';
import type { GraphService } from './types.ts';

interface PatternEntry {
  readonly pattern: Pattern;
  /** Registered services that it takes. */
  readonly services: Set<string>;
  readonly callers: Set<string>;
}

/** What a caller refers to. */
export interface References {
  /** Services named exactly, without repeats. */
  readonly targets: ReadonlySet<string>;
  readonly patterns: ReadonlyMap<string, Pattern>;
}

const NOTHING: References = { targets: new Set(), patterns: new Map() };

const addTo = (map: Map<string, Set<string>>, key: string, value: string): void => {
  const set = map.get(key);
  if (set === undefined) map.set(key, new Set([value]));
  else set.add(value);
};

const removeFrom = (map: Map<string, Set<string>>, key: string, value: string): void => {
  const set = map.get(key);
  set?.delete(value);
  if (set?.size === 0) map.delete(key);
};

export class EdgeIndex {
  private readonly references = new Map<string, References>();
  private readonly byTarget = new Map<string, Set<string>>();
  private readonly patterns = new Map<string, PatternEntry>();

  /** Replaces what a caller refers to; undefined: nothing any more. `services` is read for patterns not seen before. */
  set(caller: string, next: References | undefined, services: () => Iterable<GraphService>): void {
    const before = this.references.get(caller) ?? NOTHING;
    const after = next ?? NOTHING;
    for (const target of before.targets) if (!after.targets.has(target)) removeFrom(this.byTarget, target, caller);
    for (const target of after.targets) if (!before.targets.has(target)) addTo(this.byTarget, target, caller);
    for (const key of before.patterns.keys()) if (!after.patterns.has(key)) this.leavePattern(key, caller);
    for (const [key, pattern] of after.patterns) {
      if (!before.patterns.has(key)) this.joinPattern(key, pattern, caller, services);
    }
    if (next === undefined) this.references.delete(caller);
    else this.references.set(caller, next);
  }

  /** Takes in that a service appeared, changed or vanished (undefined). Gives all callers that refer to it, before or after. */
  touch(name: string, service: GraphService | undefined): Set<string> {
    const callers = new Set(this.byTarget.get(name));
    for (const entry of this.patterns.values()) {
      const before = entry.services.has(name);
      const after = service !== undefined && entry.pattern.matches(service);
      if (!before && !after) continue;
      for (const caller of entry.callers) callers.add(caller);
      if (after) entry.services.add(name);
      else entry.services.delete(name);
    }
    return callers;
  }

  /** Registered services that a pattern takes. */
  matched(pattern: Pattern): Iterable<string> {
    return this.patterns.get(pattern.key)?.services ?? [];
  }

  /** Callers that refer to a service, by name or by pattern. */
  callersOf(name: string): Set<string> {
    const callers = new Set(this.byTarget.get(name));
    for (const entry of this.patterns.values()) {
      if (entry.services.has(name)) for (const caller of entry.callers) callers.add(caller);
    }
    return callers;
  }

  private joinPattern(key: string, pattern: Pattern, caller: string, services: () => Iterable<GraphService>): void {
    let entry = this.patterns.get(key);
    if (entry === undefined) {
      const matching = new Set<string>();
      for (const service of services()) if (pattern.matches(service)) matching.add(service.name);
      entry = { pattern, services: matching, callers: new Set() };
      this.patterns.set(key, entry);
    }
    entry.callers.add(caller);
  }

  private leavePattern(key: string, caller: string): void {
    const entry = this.patterns.get(key);
    entry?.callers.delete(caller);
    if (entry?.callers.size === 0) this.patterns.delete(key);
  }
}
