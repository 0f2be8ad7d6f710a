/** Published JSON Schemas: of all kinds of documents, and of the data of all events. */
import { eventSchemas, isCompiledKind, jsonSchemaOf, KINDS, TendrilError } from '../../model/index.ts';
import { type AnyRoute, route } from '../route.ts';
import { knownKind } from './documents.ts';

const list = route({
  method: 'GET',
  path: '/v1/schemas',
  summary: 'Names of all schemas.',
  query: {},
  answers: { 200: 'Kinds (`compiled`: this version puts them into force), and event types.' },
  handle: () => ({
    body: { kinds: KINDS.map((kind) => ({ kind, compiled: isCompiledKind(kind) })), events: Object.keys(eventSchemas) },
  }),
});

const get = route({
  method: 'GET',
  path: '/v1/schemas/{kind}',
  summary: 'JSON Schema of a kind of document, or of the data of an event type.',
  query: {},
  answers: { 200: 'The schema.', 404: 'There is none of that name.' },
  handle: ({ path }) => {
    const name = path.kind ?? '';
    const kind = knownKind(name);
    if (kind !== undefined) return { body: jsonSchemaOf(kind), type: 'application/schema+json' };
    if (Object.hasOwn(eventSchemas, name))
      return { body: eventSchemas[name as keyof typeof eventSchemas], type: 'application/schema+json' };
    throw new TendrilError(
      'SCHEMA_UNKNOWN',
      `there is no schema "${name.slice(0, 80)}"; allowed are ${KINDS.join(', ')}, and event types`,
      {
        remedy: 'see GET /v1/schemas',
      },
    );
  },
});

export const schemaRoutes: readonly AnyRoute[] = [list, get];
