/** Subsets of a service that Routes of others name (`to: {reviews.default/v2: {}}`): they need clusters there as well. */
import { isObject, parseRouteTarget } from '../../model/index.ts';
import type { PolicyEntity } from './types.ts';

export interface SubsetUse {
  /** `<service>.<namespace>` */
  readonly service: string;
  /** Undefined: any HTTP port. */
  readonly port: number | undefined;
  readonly subset: string;
}

const keysOf = (level: unknown): string[] => (isObject(level) && isObject(level.to) ? Object.keys(level.to) : []);

const usesOf = (entity: PolicyEntity | undefined): SubsetUse[] => {
  if (entity?.kind !== 'Route') return [];
  const spec = entity.document.spec;
  const rules = isObject(spec) && isObject(spec.rules) ? Object.values(spec.rules) : [];
  return [spec, ...rules].flatMap(keysOf).flatMap((key) => {
    const target = parseRouteTarget(key);
    if (target?.kind !== 'service' || target.subset === undefined) return [];
    return [{ service: target.service, port: target.port, subset: target.subset }];
  });
};

const keyOf = (use: SubsetUse): string => `${use.service}|${use.port ?? ''}|${use.subset}`;

/** Services of which a Route names other subsets after the change than before. */
export const servicesWithOtherSubsets = (
  before: PolicyEntity | undefined,
  after: PolicyEntity | undefined,
): ReadonlySet<string> => {
  const old = usesOf(before);
  const now = usesOf(after);
  const oldKeys = new Set(old.map(keyOf));
  const newKeys = new Set(now.map(keyOf));
  const changed = [...old.filter((use) => !newKeys.has(keyOf(use))), ...now.filter((use) => !oldKeys.has(keyOf(use)))];
  return new Set(changed.map((use) => use.service));
};

/** Follows the policy table. */
export class ForeignSubsets {
  /** Service -> use -> number of targets that make it. */
  private readonly services = new Map<string, Map<string, { readonly use: SubsetUse; readonly count: number }>>();

  changed(before: PolicyEntity | undefined, after: PolicyEntity | undefined): void {
    if (before?.document === after?.document) return;
    for (const use of usesOf(before)) this.add(use, -1);
    for (const use of usesOf(after)) this.add(use, 1);
  }

  of(service: string): SubsetUse[] {
    return [...(this.services.get(service)?.values() ?? [])].map(({ use }) => use);
  }

  private add(use: SubsetUse, step: number): void {
    const uses = this.services.get(use.service) ?? new Map();
    const count = (uses.get(keyOf(use))?.count ?? 0) + step;
    if (count > 0) uses.set(keyOf(use), { use, count });
    else uses.delete(keyOf(use));
    if (uses.size > 0) this.services.set(use.service, uses);
    else this.services.delete(use.service);
  }
}
