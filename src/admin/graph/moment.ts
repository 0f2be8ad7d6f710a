/** The graph now, or as it was at an offset or time: one way to read both. */
import { parseTarget, TendrilError } from '../../model/index.ts';
import type { AdminPorts, EdgeQuery, EdgeView } from '../ports.ts';
import { refusal } from '../problem.ts';
import type { Param } from '../route.ts';

/** A place in the log: an offset, or a time in ms. */
export type Place = { readonly offset: number } | { readonly time: number };

/** Whole numbers of so many digits are ms since the epoch (from the year 2001 on), shorter ones offsets. */
const TIME_DIGITS = 12;

export const placeParam = (description: string): Param<Place | undefined> => ({
  description: `${description} An offset, an RFC 3339 time, or a time in ms since the epoch.`,
  schema: { type: 'string' },
  parse: (text, name) => {
    if (text === undefined) return undefined;
    if (/^[0-9]{1,15}$/.test(text))
      return text.length < TIME_DIGITS ? { offset: Number(text) } : { time: Number(text) };
    const time = /^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ].*)?$/.test(text) ? Date.parse(text) : Number.NaN;
    if (Number.isNaN(time))
      throw refusal('E102', `${name} is "${text.slice(0, 80)}"; allowed is an offset or an RFC 3339 time`, {
        pointer: `?${name}`,
        remedy: 'such as 812 or 2026-05-01T12:00:00Z',
      });
    return { time };
  },
});

export interface GraphMoment {
  readonly offset: number;
  /** Time that states are told for, ms. */
  readonly time: number;
  readonly isPast: boolean;
  edges(query: EdgeQuery): Promise<readonly EdgeView[]>;
  /** Services of then: ports, and endpoints where they are known. */
  services(names: readonly string[]): Promise<ReadonlyMap<string, ServiceFacts>>;
}

export interface ServiceFacts {
  readonly ports: readonly { readonly port: number; readonly protocol: string }[];
  readonly endpointCount?: number;
}

const now = (ports: AdminPorts): GraphMoment => {
  const time = Date.now();
  return {
    offset: ports.state.offset,
    time,
    isPast: false,
    edges: async (query) => ports.graph.edges({ ...query, now: time }),
    services: async (names) =>
      new Map(
        names.flatMap((name) => {
          const service = ports.state.service(name);
          if (service === undefined) return [];
          return [[name, { ports: service.ports, endpointCount: ports.state.endpointCount(name) }] as const];
        }),
      ),
  };
};

/** Throws `OFFSET_INVALID`, `OFFSET_GONE`, `STATE_BUSY`. */
export const momentOf = async (ports: AdminPorts, place: Place | undefined): Promise<GraphMoment> => {
  if (place === undefined) return now(ports);
  const { first } = ports.events.head();
  const offset = 'offset' in place ? place.offset : ports.past.offsetAt(place.time);
  if (offset < first - 1)
    throw new TendrilError('OFFSET_GONE', `the log begins at ${first}: what was before cannot be told any more`, {
      remedy: `ask for ${first} or later`,
    });
  const past = await ports.past.graphAt(offset);
  const time = 'time' in place ? place.time : past.recordedAt;
  return {
    offset,
    time,
    isPast: true,
    edges: (query) => past.edges({ ...query, now: time }),
    services: (names) => past.services(names.filter((name) => parseTarget(name)?.port === undefined)),
  };
};
