/**
 * An Envoy as measured (reference/envoy-wire*.md), as far as the wire shows it: what it takes, refuses, ignores, asks, and holds back.
 *
 * - VHDS, EDS, RDS: a refused response changes nothing; CDS, LDS: the good part is applied.
 * - A changed or new EDS cluster warms until its assignment comes; while one warms, CDS says nothing (neither ACK nor question, nor the
 *   first message of a new stream; before it has listeners it asks for none until its clusters are there, and this never shows).
 * - A host or cluster is asked for once in its life; a removal of what was asked is not asked again.
 * - With `follows`, its listener `outbound` names the route configuration of the generation at the end of its version (`l-1~2`): another
 *   one is asked for at once, and the one before is in use until the old listener has drained.
 * - What it unsubscribes of virtual hosts it forgets, but not the versions, until the server says that they are gone: it names them on the
 *   next stream (measured with 1.40).
 * - A body-less answer counts only if its version is new for the name; it does not replace a virtual host.
 */
import type { SentResource } from '../../../src/delta-xds/index.ts';
import { CDS, type DeltaRequest, EDS, LDS, type ProtoNode, RDS, VHDS } from '../../../src/proto/index.ts';
import { decodeCluster } from '../../../src/sidecar-client/decode.ts';

export type Type = 'cds' | 'eds' | 'lds' | 'rds' | 'vhds';

export const isType = (type: string): type is Type => ['cds', 'eds', 'lds', 'rds', 'vhds'].includes(type);

const URLS: Readonly<Record<Type, string>> = { cds: CDS, eds: EDS, lds: LDS, rds: RDS, vhds: VHDS };

export interface SimResponse {
  readonly type: Type;
  readonly nonce: string;
  readonly resources: readonly SentResource[];
  readonly removed: readonly string[];
}

interface SimCluster {
  readonly version: string;
  readonly eds: string | undefined;
  readonly warming: boolean;
}

export class SimEnvoy {
  readonly clusters = new Map<string, SimCluster>();
  readonly assignments = new Map<string, string>();
  readonly listeners = new Map<string, string>();
  readonly routes = new Map<string, string>();
  readonly hosts = new Map<string, { readonly version: string; readonly domains: readonly string[] }>();
  readonly negatives = new Map<string, string>();
  /** Versions of virtual hosts unsubscribed and not taken back. */
  readonly remembered = new Map<string, string>();
  readonly askedHosts = new Set<string>();
  readonly askedClusters = new Set<string>();
  readonly askedRoutes = new Set<string>();
  readonly primed = new Set<string>();
  /** Asked and not answered: clients hang. */
  readonly pendingHosts = new Set<string>();
  readonly pendingClusters = new Set<string>();
  /** Uses the route configuration that its listener names; else the test says which (`useRoutes`, `dropRoutes`). */
  follows = false;
  /** `<type> <version>` that this Envoy cannot take. */
  readonly refuses = new Set<string>();
  /** Everything it ever refused, with its reason. */
  readonly refusals: string[] = [];
  /** Messages to the server, in order. */
  outbox: DeltaRequest[] = [];
  #heldBack: DeltaRequest[] = [];
  #askedAssignments = new Set<string>();
  #nodeSent = false;
  readonly #node: ProtoNode;

  constructor(node: ProtoNode) {
    this.#node = node;
  }

  get warming(): boolean {
    return [...this.clusters.values()].some(({ warming }) => warming);
  }

  /** It has not said anything of clusters on this stream. */
  get keepsClustersBack(): boolean {
    return this.#heldBack.some(({ initialResourceVersions }) => initialResourceVersions.size > 0);
  }

  /** Route configuration of its listener. */
  get routesInUse(): string {
    const n = /~([0-9]+)$/.exec(this.listeners.get('outbound') ?? '')?.[1];
    return n === undefined ? 'outbound' : `outbound~${n}`;
  }

  /** The old listeners have drained. */
  drained(): void {
    for (const name of [...this.askedRoutes]) if (name !== this.routesInUse) this.dropRoutes(name);
  }

