/** Random logs: few names, so that events meet; all families, good and bad, alone and in batches. */
import fc from 'fast-check';
import type { LogRecord } from '../../../src/log/index.ts';
import type { EventData } from '../../../src/model/index.ts';
import { documentEvent, recordAt, type Told, told, unreadableAt } from './story.ts';

/** One time in `times + 1`. */
const rarely = <T>(arbitrary: fc.Arbitrary<T>, times: number): fc.Arbitrary<T | undefined> =>
  fc.oneof({ weight: times, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary });

const namespace = fc.constantFrom('default', 'default', 'default', 'shop');
const name = fc.constantFrom('a', 'b', 'c');
const source = fc.constantFrom('local', 'local', 'local', 'adapter:x', 'adapter:y', 'lease:z');
const port = fc.constantFrom(80, 81, 90);
const ports = fc.uniqueArray(
  fc.record({ port, protocol: fc.constantFrom('http' as const, 'grpc' as const, 'tcp' as const) }),
  {
    minLength: 1,
    maxLength: 3,
    selector: (spec) => spec.port,
  },
);
const optional: { requiredKeys: [] } = { requiredKeys: [] };
const labels = fc.dictionary(fc.constantFrom('app', 'version'), fc.constantFrom('1', '2'), { maxKeys: 2 });
const health = fc.constantFrom('healthy' as const, 'unhealthy' as const, 'draining' as const);
const visibility = fc.oneof(fc.constantFrom('mesh' as const, 'namespace' as const), fc.constant(['shop']));
const hosts = fc.uniqueArray(fc.constantFrom('www.example.com', 'b.default', 'a', 'x.shop.mesh.local'), {
  minLength: 1,
  maxLength: 2,
});

const serviceExtras = fc.record({ labels, visibility, external: fc.record({ hosts }) }, optional);
const endpointExtras = fc.record(
  { labels, health, weight: fc.nat(3), ports: fc.constant({ 80: 8080 }), inbound: fc.constant({ 80: 15006 }) },
  optional,
);
const endpointId = fc
  .oneof({ weight: 3, arbitrary: fc.nat(4) }, { weight: 1, arbitrary: fc.nat(120) })
  .map((n) => `ep-${n}`);
const address = fc.integer({ min: 1, max: 9 }).map((n) => `10.0.0.${n}`);

const registered = fc
  .tuple(namespace, name, ports, serviceExtras, source)
  .map(([ns, service, list, extras, by]) =>
    told(
      'service.registered',
      { namespace: ns, name: service, ports: list, ...extras } as EventData['service.registered'],
      { source: by },
    ),
  );
const deregistered = fc
  .tuple(namespace, name, source)
  .map(([ns, service, by]) => told('service.deregistered', { namespace: ns, name: service }, { source: by }));
const lease = fc.record({ ttlMs: fc.constantFrom(3_000, 30_000), holder: fc.constantFrom('h', 'i') });
const endpointRegistered = fc
  .tuple(namespace, name, endpointId, address, endpointExtras, source, rarely(lease, 1))
  .map(([ns, service, id, ip, extras, by, held]) =>
    told(
      'endpoint.registered',
      {
        namespace: ns,
        service,
        id,
        address: ip,
        ...extras,
        ...(held === undefined || !by.startsWith('lease:') ? {} : { lease: held }),
      } as EventData['endpoint.registered'],
      { source: by },
    ),
  );
const healthChanged = fc
  .tuple(namespace, name, endpointId, health, source)
  .map(([ns, service, id, is, by]) =>
    told('endpoint.health-changed', { namespace: ns, service, id, health: is }, { source: by }),
  );
const endpointGone = fc
  .tuple(
    fc.constantFrom('endpoint.deregistered' as const, 'endpoint.expired' as const),
    namespace,
    name,
    endpointId,
    source,
  )
  .map(([type, ns, service, id, by]) => told(type, { namespace: ns, service, id }, { source: by }));

