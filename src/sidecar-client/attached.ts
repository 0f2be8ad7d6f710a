/** What an application does with its client besides asking: registers itself, calls. Each part begins at its first use and ends with the client. */
import { TendrilError } from '../model/basics.ts';
import type { Caller } from './caller.ts';
import { callerFor, type GrpcOptions, registerTendril } from './calling.ts';
import type { CallCore } from './calls/index.ts';
import type { ClientOptions, ClientRegisterOptions } from './client-types.ts';
import type { ConfigSource } from './config-source.ts';
import type { MeshDispatcher } from './http/index.ts';
import { type Registration, register } from './register/index.ts';

const closed = (): TendrilError => new TendrilError('SIDECAR_CLOSED', 'the client has been closed');

export class Attached {
  readonly #client: ConfigSource & { calls(): CallCore };
  readonly #options: Pick<ClientOptions, 'admin' | 'node' | 'http' | 'random'>;
  /** Those that have not ended. */
  readonly #registrations = new Set<Registration>();
  /** How to take back each name that is still this client's: another one may have it later. */
  readonly #grpcNames = new Set<() => void>();
  #caller: Promise<Caller> | undefined;
  #isClosed = false;

  constructor(
    client: ConfigSource & { calls(): CallCore },
    options: Pick<ClientOptions, 'admin' | 'node' | 'http' | 'random'>,
  ) {
    this.#client = client;
    this.#options = options;
  }

  register(given: ClientRegisterOptions): Registration {
    if (this.#isClosed) throw closed();
    const { admin = [], node, random } = this.#options;
    const { service, namespace, region, zone, labels } = node;
    const registration = register({
      admin,
      service,
      namespace,
      ...(region === undefined ? {} : { region }),
      ...(zone === undefined ? {} : { zone }),
      ...(labels === undefined ? {} : { labels }),
      ...(random === undefined ? {} : { random }),
      ...given,
    });
    this.#registrations.add(registration);
    registration.on(({ is }) => {
      if (is === 'ended') this.#registrations.delete(registration);
    });
    return registration;
  }

  async dispatcher(): Promise<MeshDispatcher> {
    return (await this.#calls()).dispatcher;
  }

  fetch: Caller['fetch'] = async (input, init) => (await this.#calls()).fetch(input, init);

  registerGrpc(options: GrpcOptions = {}): () => void {
    if (this.#isClosed) throw closed();
    const { random } = this.#options;
    const takeBack = registerTendril(this.#client, { ...(random === undefined ? {} : { random }), ...options });
    const forget = (): void => {
      if (this.#grpcNames.delete(forget)) takeBack();
    };
    this.#grpcNames.add(forget);
    return forget;
  }

  /** Withdraws what is registered; HTTP calls that run have `graceMs` to end, then they are cut. */
  async close(graceMs: number): Promise<void> {
    this.#isClosed = true;
    for (const forget of this.#grpcNames) forget();
    const ends: Promise<unknown>[] = [...this.#registrations].map((registration) => registration.close());
    if (this.#caller !== undefined) ends.push(endCalls(await this.#caller, graceMs));
    await Promise.all(ends);
  }

  async #calls(): Promise<Caller> {
    if (this.#isClosed) throw closed();
    const { http = {}, random } = this.#options;
    this.#caller ??= callerFor(this.#client, { ...(random === undefined ? {} : { random }), ...http });
    return this.#caller;
  }
}

const endCalls = async (caller: Caller, graceMs: number): Promise<void> => {
  const patience = setTimeout(() => void caller.dispatcher.destroy(closed()), graceMs);
  await caller.close();
  clearTimeout(patience);
};
