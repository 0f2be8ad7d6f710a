/** Opens what a core keeps on disk: log, state, ledger, audit. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { openEventLog } from '../log/index.ts';
import { Ledger, Projector } from '../projector/index.ts';
import { createDiskGuard } from '../store/index.ts';
import { DEFAULT_RESERVE } from './config.ts';
import type { CoreOptions, CoreStorage, Opened } from './core-parts.ts';
import { readKafkaSettings } from './kafka-options.ts';
import { packageVersion } from './package-version.ts';
import { openStorageCare } from './storage-care.ts';

/** Rejects with the `TendrilError` of whatever cannot be opened. @param opened closed by the caller when this or a later step fails */
export const openStorage = async (options: CoreOptions, opened: Opened): Promise<CoreStorage> => {
  const { config, logger } = options;
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
  opened.push(() => care.audit.close());
  opened.push(() => care.scrub.close());
  return { log, guard, stateGuard, projector, ledger, ...care };
};
