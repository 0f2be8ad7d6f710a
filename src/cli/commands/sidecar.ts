/** Sidecars as the server lists them, and how a person may name one. */
import { TendrilError } from '../../model/index.ts';
import type { AdminClient } from '../client.ts';

export interface SidecarItem {
  readonly id: string;
  /** `<service>.<namespace>` */
  readonly service: string;
  readonly state: 'in-sync' | 'pending' | 'refused' | 'offline';
  /** Resources held. */
  readonly holds: number;
  /** Service ports held, of `of` in the mesh. */
  readonly services?: number;
  readonly of?: number;
  /** Sent on the present streams. */
  readonly bytes?: number;
  readonly lastAckAt?: string;
  readonly connectedAt?: string;
  readonly lastError?: string;
  /** With `--savings`. */
  readonly savings?: SavingsItem;
  /** Generation of its route configuration, when not the first; virtual hosts held though their edges have expired, when any. */
  readonly generation?: number;
  readonly stale?: number;
}

/** Resources and bytes of services held, and what a full mesh would have it hold. */
export interface SavingsItem {
  readonly resources: number;
  readonly bytes: number;
  readonly fullResources: number;
  readonly fullBytes: number;
  /** `bytes` / `fullBytes`. */
  readonly ratio: number;
}

export interface SavingsTotals extends SavingsItem {
  readonly sidecars: number;
  readonly pushedBytes: number;
  readonly fullPushedBytes: { readonly change: number; readonly connect: number };
  /** Not all workers answered: there is more. */
  readonly complete?: false;
}

/** Line for an answer with `complete: false`. */
export const INCOMPLETE = 'not complete: not every xDS worker answered in time, so sidecars may be missing; ask again';

export const SIDECAR_STATES = ['in-sync', 'pending', 'refused', 'offline'] as const;

/** Refusals are what an operator looks for, so they shout. */
export const stateWord = (state: string): string => (state === 'refused' ? 'REFUSED' : state);

export const sidecarPath = (id: string): string => `/v1/proxies/${encodeURIComponent(id)}`;

/**
 * The sidecar of this id; else the only one of the service of this name. Rejects with `PROXY_UNKNOWN` or
 * `PROXY_AMBIGUOUS`.
 * @param at an earlier moment: also a sidecar that only the delivery ledger knows
 */
export const findSidecar = async (client: AdminClient, word: string, at?: string): Promise<SidecarItem> => {
  const { status, body } = await client.request<SidecarItem>(sidecarPath(word), { query: { at }, accept: [404] });
  if (status !== 404) return body;
  const of = await client.all<SidecarItem>('/v1/proxies', 'proxies', { service: word });
  const [only, second] = of;
  if (only === undefined)
    throw new TendrilError('PROXY_UNKNOWN', `no sidecar has the id "${word}", and none is of a service of that name`, {
      remedy: 'tendril proxies',
    });
  if (second !== undefined)
    throw new TendrilError(
      'PROXY_AMBIGUOUS',
      `${of.length} sidecars are of ${word}; name one by its id, such as ${only.id}`,
      {
        remedy: `tendril proxies --service ${word}`,
      },
    );
  return only;
};
