/**
 * The simulated mesh: services, endpoints and who depends on whom, from a seed. Pure: the same options give the same mesh in every
 * process, so client processes make it themselves instead of being sent it.
 *
 * A sidecar belongs to one service (its number modulo the services), and all sidecars of a service depend on the same services, as the
 * pods of a deployment do. Popularity of services follows Zipf's law. With a hot service, that is number 0, and everybody depends on it.
 *
 * M1 A change moves one endpoint to the address that names the change: `11.A.B.C` is change A * 65,536 + B * 256 + C.
 * M2 What a service should have in the end is what `endpointsOf` says after the same changes.
 */
import { createHash } from 'node:crypto';
import { BOUTIQUE_CALLS, BOUTIQUE_SERVICES } from './boutique.ts';
import { randomFrom, zipf } from './random.ts';

export interface MeshOptions {
  readonly services: number;
  readonly endpoints: number;
  readonly deps: number;
  readonly hot: number;
  readonly seed: number;
  readonly shape: 'uniform' | 'boutique' | 'alibaba';
}

export interface SimService {
  readonly name: string;
  readonly port: number;
  readonly protocol: 'http' | 'grpc' | 'tcp';
}

export interface SimEvent {
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
}

export const NAMESPACE = 'sim';
export const ZONES = 3;
/** Changes beyond this have no address of their own (M1). */
export const MOST_CHANGES = 2 ** 24 - 1;
const APP_PORT = 8_080;
const PARETO_EXPONENT = 1.1;
const PARETO_MOST = 200;

export const markerOf = (change: number): string => `11.${(change >> 16) & 255}.${(change >> 8) & 255}.${change & 255}`;

/** The change that an address names; undefined: an address of the start. */
export const changeOf = (address: string): number | undefined => {
  const [, a, b, c] = /^11\.(\d+)\.(\d+)\.(\d+)$/.exec(address) ?? [];
  return a === undefined ? undefined : Number(a) * 65_536 + Number(b) * 256 + Number(c);
};

export class SimMesh {
  readonly options: MeshOptions;
  readonly services: readonly SimService[];
  /** Endpoints of each service; same index as `services`. */
  readonly counts: readonly number[];
  /** Dependencies of the sidecars of each service: indexes of services. */
  readonly deps: readonly (readonly number[])[];
  readonly #indexes = new Map<string, number>();
  /** `<service>/<endpoint>` -> last change. */
  readonly #moved = new Map<string, number>();
  readonly #unhealthy = new Set<string>();
  /** `<service>/<endpoint>` -> pods that it has had before the present one. */
  readonly #replaced = new Map<string, number>();

  constructor(options: MeshOptions) {
    this.options = options;
    const { services, shape, seed } = options;
    this.services =
      shape === 'boutique'
        ? BOUTIQUE_SERVICES.map(([name, port, protocol]) => ({ name, port, protocol }))
        : Array.from(
            { length: services },
            (_, index) => ({ name: `svc-${index}`, port: 80, protocol: 'http' }) as const,
          );
    for (const [index, { name }] of this.services.entries()) this.#indexes.set(name, index);
    this.counts = shape === 'alibaba' ? this.#pareto(randomFrom(seed)) : this.services.map(() => options.endpoints);
    this.deps = shape === 'boutique' ? this.#boutique() : this.#drawn(randomFrom(seed + 1));
  }

