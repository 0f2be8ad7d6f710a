/** `--wait acked`: until no connected sidecar owes an acknowledgement, and whether one refused what was applied. */
import { TendrilError } from '../../model/index.ts';
import type { AdminClient } from '../client.ts';
import type { Io } from '../command.ts';
import { plural } from '../output.ts';

interface Sidecar {
  readonly id: string;
  readonly state: 'in-sync' | 'pending' | 'refused' | 'offline';
  readonly lastError?: string;
}

export interface Acknowledged {
  readonly connected: number;
  readonly inSync: number;
  /** Sidecars that refused since `before`. */
  readonly refused: readonly { readonly id: string; readonly error: string }[];
  readonly summary: string;
}

const POLL_MS = 100;

const list = (client: AdminClient): Promise<readonly Sidecar[]> => client.all<Sidecar>('/v1/proxies', 'proxies');

const refusalOf = ({ id, lastError }: Sidecar): string => `${id} ${lastError ?? ''}`;

export class Acknowledgements {
  readonly #client: AdminClient;
  /** Refusals from before: they are not about what is applied now. */
  readonly #known: ReadonlySet<string>;

  private constructor(client: AdminClient, known: ReadonlySet<string>) {
    this.#client = client;
    this.#known = known;
  }

  /** To be called before the change. */
  static async before(client: AdminClient): Promise<Acknowledgements> {
    const refused = (await list(client)).filter(({ state }) => state === 'refused');
    return new Acknowledgements(client, new Set(refused.map(refusalOf)));
  }

  /** Rejects with `WAIT_TIMEOUT` at `deadline` (ms, as `io.now`). */
  async wait(deadline: number, timeoutS: number, io: Pick<Io, 'now'>): Promise<Acknowledged> {
    for (;;) {
      const connected = (await list(this.#client)).filter(({ state }) => state !== 'offline');
      const pending = connected.filter(({ state }) => state === 'pending');
      if (pending.length === 0) return this.#result(connected);
      if (io.now() > deadline)
        throw new TendrilError(
          'WAIT_TIMEOUT',
          `applied, but ${plural(pending.length, 'sidecar')} of ${connected.length} had not acknowledged after ${timeoutS} s`,
          { remedy: `tendril proxy ${pending[0]?.id}` },
        );
      await new Promise((next) => setTimeout(next, POLL_MS));
    }
  }

  #result(connected: readonly Sidecar[]): Acknowledged {
    const inSync = connected.filter(({ state }) => state === 'in-sync').length;
    const refused = connected
      .filter((sidecar) => sidecar.state === 'refused' && !this.#known.has(refusalOf(sidecar)))
      .map(({ id, lastError }) => ({ id, error: lastError ?? 'no reason given' }));
    const old = connected.length - inSync - refused.length;
    return {
      connected: connected.length,
      inSync,
      refused,
      summary:
        connected.length === 0
          ? 'no sidecar is connected'
          : `acknowledged by ${inSync} of ${plural(connected.length, 'sidecar')}` +
            (refused.length === 0 ? '' : `, REFUSED by ${refused.length}`) +
            (old === 0 ? '' : `, ${old} refused something before; next: tendril proxies`),
    };
  }
}
