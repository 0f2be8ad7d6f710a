/**
 * One replica: a core (the real projector, ingest, learned edges) and a worker (the real read model, hub and sessions), each of which can
 * die alone; and their disk.
 */
import { Ingest, LearnedEdges, type SubmitAnswer } from '../../src/ingest/index.ts';
import { TendrilError } from '../../src/model/index.ts';
import { Projector } from '../../src/projector/index.ts';
import { StateStore } from '../../src/projector/state-store.ts';
import { REBUILD_KEY, STATE_SCHEMA } from '../../src/projector/state-tables.ts';
import { settled } from '../../src/runtime/fold-port.ts';
import { frame } from '../../src/store/checked-record.ts';
import type { Checks } from './checks.ts';
import type { LogServer, RawRecord } from './log-server.ts';
import type { MemoryDisk } from './memory-disk.ts';
import { MemoryEnvironment } from './memory-environment.ts';
import { RemoteLog } from './remote-log.ts';
import { Worker } from './worker.ts';
import { MESH, Process, type World } from './world.ts';

const SILENT = { info: () => undefined, warn: () => undefined, error: () => undefined };
const LOOK_MS = 200;
const RESTART_MS = 40;
/** Reasons not to start that pass: the supervisor tries again. */
const STARTED_AGAIN: ReadonlySet<string> = new Set(['DATA_READ_ONLY', 'DISK_FULL']);

interface RunningCore {
  readonly projector: Projector;
  readonly ingest: Ingest;
  readonly learned: LearnedEdges;
}

export interface ReplicaOptions {
  readonly world: World;
  readonly number: number;
  readonly disk: MemoryDisk;
  readonly server: LogServer;
  readonly checks: Checks;
}

export class Replica {
  readonly name: string;
  readonly disk: MemoryDisk;
  coreProcess: Process;
  worker: Worker;
  core: RunningCore | undefined;
  readonly #options: ReplicaOptions;
  /** Power cuts so far: after one the state may have gone back. */
  cuts = 0;
  /** Mutation: records that were held back. */
  #skipped = 0;

  constructor(options: ReplicaOptions) {
    this.#options = options;
    this.name = `replica-${options.number}`;
    this.disk = options.disk;
    this.coreProcess = this.#startCore();
    this.worker = this.#startWorker();
  }

  /** Offset of the newest commit. */
  get offset(): number {
    return this.core?.projector.notice.offset ?? -1;
  }

  /** @param power also what its disk has not taken is gone, and its worker with it */
  crashCore(power: boolean): void {
    const { world } = this.#options;
    if (!this.coreProcess.alive) return;
    world.say(`${this.name} ${power ? 'loses power' : 'core is killed'} at ${this.offset}`);
    world.kill(this.coreProcess);
    this.core = undefined;
    if (power) {
      this.cuts++;
      this.crashWorker();
      this.disk.powerCut(world.choices.between(0, this.disk.volatile));
    }
    world.scheduler.after(world.choices.between(1, RESTART_MS), undefined, () => {
      this.coreProcess = this.#startCore();
    });
  }

  /** Loses power, and comes back with an empty disk: everything is made anew from the log. */
  loseDisk(): void {
    this.#options.world.say(`${this.name} loses its disk`);
    this.crashWorker();
    this.crashCore(true);
    this.cuts++;
    this.disk.wipe();
  }

  /** Its core is killed, and finds at its next start that the state is to be made anew; the worker goes on with the old one. */
  spoilState(): void {
    if (!this.coreProcess.alive || this.core === undefined) return;
    this.crashCore(false);
    this.disk.table('head').set(REBUILD_KEY, frame(REBUILD_KEY, Buffer.from('simulated')));
  }

  crashWorker(): void {
    const { world } = this.#options;
    if (!this.worker.process.alive) return;
    world.say(`${this.name} worker is killed`);
    world.kill(this.worker.process);
    world.scheduler.after(world.choices.between(1, RESTART_MS), undefined, () => {
      this.worker = this.#startWorker();
    });
  }

  /** Events of an operator, as they come in by HTTP. */
  async submit(events: readonly unknown[], caller: string): Promise<SubmitAnswer> {
    const { core } = this;
    if (core === undefined) throw new TendrilError('CORE_DOWN', 'the core does not run');
    return core.ingest.submit({ events, caller, timeoutMs: 500 });
  }

