/** Where an Envoy would send a call, by its documented rules: the yardstick for what gRPC clients are told. */
import { SafeRegexValueMatcher } from '@grpc/grpc-js-xds/build/src/matcher.js';
import { type HeaderMatcher, type RouteMatch, type StringMatcher, VirtualHost } from '../../../src/proto/index.ts';

/** The client's RE2 frees nothing, and ends with about 4,000 expressions: each is made once. */
const expressions = new Map<string, SafeRegexValueMatcher>();

/** RE2, the whole text. */
const matchesRegex = (regex: string, text: string): boolean => {
  const known = expressions.get(regex) ?? new SafeRegexValueMatcher(`(?:${regex})`);
  expressions.set(regex, known);
  return known.apply(text);
};

const matchesString = (matcher: StringMatcher, text: string): boolean => {
  const fold = (each: string): string => (matcher.ignoreCase ? each.toLowerCase() : each);
  const value = fold(text);
  switch (matcher.matchPattern) {
    case 'exact':
      return value === fold(matcher.exact ?? '');
    case 'prefix':
      return value.startsWith(fold(matcher.prefix ?? ''));
    case 'suffix':
      return value.endsWith(fold(matcher.suffix ?? ''));
    case 'contains':
      return value.includes(fold(matcher.contains ?? ''));
    default:
      return matchesRegex(matcher.safeRegex?.regex ?? '', text);
  }
};

const matchesHeader = (header: HeaderMatcher, headers: Readonly<Record<string, string>>): boolean => {
  const given = headers[header.name];
  if (header.headerMatchSpecifier === 'presentMatch')
    return ((given !== undefined) === header.presentMatch) !== header.invertMatch;
  if (given === undefined && !header.treatMissingHeaderAsEmpty) return false;
  const value = given ?? '';
  const range = header.rangeMatch;
  const holds =
    header.stringMatch !== null
      ? matchesString(header.stringMatch, value)
      : range !== null && /^-?[0-9]+$/.test(value) && BigInt(value) >= range.start && BigInt(value) < range.end;
  return holds !== header.invertMatch;
};

const matchesPath = (match: RouteMatch, path: string): boolean => {
  const fold = (each: string): string => (match.caseSensitive?.value === false ? each.toLowerCase() : each);
  const value = fold(path);
  switch (match.pathSpecifier) {
    case 'prefix':
      return value.startsWith(fold(match.prefix ?? ''));
    case 'path':
      return value === fold(match.path ?? '');
    case 'pathSeparatedPrefix': {
      const prefix = fold(match.pathSeparatedPrefix ?? '');
      return value === prefix || value.startsWith(`${prefix}/`);
    }
    default:
      return matchesRegex(match.safeRegex?.regex ?? '', path);
  }
};

/** Cluster, or `cluster=weight,…` of those with a weight; undefined: no route. A call is a POST without a query. */
export const envoyChoice = (
  virtualHost: Uint8Array,
  path: string,
  metadata: Readonly<Record<string, string>>,
): string | undefined => {
  const headers = { ...metadata, ':path': path, ':method': 'POST' };
  for (const { match, route } of VirtualHost.decode(virtualHost).routes) {
    if (match === null || route === null || match.queryParameters.length > 0) continue;
    if (!matchesPath(match, path) || !match.headers.every((header) => matchesHeader(header, headers))) continue;
    if (route.clusterSpecifier === 'cluster') return route.cluster ?? undefined;
    const clusters = (route.weightedClusters?.clusters ?? []).filter(({ weight }) => weight?.value);
    const [only] = clusters;
    return clusters.length === 1
      ? only?.name
      : clusters.map(({ name, weight }) => `${name}=${weight?.value}`).join(',');
  }
  return undefined;
};
