/** Warnings of a Dependency: W101 (target), W601 (too many), W602 (denied but used), W603 (not visible). */
import type { Finding } from '../../finding.ts';
import { parseServiceName, parseTarget, serviceName } from '../../names.ts';
import type { PolicyDocument } from '../document.ts';
import { escapeToken, isObject } from '../json.ts';
import type { LookupService, MeshUsageLookup } from '../mesh-lookup.ts';
import { resolveDependency } from '../resolve/resolve-dependency.ts';
import type { ResolvedDependencySelector, ResolvedDependencyTarget } from '../resolved.ts';
import { isWithin } from '../scope.ts';
import { formatDuration } from '../text/duration.ts';
import { takesService } from '../text/target.ts';
import { type CrossContext, finding, scopeWords, someOf, subjectOfDocument } from './context.ts';

type Context = CrossContext<MeshUsageLookup>;

/** Above that a glob is the whole mesh again. */
const MANY_SERVICES = 200;

const namespaceOfScope = (scope: string): string | undefined => {
  if (scope.startsWith('ns:')) return scope.slice(3);
  return parseServiceName(scope.slice(4))?.namespace;
};

const isVisible = (service: LookupService, callerNamespace: string): boolean => {
  const { visibility, namespace } = service;
  if (visibility === 'mesh' || namespace === callerNamespace) return true;
  return visibility !== 'namespace' && visibility.includes(callerNamespace);
};

const selects = (selector: ResolvedDependencySelector, service: LookupService): boolean =>
  selector.labels.every(({ key, value }) => service.labels[key] === value) &&
  (selector.namespaces.length === 0 || selector.namespaces.includes(service.namespace));

const countServices = (mesh: MeshUsageLookup, takes: (name: string, service: LookupService) => boolean): number => {
  let count = 0;
  for (const [name, service] of mesh.services()) if (takes(name, service)) count++;
  return count;
};

const takesName = (target: ResolvedDependencyTarget, full: string): boolean => {
  const service = parseServiceName(full);
  return service !== undefined && takesService(target, service.name, service.namespace);
};

const tooMany = (key: string, pointer: string, what: string, count: number): Finding[] =>
  count > MANY_SERVICES
    ? [
        finding(
          'W601',
          key,
          pointer,
          `${what} matches ${count} services (more than ${MANY_SERVICES}): that is the whole mesh again.`,
        ),
      ]
    : [];

/** Edges of callers in the scope that are in use and would be denied. */
const usedEdges = (
  { mesh }: Context,
  scope: string,
  target: ResolvedDependencyTarget,
): { from: string; to: string; ago: number }[] => {
  const used: { from: string; to: string; ago: number }[] = [];
  for (const caller of mesh.callers()) {
    if (!isWithin(`svc:${caller}`, scope)) continue;
    for (const { to, lastSeen } of mesh.usedEdges(caller)) {
      const callee = parseTarget(to);
      const taken = callee !== undefined && takesService(target, callee.name, callee.namespace);
      if (taken && (target.port === undefined || callee.port === undefined || callee.port === target.port)) {
        used.push({ from: caller, to, ago: Math.max(0, mesh.now - lastSeen) });
      }
    }
  }
  return used.sort((a, b) => a.ago - b.ago);
};

const denyWarnings = (context: Context, scope: string, target: ResolvedDependencyTarget, key: string): Finding[] => {
  const used = usedEdges(context, scope, target);
  const [first] = used;
  if (first === undefined) return [];
  const edges = someOf(used.map(({ from, to }) => `${from} -> ${to}`));
  const ago = formatDuration(Math.round(first.ago / 1000) * 1000);
  return [
    finding(
      'W602',
      key,
      `/spec/to/${escapeToken(target.key)}/deny`,
      `Denies ${used.length} edge${used.length === 1 ? '' : 's'} in use, the last use ${ago} ago: ${edges}.`,
    ),
  ];
};

const targetWarnings = (context: Context, scope: string, target: ResolvedDependencyTarget, key: string): Finding[] => {
  const pointer = `/spec/to/${escapeToken(target.key)}`;
  if (target.deny) return denyWarnings(context, scope, target, key);
  if (target.glob) {
    const count = countServices(context.mesh, (name) => takesName(target, name));
    return tooMany(key, pointer, `"${target.key}"`, count);
  }
  const name = serviceName(target.namespace, target.name);
  const service = context.mesh.service(name);
  if (service === undefined) return [finding('W101', key, pointer, `Service ${name} is not registered yet.`)];
  const findings: Finding[] = [];
  if (target.port !== undefined && !service.ports.some(({ port }) => port === target.port)) {
    const ports = service.ports.map(({ port }) => port).join(', ');
    findings.push(finding('W101', key, pointer, `Service ${name} has no port ${target.port} yet (it has ${ports}).`));
  }
  const caller = namespaceOfScope(scope);
  if (caller !== undefined && !isVisible(service, caller)) {
    findings.push(
      finding(
        'W603',
        key,
        pointer,
        `${name} is not visible for callers of namespace ${caller}, so it is never delivered to ${scopeWords(scope)}.`,
      ),
    );
  }
  return findings;
};

export const dependencyWarnings = (context: Context, document: PolicyDocument<'Dependency'>): Finding[] => {
  const { document: key, scope } = subjectOfDocument(document);
  const { to, select } = document.spec;
  const merged = resolveDependency(context.effectiveAt('Dependency', scope));
  const isOwn = (map: unknown, name: string): boolean => isObject(map) && isObject(map[name]);
  return [
    ...merged.to
      .filter((target) => isOwn(to, target.key))
      .flatMap((target) => targetWarnings(context, scope, target, key)),
    ...merged.select
      .filter((selector) => isOwn(select, selector.name) && !selector.deny)
      .flatMap((selector) =>
        tooMany(
          key,
          `/spec/select/${escapeToken(selector.name)}`,
          `Selector ${selector.name}`,
          countServices(context.mesh, (_, service) => selects(selector, service)),
        ),
      ),
  ];
};
