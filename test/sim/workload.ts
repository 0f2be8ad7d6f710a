/** What operators and registries of a small mesh write, drawn from the seed: all families that shape what sidecars get. */
import type { Choices } from './choices.ts';

/** As it comes in over HTTP. */
export interface RawEvent {
  readonly id: string;
  readonly type: string;
  readonly data: object;
  readonly source?: string;
  readonly expect?: number;
}

export const SERVICES = ['cart', 'mail', 'stock', 'bank', 'web'];
const EXTERNAL = ['api.example.com', 'cdn.example.com'];

export const nameOf = (service: string): string => `${service}.${service === 'bank' ? 'pay' : 'shop'}`;

/** Hosts that applications call: all spellings, external ones, and some that do not exist. */
export const HOSTS: readonly string[] = [
  ...SERVICES.map(nameOf),
  ...SERVICES.map((service) => `${nameOf(service)}:80`),
  'cart',
  'mail',
  'bank.pay.mesh.local',
  'nobody.shop',
  ...EXTERNAL,
];

export const CLUSTERS: readonly string[] = [
  ...SERVICES.map((service) => `${nameOf(service)}:80`),
  'nobody.shop:80',
  'stock.shop:81',
];

const MESH_CONFIGURED = { name: 'default', suffixes: ['.mesh.local', '.svc.cluster.local'] };

export class Workload {
  readonly #choices: Choices;
  #number = 0;
  /** Offsets seen of subjects, for `expect`. */
  readonly #seen = new Map<string, number>();

  constructor(choices: Choices) {
    this.#choices = choices;
  }

  /** The first events of every run. */
  beginning(): readonly RawEvent[] {
    return [
      this.#event('mesh.configured', MESH_CONFIGURED),
      ...SERVICES.map((service) => this.#service(service)),
      ...SERVICES.flatMap((service) => [this.#endpoint(service, 1), this.#endpoint(service, 2)]),
    ];
  }

  /** One request: usually one event, sometimes a batch. */
  next(): readonly RawEvent[] {
    const size = this.#choices.chance(20) ? this.#choices.between(2, 5) : 1;
    return Array.from({ length: size }, () => this.#one());
  }

  /** Told of what was appended. */
  saw(event: RawEvent, offset: number): void {
    this.#seen.set(subjectIn(event), offset);
  }

  /** What nobody can read: another producer wrote it. */
  poison(): object {
    const kind = this.#choices.pick(['unknown.type', 'service.registered', 'endpoint.registered']);
    return {
      id: this.#id(),
      type: kind,
      subject: 'service/shop/cart',
      time: '2026-11-21T00:00:00Z',
      source: 'foreign',
      schemaVersion: this.#choices.pick([1, 1, 99]),
      mesh: 'default',
      data: this.#choices.pick([null, {}, [], 'text', { namespace: 'shop', name: 'cart', ports: 'no' }]),
    };
  }

  #one(): RawEvent {
    const { pick, weighted } = bound(this.#choices);
    const service = pick(SERVICES);
    const [namespace, name] = [nameOf(service).split('.')[1] ?? '', service];
    const kind = weighted({
      endpoint: 26,
      health: 14,
      leave: 8,
      service: 12,
      unregister: 4,
      route: 12,
      upstream: 5,
      dependency: 7,
      deleted: 4,
      edge: 16,
    });
    switch (kind) {
      case 'endpoint':
        return this.#endpoint(service, this.#choices.between(1, 4));
      case 'health':
        return this.#event('endpoint.health-changed', {
          namespace,
          service: name,
          id: `${name}-${this.#choices.between(1, 4)}`,
          health: pick(['healthy', 'unhealthy', 'draining']),
        });
      case 'leave':
        return this.#event('endpoint.deregistered', {
          namespace,
          service: name,
          id: `${name}-${this.#choices.between(1, 4)}`,
        });
      case 'service':
        return this.#service(service);
      case 'unregister':
        return this.#event('service.deregistered', { namespace, name });
      case 'route':
        return this.#document('Route', namespace, name, this.#routeSpec(service));
      case 'upstream':
        return this.#document('Upstream', namespace, name, {
          subsets: { v1: { labels: { version: 'v1' } }, v2: { labels: { version: 'v2' } } },
        });
      case 'dependency':
        return this.#document('Dependency', namespace, name, {
          ...(this.#choices.chance(25) ? { learn: this.#choices.chance(50) } : {}),
          to: { [nameOf(pick(SERVICES))]: pick([{}, { deny: true }, { pin: true }]) },
        });
      case 'deleted':
        return this.#event('policy.deleted', { kind: pick(['Route', 'Upstream', 'Dependency']), namespace, name });
      case 'edge':
        return this.#event(
          pick(['dependency.declared', 'dependency.withdrawn', 'dependency.pinned', 'dependency.denied']),
          {
            from: nameOf(service),
            to: `${nameOf(pick(SERVICES))}${pick(['', ':80'])}`,
          },
        );
    }
  }

  #routeSpec(service: string): object {
    const other = this.#choices.pick(SERVICES);
    const timeout = { timeout: `${this.#choices.between(1, 9)}s` };
    return this.#choices.pick<object>([
      timeout,
      { ...timeout, to: { v1: { weight: 90 }, v2: { weight: 10 } } },
      { ...timeout, to: { [`${nameOf(other)}:80`]: {} } },
      { ...timeout, rules: { beta: { match: { path: { prefix: `/${service}` } }, timeout: '1s' } } },
    ]);
  }

  #service(service: string): RawEvent {
    const [name = '', namespace = ''] = nameOf(service).split('.');
    const { chance, pick } = bound(this.#choices);
    return this.#event('service.registered', {
      namespace,
      name,
      ports: [
        { port: 80, protocol: pick(['http', 'http', 'grpc', 'tcp']) },
        ...(chance(30) ? [{ port: 81, protocol: 'http' }] : []),
      ],
      visibility: pick(['mesh', 'mesh', 'mesh', 'namespace', ['pay']]),
      ...(chance(20) ? { external: { hosts: [pick(EXTERNAL)] } } : {}),
    });
  }

  #endpoint(service: string, number: number): RawEvent {
    const [name = '', namespace = ''] = nameOf(service).split('.');
    return this.#event('endpoint.registered', {
      namespace,
      service: name,
      id: `${name}-${number}`,
      address: `10.0.${this.#choices.between(0, 3)}.${this.#choices.between(1, 250)}`,
      labels: { version: number % 2 === 0 ? 'v2' : 'v1' },
    });
  }

  #document(kind: string, namespace: string, name: string, spec: object): RawEvent {
    const document = { apiVersion: 'tendril.dev/v1', kind, metadata: { name, namespace }, spec };
    return this.#event('policy.applied', { document });
  }

  #event(type: string, data: object): RawEvent {
    const event = { id: this.#id(), type, data };
    const seen = this.#seen.get(subjectIn(event));
    // Sometimes right, sometimes long overtaken.
    return seen !== undefined && this.#choices.chance(8) ? { ...event, expect: seen } : event;
  }

  #id(): string {
    return `e${++this.#number}`;
  }
}

/** Near enough: what the offset of an `expect` belongs to. */
const subjectIn = ({ type, data }: RawEvent): string => {
  const { namespace, name, service, id } = data as Readonly<Record<string, string>>;
  return [type.split('.')[0], namespace, name, service, id].join('/');
};

const bound = (choices: Choices) => ({
  pick: <T>(list: readonly T[]): T => choices.pick(list),
  chance: (percent: number): boolean => choices.chance(percent),
  weighted: <T extends string>(weights: Readonly<Record<T, number>>): T => choices.weighted(weights),
});