const scope = fc.constantFrom(
  {},
  { scope: { mesh: true } },
  { scope: { namespace: true } },
  { scope: { service: 'a' } },
  { scope: { service: 'a', port: 80 } },
);
const routeSpec = fc.record(
  {
    timeout: fc.constantFrom('1s', '2s', 'soon'),
    idleTimeout: fc.constantFrom('1s', '2s'),
    to: fc.constantFrom({ '*': {} }, { v1: {} }, { 'b.default:80': {} }, { 'b.default/v1': {} }),
    rules: fc.constantFrom({ x: { match: { port: 81 }, timeout: '3s' } }, { y: { match: { method: 'GET' } } }),
  },
  optional,
);
const upstreamSpec = fc.record(
  {
    subsets: fc.constantFrom({ v1: { labels: { version: '1' } } }, { v2: { labels: { version: '2' } } }),
    limits: fc.constantFrom({ pending: 1 }, { requests: 2 }),
  },
  optional,
);
const dependencySpec = fc.record(
  {
    to: fc.constantFrom<object>(
      { 'a.default': {} },
      { '*.shop': { deny: true } },
      { 'b.*': { pin: true } },
      { 'c.default:90': { localPort: 16379 } },
    ),
    select: fc.constantFrom({ s: { labels: { app: '1' } } }),
    learn: fc.boolean(),
  },
  optional,
);
const serviceSpec = fc.record(
  {
    ports,
    labels,
    endpoints: fc.uniqueArray(fc.record({ id: endpointId, address }), { maxLength: 3, selector: ({ id }) => id }),
  },
  { requiredKeys: ['ports'] },
);
const document = fc
  .tuple(
    name,
    namespace,
    source,
    fc.oneof(
      fc.tuple(fc.constant('Route'), scope, routeSpec),
      fc.tuple(fc.constant('Upstream'), scope, upstreamSpec),
      fc.tuple(fc.constant('Dependency'), scope, dependencySpec),
      fc.tuple(fc.constant('Service'), fc.constant({}), serviceSpec),
      fc.tuple(fc.constant('Access'), scope, fc.constant({ denyByDefault: true })),
    ),
  )
  .map(([of, ns, by, [kind, where, spec]]) =>
    documentEvent(kind, of, { ...where, ...spec }, { namespace: ns, source: by }),
  );
const kind = fc.constantFrom('Route', 'Upstream', 'Dependency', 'Service');
const policyDeleted = fc
  .tuple(kind, namespace, name)
  .map(([of, ns, called]) => told('policy.deleted', { kind: of, namespace: ns, name: called }));
const policyPatched = fc
  .tuple(
    kind,
    namespace,
    name,
    fc.constantFrom('/spec/timeout', '/spec/learn', '/spec/limits/pending'),
    fc.constantFrom('4s', true, 4),
  )
  .map(([of, ns, called, path, value]) =>
    told('policy.patched', { kind: of, namespace: ns, name: called, patch: [{ op: 'add', path, value }] }),
  );
const policyRefused = fc.tuple(namespace, name, fc.constantFrom('n1', 'n2')).map(([ns, called, node]) =>
  told('policy.refused', {
    kind: 'Route',
    namespace: ns,
    name: called,
    offset: 1,
    author: 'local',
    node,
    typeUrl: 't',
    resource: 'r',
    version: 'v',
    message: 'no',
  }),
);

const caller = fc.constantFrom('a.default', 'b.default', 'web.shop');
const target = fc.constantFrom('a.default:80', 'b.default', 'b.default:80', 'c.shop:81', 'ghost.default:80');
const edge = fc
  .tuple(
    fc.constantFrom(
      'dependency.declared' as const,
      'dependency.withdrawn' as const,
      'dependency.pinned' as const,
      'dependency.denied' as const,
      'dependency.expired' as const,
    ),
    caller,
    target,
    source,
  )
  .map(([type, from, to, by]) => told(type, { from, to }, { source: by }));
const observed = fc
  .tuple(
    caller,
    target,
    fc.constantFrom('subscribed' as const, 'observed' as const),
    fc.constantFrom('sidecar:1', 'sidecar:2'),
  )
  .map(([from, to, evidence, by]) => told('dependency.observed', { from, to, evidence }, { source: by }));
const renewed = fc
  .array(fc.record({ from: caller, to: target }), { minLength: 1, maxLength: 3 })
  .map((edges) => told('dependency.renewed', { edges }));

const node = fc.constantFrom({}, { node: 'n1' }, { node: 'n/2 ü' });
const label = fc.constantFrom({}, {}, { version: '1' }, { version: '2' });
const rawName = fc.constantFrom('x', 'y', 'z|/z');
const CDS = 'type.googleapis.com/envoy.config.cluster.v3.Cluster';
const VHDS = 'type.googleapis.com/envoy.config.route.v3.VirtualHost';
const UNKNOWN = 'type.googleapis.com/my.own.Message';
const later = { schemaVersion: 2 };
const rawPut = fc
  .tuple(node, label, rawName, fc.constantFrom(1, 2), fc.constantFrom(CDS, VHDS, UNKNOWN), source)
  .map(([where, version, called, content, typeUrl, by]) => {
    const fields = {
      [CDS]: { name: called, type: 'EDS', connectTimeout: `${content}s` },
      [VHDS]: { name: called, domains: [`${content}.example.com`], routes: [{ route: { cluster: 'a' } }] },
      [UNKNOWN]: { value: content === 1 ? 'AQ==' : '' },
    }[typeUrl];
    const resource = { '@type': typeUrl, ...fields };
    return told('resource.put', { ...where, ...version, typeUrl, name: called, resource }, { ...later, source: by });
  });
