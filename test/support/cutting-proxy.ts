/**
 * A TCP connection in between that loses what goes one way, and then breaks off: the client never hears what became of its requests.
 * Or one that is slow.
 */
import { connect, createServer, type Socket } from 'node:net';
import { portOf } from './ports.ts';

export interface CuttingProxy {
  readonly port: number;
  /**
   * For `ms` nothing goes that way any more (`answers`: the server does what it is asked, and nobody hears of it; `requests`: it is
   * never asked); then all connections are cut, and new ones work again.
   */
  lose(way: 'answers' | 'requests', ms: number): Promise<void>;
  /** From now on each way of each connection is like this; undefined: as fast as it can. */
  slow(link: SlowLink | undefined): void;
  /** All connections are cut; new ones work. */
  cut(): void;
  /** Connections are cut and refused until `up`. */
  down(): Promise<void>;
  up(): Promise<void>;
  close(): void;
}

export interface SlowLink {
  /** One way. */
  readonly delayMs: number;
  readonly bytesPerSecond: number;
}

const SLICE_MS = 50;

/** Hands chunks on in order, through `link()` as it is when each comes. */
const through = (link: () => SlowLink | undefined, to: Socket): ((chunk: Buffer) => void) => {
  /** When the last byte so far is handed on. */
  let due = 0;
  // Timers of nearly the same moment may come in another order; bytes may not.
  const waiting: Buffer[] = [];
  const later = (chunk: Buffer, atMs: number): void => {
    waiting.push(chunk);
    setTimeout(() => to.write(waiting.shift() ?? ''), atMs - performance.now());
  };
  return (chunk) => {
    const slow = link();
    if (slow === undefined) {
      // Behind what still waits.
      if (waiting.length === 0) to.write(chunk);
      else later(chunk, due);
      return;
    }
    const slice = Math.max(1, Math.floor((slow.bytesPerSecond * SLICE_MS) / 1_000));
    due = Math.max(due, performance.now() + slow.delayMs);
    for (let at = 0; at < chunk.length; at += slice) {
      const part = chunk.subarray(at, at + slice);
      due += (part.length / slow.bytesPerSecond) * 1_000;
      later(part, due);
    }
  };
};

/** `to`: the server's port, asked at every connection. */
export const cuttingProxy = (to: () => number): Promise<CuttingProxy> =>
  new Promise((done) => {
    const pairs = new Set<readonly [Socket, Socket]>();
    let lost: 'answers' | 'requests' | undefined;
    let slow: SlowLink | undefined;
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
      const [request, answer] = [through(() => slow, server), through(() => slow, client)];
      client.on('data', (chunk) => {
        if (lost !== 'requests') request(chunk);
      });
      server.on('data', (chunk) => {
        if (lost !== 'answers') answer(chunk);
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
        cut,
        slow: (link) => {
          slow = link;
        },
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
