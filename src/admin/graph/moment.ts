/** The graph now, or as it was at an offset or time: one way to read both. */
import { parseTarget } from '../../model/index.ts';
import { offsetOf, type Place, type Stamp } from '../place.ts';
import type { AdminPorts, EdgeQuery, EdgeView } from '../ports.ts';

export interface GraphMoment {
  readonly offset: number;
  /** Time that states are told for, ms. */
  readonly time: number;
  readonly isPast: boolean;
  edges(query: EdgeQuery): Promise<readonly EdgeView[]>;
  /** Edges of one caller alone, ascending by target. */
  edgesOf(caller: string): Promise<readonly EdgeView[]>;
  /** Services of then: ports, and endpoints where they are known. */
  services(names: readonly string[]): Promise<ReadonlyMap<string, ServiceFacts>>;
}

/** Where and when an answer is of. */
export const stampOf = ({ offset, time }: Pick<GraphMoment, 'offset' | 'time'>): Stamp => ({
  offset,
  time: new Date(time).toISOString(),
});

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
    edgesOf: async (caller) => ports.graph.edgesOf(caller, time),
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
  const offset = offsetOf(ports, place);
  const past = await ports.past.graphAt(offset);
  const time = 'time' in place ? place.time : past.recordedAt;
  return {
    offset,
    time,
    isPast: true,
    edges: (query) => past.edges({ ...query, now: time }),
    edgesOf: (caller) => past.edgesOf(caller, time),
    services: (names) => past.services(names.filter((name) => parseTarget(name)?.port === undefined)),
  };
};
