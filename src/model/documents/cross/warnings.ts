/** Warnings of one changed document that need the mesh as it runs. */
import type { Finding } from '../../finding.ts';
import { isOfKind, type PolicyDocument } from '../document.ts';
import type { MeshUsageLookup } from '../mesh-lookup.ts';
import { type CrossContext, finding, serviceOfScope, subjectOfDocument } from './context.ts';
import { dependencyWarnings } from './warnings-dependency.ts';
import { routeWarnings } from './warnings-route.ts';
import { serviceWarnings } from './warnings-service.ts';
import { subsetWarnings } from './warnings-subset.ts';
import { upstreamWarnings } from './warnings-upstream.ts';

/** W101: the service or port that the scope names is not there (yet). */
const scopeWarnings = ({ mesh }: CrossContext<MeshUsageLookup>, document: PolicyDocument): Finding[] => {
  const { document: key, scope } = subjectOfDocument(document);
  const own = serviceOfScope(scope);
  // A caller need not be registered (contracts, "node").
  if (own === undefined || document.kind === 'Service' || document.kind === 'Dependency') return [];
  const service = mesh.service(own.service);
  if (service === undefined)
    return [finding('W101', key, '/spec/scope', `Service ${own.service} is not registered yet.`)];
  if (own.port === undefined || service.ports.some(({ port }) => port === own.port)) return [];
  const ports = service.ports.map(({ port }) => port).join(', ');
  return [
    finding('W101', key, '/spec/scope/port', `Service ${own.service} has no port ${own.port} yet (it has ${ports}).`),
  ];
};

export const warningsOf = (context: CrossContext<MeshUsageLookup>, document: PolicyDocument): Finding[] => {
  const findings = scopeWarnings(context, document);
  if (isOfKind(document, 'Service')) findings.push(...serviceWarnings(context, document));
  if (isOfKind(document, 'Route'))
    findings.push(...routeWarnings(context, document), ...subsetWarnings(context, document));
  if (isOfKind(document, 'Upstream'))
    findings.push(...upstreamWarnings(context, document), ...subsetWarnings(context, document));
  if (isOfKind(document, 'Dependency')) findings.push(...dependencyWarnings(context, document));
  return findings;
};
