/** grpc.health.v1 for the xDS port: SERVING, and NOT_SERVING from the moment the server begins to drain. */
import {
  decodeHealthCheckRequest,
  encodeHealthCheckResponse,
  GRPC_PATHS,
  SERVING_STATUS,
  type ServingStatus,
} from '../proto/index.ts';
import { STATUS } from './status.ts';
import type { Routes, StreamHandler, TransportListener, TransportStream } from './transport.ts';

const nothing = (): void => undefined;

/** The service of a gRPC path: `/package.Service/Method`. */
const serviceOf = (path: string): string => path.slice(1, path.indexOf('/', 1));

export class Health {
  readonly #services: ReadonlySet<string>;
  /** Streams of Watch, with the service they ask about. */
  readonly #watches = new Map<TransportStream, string>();
  #draining = false;
  readonly routes: Routes;

  /** `paths`: gRPC methods whose services are known, besides the server as a whole (''). */
  constructor(paths: Iterable<string>) {
    this.#services = new Set(['', ...[...paths].map(serviceOf)]);
    this.routes = new Map<string, StreamHandler>([
      [GRPC_PATHS.healthCheck, (stream) => this.#answer(stream, (service) => this.#check(stream, service))],
      [GRPC_PATHS.healthWatch, (stream) => this.#answer(stream, (service) => this.#watch(stream, service))],
    ]);
  }

  /** Watches open. */
  get watches(): number {
    return this.#watches.size;
  }

  #statusOf(service: string): ServingStatus {
    if (!this.#services.has(service)) return SERVING_STATUS.SERVICE_UNKNOWN;
    return this.#draining ? SERVING_STATUS.NOT_SERVING : SERVING_STATUS.SERVING;
  }

  /** Both methods take one message; what follows it is not looked at. */
  #answer(stream: TransportStream, asked: (service: string) => void): TransportListener {
    let answered = false;
    return {
      onMessage: (message) => {
        if (answered) return;
        answered = true;
        let service: string;
        try {
          service = decodeHealthCheckRequest(message);
        } catch {
          stream.end(STATUS.INVALID_ARGUMENT, 'the health request is malformed');
          return;
        }
        asked(service);
      },
      onHalfClose: () => {
        if (!answered) stream.end(STATUS.INVALID_ARGUMENT, 'a health request was expected');
      },
      onClose: () => this.#watches.delete(stream),
    };
  }

  #check(stream: TransportStream, service: string): void {
    const status = this.#statusOf(service);
    if (status === SERVING_STATUS.SERVICE_UNKNOWN) {
      stream.end(STATUS.NOT_FOUND, `service "${service}" is not served here`);
      return;
    }
    stream.write(encodeHealthCheckResponse(status), nothing);
    stream.end(STATUS.OK, '');
  }

  #watch(stream: TransportStream, service: string): void {
    this.#watches.set(stream, service);
    stream.write(encodeHealthCheckResponse(this.#statusOf(service)), nothing);
  }

  /** From now on: NOT_SERVING. Who watches is told. */
  drain(): void {
    if (this.#draining) return;
    this.#draining = true;
    for (const [stream, service] of this.#watches)
      if (this.#services.has(service)) stream.write(encodeHealthCheckResponse(SERVING_STATUS.NOT_SERVING), nothing);
  }

  /** Ends the watches of these peers. */
  end(peers: ReadonlySet<string>, code: number, message: string): void {
    for (const stream of [...this.#watches.keys()]) if (peers.has(stream.peer)) stream.end(code, message);
  }
}
