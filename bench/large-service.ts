/**
 * A service with 10,000 endpoints (issue 3, section 8.7): from the POST that removes one endpoint until each holder has it,
 * P99 <= 100 ms; and what that does to changes of another service, measured alone and beside.
 */
import { Worker } from 'node:worker_threads';
import type { SidecarClient } from '../src/sidecar-client/index.ts';
import { type EventInput, type Mesh, serviceEvents, startMesh } from '../test/e2e/harness.ts';
import { startLightSidecar } from '../test/e2e/light-sidecars.ts';
import type { HolderInput, HolderReport } from './large-service-holder.ts';
import { type Spread, spreadOf } from './spread.ts';

export interface LargeServiceFigures {
  readonly endpoints: number;
  readonly holders: number;
  /** POST sent -> received and decoded by a holder: one time for each removal and holder. */
  readonly removal: Spread;
  /** POST sent -> received by a holder of a service with one endpoint, while nothing else happens, and beside the removals. */
  readonly otherAlone: Spread;
  readonly otherBeside: Spread;
  /** Bytes of one removal to one holder. */
  readonly bytesPerRemoval: number;
}

const LARGE = 'large.default:80';
const SMALL = 'small.default:80';
const HTTP = [{ port: 80, protocol: 'http' }];
const HOLDER = new URL('./large-service-holder.js', import.meta.url);

const sleep = (ms: number): Promise<void> => new Promise((next) => setTimeout(next, ms));
const now = (): number => performance.timeOrigin + performance.now();

/** A holder in its thread. */
class Holder {
  readonly #worker: Worker;
  #last: HolderReport = { at: 0, endpoints: 0, bytes: 0 };
  #look: () => void = () => undefined;

  private constructor(worker: Worker) {
    this.#worker = worker;
    worker.on('message', (report: HolderReport) => {
      this.#last = report;
      this.#look();
    });
  }

  static async start(input: HolderInput): Promise<Holder> {
    const worker = new Worker(HOLDER, { workerData: input });
    const holder = new Holder(worker);
    await new Promise<void>((ready, fail) => {
      worker.once('message', () => ready());
      worker.once('error', fail);
    });
    return holder;
  }

  get bytes(): number {
    return this.#last.bytes;
  }

  /** Time at which the holder had so many endpoints. */
  has(endpoints: number): Promise<number> {
    return new Promise((done) => {
      this.#look = () => {
        if (this.#last.endpoints === endpoints) done(this.#last.at);
      };
      this.#look();
    });
  }

  async close(): Promise<void> {
    const ended = new Promise((done) => this.#worker.once('exit', done));
    this.#worker.postMessage('end');
    await ended;
  }
}

const post = async (mesh: Mesh, event: EventInput): Promise<void> => {
  const answer = await mesh.request('POST', '/v1/events', { events: [event] });
  if (answer.status !== 200) throw new Error(`POST /v1/events: ${answer.status} ${JSON.stringify(answer.body)}`);
};

export const run = async (
  options: { readonly endpoints?: number; readonly holders?: number; readonly removals?: number } = {},
): Promise<LargeServiceFigures> => {
  const { endpoints = 10_000, holders: count = 3, removals = 100 } = options;
  // As `tendril serve` runs by default: supervisor, core and one xDS worker beside this process.
  const mesh = await startMesh({ workers: 1, log: 'lmdb', child: true });
  const holders: Holder[] = [];
  let small: SidecarClient | undefined;
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
    const { xds } = mesh.server;
    for (let index = 0; index < count; index++)
      holders.push(await Holder.start({ xds, id: `holder-${index}`, servicePort: LARGE }));
    let onSmall: () => void = () => undefined;
    const other = await startLightSidecar({ xds, id: 'other', service: 'other.default', onUpdate: () => onSmall() });
    small = other;
    await other.hold(SMALL);

    let port = 1;
    const changeSmall = async (): Promise<number> => {
      const next = ++port;
      const data = { namespace: 'default', service: 'small', id: 'small-1', address: '127.0.0.1', ports: { 80: next } };
      const received = new Promise<number>((done) => {
        onSmall = () => {
          if (other.endpoints(SMALL)?.[0]?.port === next) done(now());
        };
      });
      const sent = now();
      const [at] = await Promise.all([received, post(mesh, { type: 'endpoint.registered', data })]);
      return at - sent;
    };
    let left = endpoints;
    const removeOne = async (): Promise<readonly number[]> => {
      const data = { namespace: 'default', service: 'large', id: `large-${endpoints - left}` };
      left--;
      const received = Promise.all(holders.map((holder) => holder.has(left)));
      const sent = now();
      const [times] = await Promise.all([received, post(mesh, { type: 'endpoint.deregistered', data })]);
      return times.map((at) => at - sent);
    };

    for (let index = 0; index < 10; index++) await Promise.all([removeOne(), changeSmall()]);
    const alone: number[] = [];
    for (let index = 0; index < removals; index++) {
      alone.push(await changeSmall());
      await sleep(20);
    }
    const bytes = (): number => holders.reduce((sum, holder) => sum + holder.bytes, 0);
    const bytesBefore = bytes();
    const removal: number[] = [];
    const beside: number[] = [];
    for (let index = 0; index < removals; index++) {
      const [removed, changed] = await Promise.all([removeOne(), changeSmall()]);
      removal.push(...removed);
      beside.push(changed);
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
    await Promise.all(holders.map((holder) => holder.close()));
    await small?.close();
    await mesh.stop();
  }
};
