/**
 * A service with 10,000 endpoints (issue 3, section 8.7): from the POST that removes one endpoint until each holder has it,
 * P99 <= 100 ms; and what that does to changes of another service, measured alone and beside.
 */
import type { SidecarClient } from '../src/sidecar-client/index.ts';
import { type EventInput, type Mesh, serviceEvents, startMesh } from '../test/e2e/harness.ts';
import { startLightSidecar } from '../test/e2e/light-sidecars.ts';
import { type Spread, spreadOf } from './spread.ts';

export interface LargeServiceFigures {
  readonly endpoints: number;
  readonly holders: number;
  /** POST sent -> received by a holder: one time for each removal and holder. */
  readonly removal: Spread;
  /** POST sent -> received by holders of a service with one endpoint, while nothing else happens, and beside the removals. */
  readonly otherAlone: Spread;
  readonly otherBeside: Spread;
  /** Bytes of one removal to one holder. */
  readonly bytesPerRemoval: number;
}

const LARGE = 'large.default:80';
const SMALL = 'small.default:80';
const HTTP = [{ port: 80, protocol: 'http' }];

const sleep = (ms: number): Promise<void> => new Promise((next) => setTimeout(next, ms));

/** Holders of one service port, and when each of them saw the last change of its endpoints. */
class Holders {
  readonly clients: SidecarClient[] = [];
  #waiting: { readonly holds: (client: SidecarClient) => boolean; readonly seen: (at: number) => void }[] = [];

  async start(mesh: Mesh, count: number, servicePort: string, prefix: string): Promise<void> {
    for (let index = 0; index < count; index++) {
      const id = `${prefix}-${index}`;
      const client = await startLightSidecar({
        xds: mesh.server.xds,
        id,
        service: `${id}.default`,
        onUpdate: () => this.#look(client),
      });
      if (!(await client.hold(servicePort))) throw new Error(`${id} cannot hold ${servicePort}`);
      this.clients.push(client);
    }
  }

  #look(client: SidecarClient): void {
    const at = performance.now();
    for (const wait of this.#waiting) if (wait.holds(client)) wait.seen(at);
  }

  /** Times at which each client fulfilled the condition, in the order in which they did. */
  until(holds: (client: SidecarClient) => boolean, ms = 10_000): Promise<readonly number[]> {
    return new Promise((resolve, reject) => {
      const times: number[] = [];
      const done = new Set<SidecarClient>();
      const end = (): void => {
        clearTimeout(timer);
        this.#waiting = this.#waiting.filter((other) => other !== wait);
      };
      const timer = setTimeout(() => {
        end();
        reject(new Error(`only ${times.length} of ${this.clients.length} holders within ${ms} ms`));
      }, ms);
      const wait = {
        holds: (client: SidecarClient) => !done.has(client) && holds(client) && done.add(client) !== undefined,
        seen: (at: number) => {
          times.push(at);
          if (times.length < this.clients.length) return;
          end();
          resolve(times);
        },
      };
      this.#waiting.push(wait);
    });
  }

  async close(): Promise<void> {
    await Promise.all(this.clients.map((client) => client.close()));
  }
}

/** Sends one event; the times from then until each holder fulfils the condition. */
const timesOf = async (
  mesh: Mesh,
  event: EventInput,
  holders: Holders,
  holds: (client: SidecarClient) => boolean,
): Promise<readonly number[]> => {
  const seen = holders.until(holds);
  const sent = performance.now();
  const [answer, times] = await Promise.all([mesh.request('POST', '/v1/events', { events: [event] }), seen]);
  if (answer.status !== 200) throw new Error(`POST /v1/events: ${answer.status} ${JSON.stringify(answer.body)}`);
  return times.map((at) => at - sent);
};

export const run = async (
  options: { readonly endpoints?: number; readonly holders?: number; readonly removals?: number } = {},
): Promise<LargeServiceFigures> => {
  const { endpoints = 10_000, holders: count = 5, removals = 100 } = options;
  // As `tendril serve` runs by default: supervisor, core and one xDS worker beside this process.
  const mesh = await startMesh({ workers: 1, log: 'lmdb', child: true });
  const large = new Holders();
  const small = new Holders();
  try {
    await mesh.events(
      ...serviceEvents(
        'large',
        HTTP,
        Array.from({ length: endpoints }, (_, index) => ({
          id: `large-${index}`,
          address: `10.1.${index >> 8}.${index & 255}`,
          ports: {},
        })),
      ),
      ...serviceEvents('small', HTTP, [{ id: 'small-1', ports: { 80: 1 } }]),
    );
    await large.start(mesh, count, LARGE, 'large-holder');
    await small.start(mesh, count, SMALL, 'small-holder');

    let port = 1;
    const changeSmall = (): Promise<readonly number[]> => {
      const next = ++port;
      const data = { namespace: 'default', service: 'small', id: 'small-1', address: '127.0.0.1', ports: { 80: next } };
      return timesOf(
        mesh,
        { type: 'endpoint.registered', data },
        small,
        (client) => client.endpoints(SMALL)?.[0]?.port === next,
      );
    };
    let left = endpoints;
    const removeOne = (): Promise<readonly number[]> => {
      const id = `large-${endpoints - left}`;
      const wanted = --left;
      const data = { namespace: 'default', service: 'large', id };
      return timesOf(
        mesh,
        { type: 'endpoint.deregistered', data },
        large,
        (client) => client.endpoints(LARGE)?.length === wanted,
      );
    };

    for (let round = 0; round < 10; round++) await Promise.all([removeOne(), changeSmall()]);
    const alone: number[] = [];
    for (let round = 0; round < removals; round++) {
      alone.push(...(await changeSmall()));
      await sleep(20);
    }
    const bytes = (): number => large.clients.reduce((sum, client) => sum + client.stats().responseBytes, 0);
    const bytesBefore = bytes();
    const removal: number[] = [];
    const beside: number[] = [];
    for (let round = 0; round < removals; round++) {
      const [removed, changed] = await Promise.all([removeOne(), changeSmall()]);
      removal.push(...removed);
      beside.push(...changed);
      await sleep(50);
    }
    return {
      endpoints,
      holders: count,
      removal: spreadOf(removal),
      otherAlone: spreadOf(alone),
      otherBeside: spreadOf(beside),
      bytesPerRemoval: Math.round((bytes() - bytesBefore) / removals / count),
    };
  } finally {
    await Promise.all([large.close(), small.close()]);
    await mesh.stop();
  }
};
