/** One holder of a large service in a thread of its own, as every sidecar has a processor of its own (large-service.ts). */
import { parentPort, workerData } from 'node:worker_threads';
import type { HostPort } from '../src/runtime/index.ts';
import { startLightSidecar } from '../test/e2e/light-sidecars.ts';

export interface HolderInput {
  readonly xds: HostPort;
  readonly id: string;
  readonly servicePort: string;
}

/** Told at the start, and for each change that has been received and decoded. */
export interface HolderReport {
  /** ms since the epoch, with fractions. */
  readonly at: number;
  readonly endpoints: number;
  /** Bytes of all responses so far. */
  readonly bytes: number;
}

const { xds, id, servicePort } = workerData as HolderInput;
const report = (): void => {
  const at = performance.timeOrigin + performance.now();
  const endpoints = client.endpoints(servicePort)?.length ?? 0;
  parentPort?.postMessage({ at, endpoints, bytes: client.stats().responseBytes } satisfies HolderReport);
};
let ready = false;
const client = await startLightSidecar({
  xds,
  id,
  service: `${id}.default`,
  onUpdate: () => {
    if (ready) report();
  },
});
if (!(await client.hold(servicePort))) throw new Error(`${id} cannot hold ${servicePort}`);
ready = true;
report();
parentPort?.once('message', () => {
  void client.close().then(() => parentPort?.close());
});
