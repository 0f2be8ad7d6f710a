/** E201: a field that another document of the same scope sets already. */
import type { Finding } from '../../finding.ts';
import { keyOf, type PolicyDocument } from '../document.ts';
import { conflicts } from '../merge/leaves.ts';
import { type CrossContext, type DocumentChange, finding, scopeWords, subjectOfDocument } from './context.ts';

export const checkConflicts = (
  { mesh }: CrossContext,
  document: PolicyDocument,
  /** Changed documents behind this one in the batch: they report the pair. */
  later: readonly DocumentChange[],
): Finding[] => {
  if (document.kind === 'Service') return [];
  const { document: key, scope } = subjectOfDocument(document);
  const behind = new Set(later.map(({ after }) => (after === undefined ? '' : keyOf(after))));
  const findings: Finding[] = [];
  for (const other of mesh.documents(document.kind, scope)) {
    if (other.document === key || behind.has(other.document)) continue;
    for (const conflict of conflicts(document.kind, document.spec, other.spec)) {
      findings.push(
        finding(
          'E201',
          key,
          conflict.pointer,
          `${conflict.pointer} is already set by ${other.document} for the same scope (${scopeWords(scope)}).`,
          {
            related: [{ document: other.document, pointer: conflict.other }],
            hint: `tendril get ${other.document.toLowerCase()}`,
          },
        ),
      );
    }
  }
  return findings;
};
