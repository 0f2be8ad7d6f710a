import { createServer } from 'node:net';
import type { HostPort } from './config.ts';
import { xdsListenError } from './listen-error.ts';

/**
 * The address with a port instead of 0, one that was free a moment ago. Workers share a socket only if all of them ask for it by the
 * same number (node:cluster), the later ones and those that replace a dead one too. Rejects as `xdsListenError`.
 */
export const settlePort = (address: HostPort): Promise<HostPort> =>
  address.port !== 0
    ? Promise.resolve(address)
    : new Promise((resolve, reject) => {
        const server = createServer();
        server.once('error', (cause) => reject(xdsListenError(cause, address)));
        server.listen({ host: address.host, port: 0 }, () => {
          const bound = server.address();
          const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
          server.close(() => resolve({ host: address.host, port }));
        });
      });
