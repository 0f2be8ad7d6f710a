/**
 * The core: log, projector, ingest, HTTP API, and the workers' counterpart. One per data directory (the log's lock sees to it).
 *
 * Order of start: disk guard, log, projector (loads or catches up), mesh settings, `--dir`, HTTP, channel. Order of stop: the
 * reverse, so that nothing accepted is left without an answer.
 */
import { randomUUID } from 'node:crypto';
import { chmodSync, rmSync } from 'node:fs';
import type { Server } from 'node:net';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { type AdminServer, createAdminServer, type GraphStreamCounters, graphStreamCounters } from '../admin/index.ts';
import { rawProblem } from '../compile/index.ts';
import { createDryRun, DirAdapter, DocumentGateway, Ingest, LearnedEdges } from '../ingest/index.ts';
import { type OpenedLog, openEventLog } from '../log/index.ts';
import { MESH_SUBJECT } from '../model/index.ts';
import { Ledger, Projector } from '../projector/index.ts';
import { armedFailpoint, createDiskGuard, type DiskGuard } from '../store/index.ts';
import { adminPorts, documentsBehind } from './admin-ports.ts';
import { allOfLog } from './all-of-log.ts';
import { auditedIngest } from './auditing.ts';
import { type Channel, channelPath, listenChannel } from './channel.ts';
import { DEFAULT_RESERVE, type HostPort, type ServeConfig } from './config.ts';
import type { EdgeKeeping } from './edge-keeping.ts';
import { foldPort } from './fold-port.ts';
import { readKafkaSettings } from './kafka-options.ts';
import { configureMesh } from './mesh-settings.ts';
import { MeshTotalsReader } from './mesh-totals.ts';
import type { ToCore, ToWorker } from './messages.ts';
import { packageVersion } from './package-version.ts';
import { Proxies } from './proxies.ts';
import { refusedRaw } from './raw-port.ts';
import { Refusals } from './refusals.ts';
import { divergedError, markOut, Replicas, replicaId, requireNotOut } from './replicas/index.ts';
import { Savings } from './savings.ts';
import { startEdgeKeeping } from './start-edge-keeping.ts';
import { openStorageCare, type StorageCare } from './storage-care.ts';
import { WorkerRegistry } from './worker-registry.ts';

const TICK_MS = 250;
const MEASURE_AFTER_MS = 2_000;
/** How often retention looks whether something is to be done. */
const RETENTION_MS = 10_000;
/** Requests that run may end; a stalled upload must not cost the orderly end of log and state. */
const ADMIN_GRACE_MS = 1_000;
/** Long enough for `/healthz` and the log to say why. */
const REPLACE_AFTER_MS = 2_000;
/** Long enough for the answer to whoever asked for it. */
const HEAL_AFTER_MS = 200;
export interface CoreOptions {
  readonly config: ServeConfig;
  readonly logger: Logger;
  /** A worker has been silent for 10 s. */
  readonly restartWorker: (pid: number) => void;
  /**
   * A write to the log or the state has failed for good: LMDB's memory may be damaged, so the process is to be replaced
   * (reliability, finding 1). Without it the process stays, read-only.
   */
  readonly replace?: () => void;
  /** No sidecar is to be served here any more. */
  readonly takeOut?: (why: string) => void;
  /** `--workers 0`: the only worker, in this process; else workers dial the core's socket. */
  readonly channel?: Channel<ToWorker, ToCore>;
  /** Log and state are open: whoever stands in for this core lets audit and port go now. */
  readonly onOpened?: () => Promise<void>;
}

/** The parts of a running core, for the ports of the HTTP API. */
export interface CoreParts extends StorageCare {
  readonly config: ServeConfig;
  readonly log: OpenedLog;
  readonly guard: DiskGuard;
  /** With half of the reserve: for the state, which must hold what the log took. */
  readonly stateGuard: DiskGuard;
  readonly projector: Projector;
  readonly ledger: Ledger;
  /** Replaces the core soon: a damaged state is made anew at its start. Undefined: it cannot be replaced. */
  readonly heal: (() => void) | undefined;
  readonly ingest: Ingest;
  readonly documents: DocumentGateway;
  readonly learned: LearnedEdges;
  readonly keeping: EdgeKeeping;
  readonly dir: DirAdapter | undefined;
  readonly registry: WorkerRegistry;
  readonly proxies: Proxies;
  readonly refusals: Refusals;
  readonly graphStreams: GraphStreamCounters;
  readonly replicas: Replicas;
  /** Why this replica serves nobody any more. */
  readonly out: () => string | undefined;
}

/** `host` may be an IPv6 address. */
const adminUrl = ({ host, port }: HostPort): string => `http://${host.includes(':') ? `[${host}]` : host}:${port}`;

