/**
 * The log on a real Kafka broker (one node, on this machine) with the producer in another process (issue 6, section 4): events per second
 * from the first one produced to the last one applied, and the time from produced to applied of single events at 1,000 a second. Applied:
 * folded, compiled, committed and told to the workers. Needs the part `kafka` (npm run fetch:parts).
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type OpenedLog, openEventLog } from '../src/log/index.ts';
import { Projector } from '../src/projector/index.ts';
import { MESH } from '../test/projector/mesh-events.ts';
import { startKafka } from '../test/support/kafka.ts';

export const KAFKA_MESH = { services: 1_000, endpoints: 10 };
const CHILD = fileURLToPath(new URL('./kafka-child.js', import.meta.url));
const TOPIC = 'bench';

export interface KafkaFigures {
  readonly batches: {
    readonly events: number;
    readonly seconds: number;
    readonly eventsPerSecond: number;
    /** Of this process: fetching, mirror, fold, compile, state. */
    readonly cpuMicrosPerEvent: number;
  };
  /** ms from produced to applied. */
  readonly singles: {
    readonly events: number;
    readonly perSecond: number;
    readonly p50Ms: number;
    readonly p99Ms: number;
    readonly maxMs: number;
  };
}

const now = (): number => performance.timeOrigin + performance.now();
const round = (value: number): number => Math.round(value * 100) / 100;

/** When each event was produced, and when the notice of its commit came. */
class Ages {
  readonly #waiting: { readonly offset: number; readonly producedAt: number }[] = [];
  #next = 0;
  readonly ages: number[] = [];
  first = Number.POSITIVE_INFINITY;

  async follow(log: OpenedLog, from: number, signal: AbortSignal): Promise<void> {
    for await (const records of log.follow({ from, signal }))
      for (const { offset, event } of records) {
        const producedAt = Number(event?.reason);
        this.first = Math.min(this.first, producedAt);
        this.#waiting.push({ offset, producedAt });
      }
  }

  applied(offset: number, at: number): void {
    while ((this.#waiting[this.#next]?.offset ?? Number.POSITIVE_INFINITY) <= offset) {
      const { producedAt = at } = this.#waiting[this.#next++] ?? {};
      this.ages.push(at - producedAt);
    }
  }
}

const produce = async (address: string, mode: string, count: number): Promise<void> => {
  const child = spawn(process.execPath, [CHILD, address, TOPIC, mode, String(count)], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`the producer ended with ${code}`);
};

interface Options {
  /** Of the batches (default 200,000). */
  readonly events?: number;
  /** Of single events (default 20). */
  readonly seconds?: number;
}

export const run = async ({ events = 200_000, seconds = 20 }: Options = {}): Promise<KafkaFigures> => {
  const broker = await startKafka();
  const dir = mkdtempSync(join(tmpdir(), 'tendril-bench-'));
  const clock = { now: Date.now };
  const log = await openEventLog({ kind: `kafka://${broker.address}/${TOPIC}`, dir, mesh: MESH, clock });
  const projector = await Projector.open({ dir, log, mesh: MESH, clock });
  /** Runs the producer and waits until the last of its events is applied. */
  const measured = async (mode: string, count: number): Promise<{ readonly ages: Ages; readonly lastAt: number }> => {
    const ages = new Ages();
    const ended = new AbortController();
    let lastAt = 0;
    const off = projector.onNotice(({ offset }) => {
      lastAt = now();
      ages.applied(offset, lastAt);
    });
    const following = ages.follow(log, log.head().offset + 1, ended.signal);
    await produce(broker.address, mode, count);
    const admin = await broker.admin();
    const end = Number((await admin.fetchTopicOffsets(TOPIC))[0]?.high);
    await projector.waitFor(end);
    ended.abort();
    await following;
    off();
    return { ages, lastAt };
  };
  try {
    await measured('load', 0);
    await measured('batches', Math.min(events, 20_000));
    const cpuBefore = process.cpuUsage();
    const batches = await measured('batches', events);
    const cpu = process.cpuUsage(cpuBefore);
    const took = (batches.lastAt - batches.ages.first) / 1000;
    await measured('singles', Math.min(seconds, 3));
    const { ages } = (await measured('singles', seconds)).ages;
    ages.sort((a, b) => a - b);
    const at = (share: number): number => round(ages[Math.min(ages.length - 1, Math.floor(ages.length * share))] ?? 0);
    return {
      batches: {
        events,
        seconds: round(took),
        eventsPerSecond: Math.round(events / took),
        cpuMicrosPerEvent: round((cpu.user + cpu.system) / events),
      },
      singles: { events: ages.length, perSecond: 1000, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) },
    };
  } finally {
    await projector.close();
    await log.close();
    await broker.end();
    rmSync(dir, { recursive: true, force: true });
  }
};
