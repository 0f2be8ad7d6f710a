/** Rules of event data beyond its schema. Whoever writes the log keeps them; a break here is a poison event. */
import { isIP } from 'node:net';
import {
  type EventData,
  type EventType,
  isDnsLabel,
  isForbiddenKey,
  isKind,
  parseServiceName,
  parseTarget,
  rawRefProblem,
} from '../../model/index.ts';

const PORT = /^[1-9][0-9]{0,4}$/;

/** No control characters. */
const isPlain = (text: string): boolean => {
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code < 0x20 || code === 0x7f) return false;
  }
  return true;
};

const quote = (text: string): string => JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);

const labelsProblem = (labels: Readonly<Record<string, string>> | undefined): string | undefined => {
  for (const key of Object.keys(labels ?? {})) {
    if (key.length < 1 || key.length > 63 || !isPlain(key) || isForbiddenKey(key)) return `label name ${quote(key)}`;
  }
  return undefined;
};

const hostProblem = (host: string): string | undefined =>
  host.length <= 253 && host.split('.').every(isDnsLabel) ? undefined : `host ${quote(host)}`;

const serviceProblem = (data: EventData['service.registered']): string | undefined => {
  const ports = data.ports.map(({ port }) => port);
  const double = ports.find((port, index) => ports.indexOf(port) !== index);
  if (double !== undefined) return `port ${double} twice`;
  const missing = data.interfaces?.find(({ port }) => port !== undefined && !ports.includes(port))?.port;
  if (missing !== undefined) return `interface on port ${missing}, which the service has not`;
  for (const host of data.external?.hosts ?? []) {
    const problem = hostProblem(host);
    if (problem !== undefined) return problem;
  }
  return labelsProblem(data.labels);
};

const endpointProblem = (data: EventData['endpoint.registered']): string | undefined => {
  if (isIP(data.address) === 0 || data.address.includes('%')) return `address ${quote(data.address)}`;
  for (const map of [data.ports, data.inbound]) {
    const bad = Object.keys(map ?? {}).find((key) => !PORT.test(key) || Number(key) > 65535);
    if (bad !== undefined) return `port ${quote(bad)}`;
  }
  return idProblem(data.id) ?? labelsProblem(data.labels);
};

const idProblem = (id: string): string | undefined => (isPlain(id) ? undefined : `id ${quote(id)}`);

const edgeProblem = ({ from, to }: { readonly from: string; readonly to: string }): string | undefined => {
  if (parseServiceName(from) === undefined) return `caller ${quote(from)}`;
  return parseTarget(to) === undefined ? `target ${quote(to)}` : undefined;
};

const kindProblem = (kind: string): string | undefined => (isKind(kind) ? undefined : `kind ${quote(kind)}`);

/** What breaks a rule; undefined: nothing. The data fits its schema. */
export const dataProblem = (type: EventType, data: unknown): string | undefined => {
  switch (type) {
    case 'service.registered':
      return serviceProblem(data as EventData['service.registered']);
    case 'endpoint.registered':
      return endpointProblem(data as EventData['endpoint.registered']);
    case 'endpoint.health-changed':
    case 'endpoint.deregistered':
    case 'endpoint.expired':
      return idProblem((data as EventData['endpoint.expired']).id);
    case 'dependency.declared':
    case 'dependency.withdrawn':
    case 'dependency.pinned':
    case 'dependency.denied':
    case 'dependency.observed':
    case 'dependency.expired':
      return edgeProblem(data as EventData['dependency.declared']);
    case 'dependency.renewed':
      for (const edge of (data as EventData['dependency.renewed']).edges) {
        const problem = edgeProblem(edge);
        if (problem !== undefined) return problem;
      }
      return undefined;
    case 'resource.put':
    case 'resource.delete':
    case 'resource.refused':
    case 'resource.clear': {
      const problem = rawRefProblem(data as EventData['resource.delete']);
      return problem === undefined ? undefined : `${problem.field}: ${problem.message}`;
    }
    case 'policy.patched':
    case 'policy.deleted':
    case 'policy.refused':
      return kindProblem((data as EventData['policy.deleted']).kind);
    default:
      return undefined;
  }
};
