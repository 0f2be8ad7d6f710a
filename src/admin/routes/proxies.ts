/** Connected sidecars: what each holds, which version it acknowledged, and why it holds it. */
import { TendrilError } from '../../model/index.ts';
import { nextField, pageOf, pageParams } from '../paging.ts';
import { placeParam } from '../place.ts';
import type { AdminPorts, ProxyView, ResourceView } from '../ports.ts';
import { refusal } from '../problem.ts';
import { resourceTypeOf } from '../resource-types.ts';
import { type AnyRoute, flagParam, integerParam, route, textParam, wordParam } from '../route.ts';
import { explain } from '../why.ts';
import { proxyThen, requireProxyThen, resourcesThen, whyThen } from './proxies-then.ts';

const STATES = ['in-sync', 'pending', 'refused', 'offline'] as const;
const TYPES = 'cds, eds, lds, rds, vhds, srds, sds, ecds, rtds';

const AT = placeParam('What the sidecar was entitled to then, and what it held as the delivery ledger tells.');

const withTimes = (view: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> =>
  Object.fromEntries(
    Object.entries(view).map(([name, value]) => [
      name,
      name.endsWith('At') && typeof value === 'number' ? new Date(value).toISOString() : value,
    ]),
  );

const requireProxy = async (ports: AdminPorts, id: string, savings = false): Promise<ProxyView> => {
  const proxy = await ports.proxies.get(id, { savings });
  if (proxy === undefined)
    throw new TendrilError('PROXY_UNKNOWN', `no sidecar "${id.slice(0, 256)}" is connected`, {
      remedy: 'see GET /v1/proxies',
    });
  return proxy;
};

const keyOfResource = (resource: ResourceView): string => `${resource.type}|${resource.name}`;

const typeOf = (text: string): string => {
  const type = resourceTypeOf(text);
  if (type === undefined)
    throw refusal('E102', `type is "${text.slice(0, 80)}"; allowed are ${TYPES}, or a type URL`, { pointer: '?type' });
  return type;
};

const list = route({
  method: 'GET',
  path: '/v1/proxies',
  summary: 'Sidecars and their state.',
  query: {
    ...pageParams,
    service: textParam('Only sidecars of this `<service>.<namespace>`.'),
    state: wordParam('Only sidecars in this state.', STATES),
    savings: flagParam('With what each holds, and all together, against a full mesh.'),
  },
  answers: {
    200: 'A page, ascending by id; `of`: services that are registered; `total`: sidecars in all; `complete: false`: not all workers answered.',
  },
  handle: async ({ ports, query }) => {
    const { proxies: all, complete } = await ports.proxies.list({ savings: query.savings });
    const wanted = all
      .filter(
        (proxy) =>
          (query.service === undefined || proxy.service === query.service) &&
          (query.state === undefined || proxy.state === query.state),
      )
      .sort((a, b) => (a.id < b.id ? -1 : 1));
    const page = pageOf(wanted, (proxy) => proxy.id, query);
    return {
      body: {
        proxies: page.rows.map(withTimes),
        total: all.length,
        of: countOf(ports.state.serviceNames()),
        ...(complete ? {} : { complete }),
        ...(query.savings ? { savings: await ports.proxies.savings() } : {}),
        ...nextField(page.next),
      },
      etag: ports.state.offset,
    };
  },
});

const countOf = (names: Iterable<string>): number => {
  let count = 0;
  for (const _name of names) count++;
  return count;
};

const get = route({
  method: 'GET',
  path: '/v1/proxies/{id}',
  summary: 'One sidecar.',
  query: { at: AT },
  answers: { 200: 'The sidecar.', 404: 'It is not connected.', 410: 'What was then can no longer be told.' },
  handle: async ({ path, ports, query }) => {
    const id = path.id ?? '';
    if (query.at !== undefined) return proxyThen(ports, await requireProxyThen(ports, id, query.at), query.at);
    return { body: withTimes(await requireProxy(ports, id, true)), etag: ports.state.offset };
  },
});

const resources = route({
  method: 'GET',
  path: '/v1/proxies/{id}/resources',
  summary: 'What a sidecar holds, with version, bytes and times.',
  query: {
    ...pageParams,
    limit: integerParam('Rows of one page.', { min: 1, max: 10_000, default: 1_000 }),
    type: textParam(`Only this type: ${TYPES}.`),
    at: AT,
  },
  answers: {
    200: 'A page, ascending by type and name.',
    404: 'It is not connected.',
    410: 'What was then can no longer be told.',
  },
  handle: async ({ path, ports, query }) => {
    const type = query.type === undefined ? undefined : typeOf(query.type);
    const { at } = query;
    if (at !== undefined)
      return resourcesThen(ports, await requireProxyThen(ports, path.id ?? '', at), { ...query, at, type });
    const proxy = await requireProxy(ports, path.id ?? '');
    const held = (await ports.proxies.resources(proxy.id))
      .filter((resource) => type === undefined || resource.type === type)
      .sort((a, b) => (keyOfResource(a) < keyOfResource(b) ? -1 : 1));
    const page = pageOf(held, keyOfResource, query);
    return {
      body: { proxy: proxy.id, resources: page.rows.map(withTimes), total: held.length, ...nextField(page.next) },
      etag: ports.state.offset,
    };
  },
});

const unrelated = (proxy: ProxyView, type: string, name: string): TendrilError =>
  new TendrilError(
    'RESOURCE_UNKNOWN',
    `${proxy.id} holds no ${type} ${name.slice(0, 256)} and ${proxy.service} has no edge to it`,
    { remedy: `see GET /v1/proxies/${encodeURIComponent(proxy.id)}/resources` },
  );

const why = route({
  method: 'GET',
  path: '/v1/proxies/{id}/why',
  summary: 'Why a sidecar holds a resource: edge, documents and events, delivery.',
  query: { type: textParam(`${TYPES}, or a type URL.`), name: textParam('Name of the resource.'), at: AT },
  answers: {
    200: 'The chain.',
    404: 'The sidecar is not connected, or has nothing to do with the resource.',
    410: 'What was then can no longer be told.',
  },
  handle: async ({ path, ports, query, signal }) => {
    if (query.name === undefined)
      throw refusal('E103', 'name is missing', { pointer: '?name', remedy: 'such as ?type=cds&name=cart.shop:8080' });
    if (query.type === undefined)
      throw refusal('E103', 'type is missing', { pointer: '?type', remedy: `one of ${TYPES}` });
    const type = typeOf(query.type);
    const { at, name } = query;
    if (at !== undefined) {
      const proxy = await requireProxyThen(ports, path.id ?? '', at);
      const answer = await whyThen(ports, proxy, { at, type, name }, signal);
      if (answer === undefined) throw unrelated(proxy, type, name);
      return { body: answer, etag: answer.at.offset };
    }
    const proxy = await requireProxy(ports, path.id ?? '');
    const held = await ports.proxies.resources(proxy.id);
    const matches = held.filter(
      (resource) =>
        resource.type === type && (resource.name === query.name || resource.name.endsWith(`/${query.name}`)),
    );
    const resource = matches.find((candidate) => candidate.state !== 'removed') ?? matches[0];
    const answer = await explain(ports, proxy, type, resource?.name ?? query.name, resource, signal);
    if (answer === undefined) throw unrelated(proxy, type, query.name);
    return { body: answer, etag: ports.state.offset };
  },
});

export const proxyRoutes: readonly AnyRoute[] = [list, get, resources, why];
