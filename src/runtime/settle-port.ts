import { createServer } from 'node:net';
import { TendrilError } from '../model/index.ts';
import type { HostPort } from './config.ts';

/**
 * The address with a port instead of 0, one that was free a moment ago. Workers share a socket only if all of them ask for it by the
 * same number (node:cluster), the later ones and those that replace a dead one too. Rejects with `XDS_LISTEN`.
 */
export const settlePort = (address: HostPort): Promise<HostPort> =>
  address.port !== 0
    ? Promise.resolve(address)
    : new Promise((resolve, reject) => {
        const server = createServer();
        server.once('error', (cause) =>
          reject(
            new TendrilError('XDS_LISTEN', `cannot listen for xDS on ${address.host}: ${cause.message}`, {
              remedy: 'choose another address with --xds HOST:PORT',
              cause,
            }),
          ),
        );
        server.listen({ host: address.host, port: 0 }, () => {
          const bound = server.address();
          const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
          server.close(() => resolve({ host: address.host, port }));
        });
      });
