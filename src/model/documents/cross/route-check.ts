/** Errors of a changed Route that need the rest of the mesh: E103 (retry), E303, E307, E308; E301 is in subset-check. */
import type { Finding } from '../../finding.ts';
import type { PolicyDocument } from '../document.ts';
import { canonicalJson, isObject } from '../json.ts';
import type { EffectiveVariant } from '../merge/effective.ts';
import type { LookupService } from '../mesh-lookup.ts';
import { type CrossContext, finding, hasHttpPort, serviceOfScope, subjectOfDocument } from './context.ts';
import { routeLevels, routeTargets } from './route-references.ts';

const checkPorts = (context: CrossContext, document: PolicyDocument): Finding[] => {
  const { document: key, scope } = subjectOfDocument(document);
  const findings: Finding[] = [];
  const own = serviceOfScope(scope);
  const service = own === undefined ? undefined : context.mesh.service(own.service);
  if (own !== undefined && service !== undefined) {
    const port = service.ports.find((candidate) => candidate.port === own.port);
    if (!hasHttpPort(service)) {
      findings.push(
        finding(
          'E307',
          key,
          '/spec',
          `${own.service} has no HTTP port (its ports are tcp), so a Route has nothing to do.`,
        ),
      );
    } else if (port?.protocol === 'tcp') {
      findings.push(
        finding('E307', key, '/spec/scope/port', `Port ${port.port} of ${own.service} is tcp, not an HTTP port.`),
      );
    }
  }
  for (const { target, pointer } of routeTargets(document.spec)) {
    if (target.kind !== 'service') continue;
    const callee = context.mesh.service(target.service);
    if (callee === undefined) continue;
    const port = callee.ports.find((candidate) => candidate.port === target.port);
    if (!hasHttpPort(callee) || port?.protocol === 'tcp') {
      const which = target.port === undefined ? 'has no HTTP port' : `has no HTTP port ${target.port}`;
      findings.push(finding('E307', key, pointer, `${target.service} ${which}, so no request can go there.`));
    }
  }
  return findings;
};

const interfaceProblem = (service: LookupService, name: string, method: string | undefined): string | undefined => {
  const offered = service.interfaces.filter((candidate) => candidate.name === name);
  if (offered.length === 0) {
    return `does not offer the interface ${name} (it offers ${service.interfaces.map((candidate) => candidate.name).join(', ')})`;
  }
  const listed = offered.filter((candidate) => candidate.methods !== undefined);
  if (method === undefined || listed.length < offered.length) return undefined;
  const methods = listed.flatMap((candidate) => candidate.methods ?? []);
  return methods.includes(method) ? undefined : `does not offer ${name}/${method} (it offers ${methods.join(', ')})`;
};

const checkInterfaces = (context: CrossContext, document: PolicyDocument): Finding[] => {
  const { document: key, scope } = subjectOfDocument(document);
  const own = serviceOfScope(scope);
  const service = own === undefined ? undefined : context.mesh.service(own.service);
  // A service that lists no interfaces may offer any.
  if (own === undefined || service === undefined || service.interfaces.length === 0) return [];
  return routeLevels(document.spec).flatMap(({ value, pointer }) => {
    const match = value.match;
    const grpc = isObject(match) ? match.grpc : undefined;
    if (!isObject(grpc) || typeof grpc.service !== 'string') return [];
    const method = typeof grpc.method === 'string' ? grpc.method : undefined;
    const problem = interfaceProblem(service, grpc.service, method);
    return problem === undefined ? [] : [finding('E308', key, `${pointer}/match/grpc`, `${own.service} ${problem}.`)];
  });
};

/** E303 over documents: rules of two documents that end up with the same match and order. */
const checkSameMatch = (variants: ReadonlyMap<string, EffectiveVariant>, key: string): Finding[] => {
  const seen = new Map<string, { readonly name: string; readonly variant: EffectiveVariant }>();
  const findings: Finding[] = [];
  for (const [name, variant] of variants) {
    const { match, order } = variant.value;
    const identity = `${typeof order === 'number' ? order : 0} ${canonicalJson(match ?? {})}`;
    const first = seen.get(identity);
    if (first === undefined) {
      seen.set(identity, { name, variant });
      continue;
    }
    const origins = [first.variant, variant].map(({ provenance }) => provenance.get('/spec/match'));
    const mine = origins.find((origin) => origin?.document === key);
    const other = origins.find((origin) => origin !== undefined && origin.document !== key);
    // Both in one document: the check of that document says so already.
    if (mine === undefined || other === undefined) continue;
    findings.push(
      finding(
        'E303',
        key,
        mine.pointer,
        `Rules ${first.name} and ${name} have the same match and order: ${name} can never match.`,
        {
          related: [{ document: other.document, pointer: other.pointer }],
        },
      ),
    );
  }
  return findings;
};

/** A try that runs out of time counts as 504: without a retry on that it would only cut the request short. */
const checkRetry = ({ value, provenance }: EffectiveVariant, key: string): Finding[] => {
  const retry = value.retry;
  const origin = provenance.get('/spec/retry/timeout');
  if (!isObject(retry) || typeof retry.timeout !== 'string' || origin?.document !== key) return [];
  const when = isObject(retry.when) ? retry.when : {};
  const status = when.status;
  if (when.gateway === true || (Array.isArray(status) && status.includes(504))) return [];
  return [
    finding(
      'E103',
      key,
      origin.pointer,
      'retry.timeout counts as 504, so it needs retry.when.gateway: true or 504 in retry.when.status; found neither.',
      { hint: 'when: {gateway: true}' },
    ),
  ];
};

export const checkRouteInMesh = (context: CrossContext, document: PolicyDocument): Finding[] => {
  const { document: key, scope } = subjectOfDocument(document);
  const route = context.effectiveAt('Route', scope);
  const levels: EffectiveVariant[] = [
    { value: route.value as Readonly<Record<string, unknown>>, provenance: route.provenance },
    ...route.variants.values(),
  ];
  const retries = levels.flatMap((level) => checkRetry(level, key));
  const seen = new Set<string>();
  return [
    ...checkPorts(context, document),
    ...checkInterfaces(context, document),
    ...checkSameMatch(route.variants, key),
    // Rules inherit: the same pointer would be reported for each.
    ...retries.filter(({ pointer = '' }) => !seen.has(pointer) && seen.add(pointer)),
  ];
};
