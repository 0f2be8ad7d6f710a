/** The handles that an application asks for: by host, or by an interface. */
import { TendrilError } from '../model/basics.ts';
import type { ClientOptions, ServiceOptions } from './client-types.ts';
import { InterfaceService } from './interface-handle.ts';
import { InterfaceNames, isInterfaceName } from './interface-names.ts';
import { type HandleHost, Service, type ServiceHandle } from './service-handle.ts';

export interface ServicesOptions extends Pick<ClientOptions, 'admin' | 'node'> {
  /** Services that an earlier process found for interfaces. */
  readonly earlier: ReadonlyMap<string, string>;
  /** `interfaces` has changed. */
  readonly onFound: () => void;
}

export class Services {
  readonly #host: HandleHost;
  readonly #options: ServicesOptions;
  #interfaces: InterfaceNames | undefined;

  constructor(host: HandleHost, options: ServicesOptions) {
    this.#host = host;
    this.#options = options;
  }

  /** Interface -> authority of the service that was found for it. */
  interfaces(): ReadonlyMap<string, string> {
    return this.#interfaces?.all() ?? this.#options.earlier;
  }

  /** Throws `CLIENT_NO_ADMIN`, `REGISTER_OPTIONS`. */
  of(name: string, options: ServiceOptions = {}): ServiceHandle {
    if (!(options.interface ?? isInterfaceName(name))) return this.#byHost(name);
    return new InterfaceService(name, {
      source: this.#host.source,
      names: this.#names(name),
      service: (authority) => this.#byHost(authority),
    });
  }

  close(): void {
    this.#interfaces?.close();
  }

  #byHost(authority: string): Service {
    return new Service(authority.toLowerCase(), this.#host);
  }

  #names(wanted: string): InterfaceNames {
    const { admin = [], node, earlier, onFound } = this.#options;
    if (admin.length === 0)
      throw new TendrilError(
        'CLIENT_NO_ADMIN',
        `service("${wanted.slice(0, 80)}") is an interface, and there is no admin address to ask who offers it`,
        {
          remedy:
            'give createClient admin: [URL of the HTTP API]; write a host in lower case, or with {interface: false}',
        },
      );
    const { ready, now } = this.#host;
    const caller = `${node.service}.${node.namespace}`;
    this.#interfaces ??= new InterfaceNames({ admin, caller, ready, now, earlier, onFound });
    return this.#interfaces;
  }
}
