/** Dependency (policies.md section 7): what a caller needs, so that it is there before the first request. */
import type { Static } from 'typebox';
import { bool, duration, field, integer, labels, later, list, map, object, optional, sticky, text } from './fields.ts';
import { scopeWithoutPort } from './scope.ts';

const MIN_TTL = 600_000;

const edge = () =>
  object({
    pin: field(bool({ default: false, description: 'Never expires.' })),
    deny: field(sticky(bool({ default: false, description: 'Not delivered, answered like unknown.' }))),
    localPort: field(integer(1024, 65535, { description: 'TCP: where the application connects. One per caller.' })),
    ttl: field(later(duration({ minMs: MIN_TTL }))),
  });

const selector = () =>
  object({
    labels: field(labels(1)),
    namespaces: field(list(text('dnsLabel'), { min: 1 })),
    pin: field(bool({ default: false })),
    deny: field(sticky(bool({ default: false }))),
  });

export const DependencySpec = object({
  scope: optional(scopeWithoutPort()),
  to: field(
    map('dependencyTarget', field(edge()), {
      description: '<service>.<namespace>[:port]; * stands for a whole label.',
    }),
  ),
  select: field(map('dnsLabel', field(selector()), { description: 'Edges to all services with these labels.' })),
  learn: field(bool({ default: true, description: 'false: only declared edges, unknown hosts answer 404.' })),
  ttl: field(duration({ minMs: MIN_TTL, default: '24h', description: 'Life of a learned edge after its last use.' })),
  passthrough: field(later(bool({ default: false }))),
});
export type DependencySpec = Static<typeof DependencySpec>;
