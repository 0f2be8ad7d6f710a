/**
 * The graph against a slow, plain model: after any sequence of registrations, documents, evidence, pins and denials every
 * caller's record is the model's, and `affected` misses nobody whose record changed.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { CallerRecord, EdgeRecord, GraphService } from '../../src/dependency-graph/index.ts';
import type { EventData, ResolvedDependency } from '../../src/model/index.ts';
import { documentEvent, type Told, told } from '../projector/fold/story.ts';
import { Mesh } from './mesh.ts';

const NAMESPACES = ['default', 'shop', 'infra'] as const;
const NAMES = ['a', 'b', 'c'] as const;
const CALLERS = ['a.default', 'b.shop', 'web.default', 'web.shop', 'web.void'];
const DEFAULTS = ['*', '*.default', '*.shop', '*.infra', '*.void'];

/** One reason to hold or to deny a service or one of its ports. */
interface Entry {
  readonly takes: (service: GraphService) => boolean;
  /** For denials of what is not registered: the name itself. */
  readonly exact: string | undefined;
  readonly port: number | undefined;
  readonly deny: boolean;
  readonly counts: boolean;
}

const entriesOf = (dependency: ResolvedDependency, edges: readonly EdgeRecord[]): Entry[] => {
  const isPart = (pattern: string, text: string) => pattern === '*' || pattern === text;
  const targets = dependency.to.map(
    (target): Entry => ({
      takes: ({ name, namespace }) =>
        isPart(target.namespace, namespace) && isPart(target.name, name.slice(0, name.indexOf('.'))),
      exact: target.glob ? undefined : `${target.name}.${target.namespace}`,
      port: target.port,
      deny: target.deny,
      counts: true,
    }),
  );
  const selectors = dependency.select.map(
    (selector): Entry => ({
      takes: ({ labels, namespace }) =>
        selector.labels.every(({ key, value }) => labels[key] === value) &&
        (selector.namespaces.length === 0 || selector.namespaces.includes(namespace)),
      exact: undefined,
      port: undefined,
      deny: selector.deny,
      counts: true,
    }),
  );
  const stored = edges.map((edge): Entry => {
    const [name = '', port] = edge.to.split(':');
    const learned = dependency.learn && edge.evidence.length > 0 && edge.expired !== true;
    return {
      takes: (service) => service.name === name,
      exact: name,
      port: port === undefined ? undefined : Number(port),
      deny: edge.denied,
      counts: edge.declaredBy.length > 0 || edge.pinned || learned,
    };
  });
  return [...targets, ...selectors, ...stored];
};

const isVisibleTo = ({ visibility, namespace }: GraphService, caller: string | undefined): boolean => {
  if (visibility === 'mesh') return true;
  if (caller === undefined) return false;
  return caller === namespace || (Array.isArray(visibility) && visibility.includes(caller));
};

