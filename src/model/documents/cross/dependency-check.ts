/** Errors of a changed Dependency that need the rest of the mesh: E103 (selector), E601, E602, E604. */

import type { Finding } from '../../finding.ts';
import { serviceName } from '../../names.ts';
import type { PolicyDocument } from '../document.ts';
import { escapeToken, isObject } from '../json.ts';
import type { LookupService } from '../mesh-lookup.ts';
import { resolveDependency } from '../resolve/resolve-dependency.ts';
import type { ResolvedDependencyTarget } from '../resolved.ts';
import { type CrossContext, finding, scopeWords, serviceOfScope, subjectOfDocument } from './context.ts';

const pointerOfTarget = (key: string): string => `/spec/to/${escapeToken(key)}`;

/** Targets of the merged Dependency that the document itself names. */
const ownKeys = (document: PolicyDocument): ReadonlySet<string> => {
  const to: unknown = (document.spec as Readonly<Record<string, unknown>>).to;
  return new Set(isObject(to) ? Object.keys(to).filter((key) => isObject(to[key])) : []);
};

const checkTarget = (target: ResolvedDependencyTarget, service: LookupService, key: string): Finding[] => {
  const name = serviceName(target.namespace, target.name);
  const pointer = pointerOfTarget(target.key);
  const named = service.ports.filter(({ port }) => target.port === undefined || port === target.port);
  const tcp = named.filter(({ protocol }) => protocol === 'tcp');
  if (named.length === 0) return [];
  if (target.localPort === undefined) {
    if (tcp.length < named.length) return [];
    const ports = tcp.map(({ port }) => port).join(', ');
    return [
      finding('E604', key, pointer, `${name} is reached by TCP (port ${ports}), so "${target.key}" needs a localPort.`),
    ];
  }
  if (tcp.length === 1) return [];
  const what =
    tcp.length > 1
      ? `has the TCP ports ${tcp.map(({ port }) => port).join(', ')}: name one as ${name}:<port>`
      : `is not a TCP port but ${[...new Set(named.map(({ protocol }) => protocol))].join(', ')}`;
  const where = target.port === undefined ? name : `${name}:${target.port}`;
  return [finding('E602', key, `${pointer}/localPort`, `localPort is for TCP, but ${where} ${what}.`)];
};

/** E601: one local port for two targets of one caller, or one that its sidecars listen on already. */
const checkLocalPorts = (context: CrossContext, scope: string, key: string): Finding[] => {
  const dependency = resolveDependency(context.effectiveAt('Dependency', scope));
  const provenance = context.effectiveAt('Dependency', scope).provenance;
  const taken = new Map<number, ResolvedDependencyTarget>();
  const caller = serviceOfScope(scope)?.service;
  const listens = new Map<number, string>();
  if (caller !== undefined) for (const { port, owner } of context.mesh.listenPorts(caller)) listens.set(port, owner);
  const findings: Finding[] = [];
  for (const target of dependency.to) {
    if (target.localPort === undefined || target.deny) continue;
    const other = taken.get(target.localPort);
    const owner = listens.get(target.localPort);
    taken.set(target.localPort, target);
    const origins = [target, other].map((entry) =>
      entry === undefined ? undefined : provenance.get(`${pointerOfTarget(entry.key)}/localPort`),
    );
    const mine = origins.find((origin) => origin?.document === key);
    if (mine === undefined) continue;
    if (other !== undefined) {
      const theirs = origins.find((origin) => origin !== undefined && origin !== mine);
      const edge = origins[0] === mine ? other.key : target.key;
      // Two targets of the same document: its own check says so already.
      if (theirs === undefined || theirs.document === key) continue;
      findings.push(
        finding(
          'E601',
          key,
          mine.pointer,
          `localPort ${target.localPort} is taken by the edge to "${edge}" for callers of ${scopeWords(scope)}.`,
          {
            related: [{ document: theirs.document, pointer: theirs.pointer }],
          },
        ),
      );
    } else if (owner !== undefined && origins[0] === mine) {
      findings.push(
        finding(
          'E601',
          key,
          mine.pointer,
          `localPort ${target.localPort} is taken by a listener of the sidecar of ${caller}: ${owner}.`,
        ),
      );
    }
  }
  return findings;
};

const checkSelectors = (context: CrossContext, document: PolicyDocument, key: string, scope: string): Finding[] => {
  const own: unknown = (document.spec as Readonly<Record<string, unknown>>).select;
  const merged = context.effectiveAt('Dependency', scope).value.select ?? {};
  if (!isObject(own)) return [];
  return Object.keys(own)
    .filter((name) => isObject(own[name]) && Object.keys(merged[name]?.labels ?? {}).length === 0)
    .map((name) =>
      finding(
        'E103',
        key,
        `/spec/select/${escapeToken(name)}/labels`,
        `Selector ${name} has no labels; at least one is due, or it would select the whole mesh.`,
      ),
    );
};

export const checkDependencyInMesh = (context: CrossContext, document: PolicyDocument): Finding[] => {
  const { document: key, scope } = subjectOfDocument(document);
  const own = ownKeys(document);
  const findings: Finding[] = [];
  for (const target of resolveDependency(context.effectiveAt('Dependency', scope)).to) {
    if (!own.has(target.key) || target.glob || target.deny) continue;
    const service = context.mesh.service(serviceName(target.namespace, target.name));
    if (service !== undefined) findings.push(...checkTarget(target, service, key));
  }
  const withPorts = [...own].some((name) => {
    const to = (document.spec as { to?: Readonly<Record<string, unknown>> }).to?.[name];
    return isObject(to) && typeof to.localPort === 'number';
  });
  if (withPorts) {
    const scopes = new Set([scope, ...context.documentsInside('Dependency', scope).map((inside) => inside.scope)]);
    const seen = new Set<string>();
    for (const inside of scopes) {
      for (const problem of checkLocalPorts(context, inside, key)) {
        if (!seen.has(problem.pointer ?? '')) findings.push(problem);
        seen.add(problem.pointer ?? '');
      }
    }
  }
  findings.push(...checkSelectors(context, document, key, scope));
  return findings;
};