export class Core {
  readonly #parts: CoreParts;
  readonly #admin: AdminServer;
  readonly #timer: NodeJS.Timeout;
  readonly #pruning: NodeJS.Timeout;
  readonly #replace: (() => void) | undefined;
  readonly #channel: Server | undefined;
  #failing = false;
  readonly address: HostPort;

  private constructor(
    parts: CoreParts,
    admin: AdminServer,
    address: HostPort,
    more: { readonly channel: Server | undefined; readonly replace: (() => void) | undefined },
  ) {
    this.#replace = more.replace;
    this.#channel = more.channel;
    this.#parts = parts;
    this.#admin = admin;
    this.address = address;
    this.#timer = setInterval(() => {
      parts.registry.tick();
      this.#lookForFailure();
    }, TICK_MS);
    this.#pruning = setInterval(() => void parts.projector.retention?.tick(), RETENTION_MS);
  }

  /** Rejects with the `TendrilError` of whatever cannot be opened; what was opened before is closed again. */
  static async start(options: CoreOptions): Promise<Core> {
    const { config, logger } = options;
    const opened: (() => unknown)[] = [];
    try {
      requireNotOut(config.data);
      const failpoint = armedFailpoint();
      if (failpoint !== undefined)
        logger.warn(failpoint, 'TENDRIL_FAILPOINT is set: this process is about to be ended by a test');
      const reserve = config.diskReserve ?? DEFAULT_RESERVE;
      const guard = createDiskGuard({
        path: config.data,
        reserveBytes: reserve,
        onChange: (condition) => logger.warn(condition, `disk is ${condition.state}`),
      });
      opened.push(() => guard.close());
      const clock = { now: Date.now };
      if (config.log === 'memory')
        // A log in memory starts empty with its process: so must what was folded from the one before.
        for (const derived of ['state', 'ledger']) rmSync(join(config.data, derived), { recursive: true, force: true });
      // The state's reserve is half of the log's: what was acknowledged can still be folded.
      const stateGuard = createDiskGuard({ path: config.data, reserveBytes: reserve / 2 });
      opened.push(() => stateGuard.close());
      const stateOptions = { dir: config.data, mesh: config.mesh, logger, guard: stateGuard };
      const prepared = Projector.prepare(stateOptions);
      opened.push(() => prepared.abandon());
      const kafka = config.kafka === undefined ? {} : { kafka: readKafkaSettings(config.kafka) };
      const log = await openEventLog({ ...stateOptions, kind: config.log, clock, guard, ...kafka });
      opened.push(() => log.close());
      const version = packageVersion();
      const { retain } = config;
      const projector = await Projector.open({
        ...stateOptions,
        log,
        clock,
        version,
        prepared,
        ...(retain === undefined ? {} : { retain: { ...retain, prune: (base) => log.prune(base) } }),
      });
      opened.push(() => projector.close());
      const ledger = await Ledger.open({ dir: config.data, mesh: config.mesh, clock, logger, guard });
      opened.push(() => ledger.close());
      await options.onOpened?.();
      const care = await openStorageCare({ config, logger, log, projector, ledger, guard: stateGuard });
      const { audit, scrub } = care;
      opened.push(() => audit.close());
      opened.push(() => scrub.close());

      const registry: WorkerRegistry = new WorkerRegistry({
        clock: () => performance.now(),
        expected: Math.max(1, config.workers),
        epoch: () => projector.notice.epoch,
        onDead: options.restartWorker,
        onLedger: (report) => {
          ledger.record(report);
          refusals.note(report);
        },
        onObserved: async (edges) => {
          keeping.asked(edges.filter(({ held }) => held === undefined));
          learned.report(edges);
          await learned.settled();
          return learned.counters.pending === 0;
        },
        onUse: async ({ uses }) => {
          keeping.used(uses);
          await learned.settled();
          return learned.counters.pending === 0;
        },
      });
      opened.push(() => registry.close());
      let outOfService: string | undefined;
      const ingest = new Ingest({
        log,
        ...(log.kind === 'kafka' ? { isAway: () => log.condition.state === 'away' } : {}),
        fold: foldPort(projector, registry, () => performance.now()),
        now: Date.now,
        newId: randomUUID,
        rawCheck: rawProblem,
        refuse: () => (outOfService === undefined ? undefined : divergedError(outOfService)),
      });
      const own = auditedIngest(ingest, audit, { from: 'core', accepted: false });
      const state = projector.fold;
      const learned: LearnedEdges = new LearnedEdges({
        ingest: auditedIngest(ingest, audit, { from: 'worker', accepted: false }),
        graph: { edge: (from, to) => state.edges(from).find(to) },
        logger,
      });
      const self = replicaId(config.data, config.replica);
      const holder = `${self}/${randomUUID()}`;
      const replicas = new Replicas({
        self,
        holderName: holder,
        mesh: config.mesh,
        version,
        workers: config.workers,
        shared: log.kind === 'kafka',
        projector,
        ingest: own,
        registry,
        out: () => outOfService,
        onOdd: (why) => {
          if (outOfService !== undefined) return;
          outOfService = why;
          keeping.stop();
          markOut(config.data, why);
          options.takeOut?.(why);
        },
        onBegin: () => keeping.begin(),
        logger,
      });
      opened.push(() => replicas.close());
      const keeping: EdgeKeeping = startEdgeKeeping({
        config,
        projector,
        ingest: own,
        learned,
        registry,
        replicas: replicas.group,
        holder,
        logger,
      });
      opened.push(() => keeping.stop());
      const refusals = new Refusals({
        ingest: own,
        documentsOf: (service, port) => documentsBehind(projector, service, port),
        rawOf: (...refused) => refusedRaw(projector.fold, ...refused),
        logger,
      });
      const dryRun = createDryRun(state);
      const documents = new DocumentGateway({ ingest, state, dryRun });
      projector.onNotice((notice) => registry.notice(notice.epoch));
      if (state.subjectOffset(MESH_SUBJECT) === 0) await allOfLog(log, projector);
      await configureMesh({
        config,
        ingest: own,
        stored: state.subjectOffset(MESH_SUBJECT) === 0 ? undefined : state.compileInputs.mesh().suffixes,
      });

      const dir =
        config.dir === undefined
          ? undefined
          : new DirAdapter({
              directory: config.dir,
              ingest: auditedIngest(ingest, audit, { from: 'dir', accepted: true }),
              state,
              dryRun,
              logger,
              now: Date.now,
            });
      await dir?.start();
      opened.push(() => dir?.close());

      const totals = new MeshTotalsReader(projector);
      const savings = new Savings(registry, totals);
      // Not at once: a core that starts has more urgent things to do.
      const measuring = setTimeout(() => void totals.measure().catch(() => undefined), MEASURE_AFTER_MS).unref();
      opened.push(() => clearTimeout(measuring));
      const parts: CoreParts = {
        config,
        log,
        guard,
        stateGuard,
        projector,
        ledger,
        ...care,
        heal:
          options.replace === undefined
            ? undefined
            : () => setTimeout(options.replace ?? (() => undefined), HEAL_AFTER_MS),
        ingest,
        documents,
        learned,
        keeping,
        dir,
        registry,
        proxies: new Proxies({ registry, ledger, totals, sizes: () => projector.totals(), savings }),
        refusals,
        graphStreams: graphStreamCounters(),
        replicas,
        out: () => outOfService,
      };
      const admin = createAdminServer(adminPorts(parts), {
        logger,
        version,
        insecureBind: config.insecureBind,
        graceMs: ADMIN_GRACE_MS,
      });
      opened.push(() => admin.close());
      // Workers first: whoever writes by HTTP may wait for them.
      let channel: Server | undefined;
      if (options.channel !== undefined) registry.accept(options.channel);
      else {
        const path = channelPath(config.data);
        channel = await listenChannel<ToWorker, ToCore>(path, (peer) => registry.accept(peer));
        opened.push(() => channel?.close());
        chmodSync(path, 0o600);
      }
      const address = await admin.listen(config.admin.host, config.admin.port);
      replicas.start(adminUrl(config.advertise ?? address));
      return new Core(parts, admin, address, { channel, replace: options.replace });
    } catch (error) {
      for (const close of opened.reverse()) await close();
      throw error;
    }
  }

  #lookForFailure(): void {
    const { log, projector, damage, readers } = this.#parts;
    damage.look();
    readers.look();
    if (this.#failing || this.#replace === undefined) return;
    if (log.failure === undefined && projector.condition().state !== 'failed') return;
    // The next core would meet the same damage, and could not even start. This one can be read, and says what is wrong.
    if (log.failure === undefined && damage.isLogDamaged) return;
    this.#failing = true;
    setTimeout(this.#replace, REPLACE_AFTER_MS);
  }

  async stop(): Promise<void> {
    const { dir, learned, keeping, registry, ledger, audit, scrub, projector, log, guard, stateGuard } = this.#parts;
    clearInterval(this.#timer);
    scrub.close();
    clearInterval(this.#pruning);
    this.#channel?.close();
    await this.#admin.close();
    await dir?.close();
    await keeping.close();
    await this.#parts.replicas.close();
    await learned.close();
    registry.close();
    await projector.close();
    await audit.close();
    await ledger.close();
    await log.close();
    guard.close();
    stateGuard.close();
  }
}
