/** Poison: what ingest refuses or never made, written straight into the file of a log that nobody has open. */

import { LOG_SCHEMA } from '../../src/log/index.ts';
import { RECORD_HEADER_BYTES, recordedAtOf } from '../../src/log/record-codec.ts';
import { EVENT_SCHEMA_VERSION, type EventEnvelope, endpointSubject } from '../../src/model/index.ts';
import { openEnvironment } from '../../src/store/index.ts';
import { endpoint, event, policy, registered } from '../projector/mesh-events.ts';

/** The text of one event as it stands in the log, or an event. */
export type Written = string | EventEnvelope | { readonly text: string; readonly recordedAt: number };

export interface Poison {
  readonly kind: string;
  readonly written: Written;
  /** Outcome that the fold gives, with the code of its reason. */
  readonly outcome: `quarantined ${string}` | `rejected ${string}` | 'applied';
}

const withData = (good: EventEnvelope, more: object): EventEnvelope =>
  ({ ...good, data: { ...good.data, ...more } }) as EventEnvelope;

const json = (good: EventEnvelope, change: (text: string) => string): string => change(JSON.stringify(good));

/** An operation that makes the document twice as large, again and again: 2^200 of it, if nobody counted. */
const doubling = (count: number): object[] =>
  Array.from({ length: count }, (_, index) => ({ op: 'copy', from: '/spec', path: `/spec/x${index}` }));

/** Nested so deeply that a recursive walk would end the stack. */
const deep = (levels: number): string => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`;

/** The ten kinds of reference/reliability.md, section 4b. `victim` is a service that is registered, with a Route of its name. */
export const poisons = (victim: string): readonly Poison[] => [
  {
    kind: 'unknown type',
    written: { ...registered(victim), type: 'service.exploded' } as unknown as EventEnvelope,
    outcome: 'quarantined type',
  },
  {
    kind: 'bad field',
    written: withData(registered(victim), { ports: [{ port: 70_000, protocol: 'http' }] }),
    outcome: 'quarantined schema',
  },
  {
    kind: 'huge: a label of 1 MiB',
    written: endpoint(victim, 'huge', { labels: { padding: 'x'.repeat(2 ** 20) } }),
    outcome: 'quarantined schema',
  },
  {
    kind: 'cyclic route',
    written: policy('Route', victim, { to: { [`${victim}.shop`]: { weight: 1 } } }),
    outcome: 'applied',
  },
  {
    kind: 'NaN weight',
    written: json(endpoint(victim, 'nan', { weight: 123_456 }), (text) => text.replace('123456', 'NaN')),
    outcome: 'quarantined unreadable',
  },
  {
    kind: 'a weight that JSON cannot hold',
    written: json(endpoint(victim, 'inf', { weight: 123_456 }), (text) => text.replace('123456', '1e999')),
    outcome: 'quarantined schema',
  },
  {
    kind: '__proto__ key',
    written: json(endpoint(victim, 'proto', { labels: { marker: 'polluted' } }), (text) =>
      text.replace('"marker"', '"__proto__"'),
    ),
    outcome: 'quarantined schema',
  },
  {
    kind: 'a document of 100,000 levels, that a recursive handler would throw at',
    written: json(policy('Route', victim, { timeout: 'marker' }), (text) => text.replace('"marker"', deep(100_000))),
    outcome: 'quarantined unreadable',
  },
  {
    kind: 'a patch that doubles its document 200 times, that a handler would never end',
    written: event('policy.patched', { kind: 'Route', namespace: 'shop', name: victim, patch: doubling(200) } as never),
    outcome: 'rejected E106',
  },
  {
    kind: '100 MB',
    written: json(endpoint(victim, 'large', { labels: { padding: 'marker' } }), (text) =>
      text.replace('marker', 'x'.repeat(100e6)),
    ),
    outcome: 'quarantined unreadable',
  },
  {
    kind: 'an event of a later schema version',
    written: { ...endpoint(victim, 'later'), schemaVersion: EVENT_SCHEMA_VERSION + 1 } as EventEnvelope,
    outcome: 'quarantined unreadable',
  },
  {
    kind: 'a subject that is another entity',
    written: { ...endpoint(victim, 'mine'), subject: endpointSubject('shop', victim, 'yours') },
    outcome: 'quarantined subject',
  },
];

const recordOf = (one: Written, at: number): { readonly text: string; readonly recordedAt: number } => {
  if (typeof one === 'string') return { text: one, recordedAt: at };
  return 'text' in one ? one : { text: JSON.stringify(one), recordedAt: at };
};

/** Appends to the file what no `append` would take. Gives the offset of the first. */
export const writeInto = async (dir: string, mesh: string, written: readonly Written[]): Promise<number> => {
  const environment = await openEnvironment({ dir, mesh, name: 'log', schema: LOG_SCHEMA });
  try {
    const table = environment.table<number>('events');
    const [last] = [...table.range({ reverse: true, limit: 1 })];
    const first = (last?.key ?? 0) + 1;
    const at = last === undefined ? Date.now() : recordedAtOf(Buffer.from(last.body));
    for (const [index, one] of written.entries()) {
      const { text, recordedAt } = recordOf(one, at);
      const record = Buffer.alloc(RECORD_HEADER_BYTES + Buffer.byteLength(text));
      record.writeUInt32BE(Math.floor(recordedAt / 2 ** 32), 0);
      record.writeUInt32BE(recordedAt % 2 ** 32, 4);
      record.write(text, RECORD_HEADER_BYTES);
      await environment.commit((batch) => batch.put(table, first + index, record));
    }
    return first;
  } finally {
    await environment.close();
  }
};
