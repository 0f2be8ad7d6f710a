/** What a replica says of itself in the log: where it is reached, and that it leaves. */
import { type Ingest, OWN_SOURCE } from '../../ingest/index.ts';
import type { ReplicaView } from '../../projector/index.ts';

/** A log that does not take it now is asked again, but not in every round. */
const RETRY_MS = 10_000;
/** After the fold refused it, or while another process uses the name. */
const REFUSED_MS = 300_000;

export interface MembershipOptions {
  /** Id of this replica. */
  readonly self: string;
  readonly state: {
    /** As folded. */
    replicas(): readonly ReplicaView[];
  };
  readonly ingest: Pick<Ingest, 'submit'>;
  /** ms, never going back. */
  readonly monotonic: () => number;
  readonly logger: Record<'info' | 'warn' | 'error', (fields: object, message: string) => void>;
}

export class Membership {
  readonly #options: MembershipOptions;
  #admin: string | undefined;
  #hasJoined = false;
  /** No `replica.joined` before. */
  #joinAfter = 0;

  constructor(options: MembershipOptions) {
    this.#options = options;
  }

  /** @param admin where the HTTP API of this replica is reached */
  start(admin: string): void {
    this.#admin = admin;
  }

  /** Says where this replica is reached, unless the log says so. Rejects as `Ingest.submit`. */
  async announce(): Promise<void> {
    const { self, state, monotonic, logger } = this.#options;
    const admin = this.#admin;
    const known = state.replicas().find(({ id }) => id === self);
    if (admin === undefined || known?.admin === admin || monotonic() < this.#joinAfter) return;
    // Somebody else uses this name: each would write its own address again and again.
    const isContested = known !== undefined && this.#hasJoined;
    if (isContested)
      logger.error(
        { replica: self, admin: known.admin },
        'another process joined under the name of this replica: give it another with --replica',
      );
    this.#joinAfter = monotonic() + (isContested ? REFUSED_MS : RETRY_MS);
    const status = await this.#submit({ type: 'replica.joined', data: { replica: self, admin } }, OWN_SOURCE);
    this.#hasJoined = true;
    if (status === 'applied') {
      if (!isContested) this.#joinAfter = 0;
      return;
    }
    this.#joinAfter = monotonic() + REFUSED_MS;
    logger.error({ replica: self, status }, 'this replica could not join: too many are listed; see `tendril replicas`');
  }

  /** Takes a replica out of the list. Resolves with false when there is none of that name, or it has just joined again. */
  async remove(id: string, source: string, reason: string): Promise<boolean> {
    const known = this.#options.state.replicas().find((replica) => replica.id === id);
    if (known === undefined) return false;
    const left = { type: 'replica.left', data: { replica: id }, expect: known.offset, reason };
    return (await this.#submit(left, source)) === 'applied';
  }

  /** This replica leaves. Never rejects. */
  async leave(): Promise<void> {
    if (this.#admin === undefined) return;
    const { self, logger } = this.#options;
    await this.remove(self, OWN_SOURCE, 'orderly end').catch((error: unknown) =>
      logger.warn({ err: error }, 'this replica could not say that it leaves'),
    );
  }

  async #submit(event: object, caller: string): Promise<string | undefined> {
    const { events } = await this.#options.ingest.submit({ events: [event], caller, atomic: false, internal: true });
    return events[0]?.status;
  }
}
