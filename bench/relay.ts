/**
 * An Envoy that starts while every control plane is down (issue 7, 1.6): killed and started again behind a relay that was started anew
 * too, so that only the cache on disk is left. From the start of the process to the first answer of a service that it knew.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Relay, startRelay } from '../src/agent/index.ts';
import { serviceEvents, startMesh } from '../test/e2e/harness.ts';
import { startSidecar } from '../test/e2e/sidecar.ts';
import { startHttpBackend } from '../test/support/backends.ts';
import { callHttp } from '../test/support/clients.ts';
import { freePort } from '../test/support/ports.ts';
import { type Spread, spreadOf } from './spread.ts';

export interface RelayFigures {
  readonly services: number;
  readonly rounds: number;
  /** Start of the Envoy process -> first 200, ms; Envoy's own start without configuration is in it. */
  readonly firstAnswer: Spread;
  /** Resources of the last good configuration, and their bytes. */
  readonly resources: number;
  readonly bytes: number;
}

const POLL_MS = 5;
const LIMIT_MS = 20_000;

export const run = async (
  options: { readonly services?: number; readonly rounds?: number } = {},
): Promise<RelayFigures> => {
  const { services = 50, rounds = 10 } = options;
  const app = await startHttpBackend({ id: 'app' });
  const cacheDir = mkdtempSync(join(tmpdir(), 'tendril-bench-relay-'));
  const mesh = await startMesh({ log: 'lmdb', child: true });
  const outboundPort = await freePort();
  const start = (port: number): Promise<Relay> =>
    startRelay({ listen: { host: '127.0.0.1', port }, upstreams: [mesh.server.xds], cacheDir, mesh: 'default' });
  let relay = await start(0);
  const envoy = () =>
    startSidecar({ service: 'caller.default', id: 'sidecar~bench~caller', outboundPort }, relay.address);
  const call = (index: number) => callHttp({ port: outboundPort, authority: `service-${index}.default` });
  try {
    for (let index = 0; index < services; index++)
      await mesh.events(
        ...serviceEvents(
          `service-${index}`,
          [{ port: 80, protocol: 'http' }],
          [{ id: `service-${index}-1`, ports: { 80: app.port } }],
        ),
      );
    let sidecar = await envoy();
    await sidecar.envoy.live();
    for (let index = 0; index < services; index++)
      if ((await call(index)).status !== 200) throw new Error(`service-${index} does not answer`);
    await sidecar.quiet();
    const kept = relay.status().lastGood[0];
    await mesh.server.killAll();
    const times: number[] = [];
    for (let round = 0; round < rounds; round++) {
      await sidecar.envoy.kill();
      const { port } = relay.address;
      await relay.close();
      relay = await start(port);
      const since = performance.now();
      const [started] = await Promise.all([
        envoy(),
        (async () => {
          while ((await call(round % services).catch(() => undefined))?.status !== 200) {
            if (performance.now() - since > LIMIT_MS) throw new Error(`no answer within ${LIMIT_MS} ms`);
            await new Promise((next) => setTimeout(next, POLL_MS));
          }
          times.push(performance.now() - since);
        })(),
      ]);
      sidecar = started;
      for (let index = 0; index < services; index++)
        if ((await call(index)).status !== 200) throw new Error(`service-${index} does not answer after the restart`);
      await sidecar.assertHealthy();
    }
    await sidecar.stop();
    return {
      services,
      rounds,
      firstAnswer: spreadOf(times),
      resources: kept?.resources ?? 0,
      bytes: kept?.bytes ?? 0,
    };
  } finally {
    await relay.close();
    await mesh.stop();
    await app.close();
    rmSync(cacheDir, { recursive: true, force: true });
  }
};
