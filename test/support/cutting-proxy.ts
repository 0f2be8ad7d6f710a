/** A TCP connection in between that loses what goes one way, and then breaks off: the client never hears what became of its requests. */
import { connect, createServer, type Socket } from 'node:net';
import { portOf } from './ports.ts';

export interface CuttingProxy {
  readonly port: number;
  /**
   * For `ms` nothing goes that way any more (`answers`: the server does what it is asked, and nobody hears of it; `requests`: it is
   * never asked); then all connections are cut, and new ones work again.
   */
  lose(way: 'answers' | 'requests', ms: number): Promise<void>;
  /** Connections are cut and refused until `up`. */
  down(): Promise<void>;
  up(): Promise<void>;
  close(): void;
}

/** `to`: the server's port, asked at every connection. */
export const cuttingProxy = (to: () => number): Promise<CuttingProxy> =>
  new Promise((done) => {
    const pairs = new Set<readonly [Socket, Socket]>();
    let lost: 'answers' | 'requests' | undefined;
    const cut = (): void => {
      for (const pair of pairs) for (const socket of pair) socket.destroy();
    };
    const listener = createServer((client) => {
      const server = connect(to(), '127.0.0.1');
      const pair = [client, server] as const;
      pairs.add(pair);
      for (const socket of pair) {
        socket.setNoDelay(true);
        socket.on('error', () => undefined);
        socket.on('close', () => {
          pairs.delete(pair);
          for (const other of pair) other.destroy();
        });
      }
      client.on('data', (chunk) => {
        if (lost !== 'requests') server.write(chunk);
      });
      server.on('data', (chunk) => {
        if (lost !== 'answers') client.write(chunk);
      });
    });
    listener.listen(0, '127.0.0.1', () => {
      const port = portOf(listener);
      done({
        port,
        lose: (way, ms) =>
          new Promise((over) => {
            lost = way;
            setTimeout(() => {
              cut();
              lost = undefined;
              over();
            }, ms);
          }),
        down: () =>
          new Promise((closed) => {
            listener.close(() => closed());
            cut();
          }),
        up: () =>
          new Promise((listening) => {
            listener.listen(port, '127.0.0.1', () => listening());
          }),
        close: () => {
          listener.close();
          cut();
        },
      });
    });
  });
