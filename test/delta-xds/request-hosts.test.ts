/** The work that the first VHDS request of a reconnect costs, counted in names read. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  DEFAULT_SESSION_LIMITS,
  Session,
  SharedShapes,
  typeUrlOf,
  zeroSessionCounters,
} from '../../src/delta-xds/index.ts';
import { RenewalMemory } from '../../src/delta-xds/renewal-memory.ts';
import { MemoryMesh, nodeOf } from './support/memory-mesh.ts';

/** Names read of the list `subscribe` of a request with this many names, and as many versions of an ended route configuration. */
const namesRead = (count: number): number => {
  const mesh = new MemoryMesh();
  const session = new Session({
    view: mesh.attach(nodeOf('app.shop')),
    shapes: new SharedShapes(),
    placeholder: (type, name) => mesh.placeholder(type, name),
    limits: DEFAULT_SESSION_LIMITS,
    counters: zeroSessionCounters(),
    tag: 't1',
    waitingBeside: () => 0,
    renewal: { memory: new RenewalMemory(), longStream: () => undefined },
  });
  const request = {
    initialResourceVersions: new Map<string, string>(),
    subscribe: [],
    unsubscribe: [],
    responseNonce: '',
  };
  session.onRequest({ ...request, typeUrl: typeUrlOf('rds'), subscribe: ['outbound~1'] }, 0);
  let reads = 0;
  const subscribe = new Proxy(
    Array.from({ length: count }, (_, index) => `outbound~1/nx${index}`),
    {
      get: (names, key, receiver) => {
        if (typeof key === 'string' && /^[0-9]+$/.test(key)) reads++;
        return Reflect.get(names, key, receiver);
      },
    },
  );
  const initialResourceVersions = new Map(Array.from({ length: count }, (_, index) => [`outbound/h${index}`, 'h-1']));
  session.onRequest({ ...request, typeUrl: typeUrlOf('vhds'), subscribe, initialResourceVersions }, 0);
  return reads;
};

test('names asked for are not looked through again for each version held of a route configuration that has ended', () => {
  const few = namesRead(100);
  assert.ok(few >= 100);
  assert.ok(namesRead(1_000) <= 10 * few, 'ten times the names, at most ten times the reads');
});
