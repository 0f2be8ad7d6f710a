/**
 * Deals the connections of the xDS port to several workers, in turn. Workers that accept for themselves do not share: whoever is woken
 * first takes nearly all of them, on a machine with nothing else to do all (seen: 24 of 24).
 *
 * Nothing is read before a worker has the connection. Bound: connections that wait while no worker is ready; beyond it they are closed,
 * and come again; how many is in the log.
 */
import { createServer, type Server, type Socket } from 'node:net';
import type { Logger } from 'pino';
import { xdsListenError } from './listen-error.ts';
import type { SharedPort } from './shared-port.ts';

const MAX_WAITING = 4_096;
/** The kernel's own bound (`net.core.somaxconn`) counts. */
const BACKLOG = 65_535;
/** Connections wait this long for a worker before the next look, ms. */
const LOOK_MS = 20;

/** A worker, as far as connections go. */
export interface Dealt {
  /** It takes connections. */
  readonly isReady: boolean;
  give(socket: Socket): void;
}

export class ConnectionDealer {
  readonly #workers: readonly Dealt[];
  readonly #server: Server;
  #waiting: Socket[] = [];
  #timer: NodeJS.Timeout | undefined;
  #next = 0;
  /** Closed at the bound since a worker was ready. */
  #refused = 0;
  readonly #logger: Pick<Logger, 'warn'>;

  private constructor(workers: readonly Dealt[], logger: Pick<Logger, 'warn'>) {
    this.#workers = workers;
    this.#logger = logger;
    this.#server = createServer({ pauseOnConnect: true, noDelay: true }, (socket) => this.#deal(socket));
    this.#server.on('error', (error) => logger.warn({ err: error }, 'a connection could not be accepted'));
  }

  /** Resolves when connections are accepted. Rejects as `xdsListenError`. */
  static async open(
    port: SharedPort,
    workers: readonly Dealt[],
    logger: Pick<Logger, 'warn'>,
  ): Promise<ConnectionDealer> {
    const dealer = new ConnectionDealer(workers, logger);
    await new Promise<void>((done, fail) => {
      dealer.#server.once('error', (error) => fail(xdsListenError(error, port.address)));
      dealer.#server.listen(port.handle, BACKLOG, done);
    });
    return dealer;
  }

  #deal(socket: Socket): void {
    const worker = this.#ready();
    if (worker !== undefined) worker.give(socket);
    else if (this.#waiting.length >= MAX_WAITING) {
      this.#refused++;
      socket.destroy();
    } else {
      this.#waiting.push(socket);
      this.#timer ??= setInterval(() => this.#look(), LOOK_MS);
    }
  }

  #ready(): Dealt | undefined {
    for (let tries = 0; tries < this.#workers.length; tries++) {
      const worker = this.#workers[this.#next++ % this.#workers.length];
      if (worker?.isReady === true) return worker;
    }
    return undefined;
  }

  #look(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const socket of waiting) if (!socket.destroyed) this.#deal(socket);
    if (this.#waiting.length > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    if (this.#refused === 0) return;
    const refused = this.#refused;
    this.#refused = 0;
    this.#logger.warn(
      { refused, bound: MAX_WAITING },
      'connections were closed: too many waited while no worker was ready',
    );
  }

  /** No further connections. */
  close(): void {
    this.#server.close();
    clearInterval(this.#timer);
    for (const socket of this.#waiting) socket.destroy();
    this.#waiting = [];
  }
}
