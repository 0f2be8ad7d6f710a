/** The state now, or as it was: one way to read both. */
import { atParam, offsetOf, type Place, type Stamp } from './place.ts';
import type { AdminPorts, StateCounts, StateView } from './ports.ts';

export { atParam };

export interface StateMoment {
  readonly offset: number;
  /** Absent: now. */
  readonly at: Stamp | undefined;
  /** ms: what ages are told for. */
  readonly time: number;
  counts(): Promise<StateCounts>;
  /** The look must change nothing: of an earlier state it runs again when it read what was not loaded yet. */
  read<T>(look: (state: StateView) => T | Promise<T>): Promise<T>;
}

/** Throws `OFFSET_INVALID`, `OFFSET_GONE`, `STATE_BUSY`. */
export const stateMoment = async (ports: AdminPorts, place: Place | undefined): Promise<StateMoment> => {
  if (place === undefined) {
    const { state } = ports;
    return {
      offset: state.offset,
      at: undefined,
      time: Date.now(),
      counts: async () => state.entityCounts,
      read: async (look) => look(state),
    };
  }
  const past = await ports.past.stateAt(offsetOf(ports, place));
  const time = 'time' in place ? place.time : past.recordedAt;
  return {
    offset: past.offset,
    at: { offset: past.offset, time: new Date(time).toISOString() },
    time,
    counts: () => past.counts(),
    read: (look) => past.read(look),
  };
};

/** `at` of an answer as a field. */
export const atField = ({ at }: Pick<StateMoment, 'at'>): { readonly at?: Stamp } => (at === undefined ? {} : { at });
