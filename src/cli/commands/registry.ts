/** `tendril get services` and `tendril get endpoints`: what is registered, by documents and by events. */
import type { AdminClient } from '../client.ts';
import type { Format } from '../format.ts';
import { plural, render, table } from '../output.ts';

export interface RegistryQuery {
  readonly client: AdminClient;
  readonly format: Format;
  readonly namespace: string | undefined;
  /** An earlier moment, as the API takes it. */
  readonly at: string | undefined;
  readonly out: (text: string) => void;
}

type Labels = Readonly<Record<string, string>>;

interface ServiceItem {
  readonly service: string;
  readonly ports: readonly { readonly port: number; readonly protocol: string; readonly name?: string }[];
  readonly labels?: Labels;
  readonly external?: { readonly hosts: readonly string[] };
  readonly visibility: string | readonly string[];
  readonly endpointCount: number;
  readonly sources: readonly string[];
  readonly expired?: readonly ExpiredItem[];
  readonly facets?: readonly { readonly source: string; readonly offset: number; readonly recordedAt: string }[];
}

interface Lease {
  readonly ttlMs: number;
  readonly holder: string;
  /** Absent: only the replica that keeps the leases knows. */
  readonly silentMs?: number;
}

interface EndpointItem {
  readonly id: string;
  /** Absent of one whose lease ran out. */
  readonly address?: string;
  readonly ports?: Readonly<Record<string, number>>;
  readonly inbound?: Readonly<Record<string, number>>;
  readonly labels?: Labels;
  readonly locality?: { readonly region?: string; readonly zone?: string; readonly subzone?: string };
  readonly weight?: number;
  readonly health?: string;
  readonly serviceAccount?: string;
  readonly lease?: Lease;
}

/** Its lease ran out: it is not served, and shown for some minutes. */
interface ExpiredItem {
  readonly id: string;
  readonly lease: Lease;
}

const pairs = (map: Readonly<Record<string, unknown>> | undefined, sign: string): string | undefined =>
  Object.entries(map ?? {})
    .map(([key, value]) => `${key}${sign}${value}`)
    .join(',') || undefined;

const portsOf = (item: ServiceItem): string => item.ports.map(({ port, protocol }) => `${port}/${protocol}`).join(',');

const visibilityOf = ({ visibility }: ServiceItem): string =>
  typeof visibility === 'string' ? visibility : visibility.join(',');

const serviceTable = (items: readonly ServiceItem[], format: Format): string =>
  table(
    items,
    [
      { title: 'SERVICE', value: (item) => item.service },
      { title: 'PORTS', value: portsOf },
      { title: 'ENDPOINTS', value: (item) => item.endpointCount, number: true },
      { title: 'VISIBILITY', value: visibilityOf },
      { title: 'SOURCES', value: (item) => item.sources.join(',') },
      { title: 'LABELS', value: (item) => pairs(item.labels, '='), wide: true },
      { title: 'HOSTS', value: (item) => item.external?.hosts.join(','), wide: true },
    ],
    format,
  );

const seconds = (ms: number): string => `${Math.round(ms / 100) / 10}s`;

/** It should have run out; it stays while the service is in panic. */
const isOverdue = ({ lease }: EndpointItem): boolean => lease?.silentMs !== undefined && lease.silentMs >= lease.ttlMs;

const leaseOf = (item: EndpointItem): string | undefined => {
  const { lease } = item;
  if (lease === undefined) return undefined;
  if (lease.silentMs === undefined) return seconds(lease.ttlMs);
  const silent = seconds(lease.silentMs);
  return `${seconds(lease.ttlMs)}, ${isOverdue(item) ? `silent for ${silent}` : `heard ${silent} ago`}`;
};

