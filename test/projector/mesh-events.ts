/** Events of a made-up mesh, from a seed: for tests and benchmarks of the projector. */
import { randomFrom, zipf } from '../../bench/sim/random.ts';
import {
  type EventData,
  type EventEnvelope,
  type EventType,
  schemaVersionOf,
  subjectOf,
} from '../../src/model/index.ts';

export { randomFrom };

export const MESH = 'default';
const TIME = '2026-11-21T00:00:00Z';

/** Several processes may write into one log. */
const process36 = process.pid.toString(36);
let counter = 0;

export const event = <T extends EventType>(
  type: T,
  data: EventData[T],
  more: Partial<Omit<EventEnvelope, 'type' | 'data'>> = {},
): EventEnvelope =>
  ({
    id: `e${process36}-${++counter}`,
    type,
    subject: subjectOf(type, data),
    time: TIME,
    source: 'test',
    schemaVersion: schemaVersionOf(type),
    mesh: MESH,
    data,
    ...more,
  }) as EventEnvelope;

export const registered = (name: string, more: Partial<EventData['service.registered']> = {}): EventEnvelope =>
  event('service.registered', { namespace: 'shop', name, ports: [{ port: 80, protocol: 'http' }], ...more });

export const endpoint = (
  service: string,
  id: string,
  more: Partial<EventData['endpoint.registered']> = {},
): EventEnvelope => event('endpoint.registered', { namespace: 'shop', service, id, address: '10.0.0.1', ...more });

export const route = (name: string, spec: object): EventEnvelope =>
  event('policy.applied', {
    document: { apiVersion: 'tendril.dev/v1', kind: 'Route', metadata: { name, namespace: 'shop' }, spec },
  });

export const policy = (kind: string, name: string, spec: object): EventEnvelope =>
  event('policy.applied', {
    document: { apiVersion: 'tendril.dev/v1', kind, metadata: { name, namespace: 'shop' }, spec },
  });

export const observed = (from: string, to: string, node: string): EventEnvelope =>
  event('dependency.observed', { from, to, evidence: 'subscribed' }, { source: node });

const addressOf = (service: number, number: number): string =>
  `10.${(service >>> 8) & 255}.${service & 255}.${(number % 250) + 1}`;

export interface MeshSize {
  readonly services: number;
  readonly endpoints: number;
}

export const serviceAt = (index: number): string => `svc-${index}`;

/** All services and endpoints of a mesh: what a registry says first. */
export function* initialEvents(size: MeshSize): Generator<EventEnvelope> {
  for (let service = 0; service < size.services; service++) {
    yield registered(serviceAt(service), { labels: { team: `t${service % 40}` } });
    for (let number = 0; number < size.endpoints; number++) {
      yield endpoint(serviceAt(service), `${serviceAt(service)}-${number}`, {
        address: addressOf(service, number),
        locality: { region: 'eu', zone: `eu-${number % 3}` },
        labels: { version: number % 2 === 0 ? 'v1' : 'v2' },
      });
    }
  }
}

/** What goes on in a running mesh: health (7 of 10), moves (2 of 10), weights (1 of 10), over services by Zipf's law. */
export const changeEvents = (size: MeshSize, random: () => number): (() => EventEnvelope) => {
  const pick = zipf(size.services, random);
  return () => {
    const service = pick();
    const number = Math.floor(random() * size.endpoints);
    const id = `${serviceAt(service)}-${number}`;
    const what = random();
    if (what < 0.7) {
      const health = random() < 0.5 ? 'healthy' : 'unhealthy';
      return event('endpoint.health-changed', { namespace: 'shop', service: serviceAt(service), id, health });
    }
    return endpoint(serviceAt(service), id, {
      address: what < 0.9 ? addressOf(service, Math.floor(random() * 250)) : addressOf(service, number),
      locality: { region: 'eu', zone: `eu-${number % 3}` },
      labels: { version: number % 2 === 0 ? 'v1' : 'v2' },
      ...(what < 0.9 ? {} : { weight: 1 + Math.floor(random() * 100) }),
    });
  };
};
