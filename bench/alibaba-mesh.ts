/**
 * A mesh of the size that Alibaba has published (67,760 microservices, 1,866,091 instances), made from a seed. How many endpoints a
 * service has and how many services it calls follow Pareto's law, who is called Zipf's: few are very large, most are small.
 *
 * Events come as a registry tells them at first: each service with its endpoints, then who calls whom.
 */
import type { EventData, EventEnvelope, EventType } from '../src/model/index.ts';
import { schemaVersionOf, subjectOf } from '../src/model/index.ts';
import { MESH } from '../test/projector/mesh-events.ts';
import { randomFrom, zipf } from './sim/random.ts';

export interface AlibabaSize {
  readonly services: number;
  readonly endpoints: number;
  readonly seed: number;
}

export const ALIBABA: AlibabaSize = { services: 67_760, endpoints: 1_866_091, seed: 1 };

const NAMESPACES = 64;
/** Exponents of Pareto's law, and the largest draw: the largest service has about 9,000 endpoints. */
const ENDPOINTS_EXPONENT = 1.1;
const MOST_ENDPOINTS = 2_000;
const CALLEES_EXPONENT = 1.4;
const MOST_CALLEES = 200;
const TIME = '2026-11-28T00:00:00Z';

const pareto = (exponent: number, most: number, random: () => number): number =>
  Math.min(most, (1 - random()) ** (-1 / exponent));

export const namespaceAt = (service: number): string => `team-${service % NAMESPACES}`;
export const nameAt = (service: number): string => `svc-${service}`;
export const fullNameAt = (service: number): string => `${nameAt(service)}.${namespaceAt(service)}`;
export const endpointIdAt = (service: number, number: number): string => `${nameAt(service)}-${number}`;

/** What is drawn: the same for the same size. */
export class AlibabaMesh {
  readonly size: AlibabaSize;
  /** Endpoints of each service, at least one; they add up to the size. */
  readonly endpoints: Uint32Array;

  constructor(size: AlibabaSize) {
    this.size = size;
    const random = randomFrom(size.seed);
    const draws = Float64Array.from({ length: size.services }, () =>
      pareto(ENDPOINTS_EXPONENT, MOST_ENDPOINTS, random),
    );
    const sum = draws.reduce((total, draw) => total + draw, 0);
    const spare = Math.max(0, size.endpoints - size.services);
    this.endpoints = Uint32Array.from(draws, (draw) => 1 + Math.floor((draw / sum) * spare));
    const left = size.endpoints - this.endpoints.reduce((total, count) => total + count, 0);
    for (let at = 0; at < left; at++) {
      const service = at % size.services;
      this.endpoints[service] = (this.endpoints[service] ?? 0) + 1;
    }
  }

  /** Callees of a service, without itself. */
  *edges(): Generator<readonly [caller: number, callee: number]> {
    const random = randomFrom(this.size.seed + 1);
    const pick = zipf(this.size.services, random);
    for (let caller = 0; caller < this.size.services; caller++) {
      const callees = new Set<number>();
      const count = Math.floor(pareto(CALLEES_EXPONENT, MOST_CALLEES, random));
      for (let at = 0; at < count; at++) callees.add(pick());
      callees.delete(caller);
      for (const callee of callees) yield [caller, callee];
    }
  }

  /** Data of an endpoint; `address` moves with `moves`. */
  endpoint(service: number, number: number, moves = 0): EventData['endpoint.registered'] {
    const host = (Math.imul(service, 31) + number) >>> 0;
    return {
      namespace: namespaceAt(service),
      service: nameAt(service),
      id: endpointIdAt(service, number),
      address: `10.${(host >>> 16) & 255}.${(host >>> 8) & 255}.${(host & 255) ^ (moves & 1)}`,
      ports: { 80: 8080 + moves },
      labels: { version: number % 10 === 0 ? 'v2' : 'v1' },
      locality: { region: 'cn-hangzhou', zone: `zone-${number % 3}` },
    };
  }

  *events(): Generator<EventEnvelope> {
    let id = 0;
    const event = <T extends EventType>(type: T, data: EventData[T]): EventEnvelope =>
      ({
        id: `m${id++}`,
        type,
        subject: subjectOf(type, data),
        time: TIME,
        source: 'registry',
        schemaVersion: schemaVersionOf(type),
        mesh: MESH,
        data,
      }) as EventEnvelope;
    for (let service = 0; service < this.size.services; service++) {
      yield event('service.registered', {
        namespace: namespaceAt(service),
        name: nameAt(service),
        ports: [{ port: 80, protocol: 'http' }],
      });
      const count = this.endpoints[service] ?? 0;
      for (let number = 0; number < count; number++) yield event('endpoint.registered', this.endpoint(service, number));
    }
    for (const [from, to] of this.edges())
      yield event('dependency.declared', { from: fullNameAt(from), to: fullNameAt(to) });
  }
}