/** Leases have columns where there are any. */
const endpointTable = (
  served: readonly EndpointItem[],
  expired: readonly ExpiredItem[] | undefined,
  format: Format,
): string => {
  const out = (expired ?? []).map((item): EndpointItem => ({ ...item, health: 'expired' }));
  const items = [...served, ...out];
  const isLeased = items.some(({ lease }) => lease !== undefined);
  return table(
    items,
    [
      { title: 'ENDPOINT', value: (item) => item.id },
      { title: 'ADDRESS', value: (item) => item.address },
      { title: 'PORTS', value: (item) => pairs(item.ports, '->') },
      { title: 'HEALTH', value: (item) => item.health ?? 'healthy' },
      {
        title: 'LOCALITY',
        value: ({ locality }) =>
          [locality?.region, locality?.zone, locality?.subzone].filter((part) => part !== undefined).join('/') ||
          undefined,
      },
      { title: 'LABELS', value: (item) => pairs(item.labels, '=') },
      ...(isLeased
        ? [
            { title: 'LEASE', value: leaseOf },
            { title: 'HOLDER', value: (item: EndpointItem) => item.lease?.holder },
          ]
        : []),
      { title: 'INBOUND', value: (item) => pairs(item.inbound, '->'), wide: true },
      { title: 'WEIGHT', value: (item) => item.weight, number: true, wide: true },
      { title: 'ACCOUNT', value: (item) => item.serviceAccount, wide: true },
    ],
    format,
  );
};

const count = (served: readonly EndpointItem[], expired: readonly ExpiredItem[] | undefined): string => {
  const overdue = served.filter(isOverdue).length;
  return [
    plural(served.length, 'endpoint'),
    ...(expired === undefined ? [] : [`${expired.length} expired`]),
    ...(overdue === 0 ? [] : [`${overdue} silent for longer than the lease`]),
  ].join(', ');
};

export const getServices = async ({ client, format, namespace, at, out }: RegistryQuery): Promise<number> => {
  const items = await client.all<ServiceItem>('/v1/services', 'services', { namespace, at });
  out(
    render(
      format,
      { services: items },
      () => [serviceTable(items, format), plural(items.length, 'service')].join('\n'),
      () => items.map((item) => item.service),
    ),
  );
  return 0;
};

/** The service and all its endpoints. `name` is `SERVICE.NAMESPACE`, or `SERVICE` of the namespace asked for. */
const read = async (
  { client, namespace, at }: RegistryQuery,
  name: string,
): Promise<{ readonly service: ServiceItem; readonly endpoints: readonly EndpointItem[] }> => {
  const [service = '', within] = name.split('.');
  const path = `/v1/services/${encodeURIComponent(within ?? namespace ?? 'default')}/${encodeURIComponent(service)}`;
  const remedies = { SERVICE_UNKNOWN: 'tendril get services' };
  const { body } = await client.request<ServiceItem & { readonly next?: unknown }>(path, {
    query: { limit: 1, at },
    remedies,
  });
  const { next: _next, ...rest } = body;
  return { service: rest, endpoints: await client.all<EndpointItem>(path, 'endpoints', { at }, remedies) };
};

export const getService = async (query: RegistryQuery, name: string): Promise<number> => {
  const { service, endpoints } = await read(query, name);
  query.out(
    render(
      query.format,
      { ...service, endpoints },
      () =>
        [
          serviceTable([service], query.format),
          '',
          table(service.facets ?? [], [
            { title: 'SOURCE', value: (facet) => facet.source },
            { title: 'EVENT', value: (facet) => facet.offset, number: true },
            { title: 'RECORDED', value: (facet) => facet.recordedAt },
          ]),
          '',
          endpointTable(endpoints, service.expired, query.format),
          count(endpoints, service.expired),
        ].join('\n'),
      () => [service.service],
    ),
  );
  return 0;
};

export const getEndpoints = async (query: RegistryQuery, name: string): Promise<number> => {
  const { service, endpoints } = await read(query, name);
  query.out(
    render(
      query.format,
      {
        service: service.service,
        endpoints,
        ...(service.expired === undefined ? {} : { expired: service.expired }),
      },
      () => [endpointTable(endpoints, service.expired, query.format), count(endpoints, service.expired)].join('\n'),
      () => endpoints.map(({ id }) => id),
    ),
  );
  return 0;
};
