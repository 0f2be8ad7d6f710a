/**
 * The first request of a sidecar to a service that it has never called, through a real Envoy, above a warm request to a service it
 * knows (issue 3, section 9). Each first request is a new service: question, clusters, endpoints, virtual host, the request itself.
 */
import { serviceEvents, startMesh } from '../test/e2e/harness.ts';
import { startHttpBackend } from '../test/support/backends.ts';
import { callHttp } from '../test/support/clients.ts';
import { round, type Spread, spreadOf } from './spread.ts';

export interface FirstRequestFigures {
  readonly sidecars: number;
  /** First requests of each sidecar; the services it holds at the end. */
  readonly servicesPerSidecar: number;
  /** Times of single requests, ms, each on a connection of its own. */
  readonly first: Spread;
  readonly warm: Spread;
  /** Difference of the medians, ms. */
  readonly aboveWarmP50Ms: number;
}

/** First requests of each sidecar that are not measured: they warm the process and the paths. */
const WARM_UP = 5;
const PAUSE_MS = 30;

export const run = async (
  options: { readonly sidecars?: number; readonly services?: number } = {},
): Promise<FirstRequestFigures> => {
  const { sidecars = 8, services = 25 } = options;
  const app = await startHttpBackend({ id: 'app' });
  // As `tendril serve` runs by default: supervisor, core and one xDS worker beside this process.
  const mesh = await startMesh({ workers: 1, log: 'lmdb', child: true });
  try {
    for (let index = 0; index < services; index++)
      await mesh.events(
        ...serviceEvents(
          `service-${index}`,
          [{ port: 80, protocol: 'http' }],
          [{ id: `service-${index}-1`, ports: { 80: app.port } }],
        ),
      );
    const first: number[] = [];
    const warm: number[] = [];
    for (let caller = 0; caller < sidecars; caller++) {
      const sidecar = await mesh.sidecar({ service: `caller-${caller}.default` });
      const call = async (index: number): Promise<number> => {
        const authority = `service-${index}.default`;
        const { status, ms } = await callHttp({ port: sidecar.outboundPort, authority });
        if (status !== 200) throw new Error(`${authority} answered ${status}`);
        return ms;
      };
      for (let index = 0; index < services; index++) {
        const cold = await call(index);
        // Beside each other, so that both meet the same load of the machine.
        const hot = await call(index);
        if (index >= WARM_UP) {
          first.push(cold);
          warm.push(hot);
        }
        await new Promise((next) => setTimeout(next, PAUSE_MS));
      }
      await sidecar.assertHealthy();
      await sidecar.stop();
    }
    const [cold, hot] = [spreadOf(first), spreadOf(warm)];
    return {
      sidecars,
      servicesPerSidecar: services,
      first: cold,
      warm: hot,
      aboveWarmP50Ms: round(cold.p50Ms - hot.p50Ms),
    };
  } finally {
    await mesh.stop();
    await app.close();
  }
};
