/** What a Service document alone can get wrong beyond its shape (policies.md section 2). */
import type { ServiceSpec } from '../schema/index.ts';
import { textProblem } from '../text/text-format.ts';
import type { FindingSink } from './finding-sink.ts';
import { show } from './wording.ts';

const checkUnique = <T>(
  sink: FindingSink,
  values: readonly (T | undefined)[],
  what: string,
  below: (index: number) => (string | number)[],
): void => {
  const seen = new Set<T>();
  for (const [index, value] of values.entries()) {
    if (value === undefined) continue;
    if (seen.has(value)) sink.report('E102', `${what} ${String(value)} is given twice.`, below(index));
    seen.add(value);
  }
};

const checkFormat = (
  sink: FindingSink,
  format: 'ip' | 'host',
  value: string,
  below: readonly (string | number)[],
): void => {
  const problem = textProblem(format, value, {});
  if (problem !== undefined)
    sink.report(problem.code, `${show(value)} is not allowed here, allowed is ${problem.allowed}.`, below);
};

export const checkService = (sink: FindingSink, spec: ServiceSpec): void => {
  const { path } = sink;
  path.push('spec');
  const ports = new Set(spec.ports.map(({ port }) => port));
  const known = [...ports].join(', ');
  checkUnique(
    sink,
    spec.ports.map(({ port }) => port),
    'Port',
    (index) => ['ports', index, 'port'],
  );
  checkUnique(
    sink,
    spec.ports.map(({ name }) => name),
    'Port name',
    (index) => ['ports', index, 'name'],
  );
  const hosts = spec.external?.hosts ?? [];
  for (const [index, host] of hosts.entries()) checkFormat(sink, 'host', host, ['external', 'hosts', index]);
  checkUnique(sink, hosts, 'Host', (index) => ['external', 'hosts', index]);
  for (const [index, { port }] of (spec.interfaces ?? []).entries()) {
    if (port !== undefined && !ports.has(port)) {
      sink.report('E102', `Port ${port} is no port of this service (${known}).`, ['interfaces', index, 'port']);
    }
  }
  const endpoints = spec.endpoints ?? [];
  checkUnique(
    sink,
    endpoints.map(({ id }) => id),
    'Endpoint id',
    (index) => ['endpoints', index, 'id'],
  );
  for (const [index, endpoint] of endpoints.entries()) {
    checkFormat(sink, 'ip', endpoint.address, ['endpoints', index, 'address']);
    for (const field of ['ports', 'inbound'] as const) {
      for (const port of Object.keys(endpoint[field] ?? {})) {
        if (!ports.has(Number(port))) {
          sink.report('E102', `Port ${port} is no port of this service (${known}).`, ['endpoints', index, field, port]);
        }
      }
    }
  }
  path.pop();
};
