/** What may have changed between two offsets, by the events between them: entities to be compared. */
import { type RecordedEvent, rawOfSubject, serviceName } from '../../model/index.ts';
import type { PastReads } from './past-reads.ts';

/** Entities by name, those of one place in the log. */
export interface ChangedUnits {
  readonly services: Set<string>;
  /** `Kind/namespace/name` */
  readonly documents: Set<string>;
  readonly callers: Set<string>;
  readonly raws: Set<string>;
  /** Service -> ids of endpoints. */
  readonly endpoints: Map<string, Set<string>>;
  /** Services whose document may have changed inline endpoints. */
  readonly inline: Set<string>;
  mesh: boolean;
  /** Nodes whose raw resources were cleared ('': those of every node), percent-encoded. */
  readonly cleared: Set<string>;
}

export const noUnits = (): ChangedUnits => ({
  services: new Set(),
  documents: new Set(),
  callers: new Set(),
  raws: new Set(),
  endpoints: new Map(),
  inline: new Set(),
  mesh: false,
  cleared: new Set(),
});

/**
 * Adds what an event is of. A caller, and what a Service document shapes, is added with its first event of the range only: `reads` knows
 * the earlier ones, so pages name each entity once.
 * @param after the range begins behind this offset
 */
export const addUnits = (units: ChangedUnits, event: RecordedEvent, reads: PastReads, after: number): void => {
  const { subject, offset, data } = event;
  const isFirst = (owner: string): boolean => reads.eventRows(owner, after, offset - 1).length === 0;
  const addCaller = (caller: unknown): void => {
    if (typeof caller === 'string' && isFirst(`edge/${caller}`)) units.callers.add(caller);
  };
  const [family = '', first = '', second = '', third = ''] = subject.split('/');
  switch (family) {
    case 'mesh':
      units.mesh = true;
      break;
    case 'service':
      units.services.add(serviceName(first, second));
      break;
    case 'endpoint': {
      const service = serviceName(first, second);
      const ids = units.endpoints.get(service) ?? new Set();
      units.endpoints.set(service, ids.add(subject.slice(`endpoint/${first}/${second}/`.length)));
      break;
    }
    case 'policy': {
      units.documents.add(`${first}/${second}/${third}`);
      if (first !== 'Service') break;
      units.inline.add(serviceName(second, third));
      if (reads.eventRows(`service/${second}/${third}`, after, reads.at).length === 0)
        units.services.add(serviceName(second, third));
      break;
    }
    case 'edge':
      addCaller((data as { readonly from?: unknown }).from);
      break;
    case 'edges':
      for (const from of new Set(
        (data as { readonly edges?: readonly { readonly from?: unknown }[] }).edges?.map((edge) => edge.from),
      ))
        addCaller(from);
      break;
    case 'resource': {
      const raw = rawOfSubject(subject);
      if ('key' in raw) units.raws.add(raw.key);
      else units.cleared.add(raw.node);
      break;
    }
    default:
  }
};
