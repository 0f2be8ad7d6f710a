/**
 * Durable appends to the log on disk (issue 3, section 9). Two figures: throughput with batches of 1,000, and the time one writer
 * waits that sends the next event only when the last is acknowledged. Events of about 300 bytes of JSON.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type OpenedLog, openEventLog } from '../src/log/index.ts';
import { type EventEnvelope, endpointSubject } from '../src/model/index.ts';

export interface AppendFigures {
  /** Mean bytes of one event as JSON. */
  readonly eventBytes: number;
  /** Batches of 1,000, the next one sent when the last is durable. */
  readonly batches: {
    readonly events: number;
    readonly eventsPerSecond: number;
    readonly p50Ms: number;
    readonly p99Ms: number;
  };
  /** One event at a time. */
  readonly single: { readonly events: number; readonly p50Ms: number; readonly p99Ms: number };
}

const BATCH = 1000;

const event = (n: number): EventEnvelope => {
  const service = `service-${n % 10_000}`;
  const id = `instance-${n % 100_000}`;
  return {
    id: `bench-${n}`,
    type: 'endpoint.registered',
    subject: endpointSubject('default', service, id),
    time: '2026-11-21T03:01:00.000Z',
    source: 'bench',
    schemaVersion: 1,
    mesh: 'bench',
    data: { namespace: 'default', service, id, address: '10.1.2.3', weight: 1, labels: { version: 'v1' } },
  };
};

const percentile = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;

/** Appends until `ms` have passed; gives the duration of each append in ms, sorted. */
const appendFor = async (log: OpenedLog, size: number, ms: number): Promise<{ waits: number[]; seconds: number }> => {
  const waits: number[] = [];
  const started = performance.now();
  while (performance.now() - started < ms) {
    const at = log.head().offset;
    const events = Array.from({ length: size }, (_, index) => event(at + index));
    const sent = performance.now();
    await log.append(events);
    waits.push(performance.now() - sent);
  }
  return { waits: waits.sort((a, b) => a - b), seconds: (performance.now() - started) / 1000 };
};

/** `dir`: where the log is made (default: the system's temporary directory); the disk below it decides the figures. */
export const run = async (options: { readonly ms?: number; readonly dir?: string } = {}): Promise<AppendFigures> => {
  const { ms = 5000 } = options;
  const dir = mkdtempSync(join(options.dir ?? tmpdir(), 'tendril-bench-'));
  const log = await openEventLog({ kind: 'lmdb', dir, mesh: 'bench', clock: Date });
  try {
    await appendFor(log, BATCH, ms / 10);
    const before = log.counters;
    const batches = await appendFor(log, BATCH, ms);
    const events = batches.waits.length * BATCH;
    const single = await appendFor(log, 1, ms);
    return {
      eventBytes: Math.round((log.counters.bytes - before.bytes) / (log.counters.events - before.events)) - 8,
      batches: {
        events,
        eventsPerSecond: Math.round(events / batches.seconds),
        p50Ms: percentile(batches.waits, 0.5),
        p99Ms: percentile(batches.waits, 0.99),
      },
      single: {
        events: single.waits.length,
        p50Ms: percentile(single.waits, 0.5),
        p99Ms: percentile(single.waits, 0.99),
      },
    };
  } finally {
    await log.close();
    rmSync(dir, { recursive: true, force: true });
  }
};
