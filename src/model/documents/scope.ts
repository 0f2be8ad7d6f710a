/** Scopes: whom a document is for, and which documents take part for a service port (policies.md section 1). */
import { parseServiceName, parseTarget, serviceName, servicePort } from '../names.ts';
import { namespaceOf, type PolicyDocument } from './document.ts';
import { isObject } from './json.ts';

export type Scope =
  | { readonly kind: 'mesh' }
  | { readonly kind: 'namespace'; readonly namespace: string }
  /** service: `<service>.<namespace>` */
  | { readonly kind: 'service'; readonly service: string; readonly port: number | undefined };

/** `mesh`, `ns:<ns>`, `svc:<svc.ns>`, `svc:<svc.ns>:<port>`. */
export const scopeKey = (scope: Scope): string => {
  switch (scope.kind) {
    case 'mesh':
      return 'mesh';
    case 'namespace':
      return `ns:${scope.namespace}`;
    case 'service':
      return scope.port === undefined ? `svc:${scope.service}` : `svc:${servicePort(scope.service, scope.port)}`;
  }
};

/** Inverse of `scopeKey`; undefined when the text is no scope key. */
export const parseScopeKey = (key: string): Scope | undefined => {
  if (key === 'mesh') return { kind: 'mesh' };
  if (key.startsWith('ns:')) return { kind: 'namespace', namespace: key.slice(3) };
  const target = key.startsWith('svc:') ? parseTarget(key.slice(4)) : undefined;
  if (target === undefined) return undefined;
  return { kind: 'service', service: serviceName(target.namespace, target.name), port: target.port };
};

/** Scope of a document of a layered kind. A Service document counts as for the service of its name. */
export const scopeOf = (document: PolicyDocument): Scope => {
  const namespace = namespaceOf(document);
  const spec: unknown = document.spec;
  const scope = document.kind !== 'Service' && isObject(spec) ? spec.scope : undefined;
  if (isObject(scope)) {
    if (scope.mesh === true) return { kind: 'mesh' };
    if (scope.namespace === true) return { kind: 'namespace', namespace };
    const port = scope.port;
    if (typeof scope.service === 'string') {
      return {
        kind: 'service',
        service: serviceName(namespace, scope.service),
        port: typeof port === 'number' ? port : undefined,
      };
    }
  }
  return { kind: 'service', service: serviceName(namespace, document.metadata.name), port: undefined };
};

export const scopeKeyOf = (document: PolicyDocument): string => scopeKey(scopeOf(document));

/** 0 is the widest. */
export const scopeRank = (key: string): number => {
  if (key === 'mesh') return 0;
  if (key.startsWith('ns:')) return 1;
  return key.indexOf(':', 4) < 0 ? 2 : 3;
};

/**
 * Scope keys that take part for a service (or for one port of it), widest first: mesh, namespace, service, service and port.
 * @param service `<service>.<namespace>`
 */
export const scopeChain = (service: string, port?: number): string[] => {
  const namespace = parseServiceName(service)?.namespace ?? service.slice(service.indexOf('.') + 1);
  const chain = ['mesh', `ns:${namespace}`, `svc:${service}`];
  if (port !== undefined) chain.push(`svc:${servicePort(service, port)}`);
  return chain;
};

/** A scope and all wider ones that take part in it, widest first. */
export const chainOfScope = (key: string): string[] => {
  const scope = parseScopeKey(key);
  if (scope === undefined || scope.kind === 'mesh') return ['mesh'];
  if (scope.kind === 'namespace') return ['mesh', key];
  return scopeChain(scope.service, scope.port);
};

/** True when the first scope lies inside the second one (or is the same). */
export const isWithin = (inner: string, outer: string): boolean => chainOfScope(inner).includes(outer);
