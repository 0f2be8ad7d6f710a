/**
 * The virtual host of one HTTP service port (policies.md section 3; contracts, "virtual host"): its domains, and its routes in the
 * order of evaluation. Bytes are without the name, which holds the route configuration's name and is spliced in when sent.
 */
import { compareText, parseServiceName, servicePort } from '../model/index.ts';
import { contentVersion, encodeCanonical, VirtualHost, virtualHostTail } from '../proto/index.ts';
import { hashPolicies, ruleRoutes } from './route.ts';
import { allRules, weightedTargets } from './targets.ts';
import type { CompiledResource, CompileInputs, ServiceView } from './types.ts';

/**
 * External hosts that this service answers. A host that is also the name of another registered service, or has no dot (a short
 * name), belongs to that service: one domain in two virtual hosts would make Envoy refuse the whole response.
 */
const answeredHosts = (service: ServiceView, inputs: CompileInputs): readonly string[] => {
  const { suffixes } = inputs.mesh();
  return service.externalHosts.filter((host) => {
    if (!host.includes('.')) return false;
    const suffix = suffixes.find((candidate) => host.endsWith(candidate));
    const name = suffix === undefined ? host : host.slice(0, -suffix.length);
    return name === service.name || parseServiceName(name) === undefined || inputs.service(name) === undefined;
  });
};

/**
 * Host names of one port, sorted: each with the port, and on the service's default port without it too. `shortName`: the name
 * that callers of the same namespace may use.
 */
export const virtualHostDomains = (
  service: ServiceView,
  port: number,
  suffixes: readonly string[],
  externalHosts: readonly string[],
  shortName: string | undefined,
): readonly string[] => {
  const hosts = new Set([service.name, ...suffixes.map((suffix) => service.name + suffix), ...externalHosts]);
  if (shortName !== undefined) hosts.add(shortName);
  const domains = [...hosts].map((host) => `${host}:${port}`);
  if (port === service.defaultPort) domains.push(...hosts);
  return domains.sort(compareText);
};

/**
 * Both variants: for everybody, and `ns:<namespace>` for callers of the service's own namespace. They differ in their domains
 * only, so routes are encoded once.
 */
export const compileVirtualHost = (
  service: ServiceView,
  port: number,
  inputs: CompileInputs,
): readonly CompiledResource[] => {
  const name = servicePort(service.name, port);
  const hashPolicy = hashPolicies(inputs.upstream(service.name, port).base.hash);
  const clusters = new Set<string>();
  const routes = allRules(inputs.route(service.name, port)).flatMap((rule) => {
    const targets = weightedTargets(rule, service.name, port, inputs);
    for (const { cluster } of targets) clusters.add(cluster);
    return ruleRoutes(rule, name, targets, hashPolicy);
  });
  const encodedRoutes = encodeCanonical(VirtualHost, { routes });
  const used = [...clusters].sort(compareText);
  const { suffixes } = inputs.mesh();
  const external = answeredHosts(service, inputs);

  const variant = (key: string, shortName: string | undefined): CompiledResource => {
    const domains = virtualHostDomains(service, port, suffixes, external, shortName);
    // Domains (field 2) before routes (field 3): the canonical order.
    const body = Buffer.concat([virtualHostTail({ domains }), encodedRoutes]);
    // The aliases of the resource are its domains, which are in the body: so the hash of the body covers them.
    return { type: 'vhds', variant: key, name, version: contentVersion([body]), body, domains, clusters: used };
  };
  const shortName = service.name.slice(0, service.name.indexOf('.'));
  return [variant('', undefined), variant(`ns:${service.namespace}`, shortName)];
};
