/**
 * Accepted -> applied: events are appended (durable) and folded, compiled, hashed and committed in the same process, as in the
 * core; writers wait when too much is under way. And fold + compile alone, in memory.
 *
 * Events: health (7 of 10), moves (2 of 10), weights (1 of 10) of endpoints, services chosen by Zipf's law.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compileService } from '../src/compile/index.ts';
import { type LogRecord, openEventLog } from '../src/log/index.ts';
import type { EventEnvelope } from '../src/model/index.ts';
import { Deriver } from '../src/projector/deriver.ts';
import { createFoldState, Projector } from '../src/projector/index.ts';
import { NOTHING_STORED } from '../src/projector/parts.ts';
import { changeEvents, initialEvents, MESH, type MeshSize, randomFrom } from '../test/projector/mesh-events.ts';

export interface IngestToAppliedOptions {
  /** Of the mesh; with few events a smaller one. */
  readonly services?: number;
  readonly endpoints?: number;
  /** Events of fold + compile alone. */
  readonly events?: number;
  /** How long events are accepted. */
  readonly seconds?: number;
  /** Events of one append. */
  readonly batch?: number;
}

const clock = { now: Date.now };
const IN_FLIGHT = 4;
/** Writers wait for what they wrote to be applied, as with `?wait=applied`: at most so many events are under way. */
const MOST_UNAPPLIED = 16_000;
/** Events folded between two derivations, as under load. */
const FOLD_BATCH = 8_192;

const cpuMicros = (): number => {
  const { user, system } = process.cpuUsage();
  return user + system;
};

const round = (value: number): number => Math.round(value * 10) / 10;

const percentile = (sorted: readonly number[], share: number): number =>
  round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0);

