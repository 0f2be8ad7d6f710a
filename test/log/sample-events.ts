/** Events for the tests of logs. Light, because children that are killed import it too. */
import { type EventEnvelope, endpointSubject } from '../../src/model/index.ts';

export const MESH = 'contract';

/** A valid event of about 300 bytes. */
export const sampleEvent = (n: number, padding = ''): EventEnvelope<'endpoint.registered'> => ({
  id: `event-${n}`,
  type: 'endpoint.registered',
  subject: endpointSubject('default', 'cart', `i-${n}`),
  time: '2026-11-21T03:01:00.000Z',
  source: 'contract',
  schemaVersion: 1,
  mesh: MESH,
  data: { namespace: 'default', service: 'cart', id: `i-${n}`, address: '10.0.0.1', labels: { padding } },
});

export const sampleEvents = (from: number, count: number): EventEnvelope[] =>
  Array.from({ length: count }, (_, index) => sampleEvent(from + index));
