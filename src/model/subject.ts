/** Keys of entities: `subject` of events, and keys of state, history and `expect`. */
import type { EventType } from './event.ts';
import type { EventData } from './event-schema.ts';
import { rawNodeSubject, rawSubject } from './raw-ref.ts';

export const serviceSubject = (namespace: string, name: string): string => `service/${namespace}/${name}`;
export const endpointSubject = (namespace: string, service: string, id: string): string =>
  `endpoint/${namespace}/${service}/${id}`;
export const policySubject = (kind: string, namespace: string, name: string): string =>
  `policy/${kind}/${namespace}/${name}`;
export const edgeSubject = (from: string, to: string): string => `edge/${from}/${to}`;
export const keeperSubject = (keeper: string): string => `keeper/${keeper}`;
export const replicaSubject = (replica: string): string => `replica/${replica}`;
export const MESH_SUBJECT = 'mesh';

/** The entity that an event changes. `policy.applied` reads kind, namespace and name out of the document. */
export const subjectOf = <T extends EventType>(type: T, data: EventData[T]): string => {
  const d = data as Record<string, unknown>;
  const text = (key: string): string => String(d[key] ?? '');
  switch (type as EventType) {
    case 'mesh.configured':
      return MESH_SUBJECT;
    case 'service.registered':
    case 'service.deregistered':
      return serviceSubject(text('namespace'), text('name'));
    case 'endpoint.registered':
    case 'endpoint.health-changed':
    case 'endpoint.deregistered':
    case 'endpoint.expired':
      return endpointSubject(text('namespace'), text('service'), text('id'));
    case 'policy.applied': {
      const document = (d.document ?? {}) as Record<string, unknown>;
      const metadata = (document.metadata ?? {}) as Record<string, unknown>;
      return policySubject(
        String(document.kind ?? ''),
        String(metadata.namespace ?? 'default'),
        String(metadata.name ?? ''),
      );
    }
    case 'policy.patched':
    case 'policy.deleted':
    case 'policy.refused':
      return policySubject(text('kind'), text('namespace'), text('name'));
    case 'dependency.renewed':
      return 'edges';
    case 'dependency.declared':
    case 'dependency.withdrawn':
    case 'dependency.pinned':
    case 'dependency.denied':
    case 'dependency.observed':
    case 'dependency.expired':
      return edgeSubject(text('from'), text('to'));
    case 'keeper.elected':
      return keeperSubject(text('keeper'));
    case 'replica.joined':
    case 'replica.left':
      return replicaSubject(text('replica'));
    case 'resource.put':
    case 'resource.delete':
    case 'resource.refused':
      return rawSubject({ node: text('node'), typeUrl: text('typeUrl'), name: text('name') });
    case 'resource.clear':
      return rawNodeSubject(text('node'));
  }
};
