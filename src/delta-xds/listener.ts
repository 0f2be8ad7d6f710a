/** The listening socket of the xDS port. */
import { createServer, type Server, type Socket } from 'node:net';
import { TendrilError } from '../model/index.ts';

/** The kernel's own bound (`net.core.somaxconn`) counts. */
const BACKLOG = 65_535;

export interface Listener {
  readonly host: string;
  readonly port: number;
  /** No further connections. */
  close(): void;
}

/**
 * Listens; sockets are accepted paused. `fds`: on these descriptors of a socket that is bound to the address already. `failed`: a
 * connection could not be accepted. Rejects with `XDS_LISTEN`.
 */
export const listenOn = async (
  host: string,
  port: number,
  accept: (socket: Socket) => void,
  failed: (error: Error) => void,
  fds?: readonly number[],
): Promise<Listener> => {
  const open: Listener[] = [];
  const close = (): void => {
    for (const listener of open) listener.close();
  };
  try {
    for (const fd of fds ?? [undefined]) open.push(await listenOnOne(host, port, accept, failed, fd));
  } catch (error) {
    close();
    throw error;
  }
  const [first] = open;
  return { host: first?.host ?? host, port: first?.port ?? port, close };
};

const listenOnOne = (
  host: string,
  port: number,
  accept: (socket: Socket) => void,
  failed: (error: Error) => void,
  fd: number | undefined,
): Promise<Listener> =>
  new Promise((done, fail) => {
    const server: Server = createServer({ noDelay: true, pauseOnConnect: true }, accept);
    server.on('error', (error: NodeJS.ErrnoException) => {
      // After the start: too many open files. The next connection may be accepted again.
      if (server.listening) failed(error);
      fail(
        new TendrilError('XDS_LISTEN', `cannot listen for xDS on ${host}:${port}: ${error.code ?? error.message}`, {
          remedy: 'choose another address with --xds HOST:PORT',
          cause: error,
        }),
      );
    });
    server.listen({ ...(fd === undefined ? { host, port } : { fd }), backlog: BACKLOG }, () => {
      const address = server.address();
      const at = typeof address === 'object' && address !== null ? address : { address: host, port };
      done({ host: at.address, port: at.port, close: () => server.close() });
    });
  });
