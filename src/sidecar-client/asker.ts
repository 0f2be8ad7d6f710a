/** Questions to the control plane and the waiting for their answers: a session, its connection, and who waits. */
import { TendrilError } from '../model/basics.ts';
import type { Connection } from './connection.ts';
import type { DecodedHost, Endpoint } from './decode.ts';
import type { ClientEffect } from './effect.ts';
import type { ClientSession } from './session.ts';

/** How long a question may wait for its answer, ms. */
export const DEFAULT_TIMEOUT_MS = 5_000;

const lost = (what: string, ms: number, why: string): TendrilError =>
  new TendrilError('SIDECAR_TIMEOUT', `${what}: no answer from the control plane within ${ms} ms${why}`, {
    remedy: 'check that the control plane runs and that the address is its --xds address',
  });

const closed = (): TendrilError => new TendrilError('SIDECAR_CLOSED', 'the sidecar client has been closed');

/** Whether an authority has the form of a service port: TCP services have no virtual host, their service port is their cluster. */
export const isServicePort = (authority: string): boolean => /^[^:/]+\.[^:/]+:[0-9]+$/.test(authority);

interface Wait {
  readonly look: () => boolean;
  readonly fail: (error: TendrilError) => void;
}

export class Asker {
  readonly #session: ClientSession;
  readonly #timeoutMs: number;
  /** Looked at after every effect. */
  readonly #waits = new Set<Wait>();
  readonly #answered = new Set<string>();
  /** Clusters asked for by name -> the hosts for which. */
  readonly #users = new Map<string, Set<string>>();
  #connection: Connection | undefined;
  #isClosed = false;

  constructor(session: ClientSession, timeoutMs: number = DEFAULT_TIMEOUT_MS) {
    this.#session = session;
    this.#timeoutMs = timeoutMs;
  }

  /** To be called once, before the first question. */
  attach(connection: Connection): void {
    this.#connection = connection;
  }

  /** To be told of every effect but requests. */
  onEffect(effect: ClientEffect): void {
    if (effect.kind === 'host') this.#answered.add(effect.host);
    this.look();
  }

  /** Something has changed that a wait may be for. */
  look(): void {
    for (const wait of this.#waits) if (wait.look()) this.#waits.delete(wait);
  }

  /**
   * A host is released: the next question about it waits for a new answer. Gives the clusters that nobody else needs of those that were
   * asked for by name, its own among them.
   */
  forget(host: string): readonly string[] {
    this.#answered.delete(host);
    const free: string[] = [];
    for (const [cluster, users] of this.#users)
      if (users.delete(host) && users.size === 0) {
        this.#users.delete(cluster);
        free.push(cluster);
      }
    // One that an earlier process asked for has no user yet.
    if (!this.#users.has(host) && !free.includes(host)) free.push(host);
    return free;
  }

  /** Resolves with the first value that is not undefined. `effects` are carried out after the wait has begun. */
  until<T>(what: string, read: () => T | undefined, effects: readonly ClientEffect[]): Promise<T> {
    return new Promise((done, fail) => {
      if (this.#isClosed) {
        fail(closed());
        return;
      }
      const wait: Wait = {
        look: () => {
          const value = read();
          if (value === undefined) return false;
          clearTimeout(timer);
          done(value);
          return true;
        },
        fail: (error) => {
          clearTimeout(timer);
          fail(error);
        },
      };
      const timer = setTimeout(() => {
        this.#waits.delete(wait);
        const { connected = false, lastEnd } = this.#connection ?? {};
        fail(lost(what, this.#timeoutMs, connected || lastEnd === undefined ? '' : `; not connected: ${lastEnd}`));
      }, this.#timeoutMs);
      this.#waits.add(wait);
      this.#connection?.run(effects);
      if (wait.look()) this.#waits.delete(wait);
    });
  }

  async ask(authority: string): Promise<DecodedHost | undefined> {
    const host = authority.toLowerCase();
    const found = await this.until(
      `host ${host}`,
      () => {
        const name = this.#session.virtualHostOf(host);
        if (name !== undefined) return { host: this.#session.hostOf(name) };
        return this.#answered.has(host) ? { host: undefined } : undefined;
      },
      this.#session.ask(host),
    );
    return found.host;
  }

  /** Waits for a cluster and its assignment, asked for by name if it is not held; `host`: who needs it, until `forget`. */
  cluster(name: string, host = name): Promise<true> {
    const effects = this.#session.cluster(name) === undefined ? this.#session.askCluster(name) : [];
    if (this.#session.isAsked(name)) {
      const users = this.#users.get(name);
      if (users === undefined) this.#users.set(name, new Set([host]));
      else users.add(host);
    }
    return this.until(`cluster ${name}`, () => (this.#session.isComplete(name) ? true : undefined), effects);
  }

  /** Endpoints of a cluster, asked for by name if it is not held. */
  async endpointsOf(cluster: string): Promise<readonly Endpoint[]> {
    await this.cluster(cluster);
    return this.#session.endpoints(cluster) ?? [];
  }

  close(): void {
    this.#isClosed = true;
    for (const wait of this.#waits) wait.fail(closed());
    this.#waits.clear();
  }
}
