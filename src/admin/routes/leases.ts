/** Leases of endpoints: their parameters, heartbeats, and how they are shown. */
import {
  isObject,
  MAX_LEASE_MS,
  MIN_LEASE_MS,
  parseDuration,
  parseServiceName,
  serviceName,
  TendrilError,
} from '../../model/index.ts';
import { parseJson, textOf } from '../body.ts';
import type { LeasesPort, LeaseView } from '../ports.ts';
import { refusal } from '../problem.ts';
import { type Param, route } from '../route.ts';
import { writeAnswer } from '../write-answer.ts';

const MAX_HOLDER = 128;

/** Of a TTL three heartbeats fit in: two may be lost. */
const HEARTBEATS_PER_TTL = 3;

export const leaseSource = (caller: string): string => `lease:${caller}`;

/** `30s`; a bare number is seconds. In ms. */
export const leaseParam = (description: string): Param<number | undefined> => ({
  description,
  schema: { type: 'string', example: '30s' },
  parse: (text, name) => {
    if (text === undefined) return undefined;
    const ms = parseDuration(/^[0-9.]+$/.test(text) ? `${text}s` : text);
    if (ms === undefined || ms < MIN_LEASE_MS || ms > MAX_LEASE_MS)
      throw refusal('E104', `${name} is "${text.slice(0, 80)}"; allowed is 3s..24h, such as 30s`, {
        pointer: `?${name}`,
        remedy: 'choose about three times the time between two heartbeats',
      });
    return ms;
  },
});

const isHolder = (value: unknown): value is string =>
  typeof value === 'string' && value.length <= MAX_HOLDER && /^[\x21-\x7e]+$/.test(value);

const wrongHolder = (value: unknown, pointer: string): TendrilError =>
  refusal(
    'E102',
    `holder is ${(JSON.stringify(value) ?? 'missing').slice(0, 80)}; allowed are 1..${MAX_HOLDER} printable characters without spaces`,
    { pointer, remedy: 'give each process a random id of its own' },
  );

export const holderParam = (description: string): Param<string | undefined> => ({
  description,
  schema: { type: 'string', minLength: 1, maxLength: MAX_HOLDER },
  parse: (text) => {
    if (text !== undefined && !isHolder(text)) throw wrongHolder(text, '?holder');
    return text;
  },
});

/** What a registration answers of its lease. */
export const leaseAnswer = (ttlMs: number, holder: string) => ({
  ttlMs,
  holder,
  heartbeatMs: Math.floor(ttlMs / HEARTBEATS_PER_TTL),
});

/** A lease as services and endpoints show it. */
export const leaseRow = (leases: LeasesPort, lease: LeaseView) => {
  const silentMs = lease.expired === true ? undefined : leases.silentMs(lease);
  return {
    ttlMs: lease.ttlMs,
    holder: lease.holder,
    ...(lease.expired === true ? { expired: true } : {}),
    ...(silentMs === undefined ? {} : { silentMs: Math.round(silentMs) }),
  };
};

const HEALTHS = ['healthy', 'unhealthy', 'draining'];

const unknown = (service: string, id: string): TendrilError =>
  new TendrilError('LEASE_UNKNOWN', `there is no lease on an endpoint "${id}" of ${service}, or it ran out`, {
    remedy: 'register the endpoint again: PUT …/endpoints/ID?lease=TTL',
  });

export const heartbeat = route({
  method: 'POST',
  path: '/v1/services/{namespace}/{name}/endpoints/{id}:heartbeat',
  summary: 'A sign of life of the holder of a lease. Nothing is written to the log unless the health is another one.',
  query: {},
  body: {
    kinds: ['json'],
    description: '`{"holder": "…", "health"?: "healthy" | "unhealthy" | "draining"}`',
  },
  answers: {
    200: '`{ttlMs, offset?}`; `offset` of the change of health.',
    202: 'The change of health is durable, not decided yet.',
    404: 'There is no such lease, or it ran out: register anew.',
    409: 'Another holder has it.',
    503: 'This replica is cut off: send it to another one.',
  },
  handle: async ({ ports, path, body, caller, requestId }) => {
    const service = serviceName(path.namespace ?? '', path.name ?? '');
    if (parseServiceName(service) === undefined)
      throw refusal('E104', `"${service}" does not fit; allowed are two DNS labels`);
    const said = parseJson(textOf(body?.bytes ?? Buffer.alloc(0)));
    if (!isObject(said))
      throw refusal('E102', 'the body is not an object', { pointer: '', remedy: 'send {"holder":"…"}' });
    const { holder = caller, health, ...more } = said;
    const [extra] = Object.keys(more);
    if (extra !== undefined)
      throw refusal('E101', `"${extra.slice(0, 80)}" is unknown; allowed are holder, health`, { pointer: `/${extra}` });
    if (!isHolder(holder)) throw wrongHolder(holder, '/holder');
    if (health !== undefined && !(typeof health === 'string' && HEALTHS.includes(health)))
      throw refusal('E102', `health is ${JSON.stringify(health)?.slice(0, 80)}; allowed are ${HEALTHS.join(', ')}`, {
        pointer: '/health',
      });
    const id = path.id ?? '';
    const source = leaseSource(caller);
    const lease = ports.leases.lease(service, id, source);
    if (lease === undefined || lease.expired === true) throw unknown(service, id);
    if (lease.holder !== holder) throw ports.leases.taken(lease);
    ports.leases.renew(lease, 'heartbeat');
    const answer = { ttlMs: lease.ttlMs };
    const known = ports.leases.endpointOf(service, id, source)?.health ?? 'healthy';
    if (health === undefined || health === known) return { body: answer };
    const data = { namespace: path.namespace, service: path.name, id, health };
    const written = await ports.ingest.submit({ events: [{ type: 'endpoint.health-changed', source, data }], caller });
    if (written.result === 'rejected') {
      // It ran out, or was withdrawn, in the meantime.
      if (written.events[0]?.code === 'unknown-endpoint') throw unknown(service, id);
      return writeAnswer(written, { request: requestId });
    }
    return {
      status: written.result === 'pending' ? 202 : 200,
      body: { ...answer, offset: written.offsets.at(-1) },
    };
  },
});
