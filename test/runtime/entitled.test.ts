/** What a sidecar was entitled to at an offset is what the read model held for it then, as its view of the mesh gave it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NodeView } from '../../src/delta-xds/index.ts';
import type { ProtoNode } from '../../src/proto/index.ts';
import { type Entitled, entitledAt } from '../../src/runtime/entitled.ts';
import { MeshSource } from '../../src/runtime/mesh-source.ts';
import { feed, openModel, tempDir, withSystem } from '../projector/harness.ts';
import { event, randomFrom, registered } from '../projector/mesh-events.ts';
import { meshStep } from '../projector/past-events.ts';

const SEED = Number(process.env.TENDRIL_PAST_SEED ?? 3);

const NODES = [
  { id: 'web/1', service: 'a.shop' },
  { id: 'other', service: 'd.shop' },
  { id: 'guest', service: 'nobody.elsewhere' },
] as const;

const node = (id: string, cluster: string): ProtoNode => ({
  id,
  cluster,
  metadata: {},
  locality: { region: '', zone: '', subzone: '' },
  userAgentName: 'envoy',
  clientFeatures: [],
});

/** What the view gives unasked, but for the node's own listeners and inbound clusters. */
const heldBy = (view: NodeView): readonly string[] => {
  const rows = new Set<string>();
  const add = (type: 'cds' | 'eds' | 'vhds', name: string, shown = name): void => {
    const body = view.get(type, name);
    if (body !== undefined) rows.add(`${type}|${shown} ${body.version} ${body.body.length}`);
    if (type === 'cds' && body?.eds !== undefined) add('eds', body.eds);
  };
  for (const servicePort of view.preload()) {
    add('vhds', servicePort, `outbound/${servicePort}`);
    for (const cluster of view.clustersOf(servicePort)) add('cds', cluster);
  }
  for (const name of view.own('cds')) if (!name.startsWith('inbound:')) add('cds', name);
  return [...rows].sort();
};

const told = (rows: readonly Entitled[]): readonly string[] =>
  rows.map(({ type, name, version, bytes }) => `${type}|${name} ${version} ${bytes}`).sort();

test('entitled resources at every offset are those that the view of then gave', async (t) => {
  const dir = tempDir(t);
  await withSystem(dir, async (system) => {
    await feed(system, registered('a'));
    const model = await openModel(dir);
    const source = new MeshSource(model);
    const views = NODES.map(({ id, service }) => source.attach(node(id, service), 'delta'));
    const random = randomFrom(SEED);
    const held: { readonly at: number; readonly rows: readonly (readonly string[])[] }[] = [];
    for (let round = 0; round < 150; round++) {
      const more =
        random() < 0.15
          ? [event('dependency.denied', { from: 'a.shop', to: `${random() < 0.5 ? 'b' : 'c'}.shop` })]
          : random() < 0.15
            ? [registered('b', { visibility: random() < 0.5 ? 'namespace' : 'mesh' })]
            : [];
      await feed(system, ...meshStep(random), ...meshStep(random), ...more);
      model.journalSince(0);
      source.catchUp();
      held.push({ at: system.log.head().offset, rows: views.map(heldBy) });
    }
    let compared = 0;
    for (const { at, rows } of held.filter(() => random() < 0.4)) {
      for (const [index, expected] of rows.entries()) {
        const asked = NODES[index] ?? NODES[0];
        const entitled = await entitledAt(system.projector.past, at, asked);
        assert.deepEqual(told(entitled), expected, `at ${at}, ${asked.id}, seed ${SEED}`);
        compared += expected.length;
      }
    }
    assert.ok(compared > 100, `only ${compared} resources were compared`);
    await model.close();
  });
});
