/**
 * Starts of a core that is to replace another one: tried again until one succeeds. Meanwhile a stand-in answers on the port of the
 * HTTP API, because somebody has to say what is wrong (damaged log, full disk, data in use).
 *
 * The first start of all is not tried again: whoever began it is told, and it ends.
 */
import type { Logger } from 'pino';
import { type HealthPart, listenStandIn, type StandIn } from '../admin/index.ts';
import { AuditLog } from '../audit/index.ts';
import { TendrilError } from '../model/index.ts';
import { createDiskGuard, type DiskGuard } from '../store/index.ts';
import { auditPort } from './auditing.ts';
import { DEFAULT_RESERVE, type ServeConfig } from './config.ts';
import { packageVersion } from './package-version.ts';

const FIRST_MS = 1_000;
const MAX_MS = 60_000;
/** A commit has failed: the memory of this process may be damaged (reliability, finding 1), so it ends instead. */
const ENDS: ReadonlySet<string> = new Set(['DATA_READ_ONLY', 'LOG_READ_ONLY']);
/** Part of health, by the code. */
const PARTS: readonly (readonly [pattern: RegExp, part: string])[] = [
  [/^DISK_/, 'disk'],
  [/^(?:LOG|KAFKA)_/, 'log'],
  [/^STATE_/, 'projector'],
];

/** Taken out of service on purpose: nobody is served then. */
const OUT = 'STATE_DIVERGED';
const SERVED = '; xDS workers serve sidecars from the state that they have';

/** Delay behind a number of failed starts, doubling up to a minute: each may read all of the data through. */
export const delayAfter = (failures: number): number => Math.min(MAX_MS, FIRST_MS * 2 ** Math.min(failures - 1, 10));

export interface CoreStartsOptions<T> {
  readonly config: ServeConfig;
  readonly logger: Logger;
  /** Starts the core; `release` is to be called when its data are open, before it takes audit and port. */
  readonly start: (release: () => Promise<void>) => Promise<T>;
}

class Patience {
  readonly #options: CoreStartsOptions<unknown>;
  #error: TendrilError | undefined;
  #failures = 0;
  #nextAt = 0;
  #standIn: StandIn | undefined;
  #audit: AuditLog | undefined;
  #guard: DiskGuard | undefined;

  constructor(options: CoreStartsOptions<unknown>) {
    this.#options = options;
  }

  /** Resolves when the next start is due. Rejects when nobody can stand in. */
  async failed(error: TendrilError): Promise<void> {
    const { config, logger } = this.#options;
    this.#error = error;
    this.#failures++;
    const delay = delayAfter(this.#failures);
    this.#nextAt = Date.now() + delay;
    const { code, remedy } = error;
    logger.error({ code, remedy, retryMs: delay }, `the core cannot start: ${error.message}`);
    if (this.#standIn === undefined) {
      const reserveBytes = (config.diskReserve ?? DEFAULT_RESERVE) / 2;
      this.#guard = createDiskGuard({ path: config.data, reserveBytes });
      // Without an audit the stand-in answers all the same.
      this.#audit = await AuditLog.open({
        dir: config.data,
        mesh: config.mesh,
        version: packageVersion(),
        clock: { now: Date.now },
        logger,
        guard: this.#guard,
        keepMs: Number.POSITIVE_INFINITY,
      }).catch(() => undefined);
      this.#standIn = await listenStandIn({
        ...config.admin,
        part: () => this.#part(),
        failures: () => this.#failures,
        ...(this.#audit === undefined ? {} : { audit: auditPort(this.#audit) }),
      });
    }
    await new Promise((resolve) => setTimeout(resolve, delay));
  }

  /** Frees audit and port. */
  release = async (): Promise<void> => {
    await this.#standIn?.close();
    await this.#audit?.close();
    this.#guard?.close();
    this.#standIn = undefined;
    this.#audit = undefined;
  };

  #part(): HealthPart {
    const { code = 'STATE_FAILED', message = '', remedy } = this.#error ?? {};
    return {
      name: PARTS.find(([pattern]) => pattern.test(code))?.[1] ?? 'core',
      status: 'failed',
      code,
      message: `the core cannot start: ${message}${code === OUT ? '' : SERVED}`,
      ...(remedy === undefined ? {} : { remedy }),
      failedStarts: this.#failures,
      nextStart: new Date(this.#nextAt).toISOString(),
    };
  }
}

/** Rejects with what is no `TendrilError`, and with what only another process heals. */
export const startUntilItRuns = async <T>(options: CoreStartsOptions<T>): Promise<T> => {
  const patience = new Patience(options);
  for (;;) {
    try {
      return await options.start(patience.release);
    } catch (error) {
      if (!(error instanceof TendrilError) || ENDS.has(error.code)) throw error;
      await patience.failed(error);
    }
  }
};
