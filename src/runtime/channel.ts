/**
 * The local socket between core and xDS workers: one JSON message a line, over a Unix socket in the data directory.
 *
 * Only small messages travel here: notices, questions of the admin API, reports of workers. Bounds: a line of 32 MiB
 * (longer: the peer is cut off), 64 MiB of unsent bytes (the peer does not read: it is cut off, and comes back with its epoch).
 * Before that, both sides look at `waiting` and keep back what can be said later in one message.
 */
import { createHash } from 'node:crypto';
import { rmSync } from 'node:fs';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const MAX_LINE = 32 * 1024 * 1024;
const MAX_UNSENT = 64 * 1024 * 1024;
/** Linux allows 107 bytes for the path of a Unix socket. */
const MAX_SOCKET_PATH = 100;

/** Socket path of a data directory: inside it, or, when that is too long, a short name in the temporary directory. */
export const channelPath = (data: string): string => {
  const inside = join(resolve(data), 'core.sock');
  if (Buffer.byteLength(inside) <= MAX_SOCKET_PATH) return inside;
  return join(tmpdir(), `tendril-${createHash('sha256').update(resolve(data)).digest('hex').slice(0, 24)}.sock`);
};

export interface Channel<Out, In> {
  /** False when the peer is gone or was cut off. */
  send(message: Out): boolean;
  /** Bytes that the system has not taken yet: above 0 the peer does not read. `onDrain` follows when all are taken. */
  readonly waiting: number;
  onDrain: () => void;
  onMessage: (message: In) => void;
  onClose: () => void;
  close(): void;
}

const wrap = <Out, In>(socket: Socket): Channel<Out, In> => {
  let parts: Buffer[] = [];
  let size = 0;
  const channel: Channel<Out, In> = {
    send: (message) => {
      if (socket.destroyed || socket.writableEnded) return false;
      socket.write(`${JSON.stringify(message)}\n`, () => {
        if (socket.writableLength === 0) channel.onDrain();
      });
      if (socket.writableLength > MAX_UNSENT) socket.destroy();
      return !socket.destroyed;
    },
    get waiting() {
      return socket.writableLength;
    },
    onDrain: () => undefined,
    onMessage: () => undefined,
    onClose: () => undefined,
    close: () => socket.end(),
  };
  socket.on('data', (chunk: Buffer) => {
    let start = 0;
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, start)) {
      const line =
        parts.length === 0 ? chunk.subarray(start, at) : Buffer.concat([...parts, chunk.subarray(start, at)]);
      parts = [];
      size = 0;
      start = at + 1;
      channel.onMessage(JSON.parse(line.toString('utf8')) as In);
    }
    if (start < chunk.length) {
      parts.push(chunk.subarray(start));
      size += chunk.length - start;
      if (size > MAX_LINE) socket.destroy();
    }
  });
  socket.on('error', () => undefined); // 'close' follows
  socket.on('close', () => channel.onClose());
  return channel;
};

/** Listens at `path`; a stale socket file of a dead core is replaced. */
export const listenChannel = <Out, In>(path: string, onPeer: (peer: Channel<Out, In>) => void): Promise<Server> =>
  new Promise((done, fail) => {
    rmSync(path, { force: true });
    const server = createServer((socket) => onPeer(wrap(socket)));
    server.once('error', fail);
    server.listen(path, () => done(server));
  });

/**
 * Keeps one connection to the core, for as long as `signal` allows: connects, and after a loss tries again every
 * `retryMs` (the core of a busy host may be away for seconds).
 */
export const dialChannel = <Out, In>(
  path: string,
  options: {
    readonly retryMs: number;
    readonly signal: AbortSignal;
    readonly onPeer: (peer: Channel<Out, In>) => void;
  },
): void => {
  let socket: Socket | undefined;
  const attempt = (): void => {
    if (options.signal.aborted) return;
    const dialled = createConnection(path);
    socket = dialled;
    dialled.once('error', () => undefined);
    dialled.once('close', () => {
      if (!options.signal.aborted) setTimeout(attempt, options.retryMs).unref();
    });
    dialled.once('connect', () => options.onPeer(wrap<Out, In>(dialled)));
  };
  options.signal.addEventListener('abort', () => socket?.destroy(), { once: true });
  attempt();
};

/** Two ends of a channel inside one process (`--workers 0`): the same code runs with and without worker processes. */
export const channelPair = <A, B>(): readonly [Channel<A, B>, Channel<B, A>] => {
  let open = true;
  const make = <Out, In>(peer: () => Channel<In, Out>): Channel<Out, In> => ({
    send: (message) => {
      if (open) queueMicrotask(() => open && peer().onMessage(message));
      return open;
    },
    waiting: 0,
    onDrain: () => undefined,
    onMessage: () => undefined,
    onClose: () => undefined,
    close: () => {
      if (!open) return;
      open = false;
      first.onClose();
      second.onClose();
    },
  });
  const first: Channel<A, B> = make<A, B>(() => second);
  const second: Channel<B, A> = make<B, A>(() => first);
  return [first, second];
};
