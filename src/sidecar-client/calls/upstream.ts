/**
 * One cluster of the caller: picks an endpoint for each call and learns from how calls end. All state stays while endpoints and
 * settings change; a pick does no work that grows with the number of endpoints.
 */
import { type Balancer, createBalancer } from './balancer.ts';
import type { ClusterSettings } from './cluster-settings.ts';
import { type EjectionRecord, Ejections } from './ejection.ts';
import type { AssignedEndpoint } from './endpoints.ts';
import { type HostGroup, hostGroups, type Locality } from './groups.ts';
import { Host } from './host.ts';
import { RetryBudget } from './retry-budget.ts';
import type { CallEndpoint, CallOutcome, ClusterCallStats, Pick, PickRefusal, UpstreamCluster } from './types.ts';

/** Further choices when an endpoint was tried before; then any other one is taken. Envoy: `host_selection_retry_max_attempts`. */
const OTHER_CHOICES = 3;

interface Choice extends HostGroup {
  readonly balancer: Balancer;
}

export class Upstream implements UpstreamCluster {
  readonly name: string;
  readonly #random: () => number;
  readonly #locality: Locality;
  #settings: ClusterSettings;
  readonly #hosts = new Map<string, Host>();
  #endpoints: readonly AssignedEndpoint[] = [];
  readonly #ejections = new Ejections();
  readonly #budget = new RetryBudget();
  readonly #listeners = new Set<() => void>();
  #choices: readonly Choice[] = [];
  /** Balancers by group, so that turns go on where they were. */
  #balancers = new Map<HostGroup['name'], Balancer>();
  #active = 0;
  #overflows = 0;
  #gone = false;

  constructor(settings: ClusterSettings, locality: Locality, random: () => number) {
    this.name = settings.name;
    this.#settings = settings;
    this.#locality = locality;
    this.#random = random;
  }

  get connectTimeoutMs(): number {
    return this.#settings.connectTimeoutMs;
  }
  get maxConnections(): number {
    return this.#settings.limits.connections;
  }
  get maxPending(): number {
    return this.#settings.limits.pending;
  }
  get maxConnectionsPerEndpoint(): number {
    return this.#settings.limits.perEndpoint;
  }
  get maxRequestsPerConnection(): number {
    return this.#settings.limits.requestsPerConnection;
  }
  get protocol(): 1 | 2 {
    return this.#settings.protocol;
  }

  /** Other settings, other endpoints, or both. */
  update(settings: ClusterSettings, endpoints: readonly AssignedEndpoint[]): void {
    if (JSON.stringify(settings.balancer) !== JSON.stringify(this.#settings.balancer)) this.#balancers = new Map();
    this.#settings = settings;
    this.#endpoints = endpoints;
    const records = new Set<EjectionRecord>();
    const keys = new Set<string>();
    for (const endpoint of endpoints) {
      let host = this.#hosts.get(endpoint.key);
      if (host === undefined) {
        host = new Host(endpoint);
        this.#hosts.set(endpoint.key, host);
      } else host.endpoint = endpoint;
      keys.add(endpoint.key);
      records.add(host.ejection);
    }
    for (const key of this.#hosts.keys()) if (!keys.has(key)) this.#hosts.delete(key);
    this.#ejections.update(settings.ejection, records);
    this.#regroup();
  }

  /** The cluster is no longer held: nothing is picked, listeners hear of it once more. */
  close(): void {
    this.#gone = true;
    this.#hosts.clear();
    this.#endpoints = [];
    this.#choices = [];
    this.#notify();
    this.#listeners.clear();
  }

  endpoints(): readonly (CallEndpoint & { readonly healthy: boolean; readonly ejected: boolean })[] {
    return this.#endpoints.map((endpoint) => ({
      ...endpoint,
      ejected: this.#hosts.get(endpoint.key)?.ejection.ejectedAtMs !== undefined,
    }));
  }

  pick(hashKey: string | undefined, avoid: ReadonlySet<string> | undefined, _nowMs: number): Pick | PickRefusal {
    if (this.#gone) return 'no-cluster';
    if (this.#active >= this.#settings.limits.requests) {
      this.#overflows += 1;
      return 'overflow';
    }
    const choice = this.#choice();
    if (choice === undefined) return 'no-endpoint';
    let host = choice.balancer.choose(hashKey, 0, this.#active);
    if (avoid !== undefined && avoid.size > 0 && host !== undefined && avoid.has(host.endpoint.key))
      host = this.#other(choice, hashKey, avoid) ?? host;
    return host === undefined ? 'no-endpoint' : this.#begin(host);
  }

  beginRetry(): { readonly done: () => void } | undefined {
    return this.#budget.begin(this.#active, this.#settings.limits);
  }

  /** Looks for ejections that are over. */
  sweep(nowMs: number): void {
    if (this.#ejections.sweep(nowMs)) this.#regroup();
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  stats(): ClusterCallStats {
    return {
      active: this.#active,
      retries: this.#budget.running,
      overflows: this.#overflows,
      retriesRefused: this.#budget.refused,
      ejections: this.#ejections.ejected,
      ejected: this.#ejections.out,
    };
  }

  #choice(): Choice | undefined {
    const [first] = this.#choices;
    if (this.#choices.length <= 1) return first;
    let rest = this.#random();
    for (const choice of this.#choices) {
      rest -= choice.share;
      if (rest < 0) return choice;
    }
    return first;
  }

  /** A host that is not to be avoided, in the same group, else in any; undefined: there is none. */
  #other(choice: Choice, hashKey: string | undefined, avoid: ReadonlySet<string>): Host | undefined {
    for (let attempt = 1; attempt <= OTHER_CHOICES; attempt++) {
      const host = choice.balancer.choose(hashKey, attempt, this.#active);
      if (host !== undefined && !avoid.has(host.endpoint.key)) return host;
    }
    for (const { hosts } of [choice, ...this.#choices]) {
      const start = Math.floor(this.#random() * hosts.length);
      for (let step = 0; step < hosts.length; step++) {
        const host = hosts[(start + step) % hosts.length];
        if (host !== undefined && !avoid.has(host.endpoint.key)) return host;
      }
    }
    return undefined;
  }

  #begin(host: Host): Pick {
    this.#active += 1;
    host.active += 1;
    let open = true;
    return {
      endpoint: host.endpoint,
      release: (outcome, nowMs) => {
        if (!open) return;
        open = false;
        this.#end(host, outcome, nowMs);
      },
    };
  }

  #end(host: Host, outcome: CallOutcome, nowMs: number): void {
    this.#active -= 1;
    host.active -= 1;
    if (this.#ejections.report(host.ejection, outcome, nowMs)) this.#regroup();
  }

  #regroup(): void {
    const { panicPercent, zoneFrom, balancer: rules } = this.#settings;
    const groups = hostGroups([...this.#hosts.values()], panicPercent, zoneFrom, this.#locality);
    this.#choices = groups.map((group) => {
      let balancer = this.#balancers.get(group.name);
      if (balancer === undefined) {
        balancer = createBalancer(rules, this.#random);
        this.#balancers.set(group.name, balancer);
      }
      balancer.update(group.hosts);
      return { ...group, balancer };
    });
    this.#notify();
  }

  #notify(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}
