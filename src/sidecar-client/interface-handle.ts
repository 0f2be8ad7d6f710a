/** A service as an application sees it that knows the interface alone: the handle of whichever service offers it now. */
import type { PickRefusal } from './calls/index.ts';
import type { ConfigSource } from './config-source.ts';
import { decodeAssignment, type Endpoint } from './decode.ts';
import type { InterfaceNames } from './interface-names.ts';
import { newestOf, type ServiceHandle, type ServicePick } from './service-handle.ts';

/** After a failure a watch asks again so much later, ms. */
const AGAIN_MS = 5_000;

export interface InterfaceHost {
  readonly source: ConfigSource;
  readonly names: InterfaceNames;
  /** The handle of an authority. */
  readonly service: (authority: string) => ServiceHandle;
}

export class InterfaceService implements ServiceHandle {
  readonly #name: string;
  readonly #host: InterfaceHost;
  #inner: ServiceHandle | undefined;

  constructor(name: string, host: InterfaceHost) {
    this.#name = name;
    this.#host = host;
  }

  /** Of the service that was found last; before that the interface. */
  get authority(): string {
    return this.#host.names.found(this.#name) ?? this.#name;
  }

  /** True, or rejects: an interface that nobody offers is `CLIENT_INTERFACE_UNKNOWN`. */
  async ready(): Promise<boolean> {
    this.#of(await this.#host.names.resolve(this.#name));
    return true;
  }

  async endpoints(): Promise<readonly Endpoint[]> {
    return this.#of(await this.#host.names.resolve(this.#name)).endpoints();
  }

  pick(): ServicePick | PickRefusal {
    const found = this.#host.names.found(this.#name);
    if (found !== undefined && this.#isThere(found)) {
      this.#host.names.confirm(this.#name);
      return this.#of(found).pick();
    }
    this.#host.names.resolve(this.#name).catch(() => undefined);
    return 'no-cluster';
  }

  watch(listener: (endpoints: readonly Endpoint[]) => void): () => void {
    const { source, names, service } = this.#host;
    let at: string | undefined;
    let end = (): void => undefined;
    let again: NodeJS.Timeout | undefined;
    let isOver = false;
    const follow = (): void => {
      if (isOver) return;
      clearTimeout(again);
      again = undefined;
      names.resolve(this.#name).then(
        (authority) => {
          if (isOver || authority === at) return;
          end();
          at = authority;
          end = service(authority).watch(listener);
        },
        (error: { readonly code?: string }) => {
          if (isOver || again !== undefined || error.code === 'SIDECAR_CLOSED') return;
          again = setTimeout(follow, AGAIN_MS);
          again.unref();
        },
      );
    };
    const forget = source.onChange(() => {
      if (at !== undefined && again === undefined && !this.#isThere(at)) follow();
    });
    const stay = names.onMove((name) => {
      if (name === this.#name) follow();
    });
    follow();
    return () => {
      isOver = true;
      clearTimeout(again);
      forget();
      stay();
      end();
    };
  }

  [Symbol.asyncIterator](): AsyncGenerator<readonly Endpoint[]> {
    return newestOf((listener) => this.watch(listener));
  }

  #of(authority: string): ServiceHandle {
    if (this.#inner?.authority !== authority) this.#inner = this.#host.service(authority);
    return this.#inner;
  }

  /** A service port that is gone may be held as a cluster without endpoints: it was asked for by name. */
  #isThere(authority: string): boolean {
    const { source } = this.#host;
    if (source.virtualHostOf(authority) !== undefined) return true;
    const assignment = source.cluster(authority) === undefined ? undefined : source.assignmentOf(authority);
    return assignment !== undefined && decodeAssignment(assignment.body).endpoints.length > 0;
  }
}
