/**
 * External hosts and the mesh's own names share the domains of one route configuration, where each may stand once: Envoy
 * refuses all virtual hosts of an update otherwise. So a host that means a service is that service's (E210).
 */
import { type Finding, parseServiceName } from '../../model/index.ts';
import type { MeshState } from './mesh-state.ts';

const withoutSuffix = (host: string, suffixes: readonly string[]): string | undefined => {
  const suffix = suffixes.find((candidate) => host.endsWith(candidate));
  return suffix === undefined ? undefined : host.slice(0, -suffix.length);
};

/** Service (or part of the mesh) that a host names; undefined: none. */
const ownerByName = (state: MeshState, service: string, host: string): string | undefined => {
  const short = withoutSuffix(host, state.meshView().suffixes);
  if (short !== undefined && parseServiceName(short) !== undefined) return short;
  if (state.services.get(host) !== undefined) return host;
  if (host.includes('.')) return undefined;
  // A name without a dot is the short name of such a service for callers of its namespace.
  return state.serviceIndex.inOrder().find((name) => name !== service && name.startsWith(`${host}.`));
};

/** Names by which callers reach a service. */
const namesOf = (state: MeshState, service: string): string[] => [
  service,
  ...state.meshView().suffixes.map((suffix) => `${service}${suffix}`),
  parseServiceName(service)?.name ?? service,
];

const finding = (document: string, message: string, hint: string): Finding => ({
  code: 'E210',
  severity: 'error',
  message,
  document,
  hint,
});

/**
 * @param hosts external hosts that the service claims anew
 * @param isNew the service was not there before: others may have claimed its names
 */
export const meshNameFindings = (
  state: MeshState,
  service: string,
  document: string,
  hosts: readonly string[],
  isNew: boolean,
): Finding[] => {
  const findings: Finding[] = [];
  for (const host of hosts) {
    const owner = ownerByName(state, service, host);
    if (owner === undefined || owner === service) continue;
    findings.push(
      finding(document, `Host ${host} is a name of service ${owner}; each host has one owner.`, 'choose another host'),
    );
  }
  for (const name of isNew ? namesOf(state, service) : []) {
    const other = state.serviceIndex.claimants(name).find((claimant) => claimant !== service);
    if (other === undefined) continue;
    const message = `Service ${service} would answer to ${name}, which service ${other} has as an external host.`;
    findings.push(finding(document, message, `take ${name} out of the external hosts of ${other} first`));
  }
  return findings;
};
