import { createServer, type Server } from 'node:net';

/**
 * Below those that systems give to outgoing connections (Linux from 32,768, macOS from 49,152): such a one could take a free port
 * before the program that it is meant for.
 */
const LOWEST = 10_000;
const HIGHEST = 32_000;
/** Given out by this process: a program may not have begun to listen yet. */
const given = new Set<number>();

/** Listens on `port`; undefined when somebody else does. */
const listen = (port: number, address: string): Promise<Server | undefined> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? resolve(undefined) : reject(error),
    );
    server.listen(port, address, () => resolve(server));
  });

const listenSomewhere = async (address: string): Promise<Server> => {
  for (;;) {
    const port = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST));
    if (given.has(port)) continue;
    given.add(port);
    const server = await listen(port, address);
    if (server !== undefined) return server;
  }
};

export const portOf = (server: { address(): unknown }): number => {
  const bound = server.address();
  if (bound === null || typeof bound !== 'object' || !('port' in bound) || typeof bound.port !== 'number')
    throw new Error('the server is not listening on a port');
  return bound.port;
};

/** `count` different loopback ports that were free a moment ago, for programs that cannot be told to take any port. */
export async function freePorts(count: number, address = '127.0.0.1'): Promise<number[]> {
  const servers = await Promise.all(Array.from({ length: count }, () => listenSomewhere(address)));
  const ports = servers.map(portOf);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

export async function freePort(address = '127.0.0.1'): Promise<number> {
  const [port] = await freePorts(1, address);
  if (port === undefined) throw new Error('no free port');
  return port;
}
