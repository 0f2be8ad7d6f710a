/** Waiting until nobody holds an endpoint any more that was withdrawn: every sidecar has acknowledged the endpoints as they are now. */
import type { AdminApi } from './admin-api.ts';

export interface Acknowledged {
  /** Every control plane that was asked said that nobody is left. */
  readonly all: boolean;
  /** Ids of sidecars that had not acknowledged at the end, at most 10 by control plane. */
  readonly waiting: readonly string[];
  /** Control planes that did not answer: what their sidecars hold is not known. */
  readonly silent: readonly string[];
}

export interface Waiting {
  readonly service: string;
  readonly namespace: string;
  /** Offset of the withdrawal: a replica that is behind it is asked again. */
  readonly offset: number | undefined;
  /** End of patience, by `clock`. */
  readonly deadline: number;
  readonly clock: () => number;
  readonly sleep: (ms: number) => Promise<void>;
}

const FIRST_POLL_MS = 50;
const MAX_POLL_MS = 1_000;
const NAMED = 10;
/** Patience with a control plane that does not answer: a core that was started again does by then. */
const SILENT_MS = 3_000;

/** Every address is asked for its own sidecars: each replica knows only those that are connected to it. */
export const acknowledged = async (
  api: Pick<AdminApi, 'addresses' | 'ask'>,
  waiting: Waiting,
): Promise<Acknowledged> => {
  const { service, namespace, offset, deadline, clock, sleep } = waiting;
  const path = `/v1/services/${namespace}/${service}/holders?pending=1&limit=${NAMED}`;
  const ended = await Promise.all(
    api.addresses.map(async (address) => {
      let heardAt = clock();
      for (let poll = FIRST_POLL_MS; ; poll = Math.min(MAX_POLL_MS, poll * 1.5)) {
        const answer = await api
          .ask(address, { method: 'GET', path, timeoutMs: Math.max(100, Math.min(3_000, deadline - clock())) })
          .catch(() => undefined);
        if (answer?.status === 200) heardAt = clock();
        const heard = answer?.status === 200 && answer.body.complete !== false;
        const isCurrent = offset === undefined || (answer?.offset ?? 0) >= offset;
        const rows = (answer?.body.holders ?? []) as readonly { readonly id?: unknown }[];
        const ids = rows.map(({ id }) => String(id));
        if (heard && isCurrent && answer.body.total === 0) return { address, heard: true, ids: [] };
        if (clock() + poll > Math.min(deadline, heardAt + SILENT_MS))
          return { address, heard: heard && isCurrent, ids };
        await sleep(poll);
      }
    }),
  );
  const silent = ended.filter(({ heard }) => !heard).map(({ address }) => address.host);
  const ids = [...new Set(ended.flatMap((each) => each.ids))];
  return { all: silent.length === 0 && ids.length === 0, waiting: ids, silent };
};
