/** The leases of a core, joined to its parts. */
import type { Logger } from 'pino';
import type { Ingest } from '../../ingest/index.ts';
import type { OpenedLog } from '../../log/index.ts';
import { TendrilError } from '../../model/index.ts';
import type { FoldState } from '../../projector/index.ts';
import { divergedError, type ReplicaGroup } from '../replicas/index.ts';
import { Leases } from './leases.ts';

/** So long a replica may hear neither the log nor the keeper and take signs of life all the same, ms. */
const ALONE_MS = 30_000;

interface Parts {
  readonly log: OpenedLog;
  readonly state: FoldState;
  readonly ingest: Pick<Ingest, 'submit'>;
  readonly keeping: { term(): Promise<number> };
  /** Absent: this is the only control plane of its log. */
  readonly group: ReplicaGroup | undefined;
  /** Why this replica serves nobody any more. */
  readonly out: () => string | undefined;
  readonly logger: Logger;
}

export const openLeases = ({ log, state, ingest, keeping, group, out, logger }: Parts): Leases => {
  const monotonic = (): number => performance.now();
  let together = monotonic();
  /** What it hears reaches no keeper, and what becomes of its leases it does not learn: its clients are to go elsewhere. */
  const alone = (): TendrilError | undefined => {
    const isAway = log.condition.state === 'away' || log.condition.state === 'broken';
    if (group === undefined || !isAway || group.hearsKeeper) together = monotonic();
    if (monotonic() - together <= ALONE_MS) return undefined;
    return new TendrilError(
      'LEASE_REPLICA_ALONE',
      'this replica reaches neither the log nor the keeper of the leases',
      {
        remedy: 'send heartbeats to another replica',
      },
    );
  };
  return new Leases({
    state,
    ingest,
    others:
      group === undefined
        ? undefined
        : {
            voters: () => group.voters(),
            ask: (leases, voters) => group.askLeases(leases, voters),
            choice: () => group.keeper(),
          },
    term: () => keeping.term(),
    refuse: () => {
      const why = out();
      return why === undefined ? alone() : divergedError(why);
    },
    monotonic,
    logger,
  });
};
