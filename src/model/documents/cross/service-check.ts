/** Errors of a changed Service document that need the rest of the mesh: E210 (hosts), E211 (ports in use would vanish). */
import type { Finding } from '../../finding.ts';
import { serviceName } from '../../names.ts';
import { namespaceOf, type PolicyDocument } from '../document.ts';
import type { LayerDocument } from '../mesh-lookup.ts';
import { type CrossContext, type DocumentChange, finding, serviceOfScope, subjectOfDocument } from './context.ts';
import { matchPorts, routeTargets } from './route-references.ts';

type ServiceDocument = PolicyDocument<'Service'>;

const nameOf = (document: PolicyDocument): string => serviceName(namespaceOf(document), document.metadata.name);

const checkHosts = (context: CrossContext, document: ServiceDocument): Finding[] => {
  const { document: key } = subjectOfDocument(document);
  const name = nameOf(document);
  return (document.spec.external?.hosts ?? []).flatMap((host, index) => {
    const owner = context.mesh.hostOwners(host.toLowerCase()).find((candidate) => candidate !== name);
    if (owner === undefined) return [];
    return [
      finding(
        'E210',
        key,
        `/spec/external/hosts/${index}`,
        `Host ${host} is owned by service ${owner}; each host has one owner.`,
      ),
    ];
  });
};

interface Use {
  readonly port: number | undefined;
  readonly document: string;
  readonly pointer: string;
}

/** Where a Route names the service by port, or (port undefined) as a target of another service. */
const usesOf = (service: string, route: LayerDocument): Use[] => {
  const own = serviceOfScope(route.scope);
  const uses: Use[] = [];
  if (own?.service === service) {
    if (own.port !== undefined) uses.push({ port: own.port, document: route.document, pointer: '/spec/scope/port' });
    for (const { port, pointer } of matchPorts(route.spec)) uses.push({ port, document: route.document, pointer });
  }
  for (const { target, pointer } of routeTargets(route.spec)) {
    if (target.kind === 'service' && target.service === service)
      uses.push({ port: target.port, document: route.document, pointer });
  }
  return uses;
};

const checkVanishing = (
  context: CrossContext,
  before: ServiceDocument,
  after: PolicyDocument | undefined,
): Finding[] => {
  const name = nameOf(before);
  // What other sources still say of the service counts.
  const left = context.mesh.service(name);
  const ports = new Set(left?.ports.map(({ port }) => port));
  const lost = before.spec.ports.map(({ port }) => port).filter((port) => !ports.has(port));
  if (lost.length === 0) return [];
  const uses = [...context.mesh.documentsOf('Route')]
    .flatMap((route) => usesOf(name, route))
    .filter((use) => (use.port === undefined ? left === undefined : lost.includes(use.port)));
  if (uses.length === 0) return [];
  const documents = [...new Set(uses.map((use) => use.document))];
  const what = left === undefined ? `Service ${name}` : `Port ${lost.join(', ')} of ${name}`;
  return [
    finding(
      'E211',
      subjectOfDocument(before).document,
      after === undefined ? '' : '/spec/ports',
      `${what} would vanish, but is in use by ${documents.join(', ')}.`,
      {
        related: uses.map(({ document, pointer }) => ({ document, pointer })),
        hint: `tendril get ${documents[0]?.toLowerCase() ?? 'route'}`,
      },
    ),
  ];
};

const isService = (document: PolicyDocument | undefined): document is ServiceDocument => document?.kind === 'Service';

export const checkServiceInMesh = (context: CrossContext, { before, after }: DocumentChange): Finding[] => [
  ...(isService(after) ? checkHosts(context, after) : []),
  ...(isService(before) ? checkVanishing(context, before, after) : []),
];
