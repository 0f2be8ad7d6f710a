/**
 * `match` of a Route rule -> `RouteMatch` (policies.md section 3). A rule with several paths becomes several Envoy routes; several
 * methods stay one route.
 */
import type { GrpcMatch, PathMatch, ResolvedMatch } from '../model/index.ts';
import type { IHeaderMatcher, IRouteMatch } from '../proto/index.ts';
import { anyOfTexts, headerMatcher, queryMatchers } from './text-match.ts';
import { wrapped } from './values.ts';

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

const methodMatch = (methods: readonly string[]): IHeaderMatcher => {
  const [only] = methods;
  return {
    name: ':method',
    stringMatch:
      methods.length === 1 && only !== undefined ? { exact: only } : { safeRegex: { regex: anyOfTexts(methods) } },
  };
};

const pathMatches = (match: ResolvedMatch): readonly IRouteMatch[] => {
  if (match.grpc !== undefined) return [grpcMatch(match.grpc)];
  if (match.paths.length > 0) return match.paths.map(pathMatch);
  return [{ prefix: '/' }];
};

/** At least one; the rule holds when any of them does. */
export const routeMatches = (match: ResolvedMatch): readonly IRouteMatch[] => {
  const query = queryMatchers(match.query);
  const headers = [
    ...(match.methods.length === 0 ? [] : [methodMatch(match.methods)]),
    ...match.headers.map(({ name, match: condition }) => headerMatcher(name, condition)),
    ...query.headers,
  ];
  const { queryParameters } = query;
  return pathMatches(match).map((path) => ({ ...path, headers, queryParameters }));
};
