/**
 * Rules of event data that a JSON Schema cannot say: names, addresses, ports that must be there. All of them are structural:
 * they need no state, so a break is 4xx and nothing is appended.
 */
import { isIP } from 'node:net';
import {
  type EventData,
  type EventType,
  type Finding,
  isDnsLabel,
  isForbiddenKey,
  isKind,
  isObject,
  KINDS,
  nearestWord,
  parseServiceName,
  parseTarget,
  pointerOf,
  pointerTokens,
  rawRefProblem,
} from '../model/index.ts';

type Report = (code: string, path: readonly (string | number)[], message: string) => void;

const CONTROL = /\p{Cc}/u;
const PORT = /^[1-9][0-9]{0,4}$/;

/** True for texts that stand in names and keys: no control characters. */
export const isPlainText = (text: string): boolean => !CONTROL.test(text);

const isHost = (host: string): boolean => host.length <= 253 && host.split('.').every(isDnsLabel);

const checkService = (data: EventData['service.registered'], report: Report): void => {
  const ports = new Set<number>();
  const names = new Set<string>();
  for (const [index, { port, name }] of data.ports.entries()) {
    if (ports.has(port))
      report('E102', ['ports', index, 'port'], `port ${port} is given twice; allowed is each port once`);
    ports.add(port);
    if (name === undefined) continue;
    if (names.has(name))
      report('E102', ['ports', index, 'name'], `port name "${name}" is given twice; allowed is each name once`);
    names.add(name);
  }
  for (const [index, host] of (data.external?.hosts ?? []).entries())
    if (!isHost(host))
      report(
        'E104',
        ['external', 'hosts', index],
        `"${host}" does not fit; allowed is a DNS name in lower case, without wildcard`,
      );
  for (const [index, { port }] of (data.interfaces ?? []).entries())
    if (port !== undefined && !ports.has(port))
      report(
        'E102',
        ['interfaces', index, 'port'],
        `the service has no port ${port}; allowed are ${[...ports].join(', ')}`,
      );
  checkLabels(data.labels, report);
};

const checkLabels = (labels: Readonly<Record<string, string>> | undefined, report: Report): void => {
  for (const key of Object.keys(labels ?? {}))
    if (key.length < 1 || key.length > 63 || !isPlainText(key))
      report(
        'E104',
        ['labels', key],
        `label name ${JSON.stringify(key)} does not fit; allowed are 1..63 characters, none of them control characters`,
      );
};

const checkEndpoint = (data: EventData['endpoint.registered'], report: Report): void => {
  if (isIP(data.address) === 0 || data.address.includes('%'))
    report(
      'E104',
      ['address'],
      `"${data.address}" does not fit; allowed is an IPv4 or IPv6 address (names belong in external.hosts of a service)`,
    );
  for (const field of ['ports', 'inbound'] as const)
    for (const key of Object.keys(data[field] ?? {}))
      if (!PORT.test(key) || Number(key) > 65535)
        report('E104', [field, key], `"${key}" does not fit; allowed is a port 1..65535 of the service`);
  checkLabels(data.labels, report);
};

const checkEdge = (data: { readonly from: string; readonly to: string }, report: Report): void => {
  if (parseServiceName(data.from) === undefined)
    report('E104', ['from'], `"${data.from}" does not fit; allowed is <service>.<namespace>, both DNS labels`);
  if (parseTarget(data.to) === undefined)
    report('E104', ['to'], `"${data.to}" does not fit; allowed is <service>.<namespace>[:port], port 1..65535`);
};

const checkKind = (kind: string, report: Report): void => {
  if (isKind(kind)) return;
  const near = nearestWord(kind, KINDS);
  report(
    'E102',
    ['kind'],
    `kind "${kind}" is unknown${near === undefined ? '' : ` (did you mean ${near}?)`}; allowed are ${KINDS.join(', ')}`,
  );
};

const OPERATIONS = ['add', 'remove', 'replace', 'move', 'copy', 'test'];

const checkPointer = (value: unknown, path: readonly (string | number)[], report: Report): void => {
  if (typeof value !== 'string' || (value !== '' && !value.startsWith('/')) || value.length > 2048) {
    report(
      'E102',
      path,
      `found ${JSON.stringify(value)?.slice(0, 80) ?? 'nothing'}; allowed is an RFC 6901 pointer such as /spec/timeout`,
    );
    return;
  }
  const forbidden = pointerTokens(value).find(isForbiddenKey);
  if (forbidden !== undefined) report('E101', path, `the name "${forbidden}" is not allowed for any field`);
};

/** Shape of RFC 6902; whether it fits the document is decided by the fold (E110). */
const checkPatch = (data: EventData['policy.patched'], report: Report): void => {
  checkKind(data.kind, report);
  for (const [index, operation] of data.patch.entries()) {
    const at = ['patch', index];
    if (!isObject(operation)) {
      report('E102', at, 'a patch is a list of operations; allowed is an object with op and path');
      continue;
    }
    const op = operation.op;
    if (typeof op !== 'string' || !OPERATIONS.includes(op)) {
      report('E102', [...at, 'op'], `op is ${JSON.stringify(op) ?? 'missing'}; allowed are ${OPERATIONS.join(', ')}`);
      continue;
    }
    checkPointer(operation.path, [...at, 'path'], report);
    if (op === 'move' || op === 'copy') checkPointer(operation.from, [...at, 'from'], report);
    if ((op === 'add' || op === 'replace' || op === 'test') && operation.value === undefined)
      report('E103', at, `"value" is missing; ${op} needs it`);
  }
};

const checkId = (data: { readonly id: string }, report: Report): void => {
  if (!isPlainText(data.id))
    report('E104', ['id'], 'the id has control characters; allowed is plain text of 1..256 characters');
};

const checkRawRef = (data: EventData['resource.delete'], report: Report): void => {
  const problem = rawRefProblem(data);
  if (problem !== undefined) report('E104', [problem.field], problem.message);
};

/** Findings about data that already fits its schema, pointers below `path`. */
export const ruleFindings = (
  type: EventType,
  data: EventData[EventType],
  path: readonly (string | number)[],
): readonly Finding[] => {
  const findings: Finding[] = [];
  const report: Report = (code, below, message) => {
    findings.push({ code, severity: 'error', message, pointer: pointerOf([...path, ...below]) });
  };
  switch (type) {
    case 'service.registered':
      checkService(data as EventData['service.registered'], report);
      break;
    case 'endpoint.registered':
      checkId(data as EventData['endpoint.registered'], report);
      checkEndpoint(data as EventData['endpoint.registered'], report);
      break;
    case 'endpoint.health-changed':
    case 'endpoint.deregistered':
      checkId(data as EventData['endpoint.deregistered'], report);
      break;
    case 'resource.put':
    case 'resource.delete':
    case 'resource.clear':
      checkRawRef(data as EventData['resource.delete'], report);
      break;
    case 'policy.patched':
      checkPatch(data as EventData['policy.patched'], report);
      break;
    case 'policy.deleted':
      checkKind((data as EventData['policy.deleted']).kind, report);
      break;
    case 'dependency.declared':
    case 'dependency.withdrawn':
    case 'dependency.pinned':
    case 'dependency.denied':
    case 'dependency.observed':
    case 'dependency.expired':
      checkEdge(data as EventData['dependency.declared'], report);
      break;
    default:
      break;
  }
  return findings;
};
