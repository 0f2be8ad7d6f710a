/** Streams of other services on the xDS port: under the same bounds of the transport, and ended with it when the server drains. */
import type { Routes, StreamHandler, TransportStream } from './transport.ts';

export class SideStreams {
  readonly #open = new Set<TransportStream>();
  readonly routes: Routes;

  constructor(routes: Routes) {
    this.routes = new Map([...routes].map(([path, handle]) => [path, this.#tracked(handle)]));
  }

  /** Streams open. */
  get size(): number {
    return this.#open.size;
  }

  #tracked(handle: StreamHandler): StreamHandler {
    return (stream) => {
      this.#open.add(stream);
      const listener = handle(stream);
      return {
        onMessage: (message) => listener.onMessage(message),
        onHalfClose: () => listener.onHalfClose(),
        onClose: () => {
          this.#open.delete(stream);
          listener.onClose();
        },
      };
    };
  }

  /** Ends the streams of these peers; without peers, all. */
  end(code: number, message: string, peers?: ReadonlySet<string>): void {
    for (const stream of [...this.#open]) if (peers === undefined || peers.has(stream.peer)) stream.end(code, message);
  }
}
