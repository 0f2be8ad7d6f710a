/** What looks after the data of a running core: audit, damage, scrub, readers. */
import type { Logger } from 'pino';
import { AuditLog } from '../audit/index.ts';
import type { OpenedLog } from '../log/index.ts';
import type { Ledger, Projector } from '../projector/index.ts';
import type { DiskGuard } from '../store/index.ts';
import type { ServeConfig } from './config.ts';
import { DamageWatch } from './damage-watch.ts';
import { ReaderGauges } from './metrics-storage.ts';
import { packageVersion } from './package-version.ts';
import { Scrub } from './scrub/scrub.ts';

const DAY_MS = 86_400_000;
/** Above these the scrub rests. */
const BUSY_LAG_EVENTS = 1_000;
const BUSY_LAG_MS = 250;
const BUSY_BYTES = 1024 * 1024;

export interface StorageCare {
  readonly audit: AuditLog;
  readonly damage: DamageWatch;
  readonly scrub: Scrub;
  readonly readers: ReaderGauges;
}

export interface StorageCareOptions {
  readonly config: ServeConfig;
  readonly logger: Logger;
  readonly log: OpenedLog;
  readonly projector: Projector;
  readonly ledger: Ledger;
  /** Of the state: what was refused for want of room can still be audited. */
  readonly guard: DiskGuard;
}

/** Rejects as `AuditLog.open`. To be closed: scrub, then audit. */
export const openStorageCare = async (options: StorageCareOptions): Promise<StorageCare> => {
  const { config, logger, log, projector, ledger, guard } = options;
  const audit = await AuditLog.open({
    dir: config.data,
    mesh: config.mesh,
    version: packageVersion(),
    clock: { now: Date.now },
    logger,
    guard,
    keepMs: config.auditDays * DAY_MS,
    anchor: () => {
      const proof = projector.proof();
      return proof === undefined ? undefined : { offset: proof.offset, chain: proof.chain };
    },
  });
  const damage = new DamageWatch({ log, projector, ledger, logger });
  const scrub = new Scrub({
    dir: config.data,
    mesh: config.mesh,
    hours: config.log === 'memory' ? 0 : config.scrubHours,
    now: Date.now,
    logger,
    busy: () => {
      const { events, ms } = projector.lag();
      return events > BUSY_LAG_EVENTS || ms > BUSY_LAG_MS || log.waitingBytes > BUSY_BYTES;
    },
    onFinding: (finding) => damage.found(finding),
  });
  return { audit, damage, scrub, readers: new ReaderGauges({ log, projector, ledger }) };
};
