/** Schemas of all kinds: the one source of TypeScript types, checks, merging and published JSON Schemas. */
import { type TSchema, Type } from 'typebox';
import { API_VERSION, KINDS, type Kind } from '../kinds.ts';
import { AccessSpec } from './access.ts';
import { DependencySpec } from './dependency.ts';
import { ExtensionSpec } from './extension.ts';
import { labels, object, optional, text } from './fields.ts';
import { RateLimitSpec } from './rate-limit.ts';
import { RouteSpec } from './route.ts';
import { ServiceSpec } from './service.ts';
import { TelemetrySpec } from './telemetry.ts';
import { UpstreamSpec } from './upstream.ts';

export type { AccessSpec } from './access.ts';
export type { DependencySpec } from './dependency.ts';
export type { ExtensionSpec } from './extension.ts';
export type { RateLimitSpec } from './rate-limit.ts';
export type { RouteSpec } from './route.ts';
export type { ServiceSpec } from './service.ts';
export type { TelemetrySpec } from './telemetry.ts';
export type { UpstreamSpec } from './upstream.ts';

export interface SpecTypes {
  Service: ServiceSpec;
  Route: RouteSpec;
  Upstream: UpstreamSpec;
  Access: AccessSpec;
  Dependency: DependencySpec;
  RateLimit: RateLimitSpec;
  Telemetry: TelemetrySpec;
  Extension: ExtensionSpec;
}
export type SpecOf<K extends Kind> = SpecTypes[K];

export const specSchemas: Readonly<Record<Kind, TSchema>> = {
  Service: ServiceSpec,
  Route: RouteSpec,
  Upstream: UpstreamSpec,
  Access: AccessSpec,
  Dependency: DependencySpec,
  RateLimit: RateLimitSpec,
  Telemetry: TelemetrySpec,
  Extension: ExtensionSpec,
};

export const metadataSchema = object({
  name: text('dnsLabel', 'Names the document, and without a scope the service it is for.', 63),
  namespace: optional(text('dnsLabel', 'Default "default".', 63)),
  labels: optional(labels()),
});

const documentSchemas = new Map<Kind, TSchema>(
  KINDS.map((kind) => [
    kind,
    Type.Object(
      {
        apiVersion: Type.Literal(API_VERSION),
        kind: Type.Literal(kind),
        metadata: metadataSchema,
        spec: specSchemas[kind],
      },
      {
        additionalProperties: false,
        title: kind,
        $schema: 'https://json-schema.org/draft/2020-12/schema',
        $id: `https://tendril.dev/schemas/v1/${kind}.json`,
      },
    ),
  ]),
);

/** JSON Schema (draft 2020-12) of whole documents of a kind. What it cannot say is under `x-tendril`. */
export const jsonSchemaOf = (kind: Kind): TSchema => {
  const schema = documentSchemas.get(kind);
  if (schema === undefined) throw new TypeError(`no such kind: ${kind}`);
  return schema;
};
