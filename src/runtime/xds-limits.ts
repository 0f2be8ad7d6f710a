/** `--xds-limits NAME=VALUE,…`: the bounds of the xDS port (docs/limits.md), as a person writes them. */
import { LIMIT_RANGES, type ServerLimits } from '../delta-xds/basics.ts';

type LimitName = keyof ServerLimits;

/** `namesPerRequest` -> `names-per-request`. */
export const limitFlag = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

const NAMES: ReadonlyMap<string, LimitName> = new Map(
  (Object.keys(LIMIT_RANGES) as LimitName[]).map((name) => [limitFlag(name), name]),
);

/** One entry that cannot be taken, and what would be allowed in its place. */
export interface LimitProblem {
  readonly value: string;
  readonly allowed: string;
}

/** Entries that are wrong are left out and named. */
export const parseXdsLimits = (
  text: string,
): { readonly limits: Partial<ServerLimits>; readonly problems: readonly LimitProblem[] } => {
  const limits: Partial<Record<LimitName, number>> = {};
  const problems: LimitProblem[] = [];
  for (const entry of text.split(',').map((part) => part.trim())) {
    if (entry === '') continue;
    const [, flag = '', digits] = /^([a-z-]+)\s*=\s*([0-9]{1,15})$/.exec(entry) ?? [];
    const name = NAMES.get(flag);
    if (digits === undefined)
      problems.push({ value: entry, allowed: 'NAME=NUMBER, for example names-per-request=20000' });
    else if (name === undefined) problems.push({ value: entry, allowed: [...NAMES.keys()].join(', ') });
    else {
      const [least, most] = LIMIT_RANGES[name];
      const value = Number(digits);
      if (value < least || value > most) problems.push({ value: entry, allowed: `${flag} from ${least} to ${most}` });
      else if (limits[name] !== undefined) problems.push({ value: entry, allowed: `${flag} once` });
      else limits[name] = value;
    }
  }
  return { limits, problems };
};
