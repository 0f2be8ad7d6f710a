/**
 * The fold alone (issue 3, section 9): events/s on one core, drains included. A mesh of 10,000 services with 10 endpoints each,
 * then events that fall on services by Zipf: mostly health changes and re-registrations of endpoints, some that come and go, few
 * of services. Reading and parsing the records is not counted; a drain follows every 1,000 events, as under load.
 */
import type { LogRecord } from '../src/log/index.ts';
import { type EventData, type EventType, type RecordedEvent, subjectOf } from '../src/model/index.ts';
import { createFoldState, type FoldState } from '../src/projector/fold/index.ts';

export interface FoldFigures {
  readonly services: number;
  readonly endpoints: number;
  readonly events: number;
  /** Building the mesh: every event is a new endpoint. */
  readonly buildEventsPerSecond: number;
  readonly eventsPerSecond: number;
  readonly microsecondsPerEvent: number;
  /** Processor time of all threads (garbage collection too): comparable when others use the machine. */
  readonly cpuMicrosecondsPerEvent: number;
  /** Share of that which drains took. */
  readonly drainShare: number;
  /** One event on a service with 10,000 endpoints, with its drain, ms (median and 99th percentile). */
  readonly largeServiceP50Ms: number;
  readonly largeServiceP99Ms: number;
  readonly entityBytes: number;
}

const ENDPOINTS = 10;
const SLICE = 1000;
const MESH = 'bench';
const START = Date.UTC(2026, 0, 1);

/** Small, fast, seeded: the same events in every run. */
const randomOf = (seed: number) => {
  let state = seed >>> 0;
  return (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
};

/** Zipf with exponent 1 over 0..size-1. */
const zipfOf = (size: number, random: () => number) => {
  const sums = new Float64Array(size);
  let sum = 0;
  for (let rank = 0; rank < size; rank += 1) {
    sum += 1 / (rank + 1);
    sums[rank] = sum;
  }
  return (): number => {
    const wanted = random() * sum;
    let low = 0;
    let high = size - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((sums[middle] ?? 0) < wanted) low = middle + 1;
      else high = middle;
    }
    return low;
  };
};

const textOf = <T extends EventType>(offset: number, type: T, data: EventData[T]): string =>
  JSON.stringify({
    id: `event-${offset}`,
    type,
    subject: subjectOf(type, data),
    time: '2026-01-01T00:00:00.000Z',
    source: 'adapter:bench',
    schemaVersion: 1,
    mesh: MESH,
    data,
  });

const serviceName = (service: number): string => `service-${service}`;
const address = (service: number, id: number): string =>
  `10.${(service + (id >> 8)) >> 8}.${(service + (id >> 8)) & 255}.${id & 255}`;

const endpoint = (service: number, id: number, health?: 'healthy' | 'draining'): EventData['endpoint.registered'] => ({
  namespace: 'default',
  service: serviceName(service),
  id: `${serviceName(service)}-${id}`,
  address: address(service, id),
  ports: { 8080: 18080 },
  labels: { app: serviceName(service), version: 'v1' },
  locality: { region: 'eu', zone: id % 2 === 0 ? 'a' : 'b' },
  serviceAccount: 'app',
  ...(health === undefined ? {} : { health }),
});

const recordOf = (offset: number, text: string): LogRecord => {
  // In place, as the log does it: a spread makes objects that are slow to read.
  const event = Object.assign(JSON.parse(text) as object, { offset, recordedAt: START + offset }) as RecordedEvent;
  return { offset, recordedAt: START + offset, event, bytes: new Uint8Array() };
};

class Runner {
  readonly fold: FoldState = createFoldState({ mesh: MESH });
  offset = 0;
  applied = 0;
  entityBytes = 0;
  applyMs = 0;
  drainMs = 0;
  cpuMs = 0;
  private texts: string[] = [];

  add<T extends EventType>(type: T, data: EventData[T]): void {
    this.offset += 1;
    this.texts.push(textOf(this.offset, type, data));
    if (this.texts.length >= SLICE) this.flush();
  }

