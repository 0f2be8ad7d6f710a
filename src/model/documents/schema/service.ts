/** Service (policies.md section 2): what a service is and who may see it. Not layered, has no scope. */
import { type Static, Type } from 'typebox';
import { endpointFields, serviceFields } from '../../event-schema.ts';
import { later, list, object, optional, text } from './fields.ts';

/** Instances inside one document; more belong into `endpoint.registered` events. */
export const MAX_INLINE_ENDPOINTS = 1024;

export const ServiceSpec = object({
  ...serviceFields,
  endpoints: optional(
    list(Type.Object(endpointFields, { additionalProperties: false }), {
      max: MAX_INLINE_ENDPOINTS,
      description: 'Inline instances.',
    }),
  ),
  serviceAccounts: optional(later(list(text('dnsLabel'), { min: 1 }))),
});
export type ServiceSpec = Static<typeof ServiceSpec>;
