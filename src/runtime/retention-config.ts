/** `--retain` and `--retain-events`: how much of log and history is kept. */
import { parseDuration } from '../model/basics.ts';
import type { RetentionPolicy } from '../projector/index.ts';

const DAY_MS = 24 * 3_600_000;

export interface RetentionProblem {
  readonly flag: 'retain' | 'retain-events';
  readonly value: string;
  readonly allowed: string;
}

const ageOf = (text: string): number | undefined => {
  const days = /^([0-9]{1,5})d$/.exec(text)?.[1];
  return days === undefined ? parseDuration(text) : Number(days) * DAY_MS;
};

/** @returns policy undefined: everything is kept */
export const parseRetention = (
  retain: string | undefined,
  events: string | undefined,
): { readonly policy: RetentionPolicy | undefined; readonly problems: readonly RetentionProblem[] } => {
  const problems: RetentionProblem[] = [];
  const ms = retain === undefined || retain === 'all' ? undefined : ageOf(retain);
  if (retain !== undefined && retain !== 'all' && (ms === undefined || ms < 60_000))
    problems.push({ flag: 'retain', value: retain, allowed: 'all, or a duration from 1m, such as 72h or 30d' });
  const isNumber = events !== undefined && /^[0-9]{1,15}$/.test(events) && Number(events) > 0;
  if (events !== undefined && events !== 'all' && !isNumber)
    problems.push({
      flag: 'retain-events',
      value: events,
      allowed: 'a number of events (10,000 are kept in any case)',
    });
  const policy: RetentionPolicy = {
    ...(ms === undefined ? {} : { ms }),
    ...(isNumber ? { events: Number(events) } : {}),
  };
  return { policy: Object.keys(policy).length === 0 ? undefined : policy, problems };
};
