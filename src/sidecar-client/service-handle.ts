/** A service as an application sees it: its endpoints now, and whenever they change. */
import { isDeepStrictEqual } from 'node:util';
import type { CallCore, Pick, PickRefusal } from './calls/index.ts';
import type { ConfigSource } from './config-source.ts';
import { decodeAssignment, type Endpoint } from './decode.ts';
import { clustersOf } from './read-resource.ts';
import { callUser } from './user-code.ts';

const NO_ENDPOINTS: readonly Endpoint[] = [];

export interface ServicePick {
  readonly endpoint: Pick['endpoint'];
  /** To be called once, when the call has ended. `nowMs`: by `performance.now()`. Default: now. */
  readonly release: (outcome: Parameters<Pick['release']>[0], nowMs?: number) => void;
}

export interface ServiceHandle extends AsyncIterable<readonly Endpoint[]> {
  /** As it was asked for: a host in lower case. By an interface: of the service that was found, once it is. */
  readonly authority: string;
  /**
   * Waits until the service can be called. False: it does not exist, or may not be called from here. Rejects with `SIDECAR_TIMEOUT`,
   * `SIDECAR_CLOSED`; of an interface with `CLIENT_INTERFACE_UNKNOWN` in place of false, and `SERVER_UNREACHABLE`.
   */
  ready(): Promise<boolean>;
  /** Endpoints of all clusters that its routes name; asks on first use. Rejects as `ready` does. */
  endpoints(): Promise<readonly Endpoint[]>;
  /**
   * An endpoint for one call, by routes, balancing, ejection and limits of the mesh; `release` must be called when the call has ended.
   * At once: `no-cluster` while the service is not held (it is asked for then: wait for `ready`), or does not exist.
   */
  pick(): ServicePick | PickRefusal;
  /** Called with the endpoints as soon as they are known and whenever they change. Gives what ends it. A watched service is not released. */
  watch(listener: (endpoints: readonly Endpoint[]) => void): () => void;
}

export interface HandleHost {
  readonly source: ConfigSource;
  readonly core: () => CallCore;
  readonly now: () => number;
  /** As `ConfigSource.ready`, and true for a TCP service too. */
  readonly ready: (authority: string) => Promise<boolean>;
  /** Number of watchers of an authority: +1 or -1. */
  readonly hold: (authority: string, by: 1 | -1) => void;
}

/** Ends with `return` (a `break` of the loop). Of several changes that nobody took, the newest is given. */
export async function* newestOf(watch: ServiceHandle['watch']): AsyncGenerator<readonly Endpoint[]> {
  let newest: readonly Endpoint[] | undefined;
  let wake: (() => void) | undefined;
  const end = watch((endpoints) => {
    newest = endpoints;
    wake?.();
  });
  try {
    for (;;) {
      if (newest === undefined)
        await new Promise<void>((done) => {
          wake = done;
        });
      const given = newest;
      newest = undefined;
      if (given !== undefined) yield given;
    }
  } finally {
    end();
  }
}

export class Service implements ServiceHandle {
  readonly authority: string;
  readonly #host: HandleHost;
  #asking = false;

  constructor(authority: string, host: HandleHost) {
    this.authority = authority;
    this.#host = host;
  }

  ready(): Promise<boolean> {
    this.#host.source.touch(this.authority);
    return this.#host.ready(this.authority);
  }

  async endpoints(): Promise<readonly Endpoint[]> {
    return (await this.ready()) ? this.#now() : NO_ENDPOINTS;
  }

  pick(): ServicePick | PickRefusal {
    const { source, core, now } = this.#host;
    source.touch(this.authority);
    if (source.virtualHostOf(this.authority) === undefined && source.cluster(this.authority) === undefined) {
      this.#askOnce();
      return 'no-cluster';
    }
    const route = core().route({ authority: this.authority, method: 'GET', path: '/', header: () => undefined });
    const cluster = core().cluster(route?.cluster ?? this.authority);
    const picked = cluster === undefined ? 'no-cluster' : cluster.pick(route?.hashKey, undefined, now());
    if (typeof picked === 'string') return picked;
    return { endpoint: picked.endpoint, release: (outcome, nowMs = now()) => picked.release(outcome, nowMs) };
  }

  watch(listener: (endpoints: readonly Endpoint[]) => void): () => void {
    const { source, hold } = this.#host;
    hold(this.authority, 1);
    let seen: readonly unknown[] | undefined;
    let given: readonly Endpoint[] | undefined;
    const look = (): void => {
      const parts = this.#parts();
      if (parts === undefined && seen === undefined) return;
      const now = parts ?? [];
      if (seen !== undefined && seen.length === now.length && now.every((part, index) => part === seen?.[index]))
        return;
      seen = now;
      const endpoints = this.#now();
      // A cluster may change, or come and go, with the same endpoints.
      if (given !== undefined && isDeepStrictEqual(endpoints, given)) return;
      given = endpoints;
      callUser(`a watcher of ${this.authority}`, () => listener(endpoints));
    };
    const forget = source.onChange(look);
    look();
    this.#askOnce();
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      forget();
      hold(this.authority, -1);
    };
  }

  [Symbol.asyncIterator](): AsyncGenerator<readonly Endpoint[]> {
    return newestOf((listener) => this.watch(listener));
  }

  /** One question at a time; a later use asks again when it failed. */
  #askOnce(): void {
    if (this.#asking) return;
    this.#asking = true;
    const done = (): void => {
      this.#asking = false;
    };
    this.#host.ready(this.authority).then(done, done);
  }

  /** What the endpoints are made of, by identity; undefined: not held. */
  #parts(): readonly unknown[] | undefined {
    const { source } = this.#host;
    const names = this.#clusters();
    return names?.flatMap((name) => [source.cluster(name), source.assignmentOf(name)]);
  }

  #clusters(): readonly string[] | undefined {
    const { source } = this.#host;
    const host = source.virtualHostOf(this.authority);
    if (host !== undefined) return clustersOf(host.body);
    return source.cluster(this.authority) === undefined ? undefined : [this.authority];
  }

  #now(): readonly Endpoint[] {
    const found = new Map<string, Endpoint>();
    for (const name of this.#clusters() ?? []) {
      const assignment = this.#host.source.assignmentOf(name);
      if (assignment === undefined) continue;
      for (const endpoint of decodeAssignment(assignment.body).endpoints)
        found.set(`${endpoint.address} ${endpoint.port}`, endpoint);
    }
    return [...found.values()];
  }
}
