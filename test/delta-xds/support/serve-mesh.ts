/** The xDS server over a mesh in memory, on a real port of loopback. */
import { type AdsServer, type AdsServerOptions, createAdsServer } from '../../../src/delta-xds/index.ts';
import type { MemoryMesh } from './memory-mesh.ts';

/** `port`: 0 for any. The caller closes the server. */
export const serveMesh = async (
  mesh: MemoryMesh,
  port = 0,
  more: Partial<AdsServerOptions> = {},
): Promise<{ readonly server: AdsServer; readonly port: number }> => {
  const server = createAdsServer({
    source: mesh,
    clock: () => performance.now(),
    now: Date.now,
    random: Math.random,
    logger: { info: () => undefined, warn: () => undefined },
    identifier: 'test',
    ...more,
  });
  return { server, port: (await server.listen('127.0.0.1', port)).port };
};
