/** Single endpoints, registered and withdrawn by whoever runs them. Leases come with a later version. */
import { endpointSubject, isObject, parseServiceName, serviceName, TendrilError } from '../../model/index.ts';
import { parseJson, textOf } from '../body.ts';
import { preconditionOf } from '../preconditions.ts';
import { refusal } from '../problem.ts';
import { type AnyRoute, durationParam, type RequestContext, route, textParam, wordParam } from '../route.ts';
import { writeAnswer } from '../write-answer.ts';

const writeParams = {
  wait: wordParam('`applied`: answer when all xDS streams see the change.', ['applied']),
  timeout: durationParam('How long to wait; then the answer is 202.'),
  reason: textParam('Why, for the history.'),
  lease: textParam('Not in this version.'),
};

interface EndpointRef {
  readonly namespace: string;
  readonly service: string;
  readonly id: string;
}

const refuseLease = (lease: string | undefined): void => {
  if (lease !== undefined)
    throw refusal('LEASE_NOT_YET', 'leases (?lease=, :heartbeat) come with a later version of Tendril', {
      remedy: 'register without a lease, and withdraw the endpoint with DELETE',
      pointer: '?lease',
    });
};

const refOf = (path: Readonly<Record<string, string>>): EndpointRef => {
  const ref = { namespace: path.namespace ?? '', service: path.name ?? '', id: path.id ?? '' };
  const name = serviceName(ref.namespace, ref.service);
  if (parseServiceName(name) === undefined) throw refusal('E104', `"${name}" does not fit; allowed are two DNS labels`);
  return ref;
};

const submit = async (
  context: RequestContext<typeof writeParams>,
  event: { readonly type: string; readonly data: Readonly<Record<string, unknown>> },
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

const put = route({
  method: 'PUT',
  path: '/v1/services/{namespace}/{name}/endpoints/{id}',
  summary: 'Register an endpoint, or change it.',
  query: writeParams,
  versioned: true,
  body: { kinds: ['json'], description: 'Data of `endpoint.registered` without namespace, service and id.' },
  answers: { ...answers, 400: 'The data has an error, or a lease was asked for.' },
  handle: async (context) => {
    refuseLease(context.query.lease);
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
  query: writeParams,
  versioned: true,
  answers: { ...answers, 404: 'There is none.' },
  handle: async (context) => {
    refuseLease(context.query.lease);
    const ref = refOf(context.path);
    const current = currentOf(context, ref);
    if (current === undefined)
      throw new TendrilError(
        'ENDPOINT_UNKNOWN',
        `${serviceName(ref.namespace, ref.service)} has no endpoint "${ref.id}"`,
        {
          remedy: `see GET /v1/services/${ref.namespace}/${ref.service}`,
        },
      );
    return submit(
      context,
      { type: 'endpoint.deregistered', data: { ...ref } },
      preconditionOf(context.headers, current),
    );
  },
});

const heartbeat = route({
  method: 'POST',
  path: '/v1/services/{namespace}/{name}/endpoints/{id}:heartbeat',
  summary: 'Not in this version.',
  query: {},
  answers: { 400: 'Leases come with a later version.' },
  handle: () => {
    refuseLease('');
    return { body: {} };
  },
});

export const endpointRoutes: readonly AnyRoute[] = [put, remove, heartbeat];