const plainRecord = (mesh: Mesh, caller: string): CallerRecord => {
  const { graphLookup } = mesh.fold;
  const namespace = caller === '*' ? undefined : caller.slice(caller.lastIndexOf('.') + 1);
  const dependency = caller.startsWith('*') ? graphLookup.defaultDependency(namespace) : graphLookup.dependency(caller);
  const entries = entriesOf(dependency, caller.startsWith('*') ? [] : [...mesh.fold.edges(caller)]);
  const services = [...graphLookup.services()];
  const denied = new Set<string>();
  for (const entry of entries.filter(({ deny }) => deny)) {
    const names = entry.exact === undefined ? services.filter(entry.takes).map(({ name }) => name) : [entry.exact];
    for (const name of names) denied.add(entry.port === undefined ? name : `${name}:${entry.port}`);
  }
  const preload = services
    .filter((service) => isVisibleTo(service, namespace) && !denied.has(service.name))
    .flatMap((service) =>
      service.ports
        .filter(({ port }) =>
          entries.some((entry) => !entry.deny && entry.counts && entry.takes(service) && (entry.port ?? port) === port),
        )
        .map(({ port }) => `${service.name}:${port}`),
    )
    .filter((target) => !denied.has(target));
  const tcp = dependency.to
    .filter((target) => target.localPort !== undefined && !target.glob && !target.deny)
    .flatMap((target) => {
      const name = `${target.name}.${target.namespace}`;
      const ports = services.find((service) => service.name === name)?.ports ?? [];
      const port = ports
        .filter((spec) => spec.protocol === 'tcp' && (target.port ?? spec.port) === spec.port)
        .map((spec) => spec.port)
        .sort((a, b) => a - b)[0];
      const servicePort = `${name}:${port}`;
      return preload.includes(servicePort) ? [{ servicePort, localPort: target.localPort ?? 0 }] : [];
    });
  const edges = caller.startsWith('*') ? [] : [...mesh.fold.edges(caller)];
  const expired = edges
    .filter(({ expired, to }) => expired === true && to.includes(':') && !preload.includes(to))
    .map(({ to }) => to);
  return {
    caller,
    preload: preload.sort(),
    ...(expired.length === 0 ? {} : { expired }),
    denied: [...denied].filter((target) => !denied.has(target.split(':')[0] ?? '') || !target.includes(':')).sort(),
    learn: dependency.learn,
    tcp: tcp.sort((a, b) => (a.servicePort < b.servicePort ? -1 : 1)),
  };
};

const plainCallers = (mesh: Mesh): string[] => {
  const documents = [...mesh.fold.policies('Dependency')];
  const own = new Set<string>(mesh.fold.callersWithEdges());
  const namespaces = new Set<string>();
  for (const { name, namespace, document } of documents) {
    const scope = (document.spec as { scope?: Record<string, unknown> }).scope;
    if (scope === undefined) own.add(`${name}.${namespace}`);
    if (scope?.namespace === true) namespaces.add(namespace);
  }
  for (const service of mesh.fold.graphLookup.services()) {
    namespaces.add(service.namespace);
    if (Array.isArray(service.visibility)) for (const namespace of service.visibility) namespaces.add(namespace);
  }
  return ['*', ...[...namespaces].map((namespace) => `*.${namespace}`), ...own].sort();
};

const namespace = fc.constantFrom(...NAMESPACES);
const name = fc.constantFrom(...NAMES);
const optional: { requiredKeys: [] } = { requiredKeys: [] };
const target = fc
  .tuple(name, namespace, fc.constantFrom('', ':80', ':81', ':90'))
  .map(([of, ns, port]) => `${of}.${ns}${port}`);
const ports = fc.constantFrom(
  [{ port: 80, protocol: 'http' as const }],
  [
    { port: 80, protocol: 'http' as const },
    { port: 90, protocol: 'tcp' as const },
  ],
  [{ port: 81, protocol: 'grpc' as const }],
);
const registered = fc
  .tuple(
    name,
    namespace,
    ports,
    fc.record(
      {
        labels: fc.dictionary(fc.constantFrom('tier', 'app'), fc.constantFrom('1', '2'), { maxKeys: 2 }),
        visibility: fc.constantFrom<EventData['service.registered']['visibility']>(
          'mesh',
          'namespace',
          ['shop'],
          ['void'],
        ),
      },
      optional,
    ),
  )
  .map(([of, ns, list, extras]) => {
    const data = { namespace: ns, name: of, ports: [...list], ...extras } as EventData['service.registered'];
    return told('service.registered', data, { source: 'adapter:x' });
  });
const deregistered = fc
  .tuple(name, namespace)
  .map(([of, ns]) => told('service.deregistered', { namespace: ns, name: of }, { source: 'adapter:x' }));
