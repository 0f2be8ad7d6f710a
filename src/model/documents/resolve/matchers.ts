/** Matchers in normal form. */
import { compareText, isObject } from '../json.ts';
import type { HeaderMatch, PathMatch, ResolvedMatch, TextMatch } from '../resolved.ts';
import type { RouteSpec } from '../schema/index.ts';

type RouteMatchSpec = NonNullable<NonNullable<NonNullable<RouteSpec['rules']>[string]>['match']>;
type HeaderMatcherSpec = NonNullable<RouteMatchSpec['headers']>[string];
type TextMatcherSpec = NonNullable<RouteMatchSpec['query']>[string];

const sorted = (values: readonly string[]): string[] => [...new Set(values)].sort(compareText);

export const resolveTextMatch = (matcher: TextMatcherSpec): TextMatch => {
  if (typeof matcher === 'string') return { kind: 'exact', value: matcher, ignoreCase: false, not: false };
  const flags = { ignoreCase: matcher.ignoreCase ?? false, not: matcher.not ?? false };
  if (matcher.present !== undefined) return { kind: 'present', present: matcher.present, ...flags };
  if (matcher.in !== undefined) return { kind: 'in', values: sorted(matcher.in), ...flags };
  for (const kind of ['prefix', 'suffix', 'contains', 'regex'] as const) {
    const value = matcher[kind];
    if (value !== undefined) return { kind, value, ...flags };
  }
  return { kind: 'exact', value: matcher.exact ?? '', ...flags };
};

export const resolveHeaderMatch = (matcher: HeaderMatcherSpec): HeaderMatch => {
  if (typeof matcher === 'string' || matcher.range === undefined) return resolveTextMatch(matcher);
  const [from = 0, to = 0] = matcher.range;
  return { kind: 'range', from, to, ignoreCase: matcher.ignoreCase ?? false, not: matcher.not ?? false };
};

const resolvePaths = (path: NonNullable<RouteMatchSpec['path']>): PathMatch[] => {
  const ignoreCase = path.ignoreCase ?? false;
  if (path.in !== undefined) return sorted(path.in).map((value) => ({ kind: 'exact', value, ignoreCase }));
  for (const kind of ['exact', 'prefix', 'regex'] as const) {
    const value = path[kind];
    if (value !== undefined) return [{ kind, value, ignoreCase }];
  }
  return [];
};

export const MATCH_ALL: ResolvedMatch = { paths: [], methods: [], headers: [], query: [], grpc: undefined };

export const resolveMatch = (match: RouteMatchSpec | undefined | null): ResolvedMatch => {
  if (!isObject(match)) return MATCH_ALL;
  return {
    paths: match.path === undefined ? [] : resolvePaths(match.path),
    methods: sorted([match.method ?? []].flat()),
    headers: Object.entries(match.headers ?? {})
      .map(([name, matcher]) => ({ name: name.toLowerCase(), match: resolveHeaderMatch(matcher) }))
      .sort((a, b) => compareText(a.name, b.name)),
    query: Object.entries(match.query ?? {})
      .map(([name, matcher]) => ({ name, match: resolveTextMatch(matcher) }))
      .sort((a, b) => compareText(a.name, b.name)),
    grpc: match.grpc === undefined ? undefined : { service: match.grpc.service, method: match.grpc.method },
  };
};
