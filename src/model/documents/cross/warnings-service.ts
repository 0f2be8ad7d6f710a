/** W212: an inline endpoint that another source reports, too. */
import type { Finding } from '../../finding.ts';
import { serviceName } from '../../names.ts';
import { namespaceOf, type PolicyDocument } from '../document.ts';
import type { MeshUsageLookup } from '../mesh-lookup.ts';
import { type CrossContext, finding, subjectOfDocument } from './context.ts';

export const serviceWarnings = (
  { mesh }: CrossContext<MeshUsageLookup>,
  document: PolicyDocument<'Service'>,
): Finding[] => {
  const name = serviceName(namespaceOf(document), document.metadata.name);
  return (document.spec.endpoints ?? []).flatMap(({ id }, index) => {
    const sources = mesh.endpointSources(name, id);
    if (sources.length === 0) return [];
    return [
      finding(
        'W212',
        subjectOfDocument(document).document,
        `/spec/endpoints/${index}/id`,
        `Endpoint ${id} is also reported by ${sources.join(', ')}; the document's fields win, the worst health of all counts.`,
      ),
    ];
  });
};