  /** Few services are very large, most are small; the mean is what was asked. */
  #pareto(random: () => number): readonly number[] {
    const draws = this.services.map(() => Math.min(PARETO_MOST, (1 - random()) ** (-1 / PARETO_EXPONENT)));
    const mean = draws.reduce((sum, draw) => sum + draw, 0) / draws.length;
    return draws.map((draw) => Math.max(1, Math.round((draw / mean) * this.options.endpoints)));
  }

  #boutique(): readonly (readonly number[])[] {
    return this.services.map(({ name }) =>
      (BOUTIQUE_CALLS[name] ?? []).map((callee) => this.#indexes.get(callee) ?? 0),
    );
  }

  #drawn(random: () => number): readonly (readonly number[])[] {
    const { services, deps, hot } = this.options;
    const draw = zipf(services, random);
    return this.services.map(() => {
      const chosen = new Set<number>(hot > 0 ? [0] : []);
      // Popular ones are drawn again and again: after many draws the rest is taken in order.
      for (let tries = 0; chosen.size < deps && tries < deps * 50; tries++) chosen.add(draw());
      for (let next = 0; chosen.size < deps; next++) chosen.add(next);
      return [...chosen];
    });
  }

  serviceOf(sidecar: number): number {
    return sidecar % this.services.length;
  }

  depsOf(sidecar: number): readonly number[] {
    return this.deps[this.serviceOf(sidecar)] ?? [];
  }

  nameOf(service: number): string {
    const { name = '', port = 0 } = this.services[service] ?? {};
    return `${name}.${NAMESPACE}:${port}`;
  }

  indexOf(fullName: string): number | undefined {
    return this.#indexes.get(fullName.slice(0, fullName.indexOf('.')));
  }

  get endpointCount(): number {
    return this.counts.reduce((sum, count) => sum + count, 0);
  }

  /** Sidecars below `sidecars` that depend on each service. */
  holders(sidecars: number): readonly number[] {
    const holders = this.services.map(() => 0);
    for (let sidecar = 0; sidecar < sidecars; sidecar++)
      for (const service of this.depsOf(sidecar)) holders[service] = (holders[service] ?? 0) + 1;
    return holders;
  }

  /** Few services that together have every sidecar below `sidecars` among their holders, the most popular ones first. */
  covering(sidecars: number): readonly number[] {
    const holders = this.holders(sidecars);
    const callers = new Map<number, ReadonlySet<number>>();
    for (let sidecar = 0; sidecar < Math.min(sidecars, this.services.length); sidecar++)
      callers.set(sidecar, new Set(this.depsOf(sidecar)));
    const chosen: number[] = [];
    for (const service of [...holders.keys()].sort((a, b) => (holders[b] ?? 0) - (holders[a] ?? 0))) {
      const reached = [...callers].filter(([, deps]) => deps.has(service));
      if (reached.length > 0) chosen.push(service);
      for (const [caller] of reached) callers.delete(caller);
      if (callers.size === 0) break;
    }
    return chosen;
  }

  /** Sidecars below `sidecars` that depend on any of these services. */
  holdersOfAny(services: ReadonlySet<number>, sidecars: number): number {
    const concerned = this.deps.map((deps) => deps.some((dep) => services.has(dep)));
    let count = 0;
    for (let sidecar = 0; sidecar < sidecars; sidecar++) if (concerned[this.serviceOf(sidecar)] === true) count++;
    return count;
  }

  #address(service: number, endpoint: number): string {
    const change = this.#moved.get(`${service}/${endpoint}`);
    if (change !== undefined) return markerOf(change);
    const number = service * PARETO_MOST * 16 + endpoint;
    return `10.${(number >>> 16) & 255}.${(number >>> 8) & 255}.${number & 255}`;
  }

  #id(service: number, endpoint: number): string {
    const replaced = this.#replaced.get(`${service}/${endpoint}`);
    return `${this.services[service]?.name ?? ''}-${endpoint}${replaced === undefined ? '' : `-${replaced}`}`;
  }

  zoneOf(service: number, endpoint: number): number {
    return (service + endpoint) % ZONES;
  }

  endpointEvent(service: number, endpoint: number): SimEvent {
    const { name = '', port = 0 } = this.services[service] ?? {};
    const data = {
      namespace: NAMESPACE,
      service: name,
      id: this.#id(service, endpoint),
      address: this.#address(service, endpoint),
      ports: { [port]: APP_PORT },
      locality: { region: 'sim', zone: `zone-${this.zoneOf(service, endpoint)}` },
    };
    return { type: 'endpoint.registered', data };
  }

  /** Moves an endpoint (M1) and gives the event that says so. */
  move(service: number, endpoint: number, change: number): SimEvent {
    this.#moved.set(`${service}/${endpoint}`, change);
    return this.endpointEvent(service, endpoint);
  }

  /**
   * Another pod in the place of one, as Kubernetes rolls a deployment: an id and an address (M1) of its own first, then the old one is gone.
   * Between the two events there are both.
   */
  replace(service: number, endpoint: number, change: number): { readonly come: SimEvent; readonly gone: SimEvent } {
    const key = `${service}/${endpoint}`;
    const { name = '' } = this.services[service] ?? {};
    const gone = { namespace: NAMESPACE, service: name, id: this.#id(service, endpoint) };
    this.#replaced.set(key, (this.#replaced.get(key) ?? 0) + 1);
    this.#unhealthy.delete(key);
    return { come: this.move(service, endpoint, change), gone: { type: 'endpoint.deregistered', data: gone } };
  }

  setHealth(service: number, endpoint: number, isHealthy: boolean): SimEvent {
    const key = `${service}/${endpoint}`;
    if (isHealthy) this.#unhealthy.delete(key);
    else this.#unhealthy.add(key);
    const { name = '' } = this.services[service] ?? {};
    const data = {
      namespace: NAMESPACE,
      service: name,
      id: this.#id(service, endpoint),
      health: isHealthy ? 'healthy' : 'unhealthy',
    };
    return { type: 'endpoint.health-changed', data };
  }

  /** Addresses of all endpoints of a service as they should be now (M2), sorted; those that are not healthy end in `!`. */
  endpointsOf(service: number): readonly string[] {
    return Array.from({ length: this.counts[service] ?? 0 }, (_, endpoint) => {
      const mark = this.#unhealthy.has(`${service}/${endpoint}`) ? '!' : '';
      return `${this.#address(service, endpoint)}${mark}`;
    }).sort();
  }

  /** As a registry tells them at first: each service with its endpoints. */
  *events(): Generator<SimEvent> {
    for (const [service, { name, port, protocol }] of this.services.entries()) {
      yield { type: 'service.registered', data: { namespace: NAMESPACE, name, ports: [{ port, protocol }] } };
      for (let endpoint = 0; endpoint < (this.counts[service] ?? 0); endpoint++)
        yield this.endpointEvent(service, endpoint);
    }
  }

  hash(): string {
    const hash = createHash('sha256');
    for (const event of this.events()) hash.update(JSON.stringify(event));
    hash.update(JSON.stringify(this.deps));
    return hash.digest('hex').slice(0, 16);
  }
}

/** Which endpoints move, in order: uniform over all endpoints, the hot service left out. */
export function* churnOf(mesh: SimMesh): Generator<readonly [service: number, endpoint: number]> {
  const random = randomFrom(mesh.options.seed + 2);
  const first = mesh.options.hot > 0 ? 1 : 0;
  const starts: number[] = [];
  let total = 0;
  for (let service = first; service < mesh.services.length; service++) {
    starts.push(total);
    total += mesh.counts[service] ?? 0;
  }
  while (total > 0) {
    const wanted = Math.floor(random() * total);
    let [low, high] = [0, starts.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((starts[middle] ?? 0) <= wanted) low = middle;
      else high = middle - 1;
    }
    yield [low + first, wanted - (starts[low] ?? 0)];
  }
}