  connect(): void {
    this.outbox = [];
    this.#heldBack = [];
    this.#nodeSent = false;
    // A host known not to exist is answered without a question.
    for (const name of this.negatives.keys()) this.pendingHosts.delete(name);
    this.#askedAssignments = new Set(this.#wantedAssignments());
    const keepsBack = this.warming && this.listeners.size > 0;
    if (!keepsBack) this.#openClusters();
    this.#open('lds', [], this.listeners);
    this.#open('rds', [...this.askedRoutes], this.routes);
    const held = new Map(versionsOf(this.hosts));
    for (const table of [this.negatives, this.remembered])
      for (const [name, version] of table) if (!held.has(name)) held.set(name, version);
    const asked = [...this.askedHosts];
    this.#open('vhds', held.size + asked.length === 0 ? [] : ['*', ...asked], held);
    if (this.#askedAssignments.size > 0) this.#open('eds', [...this.#askedAssignments], this.assignments);
    if (keepsBack) this.#openClusters();
  }

  /** A client calls a host under a route configuration. */
  call(name: string): void {
    if (this.answerOf(name) !== undefined || this.askedHosts.has(name)) return;
    this.askedHosts.add(name);
    this.pendingHosts.add(name);
    this.#say('vhds', { subscribe: [name] });
  }

  /** Asks for a host once more (stock Envoy does not). */
  askAgain(name: string): void {
    if (!this.askedHosts.has(name) || this.answerOf(name) !== undefined) return;
    this.pendingHosts.add(name);
    this.#say('vhds', { subscribe: [name] });
  }

  /** A route or TCP proxy wants a cluster. */
  callCluster(name: string): void {
    if (this.clusters.has(name) || this.askedClusters.has(name)) return;
    this.askedClusters.add(name);
    this.pendingClusters.add(name);
    this.#say('cds', { subscribe: [name] });
  }

  /** A listener begins to use a route configuration. */
  useRoutes(name: string): void {
    if (this.askedRoutes.has(name)) return;
    this.askedRoutes.add(name);
    this.#say('rds', { subscribe: [name] });
  }

  /** The last listener of a route configuration is drained. */
  dropRoutes(name: string): void {
    if (!this.askedRoutes.delete(name)) return;
    this.routes.delete(name);
    this.primed.delete(name);
    const names: string[] = [];
    for (const [host, version] of [...versionsOf(this.hosts), ...this.negatives])
      if (host.startsWith(`${name}/`)) this.remembered.set(host, version);
    for (const table of [this.hosts, this.negatives])
      for (const host of [...table.keys()])
        if (host.startsWith(`${name}/`)) {
          table.delete(host);
          names.push(host);
        }
    for (const host of [...this.askedHosts])
      if (host.startsWith(`${name}/`)) {
        this.askedHosts.delete(host);
        this.pendingHosts.delete(host);
        names.push(host);
      }
    if (names.length > 0) this.#say('vhds', { unsubscribe: [...new Set(names)] });
    this.#say('rds', { unsubscribe: [name] });
  }

  /** `initial_fetch_timeout` of assignments: these clusters go on without one. True: some did. */
  giveUpWarming(names: (cluster: string) => boolean): boolean {
    let some = false;
    for (const [name, cluster] of this.clusters)
      if (cluster.warming && names(name)) {
        this.clusters.set(name, { ...cluster, warming: false });
        some = true;
      }
    this.#flush();
    return some;
  }

  /** Virtual host that answers `<route configuration>/<host>`. */
  answerOf(name: string): string | undefined {
    const slash = name.indexOf('/');
    const [prefix, host] = [name.slice(0, slash + 1), name.slice(slash + 1)];
    for (const [key, { domains }] of this.hosts) if (key.startsWith(prefix) && domains.includes(host)) return key;
    return undefined;
  }

  receive(response: SimResponse): void {
    const error = this.#take(response);
    if (error !== undefined) this.refusals.push(`${response.type}: ${error}`);
    this.#say(response.type, {
      responseNonce: response.nonce,
      ...(error === undefined ? {} : { errorDetail: { code: 13, message: error } }),
    });
    if (response.type === 'cds') this.#followClusters();
    this.#flush();
  }

  #take({ type, resources, removed }: SimResponse): string | undefined {
    const names = [...resources.map(({ name }) => name), ...removed];
    if (new Set(names).size !== names.length) return 'duplicate name in the union of added+removed resources';
    const bad = resources.filter(({ version }) => this.refuses.has(`${type} ${version}`));
    const partial = type === 'cds' || type === 'lds';
    if (bad.length > 0 && !partial) return `cannot take ${bad.map(({ name }) => name).join(' ')}`;
    const good = resources.filter((resource) => !bad.includes(resource));
    switch (type) {
      case 'cds':
        for (const { name, version, body } of good) {
          this.pendingClusters.delete(name);
          if (this.clusters.get(name)?.version === version || body === undefined) continue;
          const { eds } = decodeCluster(body);
          this.clusters.set(name, { version, eds, warming: eds !== undefined });
        }
        for (const { name } of bad) this.pendingClusters.delete(name);
        for (const name of removed) {
          this.clusters.delete(name);
          this.pendingClusters.delete(name);
        }
        break;
      case 'eds':
        for (const { name, version } of good) {
          const cluster = this.clusters.get(name);
          if (cluster?.eds === undefined) continue;
          this.assignments.set(name, version);
          this.clusters.set(name, { ...cluster, warming: false });
        }
        break;
      case 'lds':
        for (const { name, version } of good) this.listeners.set(name, version);
        for (const name of removed) this.listeners.delete(name);
        if (this.follows && this.listeners.has('outbound')) this.useRoutes(this.routesInUse);
        break;
      case 'rds':
        // One that was given up meanwhile is ignored.
        for (const { name, version } of good) if (this.askedRoutes.has(name)) this.routes.set(name, version);
        break;
      case 'vhds':
        return this.#takeHosts(good, removed);
    }
    return bad.length > 0 ? `Error adding/updating ${bad.map(({ name }) => name).join(' ')}` : undefined;
  }

  #takeHosts(all: readonly SentResource[], removed: readonly string[]): string | undefined {
    // Watches are by prefix: what is under no route configuration in use is ignored.
    const watched = (name: string): boolean => this.askedRoutes.has(name.slice(0, name.indexOf('/')));
    const resources = all.filter(({ name }) => watched(name));
    const next = new Map(this.hosts);
    for (const name of removed) {
      next.delete(name);
      this.remembered.delete(name);
    }
    for (const { name, version, body, domains } of resources)
      if (body !== undefined) next.set(name, { version, domains });
    const owners = new Set<string>();
    for (const [name, { domains }] of next)
      for (const domain of domains) {
        const key = `${name.slice(0, name.indexOf('/'))} ${domain}`;
        if (owners.has(key)) return `Only unique values for domains are permitted. Duplicate entry of domain ${domain}`;
        owners.add(key);
      }
    this.hosts.clear();
    for (const [name, host] of next) this.hosts.set(name, host);
    for (const { name, version, body, prefix, domains, extra } of resources) {
      this.primed.add(name.slice(0, name.indexOf('/')));
      if (body === undefined) {
        // An equal version is a heart-beat: whoever waits goes on waiting.
        if (this.negatives.get(name) === version) continue;
        this.negatives.set(name, version);
        for (const alias of extra) this.pendingHosts.delete(alias);
      } else {
        this.negatives.delete(name);
        for (const alias of [...domains.map((domain) => prefix + domain), ...extra]) this.pendingHosts.delete(alias);
      }
    }
    for (const name of removed.filter(watched)) {
      this.negatives.delete(name);
      this.primed.add(name.slice(0, name.indexOf('/')));
    }
    return undefined;
  }

  #wantedAssignments(): Set<string> {
    const wanted = new Set<string>();
    for (const { eds } of this.clusters.values()) if (eds !== undefined) wanted.add(eds);
    return wanted;
  }

  #followClusters(): void {
    const wanted = this.#wantedAssignments();
    const come = [...wanted].filter((name) => !this.#askedAssignments.has(name));
    const gone = [...this.#askedAssignments].filter((name) => !wanted.has(name));
    this.#askedAssignments = wanted;
    for (const name of gone) this.assignments.delete(name);
    if (come.length > 0 || gone.length > 0) this.#say('eds', { subscribe: come, unsubscribe: gone });
  }

  #flush(): void {
    if (this.warming) return;
    this.outbox.push(...this.#heldBack);
    this.#heldBack = [];
  }

  #openClusters(): void {
    this.#open('cds', this.askedClusters.size > 0 ? ['*', ...this.askedClusters] : [], versionsOf(this.clusters));
  }

  #open(type: Type, subscribe: readonly string[], held: ReadonlyMap<string, string>): void {
    this.#say(type, { subscribe, initialResourceVersions: new Map(held) });
  }

  #say(type: Type, parts: Partial<DeltaRequest>): void {
    const node = this.#nodeSent ? {} : { node: this.#node };
    this.#nodeSent = true;
    const request: DeltaRequest = {
      ...node,
      typeUrl: URLS[type],
      subscribe: [],
      unsubscribe: [],
      initialResourceVersions: new Map(),
      responseNonce: '',
      ...parts,
    };
    const isStart = this.listeners.size === 0 && request.initialResourceVersions.size > 0;
    if (type === 'cds' && this.warming && !isStart) this.#heldBack.push(request);
    else this.outbox.push(request);
  }
}

const versionsOf = (table: ReadonlyMap<string, { readonly version: string }>): ReadonlyMap<string, string> => {
  const versions = new Map<string, string>();
  for (const [name, { version }] of table) versions.set(name, version);
  return versions;
};
