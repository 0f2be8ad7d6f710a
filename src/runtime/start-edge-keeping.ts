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
import type { HolderRow } from './messages.ts';
import { AWAY_MS, NodePresence } from './node-presence.ts';
import type { WorkerRegistry } from './worker-registry.ts';

interface Parts {
  readonly config: ServeConfig;
  readonly projector: Projector;
  readonly ingest: Ingest;
  readonly learned: LearnedEdges;
  readonly registry: WorkerRegistry;
  readonly logger: Logger;
}

export const startEdgeKeeping = ({ config, projector, ingest, learned, registry, logger }: Parts): EdgeKeeping => {
  const { fold } = projector;
  const heartbeat = new KeeperHeartbeat(config.data);
  const start = Date.now();
  const lastLook = Math.max(heartbeat.read(), fold.recordedAt);
  // A restart of minutes has missed nothing that counts; after a longer one all that is known of use begins now.
  const watched = start - lastLook <= AWAY_MS;
  const presence = new NodePresence(watched ? start + AWAY_MS : start);
  return new EdgeKeeping({
    keeper: new EdgeKeeper(
      {
        callersWithEdges: () => fold.callersWithEdges(),
        edges: (caller) => fold.edges(caller),
        ttlMs: (caller) => fold.graphLookup.dependency(caller).ttlMs,
      },
      watched ? 0 : start,
    ),
    ingest,
    learned,
    askHolders: async () => {
      const answers = await registry.ask<readonly HolderRow[]>({ what: 'presence' });
      return {
        rows: presence.rows(answers.flat(), Date.now()),
        complete: answers.length >= Math.max(1, config.workers),
      };
    },
    epoch: () => fold.keeperEpoch('edges'),
    holder: `${hostname()}/${randomUUID()}`,
    now: Date.now,
    onRound: (now) => heartbeat.write(now),
    logger,
  });
};
