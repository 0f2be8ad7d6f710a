/** The shared lists of wishes against a plain filter over all services, whatever changes; and what two arrays say of each other. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isVisible } from '../../src/dependency-graph/index.ts';
import { servicePort, type Visibility } from '../../src/model/index.ts';
import type { ServiceRecord } from '../../src/projector/index.ts';
import { NeedsLists } from '../../src/runtime/needs-lists.ts';
import { fits, type Needs } from '../../src/runtime/node-needs.ts';

interface Spec {
  readonly ports: readonly number[];
  readonly tier: string;
  readonly visibility: Visibility;
}

const record = (name: string, namespace: string, { ports, tier, visibility }: Spec): ServiceRecord => ({
  name: `${name}.${namespace}`,
  namespace,
  ports: ports.map((port) => ({ port, protocol: 'http' })),
  labels: { tier },
  interfaces: [],
  externalHosts: [],
  visibility,
  defaultPort: ports[0],
});

class Model {
  readonly services = new Map<string, ServiceRecord>();
  reads = 0;

  service(name: string): ServiceRecord | undefined {
    this.reads++;
    return this.services.get(name);
  }

  *eachService(): Iterable<ServiceRecord> {
    for (const service of this.services.values()) {
      this.reads++;
      yield service;
    }
  }
}

const ASKS: readonly { readonly namespace: string; readonly denied: readonly string[]; readonly needs: Needs }[] = [
  { namespace: 'a', denied: [], needs: { labels: [], namespaces: [] } },
  { namespace: 'b', denied: ['s1.a', 's2.b:80'], needs: { labels: [], namespaces: [] } },
  { namespace: 'b', denied: [], needs: { labels: [['tier', 'x']], namespaces: ['a'] } },
];

const plain = (services: Iterable<ServiceRecord>, ask: (typeof ASKS)[number]): string[] =>
  [...services]
    .filter((service) => fits(ask.needs, service) && isVisible(service.visibility, service.namespace, ask.namespace))
    .flatMap((service) => service.ports.map(({ port }) => [service.name, servicePort(service.name, port)] as const))
    .filter(([service, port]) => !ask.denied.includes(service) && !ask.denied.includes(port))
    .map(([, port]) => port)
    .sort();

const change = fc.record({
  name: fc.constantFrom('s0', 's1', 's2', 's3'),
  namespace: fc.constantFrom('a', 'b'),
  spec: fc.option(
    fc.record({
      ports: fc.uniqueArray(fc.constantFrom(80, 81, 90), { minLength: 1 }),
      tier: fc.constantFrom('x', 'y'),
      visibility: fc.constantFrom<Visibility>('mesh', 'namespace', ['a'], ['b']),
    }),
    { nil: undefined },
  ),
});

test('each list equals a filter over all services, and says what came and went since any earlier one', () => {
  fc.assert(
    fc.property(
      fc.array(change, { maxLength: 12 }),
      fc.array(fc.array(change, { maxLength: 4 }), { maxLength: 12 }),
      (first, rounds) => {
        const model = new Model();
        const apply = ({ name, namespace, spec }: (typeof first)[number]): string => {
          const key = `${name}.${namespace}`;
          if (spec === undefined) model.services.delete(key);
          else model.services.set(key, record(name, namespace, spec));
          return `svc|${key}`;
        };
        for (const one of first) apply(one);
        const lists = new NeedsLists(model);
        const held = ASKS.map((ask, index) => lists.of(`caller-${index}.a`, ask));
        const seen = held.map((list) => [list.names]);
        for (const [epoch, round] of rounds.entries()) {
          const before = held.map((list) => list.names);
          const told = lists.catchUp({ epoch, keys: round.map(apply), everything: false });
          for (const [index, ask] of ASKS.entries()) {
            const list = held[index];
            assert.ok(list);
            assert.deepEqual([...list.names], plain(model.services.values(), ask));
            const isTold = told.includes(`caller|caller-${index}.a`);
            assert.equal(isTold, list.names !== before[index], 'those with another array are told, and no others');
            for (const port of ['s1.a:80', 's2.b:90']) assert.equal(list.has(port), list.names.includes(port));
            for (const earlier of seen[index] ?? []) {
              const step = list.step(earlier, list.names);
              assert.deepEqual(
                [...(step?.came ?? [])].sort(),
                list.names.filter((name) => !earlier.includes(name)),
              );
              assert.deepEqual(
                [...(step?.went ?? [])].sort(),
                earlier.filter((name) => !list.names.includes(name)),
              );
            }
            seen[index]?.push(list.names);
          }
        }
      },
    ),
    { numRuns: 300 },
  );
});

test('a changed service is looked at once, however many there are; without a wish nothing is read', () => {
  const model = new Model();
  for (let index = 0; index < 1_000; index++)
    model.services.set(`s${index}.a`, record(`s${index}`, 'a', { ports: [80], tier: 'x', visibility: 'mesh' }));
  const lists = new NeedsLists(model);
  assert.deepEqual(lists.catchUp({ epoch: 1, keys: ['svc|s1.a'], everything: false }), []);
  assert.equal(model.reads, 0);
  const [ask] = ASKS;
  assert.ok(ask);
  const list = lists.of('gateway.a', ask);
  assert.equal(list.names.length, 1_000);
  const { names } = list;
  const reads = model.reads;
  model.services.set('s1.a', record('s1', 'a', { ports: [80, 81], tier: 'x', visibility: 'mesh' }));
  assert.deepEqual(lists.catchUp({ epoch: 2, keys: ['svc|s1.a'], everything: false }), ['caller|gateway.a']);
  assert.equal(model.reads - reads, 1);
  assert.deepEqual(list.step(names, list.names), { came: ['s1.a:81'], went: [], next: list.names });
});

test('a list that nobody asks for goes, and with the last one all that was kept for it', () => {
  const model = new Model();
  const lists = new NeedsLists(model);
  const [ask] = ASKS;
  assert.ok(ask);
  const list = lists.of('gateway.a', ask);
  for (let epoch = 0; epoch < 300; epoch++) {
    const ports = [80 + epoch];
    model.services.set('s1.a', record('s1', 'a', { ports, tier: 'x', visibility: 'mesh' }));
    lists.catchUp({ epoch, keys: ['svc|s1.a'], everything: false });
  }
  assert.equal(list.gone, true);
  assert.equal(lists.size, 0);
});

test('when the journal says everything, lists are made anew', () => {
  const model = new Model();
  const lists = new NeedsLists(model);
  const [ask] = ASKS;
  assert.ok(ask);
  const list = lists.of('gateway.a', ask);
  model.services.set('s1.a', record('s1', 'a', { ports: [80], tier: 'x', visibility: 'mesh' }));
  assert.deepEqual(lists.catchUp({ epoch: 9, keys: [], everything: true }), []);
  assert.equal(list.gone, true);
  assert.deepEqual(lists.of('gateway.a', ask).names, ['s1.a:80']);
});

test('at the bound the list goes that was used longest ago, and its callers hear of the next change of a service', () => {
  const model = new Model();
  const lists = new NeedsLists(model);
  const ask = (index: number): (typeof ASKS)[number] => ({
    namespace: 'a',
    denied: [],
    needs: { labels: [['tier', `t${index}`]], namespaces: [] },
  });
  const held = Array.from({ length: 256 }, (_, index) => lists.of(`caller-${index}.a`, ask(index)));
  // The first one made is used again, so the second one is the oldest.
  assert.deepEqual(held[0]?.names, []);
  lists.of('late.a', ask(256));
  assert.equal(lists.size, 256);
  assert.deepEqual(
    held.flatMap(({ gone }, index) => (gone ? [index] : [])),
    [1],
  );
  assert.deepEqual(lists.catchUp({ epoch: 1, keys: ['caller|x.a'], everything: false }), [], 'no service changed');
  model.services.set('s1.a', record('s1', 'a', { ports: [80], tier: 't1', visibility: 'mesh' }));
  assert.deepEqual(lists.catchUp({ epoch: 2, keys: ['svc|s1.a'], everything: false }), ['caller|caller-1.a']);
  assert.deepEqual(lists.of('caller-1.a', ask(1)).names, ['s1.a:80'], 'who is told asks, and gets it anew');
});
