/**
 * Version registry of events: the log keeps every event in the version it was written with, readers see the current one.
 * An upcaster turns the `data` of one version into that of the next; it is pure and never changed once released, or a replay
 * would give another state.
 */
import { EVENT_SCHEMA_VERSION, type EventEnvelope, LATER_VERSIONS } from '../model/index.ts';

export type Upcaster = (data: unknown) => unknown;

export interface UpcastRegistry {
  /** Version that readers see. */
  readonly current: number;
  /** By event type: the upcaster from version n to n + 1, by n. A type that did not change has none. */
  readonly upcasters: ReadonlyMap<string, ReadonlyMap<number, Upcaster>>;
  /** Types that have a meaning only from this version on, above `current`; their older events are given as they were written. */
  readonly later?: ReadonlyMap<string, number>;
}

/** Version 1 is the first, so there is nothing to raise yet. */
export const upcastRegistry: UpcastRegistry = {
  current: EVENT_SCHEMA_VERSION,
  upcasters: new Map(),
  later: LATER_VERSIONS,
};

export type UpcastResult =
  | { readonly event: EventEnvelope; readonly unreadable?: undefined }
  | { readonly event?: undefined; readonly unreadable: string };

const ENVELOPE_TEXTS = ['id', 'type', 'subject', 'time', 'source', 'mesh'] as const;

/** Raises a parsed event to the current version. Never throws: what cannot be read is a value, for the fold to quarantine. */
export const upcast = (parsed: unknown, registry: UpcastRegistry = upcastRegistry): UpcastResult => {
  if (typeof parsed !== 'object' || parsed === null) return { unreadable: 'not an object' };
  const event = parsed as Record<string, unknown>;
  // What a bridge could not read as an event (src/log/kafka/unreadable.ts) says why itself.
  if (event.id === undefined && typeof event.unreadable === 'string') return { unreadable: event.unreadable };
  for (const name of ENVELOPE_TEXTS) {
    if (typeof event[name] !== 'string') return { unreadable: `envelope field ${name} is missing or not a text` };
  }
  const version = event.schemaVersion;
  if (typeof version !== 'number' || !Number.isInteger(version) || version < 1) {
    return { unreadable: 'envelope field schemaVersion is not a whole number from 1' };
  }
  if (typeof event.data !== 'object' || event.data === null)
    return { unreadable: 'envelope field data is not an object' };
  const newest = Math.max(registry.current, registry.later?.get(event.type as string) ?? 0);
  if (version > newest) {
    return { unreadable: `schemaVersion ${version} comes from a newer Tendril; this one knows ${newest}` };
  }
  return version >= registry.current ? { event: parsed as EventEnvelope } : raise(event, version, registry);
};

const raise = (event: Record<string, unknown>, from: number, registry: UpcastRegistry): UpcastResult => {
  const upcasters = registry.upcasters.get(String(event.type));
  let { data } = event;
  try {
    for (let version = from; version < registry.current; version++) data = upcasters?.get(version)?.(data) ?? data;
  } catch (error) {
    return { unreadable: `schemaVersion ${from} cannot be raised to ${registry.current}: ${String(error)}` };
  }
  return { event: { ...event, data, schemaVersion: registry.current } as unknown as EventEnvelope };
};