const rawDeleted = fc
  .tuple(node, label, rawName, fc.constantFrom(CDS, UNKNOWN))
  .map(([where, version, called, typeUrl]) =>
    told('resource.delete', { ...where, ...version, typeUrl, name: called }, later),
  );
const rawCleared = node.map((where) => told('resource.clear', where, later));

const configured = fc
  .constantFrom(['.mesh.local'], ['.corp'])
  .map((suffixes) => told('mesh.configured', { name: 'test', suffixes: [...suffixes] }));
const poison = fc.constantFrom<Told>(
  { type: 'service.exploded', data: {}, subject: 'x' } as unknown as Told,
  told('endpoint.registered', { namespace: 'default', service: 'a', id: 'x', address: 'nowhere' }),
  { ...told('service.deregistered', { namespace: 'default', name: 'a' }), mesh: 'other' },
  told('resource.clear', {}),
  told('resource.put', { typeUrl: CDS, name: 'x', resource: { '@type': CDS, name: 'other' } }, later),
);

export const anyEvent: fc.Arbitrary<Told> = fc
  .tuple(
    fc.oneof(
      { weight: 4, arbitrary: registered },
      { weight: 2, arbitrary: deregistered },
      { weight: 8, arbitrary: endpointRegistered },
      { weight: 2, arbitrary: healthChanged },
      { weight: 3, arbitrary: endpointGone },
      { weight: 5, arbitrary: document },
      { weight: 3, arbitrary: policyDeleted },
      { weight: 2, arbitrary: policyPatched },
      { weight: 1, arbitrary: policyRefused },
      { weight: 3, arbitrary: edge },
      { weight: 2, arbitrary: observed },
      { weight: 1, arbitrary: renewed },
      { weight: 1, arbitrary: configured },
      { weight: 4, arbitrary: rawPut },
      { weight: 2, arbitrary: rawDeleted },
      { weight: 1, arbitrary: rawCleared },
      { weight: 1, arbitrary: poison },
    ),
    rarely(fc.nat(40), 8),
    rarely(fc.nat(12), 12),
  )
  .map(([event, sameId, expect]) => ({
    ...event,
    ...(sameId === undefined ? {} : { id: `id-${sameId}` }),
    ...(expect === undefined ? {} : { expect }),
  }));

type Step =
  | { readonly is: 'event'; readonly event: Told }
  | { readonly is: 'batch'; readonly events: readonly Told[]; readonly given: number }
  | { readonly is: 'endpoints'; readonly from: number; readonly count: number }
  | { readonly is: 'unreadable' };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 10, arbitrary: anyEvent.map((event): Step => ({ is: 'event', event })) },
  {
    weight: 3,
    arbitrary: fc
      .tuple(
        fc.array(anyEvent, { minLength: 1, maxLength: 5 }),
        fc.oneof({ weight: 4, arbitrary: fc.constant(9) }, fc.nat(4)),
      )
      .map(([events, given]): Step => ({ is: 'batch', events, given })),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.nat(60), fc.integer({ min: 30, max: 120 }))
      .map(([from, count]): Step => ({ is: 'endpoints', from, count })),
  },
  { weight: 1, arbitrary: fc.constant<Step>({ is: 'unreadable' }) },
);

/** Records of a log, with offsets from 1 on. Some batches lack their last events. */
export const anyLog: fc.Arbitrary<readonly LogRecord[]> = fc.array(step, { maxLength: 40 }).map((steps) => {
  const records: LogRecord[] = [];
  const next = () => records.length + 1;
  for (const [index, part] of steps.entries()) {
    if (part.is === 'unreadable') records.push(unreadableAt(next()));
    if (part.is === 'event') records.push(recordAt(next(), part.event));
    if (part.is === 'batch') {
      const batch = { id: `batch-${index}`, size: part.events.length };
      for (const [at, event] of part.events.slice(0, part.given).entries()) {
        const whole = { ...event, source: 'local' };
        records.push(recordAt(next(), whole, { batch: { ...batch, index: at } }));
      }
    }
    if (part.is === 'endpoints') {
      for (let n = part.from; n < part.from + part.count; n += 1) {
        const data = { namespace: 'default', service: 'a', id: `ep-${n}`, address: `10.1.0.${n % 250}` };
        records.push(recordAt(next(), told('endpoint.registered', data)));
      }
    }
  }
  return records;
});
