/** `RouteMatch` of Envoy -> matches of gRPC clients: those that hold for the same calls. */
import type { IHeaderMatcher, IRouteMatch, RouteMatch } from '../../proto/index.ts';
import { grpcRegex, headerAlternatives } from './headers.ts';

/**
 * Matches that the header conditions of one route may become: each "not" doubles them. Above it, Go and Java clients do not count
 * a header that is absent as "not this value".
 */
const MAX_ALTERNATIVES = 16;

const pathMatches = (match: RouteMatch): readonly IRouteMatch[] => {
  const caseSensitive = match.caseSensitive?.value === false ? { value: false } : undefined;
  switch (match.pathSpecifier) {
    case 'prefix':
      return [{ prefix: match.prefix, caseSensitive }];
    case 'path':
      return [{ path: match.path, caseSensitive }];
    case 'pathSeparatedPrefix':
      return [
        { path: match.pathSeparatedPrefix, caseSensitive },
        { prefix: `${match.pathSeparatedPrefix}/`, caseSensitive },
      ];
    case 'safeRegex': {
      const regex = grpcRegex(match.safeRegex?.regex ?? '');
      return regex === undefined ? [] : [{ safeRegex: { regex } }];
    }
    default:
      return [];
  }
};

/** Conditions on what a gRPC call does not have, or its client does not look at. */
const isBeyondGrpc = (match: RouteMatch): boolean =>
  match.queryParameters.length > 0 ||
  match.cookies.length > 0 ||
  match.filterState.length > 0 ||
  match.dynamicMetadata.length > 0 ||
  match.tlsContext !== null ||
  match.runtimeFraction !== null;

const headerMatches = (match: RouteMatch): readonly (readonly IHeaderMatcher[])[] => {
  let made: readonly (readonly IHeaderMatcher[])[] = [[]];
  for (const header of match.headers) {
    const alternatives = headerAlternatives(header);
    const taken = made.length * alternatives.length > MAX_ALTERNATIVES ? alternatives.slice(0, 1) : alternatives;
    made = made.flatMap((before) => taken.map((more) => [...before, ...more]));
  }
  return made;
};

/** The route holds when one of these does; none: it never can for a gRPC call, and is left out. */
export const grpcMatches = (match: RouteMatch): readonly IRouteMatch[] => {
  if (isBeyondGrpc(match)) return [];
  const headers = headerMatches(match);
  return pathMatches(match).flatMap((path) => headers.map((all) => ({ ...path, headers: all })));
};
