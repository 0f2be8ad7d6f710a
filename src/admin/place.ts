/** Places in the log as questions name them: `?at=`, `from`, `to`. */
import { parseDuration, TendrilError } from '../model/index.ts';
import type { AdminPorts } from './ports.ts';
import { refusal } from './problem.ts';
import type { Param } from './route.ts';

/** An offset, or a time in ms since the epoch. */
export type Place = { readonly offset: number } | { readonly time: number };

/** Whole numbers of so many digits are ms since the epoch (from the year 2001 on), shorter ones offsets. */
const TIME_DIGITS = 12;
const DAY_MS = 86_400_000;

/** `10m`, `2h`, `3d`: so long ago; ms. */
const agoOf = (text: string): number | undefined => {
  const days = /^([0-9]{1,5})d$/.exec(text)?.[1];
  return days === undefined ? parseDuration(text) : Number(days) * DAY_MS;
};

const placeOf = (text: string, name: string): Place => {
  if (/^[0-9]{1,15}$/.test(text)) return text.length < TIME_DIGITS ? { offset: Number(text) } : { time: Number(text) };
  const ago = agoOf(text);
  if (ago !== undefined) return { time: Date.now() - ago };
  const time = /^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ].*)?$/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(time))
    throw refusal(
      'E102',
      `${name} is "${text.slice(0, 80)}"; allowed is an offset, an RFC 3339 time, or how long ago`,
      {
        pointer: `?${name}`,
        remedy: 'such as 812, 2026-05-01T12:00:00Z or 10m',
      },
    );
  return { time };
};

export const placeParam = (description: string): Param<Place | undefined> => ({
  description: `${description} An offset, an RFC 3339 time, a time in ms since the epoch, or how long ago (\`10m\`, \`2h\`, \`3d\`).`,
  schema: { type: 'string' },
  parse: (text, name) => (text === undefined ? undefined : placeOf(text, name)),
});

export const atParam = placeParam('The state as it was then.');

/** Offset of a place. Throws `OFFSET_GONE` for what was before the log's first event. */
export const offsetOf = (ports: Pick<AdminPorts, 'events' | 'past'>, place: Place): number => {
  const { first } = ports.events.head();
  const offset = 'offset' in place ? place.offset : ports.past.offsetAt(place.time);
  if (offset < first - 1)
    throw new TendrilError('OFFSET_GONE', `the log begins at ${first}: what was before cannot be told any more`, {
      remedy: `ask for ${first} or later`,
    });
  return offset;
};

/** Where and when an answer is of. */
export interface Stamp {
  readonly offset: number;
  /** RFC 3339; that of the question, where it named one, else of the event. */
  readonly time: string;
}
