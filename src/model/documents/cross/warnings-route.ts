/** W101 for targets and ports of a Route, W302: a split that a subset cannot carry. */
import type { Finding } from '../../finding.ts';
import type { PolicyDocument } from '../document.ts';
import { escapeToken } from '../json.ts';
import type { MeshUsageLookup } from '../mesh-lookup.ts';
import { resolveRoute } from '../resolve/resolve-route.ts';
import { resolveUpstream } from '../resolve/resolve-upstream.ts';
import type { ResolvedRouteRule } from '../resolved.ts';
import { type CrossContext, finding, serviceOfScope, subjectOfDocument } from './context.ts';
import { countEndpoints } from './endpoint-counts.ts';
import { matchPorts, routeTargets } from './route-references.ts';

type Context = CrossContext<MeshUsageLookup>;

/** Load of an endpoint, in shares of the mean, from which a split is worth a warning. */
const TOLERATED_LOAD = 1.5;

const portsOf = (ports: readonly { readonly port: number }[]): string => ports.map(({ port }) => port).join(', ');

const targetWarnings = ({ mesh }: Context, document: PolicyDocument): Finding[] => {
  const { document: key, scope } = subjectOfDocument(document);
  const findings: Finding[] = [];
  for (const { target, pointer } of routeTargets(document.spec)) {
    if (target.kind !== 'service') continue;
    const service = mesh.service(target.service);
    if (service === undefined)
      findings.push(finding('W101', key, pointer, `Service ${target.service} is not registered yet.`));
    else if (target.port !== undefined && !service.ports.some(({ port }) => port === target.port)) {
      findings.push(
        finding(
          'W101',
          key,
          pointer,
          `Service ${target.service} has no port ${target.port} yet (it has ${portsOf(service.ports)}).`,
        ),
      );
    }
  }
  const own = serviceOfScope(scope);
  const service = own === undefined ? undefined : mesh.service(own.service);
  if (own === undefined || service === undefined) return findings;
  for (const { port, pointer } of matchPorts(document.spec)) {
    if (service.ports.some((candidate) => candidate.port === port)) continue;
    findings.push(
      finding(
        'W101',
        key,
        pointer,
        `Service ${own.service} has no port ${port} yet (it has ${portsOf(service.ports)}).`,
      ),
    );
  }
  return findings;
};

/** A share of the traffic needs about the same share of the endpoints. */
const splitWarnings = (context: Context, document: PolicyDocument): Finding[] => {
  const { document: key, scope } = subjectOfDocument(document);
  const own = serviceOfScope(scope);
  const service = own === undefined ? undefined : context.mesh.service(own.service);
  const port = service?.ports.find((candidate) =>
    own?.port === undefined ? candidate.protocol !== 'tcp' : candidate.port === own.port,
  );
  if (own === undefined || port === undefined) return [];
  const route = resolveRoute(context.effectiveAt('Route', scope), { service: own.service, ...port });
  const subsets = new Map(
    resolveUpstream(context.effectiveAt('Upstream', scope)).subsets.map((subset) => [subset.name, subset.labels]),
  );
  const all = countEndpoints(context.mesh, own.service).all;
  const check = (rule: ResolvedRouteRule): Finding[] => {
    const origin = rule.provenance.get('/spec/to');
    const sum = rule.targets.reduce((total, { weight }) => total + weight, 0);
    if (origin?.document !== key || rule.targets.length < 2 || sum === 0) return [];
    return rule.targets.flatMap((target) => {
      const labels =
        target.service === own.service && target.subset !== undefined ? subsets.get(target.subset) : undefined;
      if (labels === undefined || target.weight === 0) return [];
      const count = countEndpoints(context.mesh, own.service, labels);
      const share = target.weight / sum;
      const needed = Math.ceil(share * all);
      // No endpoint at all has its own warning (W403).
      const load = count.healthy === 0 ? Number.POSITIVE_INFINITY : (share * all) / count.healthy;
      if (count.all === 0 || load <= TOLERATED_LOAD) return [];
      return [
        finding(
          'W302',
          key,
          `${origin.pointer}/${escapeToken(target.key)}`,
          `Subset ${target.subset ?? ''} has ${count.healthy} healthy endpoint${count.healthy === 1 ? '' : 's'} of ${count.all}, ${Math.round(share * 100)} % of the requests need about ${needed}.`,
        ),
      ];
    });
  };
  const seen = new Set<string>();
  return [route.default, ...route.rules]
    .flatMap(check)
    .filter(({ pointer = '' }) => !seen.has(pointer) && seen.add(pointer));
};

export const routeWarnings = (context: Context, document: PolicyDocument): Finding[] => [
  ...targetWarnings(context, document),
  ...splitWarnings(context, document),
];
