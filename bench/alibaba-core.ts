/**
 * The process of alibaba.ts that loads: log (LMDB, durable) and projector, as the core of `tendril serve` has them. It makes the events
 * itself, in batches of 1,000, so that no other process competes for the processors: the time for that is in its figures.
 */
import { openEventLog } from '../src/log/index.ts';
import type { EventEnvelope } from '../src/model/index.ts';
import { Projector } from '../src/projector/index.ts';
import { packageVersion } from '../src/runtime/index.ts';
import { MESH } from '../test/projector/mesh-events.ts';
import { AlibabaMesh, type AlibabaSize } from './alibaba-mesh.ts';
import { type PauseFigures, watchPauses } from './pauses.ts';
import { memoryNow } from './projector-child.ts';

export interface LoadInput {
  readonly dir: string;
  readonly size: AlibabaSize;
}

/** Told each second. */
export interface LoadProgress {
  readonly t: 'progress';
  /** Applied: visible to readers. */
  readonly events: number;
  /** Since the last one. */
  readonly eventsPerSecond: number;
  readonly rssAnonMb: number;
}

export interface LoadFigures {
  readonly events: number;
  readonly edges: number;
  readonly seconds: number;
  readonly eventsPerSecond: number;
  /** User and system time of all threads. */
  readonly cpuSeconds: number;
  readonly cpuMicrosPerEvent: number;
  /** Of the events as JSON, and of the log's records (time and JSON). */
  readonly recordBytes: number;
  readonly rssAnonPeakMb: number;
  /** 3 s after the last event. */
  readonly rssAnonEndMb: number;
  readonly heapUsedEndMb: number;
  readonly externalEndMb: number;
  readonly pauses: PauseFigures;
  readonly stateHash: string;
}

export type FromLoad = LoadProgress | { readonly t: 'done'; readonly figures: LoadFigures };

const BATCH = 1_000;
const MOST_UNAPPLIED = 24_000;
const IN_FLIGHT = 4;
const REST_MS = 3_000;
const clock = { now: Date.now };

const sleep = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));
const say = (message: FromLoad): Promise<void> =>
  new Promise((done) => {
    if (process.send === undefined) done();
    else process.send(message, undefined, {}, () => done());
  });

const inBatches = function* (events: Iterable<EventEnvelope>): Generator<EventEnvelope[]> {
  let batch: EventEnvelope[] = [];
  for (const event of events) {
    if (batch.push(event) < BATCH) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
};

const load = async ({ dir, size }: LoadInput): Promise<void> => {
  const mesh = new AlibabaMesh(size);
  const log = await openEventLog({ kind: 'lmdb', dir, mesh: MESH, clock });
  // Of the same version as the `tendril serve` that goes on with it: another one would derive everything again.
  const projector = await Projector.open({ dir, log, mesh: MESH, clock, version: packageVersion() });
  const pauses = watchPauses();
  let [peak, lastEvents, lastAt] = [0, 0, performance.now()];
  const look = (): void => {
    const { rssAnonMb } = memoryNow();
    const [events, now] = [projector.notice.offset, performance.now()];
    peak = Math.max(peak, rssAnonMb);
    const eventsPerSecond = Math.round(((events - lastEvents) * 1_000) / (now - lastAt));
    [lastEvents, lastAt] = [events, now];
    void say({ t: 'progress', events, eventsPerSecond, rssAnonMb });
  };
  const looking = setInterval(look, 1_000);
  const began = { at: performance.now(), cpu: process.cpuUsage() };
  const running = new Set<Promise<unknown>>();
  for (const batch of inBatches(mesh.events())) {
    while (projector.lag().events > MOST_UNAPPLIED) await sleep(1);
    const appended = log.append(batch);
    running.add(appended);
    void appended.finally(() => running.delete(appended));
    if (running.size >= IN_FLIGHT) await Promise.race(running);
  }
  await Promise.all(running);
  const events = log.head().offset;
  await projector.waitFor(events);
  const seconds = (performance.now() - began.at) / 1_000;
  const cpu = process.cpuUsage(began.cpu);
  look();
  clearInterval(looking);
  await sleep(REST_MS);
  const rest = memoryNow();
  const applied = projector.fold.counters.applied;
  if (applied !== events) throw new Error(`${events} events appended, ${applied} applied`);
  const figures: LoadFigures = {
    events,
    edges: events - size.services - size.endpoints,
    seconds: Math.round(seconds * 10) / 10,
    eventsPerSecond: Math.round(events / seconds),
    cpuSeconds: Math.round((cpu.user + cpu.system) / 1e5) / 10,
    cpuMicrosPerEvent: Math.round(((cpu.user + cpu.system) / events) * 10) / 10,
    recordBytes: log.counters.bytes,
    rssAnonPeakMb: Math.max(peak, rest.rssAnonMb),
    rssAnonEndMb: rest.rssAnonMb,
    heapUsedEndMb: rest.heapUsedMb,
    externalEndMb: rest.externalMb,
    pauses: pauses.figures(),
    stateHash: projector.proof()?.hash ?? '',
  };
  await projector.close();
  await log.close();
  await say({ t: 'done', figures });
};

process.once('message', (input: LoadInput) => {
  void load(input).then(() => process.exit(0));
});
