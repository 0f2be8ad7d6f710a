/** Opens everything that writes events: the gateway, learned edges, the edge keeper, other replicas, `--dir`. */
import { randomUUID } from 'node:crypto';
import { rawProblem } from '../compile/index.ts';
import { createDryRun, DirAdapter, DocumentGateway, Ingest, LearnedEdges, type Submission } from '../ingest/index.ts';
import { isObject, MESH_SUBJECT } from '../model/index.ts';
import { documentsBehind } from './admin-ports.ts';
import { allOfLog } from './all-of-log.ts';
import { auditedIngest } from './auditing.ts';
import type { CoreOptions, CoreStorage, CoreWriters, Opened } from './core-parts.ts';
import type { EdgeKeeping } from './edge-keeping.ts';
import { foldPort } from './fold-port.ts';
import { type Leases, openLeases } from './leases/index.ts';
import { configureMesh } from './mesh-settings.ts';
import { packageVersion } from './package-version.ts';
import { refusedRaw } from './raw-port.ts';
import { Refusals } from './refusals.ts';
import { divergedError, markOut, Replicas, replicaId } from './replicas/index.ts';
import { startEdgeKeeping } from './start-edge-keeping.ts';
import { WorkerRegistry } from './worker-registry.ts';

/** Words of Tendril on its replicas. */
const isOfReplicas = ({ internal, events }: Submission): boolean =>
  internal === true && events.every((event) => isObject(event) && String(event.type).startsWith('replica.'));

/** Mesh settings and `--dir` are written when it resolves. @param opened closed by the caller when this or a later step fails */
export const openWriters = async (
  options: CoreOptions,
  { log, projector, ledger, audit }: CoreStorage,
  opened: Opened,
): Promise<CoreWriters> => {
  const { config, logger } = options;
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
    // Where it is, and that it leaves, it says all the same.
    refuse: (submission) =>
      outOfService === undefined || isOfReplicas(submission) ? undefined : divergedError(outOfService),
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
    version: packageVersion(),
    workers: config.workers,
    shared: log.kind === 'kafka',
    projector,
    ingest: own,
    registry,
    out: () => outOfService,
    logEnded: () => log.condition.state === 'broken',
    onOdd: (why) => {
      if (outOfService !== undefined) return;
      outOfService = why;
      keeping.stop();
      markOut(config.data, why);
      options.takeOut?.(why);
    },
    onBegin: () => keeping.begin(),
    leases: (asked) => leases.answer(asked),
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
  const leases: Leases = openLeases({
    log,
    state,
    ingest: own,
    keeping,
    group: replicas.group,
    out: () => outOfService,
    logger,
  });
  opened.push(() => leases.close());
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
  const out = (): string | undefined => outOfService;
  return { ingest, documents, learned, keeping, leases, dir, registry, refusals, replicas, out };
};
