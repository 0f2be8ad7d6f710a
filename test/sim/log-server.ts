/**
 * The log's process: the real group commit and the real log on a disk (`LogCore`, `LmdbBackend`) above a simulated disk. Replicas follow
 * it over the network, as they follow a broker.
 */
import { LmdbBackend, LOG_SCHEMA } from '../../src/log/lmdb-log.ts';
import { LogCore } from '../../src/log/log-core.ts';
import type { EventEnvelope } from '../../src/model/index.ts';
import type { MemoryDisk } from './memory-disk.ts';
import { MemoryEnvironment } from './memory-environment.ts';
import type { End } from './network.ts';
import { MESH, Process, type World } from './world.ts';

const RESTART_MS = 30;

export interface LogAnswer {
  readonly offsets?: readonly number[];
  /** Why it was refused. */
  readonly code?: string;
}

export interface RawRecord {
  readonly offset: number;
  readonly bytes: Buffer;
}

export class LogServer {
  readonly disk: MemoryDisk;
  process = new Process('log');
  core: LogCore | undefined;
  readonly #world: World;
  /** Told after every start and every durable commit. */
  readonly #onDurable: () => void;
  /** ms by which its clock is wrong. */
  skew = 0;

  constructor(world: World, disk: MemoryDisk, onDurable: () => void) {
    this.#world = world;
    this.disk = disk;
    this.#onDurable = onDurable;
    this.start();
  }

  start(): void {
    const { choices, scheduler, mutation } = this.#world;
    const process = new Process('log');
    this.process = process;
    const environment = new MemoryEnvironment({
      disk: this.disk,
      mesh: MESH,
      schemaVersion: LOG_SCHEMA.version,
      mode: 'durable',
      liesAboutFlush: mutation === 'ack before flush',
      times: {
        after: (ms, run) => void scheduler.after(ms, process, run),
        commitMs: () => choices.fraction() * 4,
        flushMs: () => choices.fraction() * 2,
      },
    });
    const clock = { now: () => this.#world.wallClock + this.skew };
    this.core = new LogCore(MESH, new LmdbBackend(environment), clock, { maxRecentRecords: choices.between(1, 32) });
    this.#world.say(`log starts at ${this.core.head().offset}`);
    this.#onDurable();
  }

  /** @param power also what is not durable is gone */
  crash(power: boolean): void {
    if (!this.process.alive) return;
    this.#world.say(`log ${power ? 'loses power' : 'is killed'}`);
    this.#world.kill(this.process);
    this.core = undefined;
    if (power) this.disk.powerCut(this.#world.choices.between(0, this.disk.volatile));
    this.#world.scheduler.after(this.#world.choices.between(1, RESTART_MS), undefined, () => this.start());
  }

  /** For whoever is connected: appends, and tells what became of it. */
  append(events: readonly EventEnvelope[], answer: (answer: LogAnswer) => void): void {
    const { core } = this;
    if (core === undefined) return;
    core.append(events).then(
      ({ offsets }) => {
        this.#world.say(`log acknowledges ${offsets.join(',')}`);
        this.#onDurable();
        answer({ offsets });
      },
      (error: { readonly code?: string }) => {
        const code = error.code ?? 'UNKNOWN';
        answer({ code });
        // As the runtime does: a log that is read-only since a commit failed is started anew.
        if (code === 'LOG_READ_ONLY') this.crash(false);
      },
    );
  }

  /** Sends records to a follower, in batches of any size, until its connection ends. */
  serve(end: End, from: number, give: (records: readonly RawRecord[]) => void): void {
    const { core } = this;
    if (core === undefined) return;
    const abort = new AbortController();
    end.onClose = () => abort.abort();
    this.#world.start(
      (async () => {
        const maxBatch = this.#world.choices.between(1, 12);
        for await (const records of core.follow({ from, signal: abort.signal, maxBatch })) {
          const batch = records.map(({ offset, bytes }) => ({ offset, bytes: Buffer.from(bytes) }));
          end.send(() => give(batch));
        }
      })(),
    );
  }
}