  #startWorker(): Worker {
    const { world, checks } = this.#options;
    return new Worker({
      world,
      name: this.name,
      disk: this.disk,
      checks,
      // By way of the worker's outbox; what is on its way to a core that dies is lost, and asked for again by the next stream.
      observe: (edges) =>
        void world.scheduler.after(world.choices.fraction() * 20, this.coreProcess, () =>
          this.core?.learned.report(edges),
        ),
    });
  }

  #startCore(): Process {
    const { world } = this.#options;
    const process = new Process(`${this.name} core`);
    this.coreProcess = process;
    // In the name of the process: what it plans dies with it.
    world.scheduler.after(0, process, () =>
      world.start(
        this.#open(process).catch((error: { readonly code?: string }) => {
          if (!STARTED_AGAIN.has(error.code ?? '')) throw error;
          world.say(`${this.name} core cannot start: ${error.code}`);
          this.crashCore(false);
        }),
      ),
    );
    return process;
  }

  async #open(process: Process): Promise<void> {
    const { world, server, number, checks } = this.#options;
    const { choices, scheduler } = world;
    const log = new RemoteLog({
      world,
      server,
      process,
      link: `${this.name}-log`,
      ...(number === 0 && world.mutation !== undefined ? { alter: (record) => this.#alter(record) } : {}),
    });
    await log.connect();
    const environment = new MemoryEnvironment({
      disk: this.disk,
      mesh: MESH,
      schemaVersion: STATE_SCHEMA.version,
      mode: 'visible',
      times: {
        after: (ms, run) => void scheduler.after(ms, process, run),
        commitMs: () => choices.fraction() * 5,
        flushMs: () => choices.fraction() * 40,
      },
    });
    const store = Promise.resolve(StateStore.over(environment));
    const projector = await Projector.open({
      dir: environment.path,
      log,
      mesh: MESH,
      clock: { now: () => world.wallClock },
      prepared: { store, abandon: () => environment.close() },
      // Now and then an upgrade: everything is derived again, and has to come out the same.
      version: choices.pick(['1', '1', '1', '2']),
    });
    world.say(`${this.name} core runs at ${projector.notice.offset}`);
    projector.onNotice(({ epoch, offset }) => {
      const proof = projector.proof();
      world.say(`${this.name} commits ${epoch} at ${offset} ${proof?.hash.slice(0, 8)}`);
      checks.committed(this.name, proof);
      if (world.mutation !== 'no notices') this.#wake();
    });
    checks.committed(this.name, projector.proof());
    const ingest = new Ingest({
      log,
      fold: {
        outcomes: async (offsets, timeoutMs) =>
          (await settled(projector, offsets.at(-1) ?? 0, timeoutMs)) === undefined
            ? undefined
            : projector.outcomesOf(offsets),
        visible: async () => true,
        lag: () => projector.lag(),
      },
      now: () => world.wallClock,
      newId: () => choices.id(),
    });
    const learned = new LearnedEdges({
      ingest,
      graph: { edge: (from, to) => projector.fold.edges(from).find(to) },
      logger: SILENT,
    });
    this.core = { projector, ingest, learned };
    this.#wake();
    this.#watch(process, projector);
  }

  #wake(): void {
    const { scheduler, choices } = this.#options.world;
    scheduler.after(choices.fraction() * 2, this.worker.process, () => this.worker.wake());
  }

  /** As a supervisor: a core whose projector has failed is started anew. */
  #watch(process: Process, projector: Projector): void {
    this.#options.world.scheduler.after(LOOK_MS, process, () => {
      const { state, code, message } = projector.condition();
      if (state !== 'failed') {
        this.#watch(process, projector);
        return;
      }
      if (code === 'DATA_READ_ONLY') this.crashCore(false);
      else this.#options.world.violated('I8', `${this.name} has stopped: ${code} ${message}`);
    });
  }

  #alter(record: RawRecord): RawRecord | undefined {
    const { mutation } = this.#options.world;
    if (mutation === 'altered event on one replica' && record.offset % 7 === 0) {
      const bytes = Buffer.from(record.bytes.toString('latin1').replace('"address":"10.', '"address":"11.'), 'latin1');
      return { ...record, bytes };
    }
    if (mutation !== 'skipped event on one replica') return record;
    if (record.offset === 9) {
      this.#skipped = 1;
      return undefined;
    }
    return { ...record, offset: record.offset - this.#skipped };
  }
}
