/**
 * Single writes, answered when they are durable and folded, with a scrub running and without one, in turns (issue 6, 2.5: others are
 * not to be touched by it). Server in processes of its own.
 */
import { serviceEvents, startMesh } from '../test/e2e/harness.ts';
import { type Spread, spreadOf } from './spread.ts';

export interface ScrubFigures {
  readonly services: number;
  readonly perSecond: number;
  /** POST sent -> answered, ms. */
  readonly without: Spread;
  readonly withScrub: Spread;
  /** Bytes of one pass, and how long it took at its pace, s. */
  readonly passBytes: number;
  readonly passSeconds: number;
}

interface ScrubView {
  readonly running?: { readonly pid?: number };
  readonly last?: {
    readonly bytes: number;
    readonly startedAt: number;
    readonly endedAt: number;
    readonly findingCount: number;
  };
}

const BATCH = 250;

export const run = async (
  options: {
    readonly services?: number;
    readonly perSecond?: number;
    readonly rounds?: number;
    readonly seconds?: number;
  } = {},
): Promise<ScrubFigures> => {
  const { services = 10_000, perSecond = 50, rounds = 5, seconds = 10 } = options;
  const mesh = await startMesh({ workers: 1, log: 'lmdb', child: true });
  try {
    const service = (index: number) =>
      serviceEvents(
        `svc-${index}`,
        [{ port: 8080, protocol: 'http' }],
        [{ id: 'one', address: `10.0.${(index >> 8) & 255}.${index & 255}`, ports: { 8080: 8080 } }],
      );
    for (let at = 0; at < services; at += BATCH)
      await mesh.events(
        ...Array.from({ length: Math.min(BATCH, services - at) }, (_, index) => service(at + index)).flat(),
      );
    const view = async (): Promise<ScrubView> => (await mesh.request('GET', '/v1/scrub')).body as ScrubView;
    const { admin } = mesh.server;
    let sent = 0;
    const post = async (times: number[]): Promise<void> => {
      const data = {
        namespace: 'default',
        service: 'svc-0',
        id: 'one',
        address: `10.1.${(sent >> 8) & 255}.${sent++ & 255}`,
        ports: { 8080: 8080 },
      };
      const body = JSON.stringify({ events: [{ type: 'endpoint.registered', data }] });
      const at = performance.now();
      const response = await fetch(`http://${admin.host}:${admin.port}/v1/events`, {
        method: 'POST',
        body,
        headers: { 'content-type': 'application/json' },
      });
      times.push(performance.now() - at);
      if (!response.ok) throw new Error(`POST answered ${response.status}: ${await response.text()}`);
      await response.arrayBuffer();
    };
    /** A steady rate for a while; `each` is called before every write. */
    const load = async (times: number[], each: () => void): Promise<void> => {
      const begun = performance.now();
      const posts: Promise<void>[] = [];
      for (let index = 0; index < perSecond * seconds; index++) {
        const due = begun + (index * 1_000) / perSecond;
        await new Promise((next) => setTimeout(next, Math.max(0, due - performance.now())));
        each();
        posts.push(post(times));
      }
      await Promise.all(posts);
    };
    const without: number[] = [];
    const withScrub: number[] = [];
    const idle = async (): Promise<ScrubView> => {
      for (let now = await view(); ; now = await view()) {
        if (now.running === undefined) return now;
        await new Promise((next) => setTimeout(next, 100));
      }
    };
    for (let round = 0; round < rounds; round++) {
      await load(without, () => undefined);
      let writes = 0;
      // Whenever a pass has ended, the next one is begun.
      await load(withScrub, () => {
        if (writes++ % perSecond === 0) void mesh.request('POST', '/v1/scrub');
      });
      await idle();
    }
    const { last } = await idle();
    if (last === undefined || last.findingCount > 0)
      throw new Error(`the scrub found something: ${JSON.stringify(last)}`);
    return {
      services,
      perSecond,
      without: spreadOf(without),
      withScrub: spreadOf(withScrub),
      passBytes: last.bytes,
      passSeconds: Math.round((last.endedAt - last.startedAt) / 100) / 10,
    };
  } finally {
    await mesh.stop();
  }
};
