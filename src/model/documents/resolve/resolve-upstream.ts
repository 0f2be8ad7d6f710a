/** An effective Upstream in normal form (policies.md section 5). */
import { compareText, isObject } from '../json.ts';
import type { Effective, EffectiveVariant } from '../merge/effective.ts';
import type {
  ProvenanceMap,
  ResolvedHashKey,
  ResolvedLimits,
  ResolvedLoadBalancing,
  ResolvedOutlier,
  ResolvedSubset,
  ResolvedUpstream,
  ResolvedUpstreamSettings,
} from '../resolved.ts';
import type { UpstreamSpec } from '../schema/index.ts';
import { parseDuration } from '../text/duration.ts';

type Settings = Omit<UpstreamSpec, 'scope' | 'subsets'>;

/** Envoy's largest uint32: no limit. */
export const UNLIMITED = 4_294_967_295;
const MIN_MAX_EJECT_MS = 300_000;

const resolveLb = (lb: Settings['lb']): ResolvedLoadBalancing => {
  if (lb?.roundRobin !== undefined) return { kind: 'roundRobin' };
  if (lb?.random !== undefined) return { kind: 'random' };
  if (lb?.ringHash !== undefined) {
    const { min, max, bound } = lb.ringHash;
    return { kind: 'ringHash', minRing: min, maxRing: max, boundPercent: bound };
  }
  if (lb?.maglev !== undefined) return { kind: 'maglev', table: lb.maglev.table, boundPercent: lb.maglev.bound };
  return { kind: 'leastRequest', choices: lb?.leastRequest?.choices ?? 2 };
};

const resolveHash = (hash: Settings['hash']): ResolvedHashKey[] =>
  (hash ?? []).map(({ header, cookie, query }) => {
    if (header !== undefined) return { kind: 'header', name: header.toLowerCase() };
    if (cookie !== undefined) return { kind: 'cookie', name: cookie.name, ttlMs: parseDuration(cookie.ttl ?? '') };
    return query === undefined ? { kind: 'ip' } : { kind: 'query', name: query };
  });

const resolveLimits = (limits: Settings['limits']): ResolvedLimits => ({
  connections: limits?.connections ?? UNLIMITED,
  pending: limits?.pending ?? UNLIMITED,
  requests: limits?.requests ?? UNLIMITED,
  perEndpoint: limits?.perEndpoint ?? undefined,
  requestsPerConnection: limits?.requestsPerConnection ?? undefined,
  retryPercent: limits?.retryPercent ?? 20,
  minRetries: limits?.minRetries ?? 3,
});

const resolveOutlier = (outlier: Settings['outlier']): ResolvedOutlier | undefined => {
  if (!isObject(outlier)) return undefined;
  const ejectTimeMs = parseDuration(outlier.ejectTime ?? '') ?? 30_000;
  const maxEjectTimeMs = parseDuration(outlier.maxEjectTime ?? '') ?? MIN_MAX_EJECT_MS;
  return {
    consecutive5xx: outlier.consecutive5xx ?? 5,
    consecutiveGateway: outlier.consecutiveGateway ?? 5,
    ejectTimeMs,
    // Two documents may give the two: Envoy wants the maximum to be at least the base.
    maxEjectTimeMs: Math.max(ejectTimeMs, maxEjectTimeMs),
    maxPercent: outlier.maxPercent ?? 70,
    intervalMs: parseDuration(outlier.interval ?? '') ?? 5_000,
  };
};

const resolveSettings = (spec: Settings, provenance: ProvenanceMap): ResolvedUpstreamSettings => {
  const lb = resolveLb(spec.lb);
  return {
    lb,
    hash: lb.kind === 'ringHash' || lb.kind === 'maglev' ? resolveHash(spec.hash) : [],
    zoneAware: spec.locality?.zoneAware ?? true,
    panicPercent: spec.panicPercent ?? 1,
    limits: resolveLimits(spec.limits),
    outlier: resolveOutlier(spec.outlier),
    provenance,
  };
};

/** Label conditions sorted by key. */
export const resolveLabels = (labels: unknown): { readonly key: string; readonly value: string }[] =>
  Object.entries(isObject(labels) ? labels : {})
    .map(([key, value]) => ({ key, value: String(value) }))
    .sort((a, b) => compareText(a.key, b.key));

export const resolveUpstream = (upstream: Effective<'Upstream'>): ResolvedUpstream => {
  const subsets: ResolvedSubset[] = [];
  for (const [name, variant] of upstream.variants as ReadonlyMap<string, EffectiveVariant>) {
    const labels = resolveLabels(variant.value.labels);
    // Without labels it would be the whole service under another name: E401 keeps it out, this keeps it harmless.
    if (labels.length > 0) subsets.push({ name, labels, settings: resolveSettings(variant.value, variant.provenance) });
  }
  return { base: resolveSettings(upstream.value, upstream.provenance), subsets, documents: upstream.documents };
};
