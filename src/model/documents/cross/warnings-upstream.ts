/** Warnings of an Upstream of one service: W401 (limits add up), W402 and W406 (ejection), W407 (equal subsets). */
import type { Finding } from '../../finding.ts';
import type { PolicyDocument } from '../document.ts';
import type { MeshUsageLookup } from '../mesh-lookup.ts';
import { resolveUpstream, UNLIMITED } from '../resolve/resolve-upstream.ts';
import type { ResolvedUpstream } from '../resolved.ts';
import { formatDuration } from '../text/duration.ts';
import { type CrossContext, finding, serviceOfScope, subjectOfDocument } from './context.ts';
import { countEndpoints } from './endpoint-counts.ts';

type Context = CrossContext<MeshUsageLookup>;

interface Subject {
  readonly key: string;
  readonly service: string;
  readonly upstream: ResolvedUpstream;
}

/** Where the document itself sets a field of its base; undefined: it does not. */
const ownPointer = ({ key, upstream }: Subject, pointer: string): string | undefined => {
  const origin = upstream.base.provenance.get(pointer);
  return origin?.document === key ? origin.pointer : undefined;
};

const limitWarnings = ({ mesh }: Context, subject: Subject): Finding[] => {
  const callers = mesh.callerSidecars(subject.service);
  if (callers < 2) return [];
  return (['connections', 'pending', 'requests'] as const).flatMap((name) => {
    const limit = subject.upstream.base.limits[name];
    const pointer = ownPointer(subject, `/spec/limits/${name}`);
    if (pointer === undefined || limit === UNLIMITED) return [];
    return [
      finding(
        'W401',
        subject.key,
        pointer,
        `Limit ${limit} per sidecar × ${callers} callers = ${limit * callers} in all.`,
      ),
    ];
  });
};

const ejectionWarnings = ({ mesh }: Context, subject: Subject): Finding[] => {
  const { key, service, upstream } = subject;
  const { outlier, panicPercent } = upstream.base;
  const { all, healthy } = countEndpoints(mesh, service);
  if (outlier === undefined || all === 0) return [];
  const findings: Finding[] = [];
  const share = ownPointer(subject, '/spec/outlier/maxPercent');
  // Envoy counts the ejected ones after the ejection: one of three is 34 %. The only endpoint stays in anyway.
  const needed = Math.ceil(100 / all);
  if (share !== undefined && all > 1 && outlier.maxPercent < needed) {
    findings.push(
      finding(
        'W402',
        key,
        share,
        `maxPercent ${outlier.maxPercent} of ${all} endpoints ejects none (Envoy counts after the ejection; ${needed} needed).`,
      ),
    );
  }
  const mine = ownPointer(subject, '/spec/panicPercent') ?? ownPointer(subject, '/spec/outlier/ejectTime') ?? share;
  const ejectable = Math.floor((outlier.maxPercent * all) / 100);
  if (mine !== undefined && panicPercent === 0 && healthy > 0 && ejectable >= healthy) {
    const left = healthy === 1 ? 'one endpoint left' : `${healthy} endpoints that may all be ejected`;
    const time = formatDuration(outlier.ejectTimeMs);
    findings.push(
      finding('W406', key, mine, `ejectTime ${time} and ${left}: panicPercent 0 would answer 503 for ${time}.`),
    );
  }
  return findings;
};

const equalSubsetWarnings = ({ mesh }: Context, { key, service, upstream }: Subject): Finding[] => {
  const seen = new Map<string, string>();
  const findings: Finding[] = [];
  for (const { name, labels, settings } of upstream.subsets) {
    const { all, ids } = countEndpoints(mesh, service, labels);
    const other = all === 0 ? undefined : seen.get(ids);
    if (other === undefined) {
      seen.set(ids, name);
      continue;
    }
    const mine = [...settings.provenance.values()].some(
      (origin) => origin.document === key && origin.pointer.startsWith(`/spec/subsets/${name}/`),
    );
    if (mine)
      findings.push(
        finding(
          'W407',
          key,
          `/spec/subsets/${name}`,
          `Subsets ${other} and ${name} select the same endpoints of ${service}.`,
        ),
      );
  }
  return findings;
};

export const upstreamWarnings = (context: Context, document: PolicyDocument): Finding[] => {
  const { document: key, scope } = subjectOfDocument(document);
  const own = serviceOfScope(scope);
  // For wider scopes these numbers differ by service: `plan` shows them for each.
  if (own === undefined || context.mesh.service(own.service) === undefined) return [];
  const subject: Subject = {
    key,
    service: own.service,
    upstream: resolveUpstream(context.effectiveAt('Upstream', scope)),
  };
  return [
    ...limitWarnings(context, subject),
    ...ejectionWarnings(context, subject),
    ...equalSubsetWarnings(context, subject),
  ];
};
