/** The edge keeper of a core, joined to its parts. */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Logger } from 'pino';
import { EdgeKeeper } from '../dependency-graph/index.ts';
import type { Ingest, LearnedEdges } from '../ingest/index.ts';
import type { Projector } from '../projector/index.ts';
import type { ServeConfig } from './config.ts';
import { EdgeKeeping } from './edge-keeping.ts';
import { KeeperHeartbeat } from './keeper-heartbeat.ts';
import type { HolderRow, Reporting } from './messages.ts';
import { AWAY_MS, NodePresence } from './node-presence.ts';
import type { WorkerRegistry } from './worker-registry.ts';

interface Parts {
  readonly config: ServeConfig;
  readonly projector: Projector;
  readonly ingest: Pick<Ingest, 'submit'>;
  readonly learned: LearnedEdges;
  readonly registry: WorkerRegistry;
  readonly logger: Logger;
}

export const startEdgeKeeping = ({ config, projector, ingest, learned, registry, logger }: Parts): EdgeKeeping => {
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
  /** Streams of use may reach other workers than the xDS stream of their node. */
  const elsewhere = async (): Promise<Reporting | undefined> => {
    if (workers === 1) return undefined;
    const each = await registry.ask<Reporting>({ what: 'reporting' });
    return each.length < workers
      ? undefined
      : { lost: each.flatMap(({ lost }) => lost), loads: each.flatMap(({ loads }) => loads) };
  };
  return new EdgeKeeping({
    keeper,
    ingest,
    learned,
    askHolders: async () => {
      const known = await elsewhere();
      const answers = await registry.ask<readonly HolderRow[]>({
        what: 'presence',
        ...(known === undefined ? {} : { elsewhere: known }),
      });
      return {
        rows: presence.rows(answers.flat(), Date.now()),
        complete: answers.length >= workers && (workers === 1 || known !== undefined),
      };
    },
    epoch: () => fold.keeperEpoch('edges'),
    holder: `${hostname()}/${randomUUID()}`,
    now: Date.now,
    monotonic: () => performance.now(),
    onRound: (now) => heartbeat.write(now, keeper.blindness(now)),
    logger,
  });
};
