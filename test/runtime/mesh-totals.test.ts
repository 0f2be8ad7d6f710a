/** What a full mesh would be, as counted beside the derivation (src/runtime/mesh-totals.ts). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Projector, StoredResource } from '../../src/projector/index.ts';
import { MeshTotalsReader } from '../../src/runtime/mesh-totals.ts';
import { wireBytes } from '../../src/runtime/wire-bytes.ts';

type Changes = ReadonlyMap<string, StoredResource | undefined>;

const resourceOf = (size: number): StoredResource => ({ version: 'v', body: Buffer.alloc(size) });

/** A projector whose changes the test makes: told before they are committed, as the real one does. */
const stand = (committed: Map<string, StoredResource>) => {
  const listeners: ((changes: Changes) => void)[] = [];
  const projector = {
    notice: { epoch: 1 },
    fold: {
      serviceNames: () => ['cart.shop', 'own.shop'],
      service: (name: string) => ({
        namespace: 'shop',
        visibility: name === 'cart.shop' ? 'mesh' : 'namespace',
        ports: [{ port: 80 }],
      }),
    },
    onResources: (listener: (changes: Changes) => void) => listeners.push(listener),
    sharedKeys: () => [...committed.keys()],
    sharedResource: (key: string) => committed.get(key),
  };
  return {
    reader: new MeshTotalsReader(projector as unknown as Projector),
    derive: (changes: Changes) => {
      for (const listener of listeners) listener(changes);
    },
  };
};

test('what is removed while the mesh is measured, before the removal is committed, is not counted', async () => {
  const keys = Array.from({ length: 400 }, (_, index) => `cds||cart.shop:${index + 1}`);
  const { reader, derive } = stand(new Map(keys.map((key) => [key, resourceOf(10)])));
  const measured = reader.measure();
  derive(new Map([[keys.at(-1) ?? '', undefined]]));
  await measured;
  assert.equal(reader.now()?.common.resources, 399);
  // It comes again, and is counted once.
  derive(new Map([[keys.at(-1) ?? '', resourceOf(10)]]));
  assert.equal(reader.now()?.common.resources, 400);
});

test('a change is told once, with the bytes of what the whole mesh may see', () => {
  const { reader, derive } = stand(new Map());
  const told: number[] = [];
  reader.onChanged = (bytes) => told.push(bytes);
  derive(
    new Map([
      ['cds||cart.shop:80', resourceOf(300)],
      ['eds||cart.shop:80', resourceOf(7)],
      ['cds||own.shop:80', resourceOf(300)],
      ['cds||cart.shop:81', undefined],
      ['lds||outbound', resourceOf(9)],
    ]),
  );
  const name = 'cart.shop:80';
  assert.deepEqual(told, [wireBytes('cds', name, resourceOf(300)) + wireBytes('eds', name, resourceOf(7))]);
});

test('a derivation that changes much is looked at over several turns, in order, and an answer has it all', async () => {
  const { reader, derive } = stand(new Map());
  const told: number[] = [];
  reader.onChanged = (bytes) => told.push(bytes);
  const names = Array.from({ length: 5_000 }, (_, index) => `cart.shop:${index + 1}`);
  derive(new Map(names.map((name) => [`cds||${name}`, resourceOf(100)])));
  assert.deepEqual(told, [], 'not in the turn of the derivation');
  derive(new Map([['cds||cart.shop:1', undefined]]));
  const { common } = await reader.read();
  const bytes = names.reduce((sum, name) => sum + wireBytes('cds', name, resourceOf(100)), 0);
  assert.deepEqual(told, [bytes, 0]);
  assert.deepEqual(common, { resources: 4_999, bytes: bytes - wireBytes('cds', 'cart.shop:1', resourceOf(100)) });
});

test('when many derivations wait, the oldest is looked at before the next is taken', () => {
  const { reader, derive } = stand(new Map());
  const told: number[] = [];
  reader.onChanged = (bytes) => told.push(bytes);
  for (let round = 0; round < 10; round++)
    derive(new Map(Array.from({ length: 3_000 }, (_, index) => [`cds||cart.shop:${index + 1}`, resourceOf(round)])));
  assert.equal(told.length, 2, 'eight wait');
});
