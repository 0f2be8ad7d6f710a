/**
 * How long a start takes: a log of 1 M events of 10,000 services with 10 endpoints each, after a stop in order and after kill -9.
 * Each start is a process of its own, and its time runs from fork to ready: Node, modules, checks, loading, catching up.
 * From an empty state the log is replayed: events/s from the log's opening to ready.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openEventLog } from '../src/log/index.ts';
import type { EventEnvelope } from '../src/model/index.ts';
import { Projector } from '../src/projector/index.ts';
import { CORE_FLAGS } from '../src/runtime/index.ts';
import { changeEvents, initialEvents, MESH, randomFrom } from '../test/projector/mesh-events.ts';
import type { ChildReport } from './projector-child.ts';

export interface StartOptions {
  /** In the log, those that build the mesh included. */
  readonly events?: number;
  readonly services?: number;
  readonly endpoints?: number;
}

export interface StartFigures {
  readonly ms: number;
  readonly logMs: number;
  readonly stateMs: number;
  readonly offset: number;
  /** User and system time of the process and all its threads until it was ready. */
  readonly cpuMs: number;
}

export interface ReplayFigures extends StartFigures {
  readonly eventsPerSecond: number;
}

const clock = { now: Date.now };
const childModule = new URL('./projector-child.js', import.meta.url);
const BATCH = 1_000;
const MOST_UNAPPLIED = 16_000;

/** Writes the events and leaves a state that holds them, closed in order. */
export const prepare = async (dir: string, options: Required<StartOptions>): Promise<void> => {
  const log = await openEventLog({ kind: 'lmdb', dir, mesh: MESH, clock });
  const projector = await Projector.open({ dir, log, mesh: MESH, clock });
  const size = { services: options.services, endpoints: options.endpoints };
  const next = changeEvents(size, randomFrom(1));
  const source = initialEvents(size);
  while (log.head().offset < options.events) {
    const batch: EventEnvelope[] = [];
    while (batch.length < BATCH) {
      const { value } = source.next();
      batch.push(value ?? next());
    }
    await log.append(batch);
    while (projector.lag().events > MOST_UNAPPLIED) await new Promise((done) => setTimeout(done, 1));
  }
  await projector.waitFor(log.head().offset);
  await projector.close();
  await log.close();
};

/** Starts a process and waits until it is ready. */
export const startChild = async (
  dir: string,
  mode: 'stop' | 'idle' | 'write',
): Promise<{ readonly child: ChildProcess; readonly figures: StartFigures }> => {
  const begun = performance.now();
  const child = fork(childModule, [dir, mode], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    execArgv: [...CORE_FLAGS],
  });
  const [report] = (await once(child, 'message')) as [ChildReport];
  const ms = Math.round(performance.now() - begun);
  return {
    child,
    figures: {
      ms,
      logMs: Math.round(report.logMs),
      stateMs: Math.round(report.stateMs),
      offset: report.offset,
      cpuMs: Math.round(report.cpuMs),
    },
  };
};

const ended = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
};

/** The state is gone: it is made anew from the log. */
const replay = async (dir: string): Promise<ReplayFigures> => {
  rmSync(join(dir, 'state'), { recursive: true, force: true });
  const { child, figures } = await startChild(dir, 'stop');
  await ended(child);
  return { ...figures, eventsPerSecond: Math.round((figures.offset * 1_000) / figures.stateMs) };
};

const median = <T extends StartFigures>(runs: readonly T[]): T | undefined =>
  runs.toSorted((a, b) => a.ms - b.ms)[Math.floor(runs.length / 2)];

export const run = async (
  options: StartOptions = {},
): Promise<{
  readonly events: number;
  readonly services: number;
  readonly afterStop: StartFigures | undefined;
  readonly afterKill: StartFigures | undefined;
  readonly fromNothing: ReplayFigures | undefined;
}> => {
  const { events = 1_000_000, endpoints = 10 } = options;
  const services = options.services ?? Math.min(10_000, Math.floor(events / 2 / (endpoints + 1)));
  const dir = mkdtempSync(join(tmpdir(), 'tendril-bench-'));
  try {
    await prepare(dir, { events, services, endpoints });
    const clean: StartFigures[] = [];
    const killed: StartFigures[] = [];
    for (let round = 0; round < 3; round++) {
      const { child, figures } = await startChild(dir, 'stop');
      clean.push(figures);
      await ended(child);
    }
    for (let round = 0; round < 3; round++) {
      const writer = await startChild(dir, 'write');
      await new Promise((done) => setTimeout(done, 700 + 100 * round));
      writer.child.kill('SIGKILL');
      await ended(writer.child);
      const { child, figures } = await startChild(dir, 'stop');
      killed.push(figures);
      await ended(child);
    }
    const replays: ReplayFigures[] = [];
    for (let round = 0; round < 3; round++) replays.push(await replay(dir));
    return {
      events,
      services,
      afterStop: median(clean),
      afterKill: median(killed),
      fromNothing: median(replays),
    };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
};