const flags = fc.constantFrom({}, { deny: true }, { pin: true });
const wanted = fc.oneof(
  { weight: 3, arbitrary: target },
  { weight: 2, arbitrary: fc.constantFrom('*.shop', 'a.*', '*.*', '*.default:80', 'b.*:81') },
);
const to = fc.oneof(
  { weight: 4, arbitrary: fc.dictionary(wanted, flags, { maxKeys: 3 }) },
  { weight: 1, arbitrary: fc.constant({ 'c.default:90': { localPort: 16379 } }) },
);
const select = fc.dictionary(
  fc.constantFrom('s', 't'),
  fc
    .tuple(fc.constantFrom({ labels: { tier: '1' } }, { labels: { app: '2' }, namespaces: ['shop'] }), flags)
    .map(([by, more]) => ({
      ...by,
      ...more,
    })),
  { maxKeys: 2 },
);
const documented = fc
  .tuple(
    fc.constantFrom('a', 'b', 'web'),
    fc.constantFrom('default', 'shop', 'void'),
    fc.constantFrom({}, {}, { scope: { namespace: true } }, { scope: { mesh: true } }),
    fc.record({ to, select, learn: fc.boolean() }, optional),
  )
  .map(([of, ns, scope, spec]) => documentEvent('Dependency', of, { ...scope, ...spec }, { namespace: ns }));
const undocumented = fc
  .tuple(fc.constantFrom('a', 'b', 'web'), fc.constantFrom('default', 'shop', 'void'))
  .map(([of, ns]) => told('policy.deleted', { kind: 'Dependency', namespace: ns, name: of }));
const caller = fc.constantFrom(...CALLERS);
const word = fc
  .tuple(
    fc.constantFrom(
      'declared' as const,
      'withdrawn' as const,
      'pinned' as const,
      'denied' as const,
      'expired' as const,
    ),
    caller,
    target,
  )
  .map(([type, from, at]) => told(`dependency.${type}`, { from, to: at }));
const observed = fc
  .tuple(caller, target, fc.constantFrom('sidecar:1', 'sidecar:2'))
  .map(([from, at, source]) => told('dependency.observed', { from, to: at, evidence: 'subscribed' }, { source }));

const command: fc.Arbitrary<Told> = fc.oneof(
  { weight: 4, arbitrary: registered },
  { weight: 1, arbitrary: deregistered },
  { weight: 4, arbitrary: documented },
  { weight: 1, arbitrary: undocumented },
  { weight: 4, arbitrary: word },
  { weight: 3, arbitrary: observed },
);

test('records are the model’s, and affected misses nobody', () => {
  fc.assert(
    fc.property(fc.array(fc.array(command, { minLength: 1, maxLength: 4 }), { maxLength: 12 }), (rounds) => {
      const mesh = new Mesh();
      const everybody = [...CALLERS, ...DEFAULTS];
      let before = new Map(everybody.map((name) => [name, plainRecord(mesh, name)]));
      let known = new Set(plainCallers(mesh));
      for (const commands of rounds) {
        for (const event of commands) mesh.apply(event);
        const affected = mesh.settle();
        const after = new Map(everybody.map((name) => [name, plainRecord(mesh, name)]));
        const callers = new Set(plainCallers(mesh));
        assert.deepEqual([...mesh.graph.callers()].sort(), [...callers].sort());
        for (const name of everybody) {
          assert.deepEqual(mesh.graph.record(name), after.get(name));
          assert.equal(mesh.graph.has(name), callers.has(name), name);
          const isStored = callers.has(name) || known.has(name);
          try {
            assert.deepEqual(after.get(name), before.get(name));
            assert.equal(callers.has(name), known.has(name));
          } catch {
            if (isStored) assert.ok(affected.has(name), `${name} changed, affected are ${[...affected].join(' ')}`);
          }
        }
        before = after;
        known = callers;
      }
      const fresh = mesh.freshGraph();
      assert.deepEqual([...fresh.callers()].sort(), [...known].sort());
      for (const name of everybody) assert.deepEqual(fresh.record(name), before.get(name));
      assert.deepEqual(fresh.edges({}), mesh.graph.edges({}));
    }),
    { numRuns: 300 },
  );
});
