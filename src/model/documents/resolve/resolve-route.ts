/** An effective Route in normal form for one service port, its rules in evaluation order (policies.md section 3). */
import type { Protocol } from '../../event-schema.ts';
import { compareText } from '../json.ts';
import type { Effective, EffectiveVariant } from '../merge/effective.ts';
import type {
  GrpcRetryStatus,
  ProvenanceMap,
  ResolvedMatch,
  ResolvedRetry,
  ResolvedRoute,
  ResolvedRouteRule,
  ResolvedRouteTarget,
} from '../resolved.ts';
import type { RouteSpec } from '../schema/index.ts';
import { parseDuration } from '../text/duration.ts';
import { parseRouteTarget } from '../text/target.ts';
import { MATCH_ALL, resolveMatch } from './matchers.ts';
import { narrowest, originsBelow } from './origin.ts';

/** The called port. */
export interface RoutePort {
  /** `<service>.<namespace>` */
  readonly service: string;
  readonly port: number;
  readonly protocol: Protocol;
}

type RuleSpec = NonNullable<NonNullable<RouteSpec['rules']>[string]>;

const DEFAULT_IDLE_MS = 300_000;

const resolveTargets = (to: RuleSpec['to'], port: RoutePort): ResolvedRouteTarget[] => {
  const targets = Object.entries(to ?? { '*': {} }).map(([key, { weight = 1 }]): ResolvedRouteTarget | undefined => {
    const target = parseRouteTarget(key);
    switch (target?.kind) {
      case 'all':
        return { key, service: port.service, port: port.port, subset: undefined, weight };
      case 'subset':
        return { key, service: port.service, port: port.port, subset: target.subset, weight };
      case 'service':
        return { key, service: target.service, port: target.port, subset: target.subset, weight };
      default:
        return undefined;
    }
  });
  return targets.filter((target) => target !== undefined).sort((a, b) => compareText(a.key, b.key));
};

const resolveRetry = (retry: RuleSpec['retry']): ResolvedRetry => {
  const when = retry?.when ?? {};
  return {
    attempts: retry?.attempts ?? 1,
    tryTimeoutMs: parseDuration(retry?.timeout ?? ''),
    when: {
      connect: when.connect ?? true,
      refused: when.refused ?? true,
      unprocessed: when.unprocessed ?? true,
      reset: when.reset ?? false,
      gateway: when.gateway ?? false,
      status: [...new Set(when.status ?? [])].sort((a, b) => a - b),
      grpc: [...new Set<GrpcRetryStatus>(when.grpc ?? [])].sort(compareText),
    },
  };
};

/** The document named in Envoy's route metadata. */
const speaker = (provenance: ProvenanceMap): string | undefined =>
  (provenance.get('/spec/match') ?? provenance.get('/spec/to') ?? narrowest(originsBelow(provenance, '/spec')))
    ?.document;

const resolveRule = (
  name: string | undefined,
  spec: RuleSpec,
  provenance: ProvenanceMap,
  match: ResolvedMatch,
  port: RoutePort,
): ResolvedRouteRule => ({
  name,
  order: spec.order ?? 0,
  match,
  targets: resolveTargets(spec.to, port),
  timeoutMs: parseDuration(spec.timeout ?? '') ?? 0,
  idleTimeoutMs: parseDuration(spec.idleTimeout ?? '') ?? (port.protocol === 'grpc' ? 0 : DEFAULT_IDLE_MS),
  retry: resolveRetry(spec.retry),
  document: speaker(provenance),
  provenance,
});

/** exact, regex, prefix, none; and of prefixes the longer first. */
const pathRank = ({ paths, grpc }: ResolvedMatch): readonly [kind: number, length: number] => {
  if (grpc !== undefined) return grpc.method === undefined ? [2, grpc.service.length + 2] : [0, 0];
  const [path] = paths;
  if (path === undefined) return [3, 0];
  if (path.kind === 'exact') return [0, 0];
  return path.kind === 'regex' ? [1, 0] : [2, path.value.length];
};

/** Evaluation order (policies.md section 3): negative when `a` is tried before `b`. */
export const compareRules = (a: ResolvedRouteRule, b: ResolvedRouteRule): number => {
  const [kindA, lengthA] = pathRank(a.match);
  const [kindB, lengthB] = pathRank(b.match);
  const conditions = ({ match }: ResolvedRouteRule): number => match.headers.length + match.query.length;
  return (
    a.order - b.order ||
    kindA - kindB ||
    lengthB - lengthA ||
    Math.min(1, b.match.methods.length) - Math.min(1, a.match.methods.length) ||
    conditions(b) - conditions(a) ||
    compareText(a.name ?? '', b.name ?? '')
  );
};

/**
 * False for rules of another port, and for inert conditions (cookies, from): a rule that ignored one of its conditions would
 * take requests it was not meant for.
 */
const belongs = (spec: RuleSpec, port: RoutePort): boolean => {
  const match = spec.match;
  if (match?.cookies !== undefined || match?.from !== undefined) return false;
  return match?.port === undefined || match.port === port.port;
};

export const resolveRoute = (route: Effective<'Route'>, port: RoutePort): ResolvedRoute => {
  const rules: ResolvedRouteRule[] = [];
  for (const [name, variant] of route.variants as ReadonlyMap<string, EffectiveVariant>) {
    const spec: RuleSpec = variant.value;
    if (belongs(spec, port)) rules.push(resolveRule(name, spec, variant.provenance, resolveMatch(spec.match), port));
  }
  return {
    default: resolveRule(undefined, route.value, route.provenance, MATCH_ALL, port),
    rules: rules.sort(compareRules),
    documents: route.documents,
  };
};
