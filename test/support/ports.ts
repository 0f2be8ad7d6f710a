import { createServer, type Server } from 'node:net';

const listen = (address: string): Promise<Server> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, address, () => resolve(server));
  });

export const portOf = (server: { address(): unknown }): number => {
  const bound = server.address();
  if (bound === null || typeof bound !== 'object' || !('port' in bound) || typeof bound.port !== 'number')
    throw new Error('the server is not listening on a port');
  return bound.port;
};

/** `count` different loopback ports that were free a moment ago, for programs that cannot be told to take any port. */
export async function freePorts(count: number, address = '127.0.0.1'): Promise<number[]> {
  const servers = await Promise.all(Array.from({ length: count }, () => listen(address)));
  const ports = servers.map(portOf);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

export async function freePort(address = '127.0.0.1'): Promise<number> {
  const [port] = await freePorts(1, address);
  if (port === undefined) throw new Error('no free port');
  return port;
}
