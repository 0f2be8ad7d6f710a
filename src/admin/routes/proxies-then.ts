/**
 * Sidecars at an earlier moment: what one was entitled to, as compiled today from what was then, and what it held, as far as the delivery
 * ledger tells.
 */
import { TendrilError } from '../../model/index.ts';
import { momentOf } from '../graph/index.ts';
import { nextField, pageOf } from '../paging.ts';
import { offsetOf, type Place, type Stamp } from '../place.ts';
import type { AdminPorts, EntitledView, HeldMoment, ProxyView, ResourceView } from '../ports.ts';
import { stateMoment } from '../state-moment.ts';
import { explain, type WhyAnswer } from '../why.ts';

/** Said in every answer: versions are of today's compiler. */
const COMPILED_BY = 'today';

const iso = (ms: number): string => new Date(ms).toISOString();

interface Then {
  readonly at: Stamp;
  readonly entitled: readonly EntitledView[];
  /** Undefined: the ledger does not know the sidecar. */
  readonly held: HeldMoment | undefined;
}

/** Throws `OFFSET_INVALID`, `OFFSET_GONE`, `STATE_BUSY`. */
const thenOf = async (ports: AdminPorts, proxy: ProxyView, place: Place): Promise<Then> => {
  const offset = offsetOf(ports, place);
  const entitled = await ports.past.entitledAt(offset, { id: proxy.id, service: proxy.service });
  const { recordedAt } = await ports.past.stateAt(offset);
  const time = 'time' in place ? place.time : recordedAt;
  return { at: { offset, time: iso(time) }, entitled, held: ports.deliveries.heldAt(proxy.id, time) };
};

/** Whether and from when on the ledger tells. */
const reachOf = (held: HeldMoment | undefined) => ({
  heldKnown: held?.known === true,
  ...(held === undefined ? {} : { heldFrom: iso(held.from) }),
});

const keyOf = ({ type, name }: { readonly type: string; readonly name: string }): string => `${type}|${name}`;

/** What it had: the version that it took; one that was only sent, or that it refused, is named beside it. */
const heldOf = ({ acked, version, state, sentAt, ackedAt, error }: HeldMoment['rows'][number]) => ({
  state,
  ...(acked === undefined ? {} : { version: acked }),
  ...(version === undefined || version === acked ? {} : { sent: version }),
  ...(sentAt === undefined ? {} : { sentAt: iso(sentAt) }),
  ...(ackedAt === undefined ? {} : { ackedAt: iso(ackedAt) }),
  ...(error === undefined ? {} : { error }),
});

interface Row {
  readonly type: string;
  readonly name: string;
  readonly entitled: boolean;
  readonly version?: string;
  readonly bytes?: number;
  readonly raw?: true;
  readonly held?: ReturnType<typeof heldOf> | { readonly state: 'forgotten' };
}

const rowsOf = ({ entitled, held }: Then, type: string | undefined): readonly Row[] => {
  const rows = new Map<string, Row>();
  for (const one of entitled) rows.set(keyOf(one), { ...one, entitled: true });
  const merge = (one: { readonly type: string; readonly name: string }, has: NonNullable<Row['held']>): void => {
    const known = rows.get(keyOf(one)) ?? { type: one.type, name: one.name, entitled: false };
    rows.set(keyOf(one), { ...known, held: has });
  };
  for (const row of held?.rows ?? []) merge(row, heldOf(row));
  for (const one of held?.forgotten ?? []) merge(one, { state: 'forgotten' });
  return [...rows.keys()].sort().flatMap((key) => {
    const row = rows.get(key);
    return row === undefined || (type !== undefined && row.type !== type) ? [] : [row];
  });
};

/** `GET /v1/proxies/{id}?at=` */
export const proxyThen = async (ports: AdminPorts, proxy: ProxyView, place: Place) => {
  const then = await thenOf(ports, proxy, place);
  const bytes = then.entitled.reduce((sum, one) => sum + one.bytes, 0);
  return {
    body: {
      at: then.at,
      id: proxy.id,
      service: proxy.service,
      entitled: { resources: then.entitled.length, bytes, compiledBy: COMPILED_BY },
      ...reachOf(then.held),
      ...(then.held?.known === true ? { held: { resources: then.held.rows.length } } : {}),
    },
    etag: then.at.offset,
  };
};

interface Paged {
  readonly at: Place;
  readonly type: string | undefined;
  readonly limit: number;
  readonly next: string | undefined;
}

/** `GET /v1/proxies/{id}/resources?at=` */
export const resourcesThen = async (ports: AdminPorts, proxy: ProxyView, query: Paged) => {
  const then = await thenOf(ports, proxy, query.at);
  const rows = rowsOf(then, query.type);
  const page = pageOf(rows, keyOf, query);
  return {
    body: {
      at: then.at,
      proxy: proxy.id,
      service: proxy.service,
      compiledBy: COMPILED_BY,
      ...reachOf(then.held),
      resources: page.rows,
      total: rows.length,
      ...nextField(page.next),
    },
    etag: then.at.offset,
  };
};

/** `GET /v1/proxies/{id}/why?at=`; undefined: it had nothing to do with the resource. */
export const whyThen = async (
  ports: AdminPorts,
  proxy: ProxyView,
  asked: { readonly at: Place; readonly type: string; readonly name: string },
  signal: AbortSignal,
): Promise<(WhyAnswer & { readonly at: Stamp }) | undefined> => {
  const then = await thenOf(ports, proxy, asked.at);
  const rows = rowsOf(then, asked.type);
  const found =
    rows.find(({ name }) => name === asked.name) ?? rows.find(({ name }) => name.endsWith(`/${asked.name}`));
  const name = found?.name ?? asked.name;
  const held = then.held?.rows.find((row) => row.type === asked.type && row.name === name);
  const edges = await (await momentOf(ports, asked.at)).edgesOf(proxy.service);
  const moment = await stateMoment(ports, asked.at);
  const answer = await moment.read((state) => {
    const { raws } = state;
    const then = { events: ports.events, state, graph: { edgesOf: () => edges } };
    const resource: ResourceView | undefined = held === undefined ? undefined : { ...held };
    return explain(
      { ...then, ...(raws === undefined ? {} : { raw: raws }) },
      proxy,
      asked.type,
      name,
      resource,
      signal,
    );
  });
  // Where it is connected now says nothing of then.
  return answer === undefined ? undefined : { at: then.at, ...answer, node: { id: proxy.id, service: proxy.service } };
};

/** Throws `PROXY_UNKNOWN`: neither connected nor in the ledger. */
export const requireProxyThen = async (ports: AdminPorts, id: string, place: Place): Promise<ProxyView> => {
  const proxy = await ports.proxies.get(id);
  if (proxy !== undefined) return proxy;
  const held = ports.deliveries.heldAt(id, 'time' in place ? place.time : 0);
  if (held !== undefined) return { id, service: held.caller, state: 'offline', holds: 0 };
  throw new TendrilError('PROXY_UNKNOWN', `no sidecar "${id.slice(0, 256)}" is connected or in the delivery ledger`, {
    remedy: 'see GET /v1/proxies',
  });
};
