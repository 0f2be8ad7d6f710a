/** `spec.scope` (policies.md section 1): whom a document is for. Never merged. */
import { Type } from 'typebox';
import { exactlyOne, object, optional, port, text, yes } from './fields.ts';

export const scope = () =>
  exactlyOne(
    object(
      {
        service: optional(text('scopeService', 'A service of metadata.namespace.')),
        namespace: optional(yes('Every service of metadata.namespace.')),
        mesh: optional(yes('Every service of the mesh.')),
        port: optional(port('Only this port of the service.')),
      },
      'Absent: the service named metadata.name.',
    ),
    ['service', 'namespace', 'mesh'],
  );

/** Scope of kinds that have no ports (Dependency). */
export const scopeWithoutPort = () =>
  exactlyOne(
    object({
      service: optional(text('scopeService')),
      namespace: optional(Type.Literal(true)),
      mesh: optional(Type.Literal(true)),
    }),
    ['service', 'namespace', 'mesh'],
  );
