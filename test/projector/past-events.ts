/** The life of a small mesh, by seed, for tests of what was: everything that an entity can come from, batches and rejected events too. */
import type { EventEnvelope } from '../../src/model/index.ts';
import { endpoint, event, policy, registered } from './mesh-events.ts';

export const NAMES = ['a', 'b', 'c', 'd'] as const;
export const FULL = NAMES.map((name) => `${name}.shop`);
const SOURCES = ['test', 'other', 'third'] as const;
const IDS = Array.from({ length: 90 }, (_, index) => `e-${index}`);
const CLUSTER = 'type.googleapis.com/envoy.config.cluster.v3.Cluster';
const RAW_NAMES = ['extra', 'b.shop:80'] as const;

const serviceDocument = (name: string, random: () => number): EventEnvelope =>
  policy('Service', name, {
    ports: [{ port: 80, protocol: 'http' }, ...(random() < 0.4 ? [{ port: 81, protocol: 'grpc' }] : [])],
    endpoints: IDS.slice(0, 6)
      .filter(() => random() < 0.5)
      .map((id) => ({ id, address: `10.2.0.${1 + Math.floor(random() * 200)}` })),
  });

const raw = (random: () => number): EventEnvelope => {
  const node = random() < 0.5 ? { node: 'web/1' } : {};
  const name = RAW_NAMES[Math.floor(random() * RAW_NAMES.length)] as string;
  const what = random();
  if (what < 0.2) return event('resource.clear', node);
  if (what < 0.4) return event('resource.delete', { ...node, typeUrl: CLUSTER, name });
  const resource = { '@type': CLUSTER, name, connectTimeout: `${1 + Math.floor(random() * 5)}s` };
  return event('resource.put', { ...node, typeUrl: CLUSTER, name, resource });
};

const someRoute = (name: string, random: () => number): EventEnvelope => {
  const timeout = `${1 + Math.floor(random() * 9)}s`;
  const what = random();
  if (what < 0.2) return policy('Route', name, { scope: { namespace: true }, timeout });
  if (what < 0.5)
    return policy('Route', name, {
      rules: { all: { to: { v1: { subset: 'v1', weight: 1 }, 'b.shop': { weight: 2 } } } },
      timeout,
    });
  return policy('Route', name, { timeout });
};

/** One step. Some are rejected, some change nothing: that, too, has to be told right. */
export const meshStep = (random: () => number): EventEnvelope[] => {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  const name = pick(NAMES);
  const source = { source: pick(SOURCES) };
  // Few ids most of the time, many at times: services of one block and of several.
  const id = pick(random() < 0.5 ? IDS.slice(0, 8) : IDS);
  switch (Math.floor(random() * 22)) {
    case 0:
    case 1:
      return [
        registered(name, random() < 0.5 ? { labels: { tier: 'x' } } : {}),
        ...(random() < 0.3 ? [registered(name)] : []),
      ];
    case 2:
      return [event('service.deregistered', { namespace: 'shop', name })];
    case 3:
      return [event('endpoint.deregistered', { namespace: 'shop', service: name, id }, source)];
    case 4:
      return [event('endpoint.health-changed', { namespace: 'shop', service: name, id, health: 'unhealthy' }, source)];
    case 5:
      return [serviceDocument(name, random)];
    case 6:
      return [
        event('policy.deleted', {
          kind: pick(['Service', 'Route', 'Upstream', 'Dependency']),
          namespace: 'shop',
          name,
        }),
      ];
    case 7:
    case 8:
      return [someRoute(name, random)];
    case 9:
      return [
        policy('Upstream', name, {
          subsets: { v1: { labels: { version: 'v1' } } },
          limits: { requests: 1 + Math.floor(random() * 99) },
        }),
      ];
    case 10:
      return [
        event('policy.patched', {
          kind: pick(['Route', 'Service']),
          namespace: 'shop',
          name,
          patch: [{ op: 'add', path: '/metadata/labels', value: { team: `t${Math.floor(random() * 5)}` } }],
        }),
      ];
    case 11: {
      const batch = [registered(name), endpoint(name, id), someRoute(name, random)];
      const batchId = `batch-${random()}`;
      return batch.map((one, index) => ({ ...one, batch: { id: batchId, index, size: batch.length } }));
    }
    case 12:
      return [raw(random)];
    case 13:
      return [event('mesh.configured', { name: 'default', suffixes: [pick(['.mesh.local', '.one', '.two'])] })];
    case 14:
      return [policy('Dependency', name, { to: { [pick(FULL)]: {} } })];
    case 15:
      return [event('dependency.withdrawn', { from: pick(FULL), to: `${pick(FULL)}:80` })];
    case 16:
      return [
        event(
          'dependency.observed',
          { from: pick(FULL), to: `${pick(FULL)}:80`, evidence: 'subscribed' },
          { source: `node-${name}` },
        ),
      ];
    default:
      return [
        endpoint(name, id, {
          address: `10.1.${Math.floor(random() * 200)}.1`,
          labels: { version: random() < 0.5 ? 'v1' : 'v2' },
        }),
      ].map((one) => ({ ...one, ...source }));
  }
};