  flush(): void {
    const first = this.offset - this.texts.length + 1;
    const records = this.texts.map((text, index) => recordOf(first + index, text));
    this.texts = [];
    const cpu = process.cpuUsage();
    const start = performance.now();
    for (const record of records) {
      for (const outcome of this.fold.apply(record)) {
        if (outcome.status !== 'applied') throw new Error(`offset ${outcome.offset}: ${outcome.message}`);
        this.applied += 1;
      }
    }
    const middle = performance.now();
    for (const bytes of this.fold.drain().entities.values()) this.entityBytes += bytes?.length ?? 0;
    this.applyMs += middle - start;
    this.drainMs += performance.now() - middle;
    const used = process.cpuUsage(cpu);
    this.cpuMs += (used.user + used.system) / 1000;
  }

  reset(): void {
    this.applied = 0;
    this.applyMs = 0;
    this.drainMs = 0;
    this.cpuMs = 0;
  }
}

const buildMesh = (runner: Runner, services: number): void => {
  for (let service = 0; service < services; service += 1) {
    const name = serviceName(service);
    runner.add('service.registered', { namespace: 'default', name, ports: [{ port: 8080, protocol: 'http' }] });
    for (let id = 0; id < ENDPOINTS; id += 1) runner.add('endpoint.registered', endpoint(service, id));
  }
  runner.flush();
};

const traffic = (runner: Runner, services: number, events: number): void => {
  const random = randomOf(7);
  const zipf = zipfOf(services, random);
  for (let count = 0; count < events; count += 1) {
    const service = zipf();
    const id = Math.floor(random() * ENDPOINTS);
    const { namespace, id: endpointId } = endpoint(service, id);
    const ref = { namespace, service: serviceName(service), id: endpointId };
    const dice = random();
    if (dice < 0.45) {
      runner.add('endpoint.health-changed', { ...ref, health: random() < 0.5 ? 'draining' : 'healthy' });
    } else if (dice < 0.9) {
      runner.add('endpoint.registered', endpoint(service, id, random() < 0.5 ? 'draining' : 'healthy'));
    } else if (dice < 0.98) {
      runner.add('endpoint.deregistered', ref);
      runner.add('endpoint.registered', endpoint(service, id));
      count += 1;
    } else {
      const labels = { tier: random() < 0.5 ? 'gold' : 'silver' };
      const ports: EventData['service.registered']['ports'] = [{ port: 8080, protocol: 'http' }];
      runner.add('service.registered', { namespace: 'default', name: serviceName(service), ports, labels });
    }
  }
  runner.flush();
};

const largeService = (): readonly number[] => {
  const runner = new Runner();
  for (let id = 0; id < 10_000; id += 1) runner.add('endpoint.registered', endpoint(1, id));
  runner.flush();
  const random = randomOf(9);
  const waits: number[] = [];
  for (let count = 0; count < 2000; count += 1) {
    runner.reset();
    runner.add(
      'endpoint.registered',
      endpoint(1, Math.floor(random() * 10_000), count % 2 === 0 ? 'draining' : 'healthy'),
    );
    runner.flush();
    waits.push(runner.applyMs + runner.drainMs);
  }
  return waits.sort((a, b) => a - b);
};

export const run = (options: { readonly events?: number; readonly services?: number } = {}): FoldFigures => {
  const { events = 1_000_000, services = 10_000 } = options;
  const runner = new Runner();
  buildMesh(runner, services);
  const built = runner.applied / (runner.applyMs + runner.drainMs);
  runner.reset();
  traffic(runner, services, events);
  const ms = runner.applyMs + runner.drainMs;
  const waits = largeService();
  return {
    services,
    endpoints: services * ENDPOINTS,
    events: runner.applied,
    buildEventsPerSecond: Math.round(built * 1000),
    eventsPerSecond: Math.round((runner.applied / ms) * 1000),
    microsecondsPerEvent: Number(((ms / runner.applied) * 1000).toFixed(2)),
    cpuMicrosecondsPerEvent: Number(((runner.cpuMs / runner.applied) * 1000).toFixed(2)),
    drainShare: Number((runner.drainMs / ms).toFixed(2)),
    largeServiceP50Ms: Number((waits[Math.floor(waits.length * 0.5)] ?? 0).toFixed(3)),
    largeServiceP99Ms: Number((waits[Math.floor(waits.length * 0.99)] ?? 0).toFixed(3)),
    entityBytes: runner.entityBytes,
  };
};
