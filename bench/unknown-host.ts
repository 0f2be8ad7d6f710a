/**
 * Hosts that nobody knows, through a real Envoy (issue 3, section 5.5): 404 with P99 <= 100 ms over 1,000 of them, 50 at a time, beside
 * calls to known ones. Each host is new: Envoy asks, the control plane answers that there is nothing.
 */
import { serviceEvents, startMesh } from '../test/e2e/harness.ts';
import { startHttpBackend } from '../test/support/backends.ts';
import { callHttp } from '../test/support/clients.ts';
import { type Spread, spreadOf } from './spread.ts';

export interface UnknownHostFigures {
  readonly hosts: number;
  readonly parallel: number;
  readonly unknown: Spread;
  /** Calls to known services meanwhile, and before. */
  readonly knownBeside: Spread;
  readonly knownAlone: Spread;
}

export const run = async (
  options: { readonly hosts?: number; readonly parallel?: number } = {},
): Promise<UnknownHostFigures> => {
  const { hosts = 1_000, parallel = 50 } = options;
  const app = await startHttpBackend({ id: 'app' });
  const mesh = await startMesh({ workers: 1, log: 'lmdb', child: true });
  try {
    const known = ['known-a', 'known-b', 'known-c'];
    for (const name of known)
      await mesh.events(
        ...serviceEvents(name, [{ port: 80, protocol: 'http' }], [{ id: `${name}-1`, ports: { 80: app.port } }]),
      );
    const sidecar = await mesh.sidecar({ service: 'caller.default' });
    const call = async (authority: string, wanted: number): Promise<number> => {
      const { status, ms } = await callHttp({ port: sidecar.outboundPort, authority });
      if (status !== wanted) throw new Error(`${authority} answered ${status}, not ${wanted}`);
      return ms;
    };
    /** Calls a known service every 5 ms until told to stop. */
    const callKnown = (): (() => Promise<readonly number[]>) => {
      const times: number[] = [];
      let stopping = false;
      const loop = (async () => {
        for (let count = 0; !stopping; count++) {
          times.push(await call(`${known[count % known.length]}.default`, 200));
          await new Promise((next) => setTimeout(next, 5));
        }
      })();
      return async () => {
        stopping = true;
        await loop;
        return times;
      };
    };
    for (const name of known) await call(`${name}.default`, 200);
    const stopAlone = callKnown();
    await new Promise((next) => setTimeout(next, 2_000));
    const knownAlone = await stopAlone();

    const stopBeside = callKnown();
    const times: number[] = [];
    let next = 0;
    await Promise.all(
      Array.from({ length: parallel }, async () => {
        while (next < hosts) times.push(await call(`nobody-${next++}.nowhere`, 404));
      }),
    );
    const knownBeside = await stopBeside();
    await sidecar.assertHealthy();
    return {
      hosts: times.length,
      parallel,
      unknown: spreadOf(times),
      knownBeside: spreadOf(knownBeside),
      knownAlone: spreadOf(knownAlone),
    };
  } finally {
    await mesh.stop();
    await app.close();
  }
};
