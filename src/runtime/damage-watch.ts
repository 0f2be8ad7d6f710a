/**
 * Damage of the data that reads and the scrub of a running core meet: what follows from it, and how health tells it.
 *
 * - Log: its environment refuses writes from then on (`LOG_CORRUPT`); reading and xDS go on.
 * - State: noted once, so that the next start makes it anew from the log.
 * - Ledger, audit: told only; nothing is decided from them.
 */
import type { HealthPart } from '../admin/index.ts';
import type { OpenedLog } from '../log/index.ts';
import { TendrilError } from '../model/index.ts';
import type { Ledger, Projector } from '../projector/index.ts';
import type { StoreLogger } from '../store/index.ts';
import type { ScrubFinding } from './scrub/messages.ts';

export interface DamageWatchOptions {
  readonly log: Pick<OpenedLog, 'storage'>;
  readonly projector: Pick<Projector, 'storage' | 'requestRebuild'>;
  readonly ledger: Pick<Ledger, 'storage'>;
  readonly logger: StoreLogger;
}

/** Findings from which something follows. */
const DAMAGE: ReadonlySet<string> = new Set(['LOG_CORRUPT', 'CORRUPT_RECORD']);

const HEAL = 'it is made anew from the log at the next start; now: POST /v1/scrub?heal=1';

export class DamageWatch {
  readonly #options: DamageWatchOptions;
  #isNoted = false;

  constructor(options: DamageWatchOptions) {
    this.#options = options;
  }

  /** True: nothing may be made anew from the log. */
  get isLogDamaged(): boolean {
    return this.#options.log.storage?.damage !== undefined;
  }

  get isStateDamaged(): boolean {
    return this.#options.projector.storage.damage !== undefined;
  }

  found({ part, code, where, message, remedy }: ScrubFinding): void {
    const { log, projector, ledger } = this.#options;
    if (part === 'audit' || !DAMAGE.has(code)) return;
    const storage = { log: log.storage, state: projector.storage, ledger: ledger.storage }[part];
    storage?.noteDamage(new TendrilError(code, `${storage.path}: ${where}: ${message}`, { remedy }));
  }

  /** To be called often: reads of anybody may have met damage. */
  look(): void {
    const { damage } = this.#options.projector.storage;
    if (damage === undefined || this.#isNoted || this.isLogDamaged) return;
    this.#isNoted = true;
    this.#options.projector.requestRebuild(damage.message).catch((error: unknown) => {
      this.#isNoted = false;
      this.#options.logger.warn({ err: error }, 'it could not be noted that the state is to be made anew');
    });
  }

  /** Parts that are damaged. */
  health(): readonly HealthPart[] {
    const { log, projector, ledger } = this.#options;
    const part = (name: string, damage: TendrilError | undefined, remedy: string): readonly HealthPart[] =>
      damage === undefined ? [] : [{ name, status: 'degraded', code: damage.code, message: damage.message, remedy }];
    const ofLog = log.storage?.damage;
    return [
      ...(ofLog === undefined
        ? []
        : [
            {
              name: 'log',
              status: 'degraded' as const,
              code: 'LOG_CORRUPT',
              message: `${ofLog.message}; writes are refused, xDS goes on`,
              remedy: ofLog.remedy ?? '`tendril verify --data DIR`, then restore data/log from a copy',
            },
          ]),
      ...part('state', projector.storage.damage, HEAL),
      ...part('ledger', ledger.storage.damage, 'stop Tendril and remove data/ledger: it is begun anew'),
    ];
  }
}
