/**
 * `match` of a Route rule -> `RouteMatch` (policies.md section 3). Several paths, and lists of texts too long for one regex, become
 * several Envoy routes.
 */
import type { GrpcMatch, PathMatch, ResolvedMatch } from '../model/index.ts';
import type { IRouteMatch } from '../proto/index.ts';
import { LITERAL_BUDGET } from './regex-text.ts';
import {
  type Alternatives,
  type Condition,
  headerCondition,
  listMatchers,
  onHeaders,
  queryCondition,
} from './text-match.ts';
import { wrapped } from './values.ts';

/**
 * Envoy routes that one path of a rule may become. Above it regexes get longer than a stock Envoy takes, rather than routes more
 * than it can try for each request.
 */
const MAX_ROUTES = 64;

/** What Envoy takes as `path_separated_prefix`; it refuses `/`, and texts that end in `/` or hold `?` or `#`. */
const SEPARATED_PREFIX = /^[^?#]+[^?#/]$/;

const pathMatch = ({ kind, value, ignoreCase }: PathMatch): IRouteMatch => {
  const caseSensitive = ignoreCase ? wrapped(false) : undefined;
  switch (kind) {
    case 'exact':
      return { path: value, caseSensitive };
    case 'prefix':
      return SEPARATED_PREFIX.test(value)
        ? { pathSeparatedPrefix: value, caseSensitive }
        : { prefix: value, caseSensitive };
    case 'regex':
      return { safeRegex: { regex: ignoreCase ? `(?i)${value}` : value } };
  }
};

/** `grpc {}` adds: only requests whose content type is that of gRPC. */
const grpcMatch = ({ service, method }: GrpcMatch): IRouteMatch =>
  method === undefined ? { prefix: `/${service}/`, grpc: {} } : { path: `/${service}/${method}`, grpc: {} };

const pathMatches = (match: ResolvedMatch): readonly IRouteMatch[] => {
  if (match.grpc !== undefined) return [grpcMatch(match.grpc)];
  if (match.paths.length > 0) return match.paths.map(pathMatch);
  return [{ prefix: '/' }];
};

/** Conditions that all have to hold. */
const conditions = ({ methods, headers, query }: ResolvedMatch, budget: number): readonly Alternatives[] => [
  ...(methods.length === 0
    ? []
    : [listMatchers(methods, false, budget).map((stringMatch) => onHeaders({ name: ':method', stringMatch }))]),
  ...headers.map(({ name, match }) => headerCondition(name, match, budget)),
  ...query.map(({ name, match }) => queryCondition(name, match, budget)),
];

const conditionsWithin = (match: ResolvedMatch): readonly Alternatives[] => {
  for (let budget = LITERAL_BUDGET; ; budget *= 2) {
    const all = conditions(match, budget);
    if (all.reduce((routes, alternatives) => routes * alternatives.length, 1) <= MAX_ROUTES) return all;
  }
};

interface Draft extends Condition {
  readonly path: IRouteMatch;
}

/** At least one; the rule holds when any of them does. */
export const routeMatches = (match: ResolvedMatch): readonly IRouteMatch[] => {
  let made = pathMatches(match).map((path): Draft => ({ path, headers: [], queryParameters: [] }));
  for (const alternatives of conditionsWithin(match)) {
    made = made.flatMap((draft) =>
      alternatives.map(({ headers, queryParameters }) => ({
        path: draft.path,
        headers: [...draft.headers, ...headers],
        queryParameters: [...draft.queryParameters, ...queryParameters],
      })),
    );
  }
  return made.map(({ path, headers, queryParameters }) => ({ ...path, headers, queryParameters }));
};
