/** Rules of `match` that Route, Access, RateLimit and Extension share. */
import { isObject } from '../json.ts';
import type { FindingSink } from './finding-sink.ts';

interface MatchLike {
  readonly path?: object;
  readonly grpc?: object;
  readonly method?: string | readonly string[];
  readonly headers?: Readonly<Record<string, unknown>>;
}

export const checkMatch = (sink: FindingSink, match: MatchLike, below: readonly string[]): void => {
  if (match.path !== undefined && match.grpc !== undefined) {
    sink.report('E103', 'match has path and grpc; grpc is a path already, give one of them.', [...below, 'grpc']);
  }
  const names = new Map<string, string>();
  for (const [name, matcher] of Object.entries(match.headers ?? {})) {
    const other = names.get(name.toLowerCase());
    if (other !== undefined) {
      sink.report('E102', `Headers "${other}" and "${name}" are the same: header names have no case.`, [
        ...below,
        'headers',
        name,
      ]);
    }
    names.set(name.toLowerCase(), name);
    const range: unknown = isObject(matcher) ? matcher.range : undefined;
    if (Array.isArray(range) && !(Number(range[0]) < Number(range[1]))) {
      sink.report('E102', `range is [${range.join(', ')}], the first must be below the second.`, [
        ...below,
        'headers',
        name,
        'range',
      ]);
    }
  }
};
