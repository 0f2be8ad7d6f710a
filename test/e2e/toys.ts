/** The applications of one test: toy services that are closed together. */
import {
  type Backend,
  type BackendOptions,
  type HttpBackend,
  startHttp2Backend,
  startHttpBackend,
} from '../support/backends.ts';
import {
  type GrpcBackend,
  startGrpcBackend,
  startTcpBackend,
  startWebSocketBackend,
} from '../support/stream-backends.ts';

export class Toys {
  readonly #open: Backend[] = [];

  async #keep<B extends Backend>(start: (options: BackendOptions) => Promise<B>, id: string): Promise<B> {
    const made = await start({ id });
    this.#open.push(made);
    return made;
  }

  http(id: string): Promise<HttpBackend> {
    return this.#keep(startHttpBackend, id);
  }

  http2(id: string): Promise<HttpBackend> {
    return this.#keep(startHttp2Backend, id);
  }

  grpc(id: string): Promise<GrpcBackend> {
    return this.#keep(startGrpcBackend, id);
  }

  webSocket(id: string): Promise<Backend> {
    return this.#keep(startWebSocketBackend, id);
  }

  tcp(id: string): Promise<Backend> {
    return this.#keep(startTcpBackend, id);
  }

  async close(): Promise<void> {
    await Promise.all(this.#open.splice(0).map((backend) => backend.close()));
  }
}
