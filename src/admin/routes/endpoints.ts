/** Single endpoints, registered and withdrawn by whoever runs them, for good or under a lease. */
import { isDeepStrictEqual } from 'node:util';
import { endpointSubject, isObject, parseServiceName, serviceName, TendrilError } from '../../model/index.ts';
import { parseJson, textOf } from '../body.ts';
import type { LeaseView } from '../ports.ts';
import { preconditionOf } from '../preconditions.ts';
import { refusal } from '../problem.ts';
import {
  type Answer,
  type AnyRoute,
  durationParam,
  type Param,
  type RequestContext,
  route,
  textParam,
  wordParam,
} from '../route.ts';
import { writeAnswer } from '../write-answer.ts';
import { heartbeat, holderParam, leaseAnswer, leaseParam, leaseSource } from './leases.ts';

const writeParams = {
  wait: wordParam('`applied`: answer when all xDS streams see the change.', ['applied']),
  timeout: durationParam('How long to wait; then the answer is 202.'),
  reason: textParam('Why, for the history.'),
};

interface EndpointRef {
  readonly namespace: string;
  readonly service: string;
  readonly id: string;
}

const refOf = (path: Readonly<Record<string, string>>): EndpointRef => {
  const ref = { namespace: path.namespace ?? '', service: path.name ?? '', id: path.id ?? '' };
  const name = serviceName(ref.namespace, ref.service);
  if (parseServiceName(name) === undefined) throw refusal('E104', `"${name}" does not fit; allowed are two DNS labels`);
  return ref;
};

const submit = async (
  context: Pick<RequestContext<typeof writeParams>, 'query' | 'ports' | 'caller' | 'requestId'>,
  event: { readonly type: string; readonly source?: string; readonly data: Readonly<Record<string, unknown>> },
  condition: { readonly expect?: number; readonly conditional: boolean },
) => {
  const { wait, timeout, reason } = context.query;
  const answer = await context.ports.ingest.submit({
    events: [
      {
        ...event,
        ...(reason === undefined ? {} : { reason }),
        ...(condition.expect === undefined ? {} : { expect: condition.expect }),
      },
    ],
    caller: context.caller,
    ...(wait === undefined ? {} : { wait }),
    ...(timeout === undefined ? {} : { timeoutMs: timeout }),
  });
  return writeAnswer(answer, { request: context.requestId, conditional: condition.conditional });
};

/** Offset of the endpoint's last event; undefined: it is not registered. */
const currentOf = (context: Pick<RequestContext, 'ports'>, ref: EndpointRef): number | undefined =>
  context.ports.state.endpoint(serviceName(ref.namespace, ref.service), ref.id) === undefined
    ? undefined
    : context.ports.state.subjectOffset(endpointSubject(ref.namespace, ref.service, ref.id));

const answers = {
  200: 'Applied.',
  202: 'Durable; not decided, or not visible yet.',
  409: 'Rejected by the fold.',
  412: 'Changed in the meantime (If-Match).',
};

interface Lease {
  readonly ttlMs: number;
  readonly holder: string;
}

/** Without what means the same as its absence. */
const plain = (fields: object): object =>
  Object.fromEntries(
    Object.entries(fields).filter(
      ([name, value]) =>
        !(
          (name === 'health' && value === 'healthy') ||
          (name === 'weight' && value === 1) ||
          (name === 'labels' && isObject(value) && Object.keys(value).length === 0)
        ),
    ),
  );

/** Whether the log already has all of it: the same process says again what it said. */
const isKnown = (
  { ports, caller }: Pick<RequestContext, 'ports' | 'caller'>,
  { namespace, service, id }: EndpointRef,
  fields: Readonly<Record<string, unknown>>,
  { ttlMs, holder }: Lease,
): LeaseView | undefined => {
  const name = serviceName(namespace, service);
  const source = leaseSource(caller);
  const lease = ports.leases.lease(name, id, source);
  const word = ports.leases.endpointOf(name, id, source);
  if (lease === undefined || lease.expired === true || word === undefined) return undefined;
  if (lease.ttlMs !== ttlMs || lease.holder !== holder) return undefined;
  const { namespace: _, service: __, ...said } = fields;
  return isDeepStrictEqual(plain({ ...said, id }), plain(word)) ? lease : undefined;
};