const inBatches = function* (events: Iterable<EventEnvelope>, size: number): Generator<EventEnvelope[]> {
  let batch: EventEnvelope[] = [];
  for (const event of events) {
    batch.push(event);
    if (batch.length < size) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
};

/** Events without end, made cheaply: the content repeats, the ids do not. */
const endless = function* (size: MeshSize, seed: number): Generator<EventEnvelope> {
  const next = changeEvents(size, randomFrom(seed));
  const pool = Array.from({ length: 100_000 }, next);
  const order = randomFrom(seed + 1);
  for (let number = 0; ; number++) {
    const template = pool[Math.floor(order() * pool.length)];
    if (template !== undefined) yield { ...template, id: `x${number}` };
  }
};

interface Sustained {
  readonly eventsPerSecond: number;
  readonly events: number;
  readonly seconds: number;
  readonly cpuMicrosPerEvent: number;
  readonly commits: number;
  readonly eventsPerCommit: number;
  readonly compilationsPerEvent: number;
  /** Age of the newest event when it became visible, sampled, ms. */
  readonly visibleAfterMs: { readonly p50: number; readonly p99: number };
}

const sustained = async (size: MeshSize, options: Required<IngestToAppliedOptions>): Promise<Sustained> => {
  const dir = mkdtempSync(join(tmpdir(), 'tendril-bench-'));
  const log = await openEventLog({ kind: 'lmdb', dir, mesh: MESH, clock });
  const projector = await Projector.open({ dir, log, mesh: MESH, clock });
  const feed = async (events: Iterable<EventEnvelope>, until: number): Promise<number[]> => {
    const ages: number[] = [];
    const running = new Set<Promise<unknown>>();
    for (const batch of inBatches(events, options.batch)) {
      if (performance.now() >= until) break;
      while (projector.lag().events > MOST_UNAPPLIED) await new Promise((done) => setTimeout(done, 1));
      const begun = performance.now();
      const appended = log.append(batch).then(({ offsets }) => {
        void projector.waitFor(offsets.at(-1) ?? 0).then(() => ages.push(performance.now() - begun));
      });
      running.add(appended);
      void appended.finally(() => running.delete(appended));
      if (running.size >= IN_FLIGHT) await Promise.race(running);
    }
    await Promise.all(running);
    await projector.waitFor(log.head().offset);
    return ages;
  };
  await feed(initialEvents(size), Number.POSITIVE_INFINITY);
  const source = endless(size, 1);
  // Warm: not measured.
  await feed(source, performance.now() + Math.min(5, options.seconds) * 1000);
  const before = { offset: log.head().offset, cpu: cpuMicros(), at: performance.now(), ...projector.counters };
  const ages = await feed(endless(size, 2), performance.now() + options.seconds * 1000);
  const seconds = (performance.now() - before.at) / 1000;
  const events = log.head().offset - before.offset;
  const commits = projector.counters.commits - before.commits;
  const compiled = projector.counters.compiled - before.compiled;
  const cpu = cpuMicros() - before.cpu;
  await projector.close();
  await log.close();
  rmSync(dir, { recursive: true, force: true });
  ages.sort((a, b) => a - b);
  return {
    eventsPerSecond: Math.round(events / seconds),
    events,
    seconds: round(seconds),
    cpuMicrosPerEvent: round(cpu / events),
    commits,
    eventsPerCommit: Math.round(events / commits),
    compilationsPerEvent: round((compiled / events) * 100) / 100,
    visibleAfterMs: { p50: percentile(ages, 0.5), p99: percentile(ages, 0.99) },
  };
};

interface Alone {
  readonly eventsPerSecond: number;
  readonly events: number;
  readonly foldMicrosPerEvent: number;
  readonly compileMicrosPerEvent: number;
  readonly microsPerCompilation: number;
}

/** Records as the log gives them. */
const recordsOf = async (events: Iterable<EventEnvelope>): Promise<LogRecord[]> => {
  const log = await openEventLog({ kind: 'memory', mesh: MESH, clock });
  for (const batch of inBatches(events, 1000)) await log.append(batch);
  const records: LogRecord[] = [];
  for await (const some of log.read({ from: 1 })) records.push(...some);
  await log.close();
  return records;
};

/** CPU time of this thread's work: nothing else runs in the process. */
const foldAndCompile = async (size: MeshSize, count: number): Promise<Alone> => {
  const next = changeEvents(size, randomFrom(3));
  const initial = [...initialEvents(size)];
  const changes = function* (): Generator<EventEnvelope> {
    yield* initial;
    for (let number = 0; number < count; number++) yield next();
  };
  const records = await recordsOf(changes());
  const fold = createFoldState({ mesh: MESH });
  const deriver = new Deriver({
    fold,
    compile: compileService,
    stored: NOTHING_STORED,
    storedResource: () => undefined,
    onFailure: (service, unit, error) => {
      throw new Error(`${unit} of ${service}`, { cause: error });
    },
  });
  let foldMicros = 0;
  let compileMicros = 0;
  const run = (from: number, to: number): void => {
    for (let at = from; at < to; at += FOLD_BATCH) {
      const begun = cpuMicros();
      for (const record of records.slice(at, Math.min(to, at + FOLD_BATCH))) fold.apply(record);
      const { inputs } = fold.drain();
      const folded = cpuMicros();
      foldMicros += folded - begun;
      for (const _ of deriver.derive(inputs, new Map())) {
        // To the end.
      }
      compileMicros += cpuMicros() - folded;
    }
  };
  const measuredFrom = initial.length + Math.floor(count / 5);
  run(0, measuredFrom);
  foldMicros = 0;
  compileMicros = 0;
  const compiled = deriver.resources.counters.compiled;
  run(measuredFrom, records.length);
  const events = records.length - measuredFrom;
  return {
    eventsPerSecond: Math.round((events * 1e6) / (foldMicros + compileMicros)),
    events,
    foldMicrosPerEvent: round(foldMicros / events),
    compileMicrosPerEvent: round(compileMicros / events),
    microsPerCompilation: round(compileMicros / Math.max(1, deriver.resources.counters.compiled - compiled)),
  };
};

export const run = async (
  options: IngestToAppliedOptions = {},
): Promise<{
  readonly size: MeshSize;
  readonly foldAndCompileAlone: Alone;
  readonly acceptedToApplied: Sustained;
}> => {
  const { events = 1_000_000, seconds = 60, batch = 1_000, endpoints = 10 } = options;
  const services = options.services ?? (events < 200_000 ? 1_000 : 10_000);
  const size = { services, endpoints };
  return {
    size,
    foldAndCompileAlone: await foldAndCompile(size, Math.min(events, 500_000)),
    acceptedToApplied: await sustained(size, { services, endpoints, events, seconds, batch }),
  };
};
