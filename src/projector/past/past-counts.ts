/**
 * How many entities there were at an offset: the counts stored last before it, and the events since, folded over what they touch.
 *
 * Bound: so many events as lie between two stored counts (`PROOF_EVERY`).
 */
import { parseServiceName, type RecordedEvent, rawOfSubject, serviceName } from '../../model/index.ts';
import { COUNTED, type StateCounts } from '../fold/state-tally.ts';
import { loadRaw, PastEntities, type PastEntitiesOptions, rawKeysSince } from './past-entities.ts';
import { placeOf } from './past-mesh.ts';
import { decided, foldInto } from './past-reads.ts';

const NONE: StateCounts = { services: 0, endpoints: 0, documents: 0, callers: 0, edges: 0, raw: 0 };

/** Events of these types leave every number as it is. */
const COUNT_NOTHING: ReadonlySet<string> = new Set([
  'dependency.renewed',
  'endpoint.health-changed',
  'policy.refused',
  'resource.refused',
  'keeper.elected',
  'mesh.configured',
]);

interface Touched {
  readonly services: Set<string>;
  readonly endpointsOf: Set<string>;
  readonly policies: Set<string>;
  readonly callers: Set<string>;
  readonly raws: Set<string>;
}

const touch = (touched: Touched, { subject, data }: RecordedEvent): void => {
  const [family = '', first = '', second = '', third = ''] = subject.split('/');
  if (family === 'service') touched.services.add(serviceName(first, second));
  else if (family === 'endpoint') touched.endpointsOf.add(serviceName(first, second));
  else if (family === 'edge') touched.callers.add(String((data as { readonly from?: unknown }).from));
  else if (family === 'policy') {
    touched.policies.add(`${first}/${second}/${third}`);
    // A Service document is a facet of its service and of its inline endpoints.
    if (first !== 'Service') return;
    touched.services.add(serviceName(second, third));
    touched.endpointsOf.add(serviceName(second, third));
  } else if (family === 'resource') {
    const raw = rawOfSubject(subject);
    if ('key' in raw) touched.raws.add(raw.key);
  }
};

/** @param upTo the last event that counts (`Place.upTo`) */
export const countsAt = async (options: PastEntitiesOptions, upTo: number): Promise<StateCounts> => {
  const { queries } = options;
  options.refresh();
  const stored = queries.countsAt(upTo);
  const from = stored === undefined ? 0 : (await placeOf(options, stored.offset)).upTo;
  const offsets = Array.from({ length: upTo - from }, (_, index) => from + 1 + index);
  const before = new PastEntities(options, from);
  const events = await before.reads.read(offsets);
  const touched: Touched = {
    services: new Set(),
    endpointsOf: new Set(),
    policies: new Set(),
    callers: new Set(),
    raws: new Set(),
  };
  const counted = [...events.values()].filter(({ type }) => !COUNT_NOTHING.has(type));
  for (const event of counted) touch(touched, event);
  // What a clearing takes away is not named in it.
  if (counted.some(({ type }) => type === 'resource.clear'))
    for (const key of await rawKeysSince(before)) touched.raws.add(key);

  const state = before.reads.scratch();
  for (const [name, service] of await before.services([...touched.services]))
    if (service !== undefined) state.services.load(name, service);
  for (const [key, policy] of await before.policies([...touched.policies]))
    if (policy !== undefined) state.policies.load(key, policy);
  for (const [caller, edges] of await before.edges([...touched.callers]))
    if (edges !== undefined) state.edges.load(caller, edges);
  for (const [key, raw] of await before.raws([...touched.raws])) if (raw !== undefined) loadRaw(state, key, raw);
  for (const name of touched.endpointsOf) {
    const endpoints = parseServiceName(name) === undefined ? undefined : await before.endpoints(name);
    if (endpoints !== undefined) state.endpoints.load(name, endpoints);
  }
  const start = { ...state.tally.counts };
  foldInto(state, offsets, events, (event) => (COUNT_NOTHING.has(event.type) ? undefined : decided(event)));
  const base = stored?.counts ?? NONE;
  const { counts } = state.tally;
  return Object.fromEntries(
    COUNTED.map((kind) => [kind, base[kind] + counts[kind] - start[kind]]),
  ) as unknown as StateCounts;
};
