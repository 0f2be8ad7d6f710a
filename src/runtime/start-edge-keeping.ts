/** The edge keeper of a core, joined to its parts. */
import type { Logger } from 'pino';
import { EdgeKeeper } from '../dependency-graph/index.ts';
import type { Ingest, LearnedEdges } from '../ingest/index.ts';
import type { Projector } from '../projector/index.ts';
import type { ServeConfig } from './config.ts';
import { EdgeKeeping } from './edge-keeping.ts';
import { KeeperHeartbeat } from './keeper-heartbeat.ts';
import type { HolderRow, Reporting } from './messages.ts';
import { AWAY_MS, NodePresence } from './node-presence.ts';
import type { ReplicaAnswer, ReplicaGroup } from './replicas/index.ts';
import type { WorkerRegistry } from './worker-registry.ts';

const NOBODY: ReplicaAnswer = { answers: [], complete: true };

interface Parts {
  readonly config: ServeConfig;
  readonly projector: Projector;
  readonly ingest: Pick<Ingest, 'submit'>;
  readonly learned: LearnedEdges;
  readonly registry: WorkerRegistry;
  /** Absent: this is the only control plane of its log. */
  readonly replicas: ReplicaGroup | undefined;
  readonly holder: string;
  readonly logger: Logger;
}

export const startEdgeKeeping = ({
  config,
  projector,
  ingest,
  learned,
  registry,
  replicas,
  holder,
  logger,
}: Parts): EdgeKeeping => {
  const { fold } = projector;
  const heartbeat = new KeeperHeartbeat(config.data);
  const start = Date.now();
  const last = heartbeat.read();
  // A restart of minutes has missed nothing that counts, and knows what the keeper before it did not see. After a longer one, and
  // without that knowledge, all that is known of use begins now.
  const watched = last !== undefined && start >= last.at && start - last.at <= AWAY_MS;
  const presence = new NodePresence(watched ? start + AWAY_MS : start);
  const keeper = new EdgeKeeper(
    {
      callersWithEdges: () => fold.callersWithEdges(),
      edges: (caller) => fold.edges(caller),
      ttlMs: (caller) => fold.graphLookup.dependency(caller).ttlMs,
    },
    watched ? last.blindness : { all: start, callers: [] },
  );
  const workers = Math.max(1, config.workers);
  /** Streams of use may reach other workers than the xDS stream of their node, of any replica. */
  const elsewhere = async (): Promise<Reporting | undefined> => {
    if (workers === 1 && replicas === undefined) return undefined;
    const [each, others] = await Promise.all([
      registry.ask<Reporting>({ what: 'reporting' }),
      replicas?.ask({ what: 'reporting' }) ?? NOBODY,
    ]);
    if (each.length < workers || !others.complete) return undefined;
    const all = [...each, ...(others.answers as readonly Reporting[])];
    return { lost: all.flatMap(({ lost }) => lost), loads: all.flatMap(({ loads }) => loads) };
  };
  const needsElsewhere = workers > 1 || replicas !== undefined;
  return new EdgeKeeping({
    keeper,
    ingest,
    learned,
    askHolders: async () => {
      const known = await elsewhere();
      const question = { what: 'presence', ...(known === undefined ? {} : { elsewhere: known }) } as const;
      const [own, others] = await Promise.all([
        registry.ask<readonly HolderRow[]>(question),
        replicas?.ask(question) ?? NOBODY,
      ]);
      const answers = [...own, ...(others.answers as readonly (readonly HolderRow[])[])];
      return {
        rows: presence.rows(answers.flat(), Date.now()),
        complete: own.length >= workers && others.complete && (!needsElsewhere || known !== undefined),
      };
    },
    ...(replicas === undefined ? {} : { choice: () => replicas.keeper() }),
    epoch: () => fold.keeperEpoch('edges'),
    holder,
    now: Date.now,
    monotonic: () => performance.now(),
    onRound: (now) => heartbeat.write(now, keeper.blindness(now)),
    logger,
  });
};
