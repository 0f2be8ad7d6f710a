/**
 * Which service offers an interface: asked of the control plane's HTTP API, and kept while that service can be called. What an earlier
 * process found is used at once, and asked for again behind the first use: it may have moved since.
 */
import { TendrilError } from '../model/basics.ts';
import { type AdminAnswer, AdminApi } from './register/index.ts';

/** Services of one interface that are tried. */
const MAX_CANDIDATES = 100;
/** Interfaces whose service is kept, in memory and on disk; above it the one that was found first is asked for again. */
const MAX_KEPT = 1_000;
/** So long after a failure nothing is asked again, ms: a caller that tries for ever costs the control plane one question a second. */
const PAUSE_MS = 1_000;

/** `shop.Cart`, `shop.Cart/AddItem`: the last part before the method begins with a capital, which no host name needs. */
export const isInterfaceName = (name: string): boolean =>
  !name.includes(':') && (name.includes('/') || /(?:^|\.)[A-Z][A-Za-z0-9_]*$/.test(name));

export interface InterfaceNamesOptions {
  /** URLs of the HTTP API. */
  readonly admin: readonly string[];
  /** `<service>.<namespace>` of who asks, for messages. */
  readonly caller: string;
  /** Whether the control plane answers for an authority: false when there is none, or this caller may not call it. */
  readonly ready: (authority: string) => Promise<boolean>;
  /** Monotonic, ms. */
  readonly now: () => number;
  /** What an earlier process found: interface -> authority. */
  readonly earlier?: ReadonlyMap<string, string>;
  /** `found` has changed. */
  readonly onFound?: () => void;
}

export class InterfaceNames {
  readonly #options: InterfaceNamesOptions;
  readonly #api: AdminApi;
  readonly #found = new Map<string, string>();
  readonly #asking = new Map<string, Promise<string>>();
  readonly #failed = new Map<string, { readonly at: number; readonly error: unknown }>();
  /** Found by an earlier process, and not asked for since. */
  readonly #unconfirmed = new Set<string>();
  readonly #listeners = new Set<(name: string) => void>();
  #isClosed = false;

  /** Throws `REGISTER_OPTIONS`: an address that is no URL, or none. */
  constructor(options: InterfaceNamesOptions) {
    this.#options = options;
    this.#api = new AdminApi(options.admin);
    for (const [name, authority] of [...(options.earlier ?? [])].slice(0, MAX_KEPT)) {
      this.#found.set(name, authority);
      this.#unconfirmed.add(name);
    }
  }

  /** Interface -> authority, 1,000 at most. */
  all(): ReadonlyMap<string, string> {
    return this.#found;
  }

  /** Called with an interface whose service is another one now, or none. Gives what ends it. */
  onMove(listener: (name: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The authority that was last found; undefined: not asked yet. */
  found(name: string): string | undefined {
    return this.#found.get(name);
  }

  /** The authority of a service that offers it and can be called. Rejects with `CLIENT_INTERFACE_UNKNOWN`, `SERVER_UNREACHABLE`, `SIDECAR_TIMEOUT`, `SIDECAR_CLOSED`, `E104`. */
  resolve(name: string): Promise<string> {
    let asking = this.#asking.get(name);
    if (asking === undefined) {
      asking = this.#resolve(name).finally(() => this.#asking.delete(name));
      this.#asking.set(name, asking);
    }
    return asking;
  }

  /** Asks again for what an earlier process found, without waiting for the answer. */
  confirm(name: string): void {
    const known = this.#found.get(name);
    if (known === undefined || !this.#unconfirmed.has(name) || this.#isPaused(name) || this.#isClosed) return;
    this.#unconfirmed.delete(name);
    this.#ask(name, known).then(
      (authority) => this.#move(name, authority),
      (error: { readonly code?: string }) => {
        this.#keep(this.#failed, name, { at: this.#options.now(), error });
        if (error.code === 'CLIENT_INTERFACE_UNKNOWN') this.#move(name, undefined);
        else this.#unconfirmed.add(name);
      },
    );
  }

  close(): void {
    this.#isClosed = true;
    this.#api.close();
  }

  async #resolve(name: string): Promise<string> {
    const { ready, now } = this.#options;
    if (this.#isClosed) throw new TendrilError('SIDECAR_CLOSED', 'the client has been closed');
    const known = this.#found.get(name);
    if (known !== undefined && (await ready(known))) {
      this.confirm(name);
      return known;
    }
    if (this.#isPaused(name)) throw this.#failed.get(name)?.error;
    try {
      const authority = await this.#ask(name);
      this.#failed.delete(name);
      this.#unconfirmed.delete(name);
      this.#move(name, authority);
      return authority;
    } catch (error) {
      this.#keep(this.#failed, name, { at: now(), error });
      throw error;
    }
  }

  #isPaused(name: string): boolean {
    const failed = this.#failed.get(name);
    return failed !== undefined && this.#options.now() - failed.at < PAUSE_MS;
  }

  #move(name: string, authority: string | undefined): void {
    if (this.#isClosed || this.#found.get(name) === authority) return;
    if (authority === undefined) this.#found.delete(name);
    else this.#keep(this.#found, name, authority);
    this.#options.onFound?.();
    for (const listener of [...this.#listeners]) listener(name);
  }

  /** `known` is taken before others, if it still offers it. */
  async #ask(name: string, known?: string): Promise<string> {
    const { ready, caller } = this.#options;
    const path = `/v1/services?interface=${encodeURIComponent(name)}&limit=${MAX_CANDIDATES}`;
    const authorities = authoritiesOf(await this.#api.request({ method: 'GET', path }));
    if (known !== undefined && authorities.includes(known) && (await ready(known))) return known;
    for (const authority of authorities) if (await ready(authority)) return authority;
    const [first] = authorities;
    throw first === undefined
      ? new TendrilError('CLIENT_INTERFACE_UNKNOWN', `no service offers ${name}`, {
          remedy: 'see GET /v1/services; a service names what it offers in "interfaces" of service.registered',
        })
      : new TendrilError(
          'CLIENT_INTERFACE_UNKNOWN',
          `${name}: ${authorities.length} offer it (${first}${authorities.length > 1 ? ', …' : ''}), and ${caller} may call none`,
          { remedy: 'see their visibility, and the dependencies that are denied: tendril why' },
        );
  }

  #keep<T>(map: Map<string, T>, name: string, value: T): void {
    map.delete(name);
    const [oldest] = map.keys();
    if (map.size >= MAX_KEPT && oldest !== undefined) map.delete(oldest);
    map.set(name, value);
  }
}

interface Row {
  readonly service?: unknown;
  readonly interface?: { readonly port?: unknown };
}

/** Throws the server's own refusal (`E104`: no name of an interface). */
const authoritiesOf = ({ status, body }: AdminAnswer): readonly string[] => {
  if (status !== 200 || !Array.isArray(body.services)) {
    const { code, detail, remedy } = body;
    throw new TendrilError(
      typeof code === 'string' ? code : 'SERVER_UNKNOWN',
      typeof detail === 'string' ? detail : `status ${status} in answer to a question for an interface`,
      { remedy: typeof remedy === 'string' ? remedy : 'check that admin names the HTTP API of a control plane' },
    );
  }
  return (body.services as readonly Row[]).flatMap((row) => {
    if (typeof row.service !== 'string') return [];
    const port = row.interface?.port;
    return typeof port === 'number' ? [`${row.service}:${port}`] : [row.service];
  });
};
