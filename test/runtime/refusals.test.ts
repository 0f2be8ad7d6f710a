/** Which refusals become which events; the whole way with real sidecars is `nacks.test.ts`. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DeliveryReport } from '../../src/delta-xds/index.ts';
import { rawKey } from '../../src/model/index.ts';
import { refusedRaw } from '../../src/runtime/raw-port.ts';
import { Refusals } from '../../src/runtime/refusals.ts';

const CDS = 'type.googleapis.com/envoy.config.cluster.v3.Cluster';
const VHDS = 'type.googleapis.com/envoy.config.route.v3.VirtualHost';

const rawEntity = (version: string, offset: number) => ({
  version,
  offset,
  body: Buffer.from(version),
  recordedAt: 0,
  source: 'ops@shop',
});

const rejected = (type: string, name: string, version: string): DeliveryReport => ({
  nodes: [['web-1', 'web.shop']],
  groups: [
    { type, name, version, event: 'rejected', bytes: 0, offset: 9, at: 1, steps: [0, 0], message: 'bad', final: true },
  ],
});

test('a refused raw resource: one event with its offset, author and the words; a compiled one of that name none', async () => {
  const raw = new Map([
    [rawKey({ typeUrl: CDS, name: 'legacy' }), rawEntity('v1', 4)],
    [rawKey({ node: 'web-1', typeUrl: CDS, name: 'legacy' }), rawEntity('v2', 5)],
    [rawKey({ typeUrl: VHDS, name: 'outbound/cart.shop:80' }), rawEntity('v3', 6)],
  ]);
  const written: unknown[] = [];
  const refusals = new Refusals({
    ingest: {
      submit: async ({ events }) => {
        written.push(...events);
        return { outcomes: [], offsets: [] } as never;
      },
    },
    documentsOf: () => [],
    rawOf: (...refused) => refusedRaw({ raw: (key) => raw.get(key) }, ...refused),
    logger: { warn: () => undefined },
  });
  refusals.note(rejected('cds', 'legacy', 'v2'));
  refusals.note(rejected('cds', 'legacy', 'v2'));
  refusals.note(rejected('vhds', 'outbound~1/cart.shop:80', 'v3'));
  refusals.note(rejected('vhds', 'outbound/cart.shop:80', 'compiled'));
  const common = { author: 'ops@shop', by: 'web-1', message: 'bad' };
  assert.deepEqual(written, [
    {
      type: 'resource.refused',
      data: { node: 'web-1', typeUrl: CDS, name: 'legacy', offset: 5, version: 'v2', ...common },
    },
    {
      type: 'resource.refused',
      data: { typeUrl: VHDS, name: 'outbound/cart.shop:80', offset: 6, version: 'v3', ...common },
    },
  ]);
  assert.equal(refusals.seen, 4);
});

test('equal raw resources of two nodes and two authors, refused together: each is told', () => {
  const one = rawEntity('v1', 4);
  const raw = new Map([
    [rawKey({ node: 'web-1', typeUrl: CDS, name: 'legacy' }), one],
    [rawKey({ node: 'web-2', typeUrl: CDS, name: 'legacy' }), { ...one, offset: 5, source: 'ann' }],
  ]);
  const written: { readonly data: { readonly node?: string; readonly author: string; readonly by: string } }[] = [];
  const refusals = new Refusals({
    ingest: {
      submit: async ({ events }) => {
        written.push(...(events as typeof written));
        return { outcomes: [], offsets: [] } as never;
      },
    },
    documentsOf: () => [],
    rawOf: (...refused) => refusedRaw({ raw: (key) => raw.get(key) }, ...refused),
    logger: { warn: () => undefined },
  });
  const [group] = rejected('cds', 'legacy', 'v1').groups;
  assert.ok(group !== undefined);
  const nodes: DeliveryReport['nodes'] = [
    ['web-1', 'web.shop'],
    ['web-2', 'web.shop'],
    ['web-3', 'web.shop'],
  ];
  refusals.note({ nodes, groups: [{ ...group, steps: [0, 0, 1, 0, 2, 0] }] });
  assert.deepEqual(
    written.map(({ data }) => [data.node, data.author, data.by]),
    [
      ['web-1', 'ops@shop', 'web-1'],
      ['web-2', 'ann', 'web-2'],
    ],
  );
});