const registerLease = async (
  context: RequestContext<typeof writeParams & { lease: Param<number | undefined>; holder: Param<string | undefined> }>,
  ref: EndpointRef,
  fields: Readonly<Record<string, unknown>>,
  ttlMs: number,
): Promise<Answer> => {
  const { ports, caller, query } = context;
  const holder = query.holder ?? caller;
  const condition = preconditionOf(context.headers, currentOf(context, ref));
  const known = condition.conditional ? undefined : isKnown(context, ref, fields, { ttlMs, holder });
  if (known !== undefined) {
    ports.leases.renew(known, 'registered');
    return { body: { offsets: [], events: [], lease: leaseAnswer(ttlMs, holder) } };
  }
  const source = leaseSource(caller);
  const data = { ...fields, ...ref, lease: { ttlMs, holder } };
  const answer = await submit(context, { type: 'endpoint.registered', source, data }, condition);
  if (answer.status !== 200 && answer.status !== 202) return answer;
  const lease = ports.leases.lease(serviceName(ref.namespace, ref.service), ref.id, source);
  // Not folded yet: it begins when it is.
  if (lease !== undefined && lease.holder === holder) ports.leases.renew(lease, 'registered');
  return { ...answer, body: { ...(answer.body as object), lease: leaseAnswer(ttlMs, holder) } };
};

const put = route({
  method: 'PUT',
  path: '/v1/services/{namespace}/{name}/endpoints/{id}',
  summary: 'Register an endpoint, or change it.',
  query: {
    ...writeParams,
    lease: leaseParam('Under a lease: it goes when no heartbeat comes for so long, 3s..24h.'),
    holder: holderParam('Random id of the process that holds the lease; default: who calls.'),
  },
  versioned: true,
  body: { kinds: ['json'], description: 'Data of `endpoint.registered` without namespace, service and id.' },
  answers: { ...answers, 400: 'The data has an error.', 503: 'A lease, and this replica is cut off.' },
  handle: async (context) => {
    const ref = refOf(context.path);
    const fields = parseJson(textOf(context.body?.bytes ?? Buffer.alloc(0)));
    if (!isObject(fields))
      throw refusal('E102', 'the body is not an object', { pointer: '', remedy: 'send {"address":"10.0.0.1"}' });
    for (const [name, value] of Object.entries(ref))
      if (fields[name] !== undefined && fields[name] !== value)
        throw refusal(
          'E102',
          `"${name}" is ${JSON.stringify(fields[name])?.slice(0, 80)}, the address says "${value}"; allowed is the same in both`,
          { pointer: `/${name}` },
        );
    if (fields.lease !== undefined)
      throw refusal('E102', '"lease" stands in the body; it belongs into the address', {
        pointer: '/lease',
        remedy: 'PUT …/endpoints/ID?lease=30s&holder=RANDOM',
      });
    const { lease } = context.query;
    if (lease !== undefined) return registerLease(context, ref, fields, lease);
    if (context.query.holder !== undefined)
      throw refusal('E102', 'holder is given without lease', { pointer: '?holder', remedy: 'add lease=30s' });
    return submit(
      context,
      { type: 'endpoint.registered', data: { ...fields, ...ref } },
      preconditionOf(context.headers, currentOf(context, ref)),
    );
  },
});

const remove = route({
  method: 'DELETE',
  path: '/v1/services/{namespace}/{name}/endpoints/{id}',
  summary: 'Withdraw an endpoint.',
  query: { ...writeParams, holder: holderParam('Only when this holder has the lease.') },
  versioned: true,
  answers: { ...answers, 404: 'There is none.' },
  handle: async (context) => {
    const ref = refOf(context.path);
    const { leases } = context.ports;
    const service = serviceName(ref.namespace, ref.service);
    const source = leaseSource(context.caller);
    const lease = leases.lease(service, ref.id, source);
    const { holder } = context.query;
    if (lease !== undefined && holder !== undefined && lease.holder !== holder) throw leases.taken(lease);
    const current = currentOf(context, ref);
    if (current === undefined && lease === undefined)
      throw new TendrilError(
        'ENDPOINT_UNKNOWN',
        `${serviceName(ref.namespace, ref.service)} has no endpoint "${ref.id}"`,
        {
          remedy: `see GET /v1/services/${ref.namespace}/${ref.service}`,
        },
      );
    const own = { type: 'endpoint.deregistered', data: { ...ref } };
    const condition = preconditionOf(context.headers, current);
    if (lease === undefined) return submit(context, own, condition);
    const ended = await submit(context, { ...own, source }, condition);
    // A word without a lease is taken back too, where the caller said both. (A batch is of one source.)
    const isBoth = leases.endpointOf(service, ref.id, context.caller) !== undefined;
    return isBoth && ended.status === 200 ? submit(context, own, { conditional: false }) : ended;
  },
});

export const endpointRoutes: readonly AnyRoute[] = [put, remove, heartbeat];
