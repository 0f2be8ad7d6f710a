/** OpenAPI 3.1 of all routes, made from their definitions and from the schemas of the model. */
import { eventSchemas, jsonSchemaOf, KINDS } from '../model/index.ts';
import { type AnyRoute, type BodyKind, mediaTypesOf } from './route.ts';

type Json = Readonly<Record<string, unknown>>;

const PROBLEM: Json = {
  type: 'object',
  description: 'RFC 9457',
  required: ['type', 'title', 'status', 'code', 'detail'],
  properties: {
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    code: { type: 'string', description: 'Stable; docs/errors.md lists all.' },
    detail: { type: 'string' },
    remedy: { type: 'string' },
    line: { type: 'integer' },
    column: { type: 'integer' },
    pointer: { type: 'string', description: 'RFC 6901' },
    findings: { type: 'array', items: { $ref: '#/components/schemas/Finding' } },
  },
};

const FINDING: Json = {
  type: 'object',
  required: ['code', 'severity', 'message'],
  properties: {
    code: { type: 'string' },
    severity: { enum: ['error', 'warning'] },
    message: { type: 'string' },
    document: { type: 'string' },
    pointer: { type: 'string' },
    file: { type: 'string' },
    line: { type: 'integer' },
    column: { type: 'integer' },
    related: { type: 'array', items: { type: 'object' } },
    hint: { type: 'string' },
  },
};

const EVENT: Json = {
  type: 'object',
  required: ['type', 'data'],
  additionalProperties: false,
  properties: {
    type: { enum: Object.keys(eventSchemas) },
    id: { type: 'string', maxLength: 256 },
    source: { type: 'string', maxLength: 256 },
    time: { type: 'string', format: 'date-time' },
    reason: { type: 'string', maxLength: 1024 },
    expect: { type: 'integer', minimum: 0, description: 'Offset of the subject that the author saw.' },
    data: { type: 'object', description: 'See GET /v1/schemas/{type}.' },
  },
};

const operationId = (route: AnyRoute): string =>
  `${route.method.toLowerCase()}${route.path
    .split(/[/:{}.]+/)
    .filter((part) => part !== '' && part !== 'v1')
    .map((part) => part.charAt(0).toUpperCase() + part.slice(1))
    .join('')}`;

const bodySchema = (route: AnyRoute, kind: BodyKind): Json => {
  if (route.body?.schema !== undefined) return { ...route.body.schema };
  if (kind === 'ndjson') return { type: 'string', description: 'One event a line.' };
  if (kind === 'yaml') return { type: 'string' };
  if (kind === 'json-patch') return { type: 'array', items: { type: 'object' } };
  if (route.path !== '/v1/events') return {};
  return {
    type: 'object',
    required: ['events'],
    properties: { events: { type: 'array', items: { $ref: '#/components/schemas/Event' } } },
  };
};

const parameters = (route: AnyRoute): readonly Json[] => [
  ...[...route.path.matchAll(/\{([a-z]+)\}/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  })),
  ...Object.entries(route.query).map(([name, param]) => ({
    name,
    in: 'query',
    required: false,
    description: param.description,
    schema: param.schema,
  })),
  ...(route.versioned === true && route.method !== 'GET'
    ? [
        {
          name: 'If-Match',
          in: 'header',
          required: false,
          description: 'Offset that the author saw.',
          schema: { type: 'string' },
        },
      ]
    : []),
];

const responses = (route: AnyRoute): Json =>
  Object.fromEntries(
    Object.entries({ ...route.answers, 403: 'Host or Origin header refused.' }).map(([status, description]) => [
      status,
      Number(status) < 400
        ? { description }
        : {
            description,
            content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
          },
    ]),
  );

const operation = (route: AnyRoute): Json => ({
  operationId: operationId(route),
  summary: route.summary,
  parameters: parameters(route),
  ...(route.body === undefined
    ? {}
    : {
        requestBody: {
          required: route.body.optional !== true,
          description: route.body.description,
          content: Object.fromEntries(
            route.body.kinds.flatMap((kind) =>
              mediaTypesOf(kind).map((type) => [type, { schema: bodySchema(route, kind) }]),
            ),
          ),
        },
      }),
  responses: responses(route),
});

export const openApi = (routes: readonly AnyRoute[], version: string): Json => {
  const paths: Record<string, Record<string, Json>> = {};
  for (const route of routes) {
    const path = paths[route.path] ?? {};
    paths[route.path] = path;
    path[route.method.toLowerCase()] = operation(route);
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Tendril', version, description: 'Control plane for service meshes. docs/api.md has examples.' },
    paths,
    components: {
      schemas: {
        Problem: PROBLEM,
        Finding: FINDING,
        Event: EVENT,
        ...Object.fromEntries(KINDS.map((kind) => [kind, jsonSchemaOf(kind)])),
      },
    },
  };
};
