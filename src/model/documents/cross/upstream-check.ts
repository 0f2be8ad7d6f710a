/** Errors of a changed Upstream that need other layers: E401 (a subset without labels), E402 (hash and lb apart). */
import type { Finding } from '../../finding.ts';
import type { PolicyDocument } from '../document.ts';
import { escapeToken, isObject } from '../json.ts';
import type { EffectiveVariant } from '../merge/effective.ts';
import { type CrossContext, finding, scopeWords, subjectOfDocument } from './context.ts';

const usesHash = (lb: unknown): boolean => isObject(lb) && (lb.ringHash !== undefined || lb.maglev !== undefined);

const checkHash = ({ value, provenance }: EffectiveVariant, key: string): Finding[] => {
  const hashed = Array.isArray(value.hash);
  const needs = usesHash(value.lb);
  if (hashed === needs) return [];
  const origin = provenance.get(hashed ? '/spec/hash' : '/spec/lb');
  if (origin?.document !== key) return [];
  const message = hashed
    ? 'hash is set, but lb is neither ringHash nor maglev, so nothing reads it.'
    : 'lb chooses by hash, but hash is not set; give the keys to hash.';
  return [finding('E402', key, origin.pointer, message)];
};

export const checkUpstreamInMesh = (context: CrossContext, document: PolicyDocument): Finding[] => {
  const { document: key, scope } = subjectOfDocument(document);
  const upstream = context.effectiveAt('Upstream', scope);
  const findings = checkHash(
    { value: upstream.value as Readonly<Record<string, unknown>>, provenance: upstream.provenance },
    key,
  );
  const seen = new Set(findings.map(({ pointer }) => pointer));
  const own: unknown = (document.spec as Readonly<Record<string, unknown>>).subsets;
  for (const [name, variant] of upstream.variants) {
    for (const problem of checkHash(variant, key)) if (!seen.has(problem.pointer)) findings.push(problem);
    const labels = variant.value.labels;
    if (isObject(own) && isObject(own[name]) && !(isObject(labels) && Object.keys(labels).length > 0)) {
      findings.push(
        finding(
          'E401',
          key,
          `/spec/subsets/${escapeToken(name)}`,
          `Subset ${name} has no label for ${scopeWords(scope)}; at least one is due.`,
        ),
      );
    }
  }
  return findings;
};
