/** What differs between two offsets: what two folds, one of each, tell differently. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canonicalJson } from '../../src/model/index.ts';
import { createFoldState, type FoldState } from '../../src/projector/index.ts';
import { closeSystem, feed, openSystem, type System, tempDir } from './harness.ts';
import { endpoint, event, MESH, policy, randomFrom, registered } from './mesh-events.ts';
import { FULL, meshStep } from './past-events.ts';

const SEED = Number(process.env.TENDRIL_PAST_SEED ?? 5);

const replayed = async (system: System, at: number): Promise<FoldState> => {
  const fold = createFoldState({ mesh: MESH });
  if (at > 0)
    for await (const records of system.log.read({ from: 1 }))
      for (const record of records) if (record.offset <= at) fold.apply(record);
  return fold;
};

/** Subject -> what it is, as text. */
const everything = (fold: FoldState): Map<string, string> => {
  const all = new Map<string, string>();
  const add = (subject: string, value: unknown) => all.set(subject, canonicalJson(value));
  for (const full of FULL) {
    const [name, namespace] = full.split('.');
    const service = fold.service(full);
    if (service !== undefined)
      add(`service/${namespace}/${name}`, [service, fold.serviceFacets(full).map(({ source }) => source)]);
    for (const block of fold.compileInputs.endpoints(full))
      for (const one of block.endpoints()) add(`endpoint/${namespace}/${name}/${one.id}`, one);
    for (const edge of fold.edges(full)) {
      const { declaredBy, evidence, firstOffset, pinned, denied, expired } = edge;
      add(`edge/${full}/${edge.to}`, [declaredBy, evidence, firstOffset, pinned, denied, expired === true]);
    }
  }
  for (const { kind, namespace, name, document } of fold.policies())
    add(`policy/${kind}/${namespace}/${name}`, document);
  for (const key of fold.rawKeys()) {
    const [node, typeUrl, name] = key.split('|');
    const raw = fold.raw(key);
    add(`resource/${node}/${typeUrl}/${name}`, [raw?.version, raw?.source]);
  }
  add('mesh', fold.compileInputs.mesh().suffixes);
  return all;
};

test('between any two offsets the entities that differ are named, each once, whatever the size of a page', async (t) => {
  const system = await openSystem(tempDir(t));
  t.after(() => closeSystem(system));
  const random = randomFrom(SEED);
  for (let round = 0; round < 80; round++) {
    const events = Array.from({ length: 1 + Math.floor(random() * 6) }, () => meshStep(random)).flat();
    const withdrawn = random() < 0.2 ? [event('dependency.denied', { from: 'a.shop', to: 'b.shop' })] : [];
    await feed(system, ...events, ...withdrawn);
  }
  const head = system.log.head().offset;
  let compared = 0;
  for (let round = 0; round < 8; round++) {
    const from = Math.floor(random() * head);
    const to = from + Math.floor(random() * Math.min(head - from, round % 2 === 0 ? 40 : head) + 1);
    const [before, after] = [everything(await replayed(system, from)), everything(await replayed(system, to))];
    const expected = new Map<string, string>();
    for (const subject of new Set([...before.keys(), ...after.keys()]))
      if (before.get(subject) !== after.get(subject))
        expected.set(subject, !before.has(subject) ? 'added' : after.has(subject) ? 'changed' : 'removed');
    // The first `mesh.configured` may say what was in force before.
    expected.delete('mesh');
    const found = new Map<string, string>();
    const limit = 1 + Math.floor(random() * 30);
    for (let next: number | undefined = 0; next !== undefined; ) {
      const page = await system.projector.past.diff({ from, to, limit, after: next });
      for (const one of page.entities) {
        assert.ok(!found.has(one.subject), `${one.subject} is named twice, ${from}..${to}, seed ${SEED}`);
        found.set(one.subject, one.before === undefined ? 'added' : one.after === undefined ? 'removed' : 'changed');
      }
      next = page.next;
    }
    found.delete('mesh');
    // A service that a source more or less speaks for, and an endpoint: `sources` is told besides.
    const sorted = (map: Map<string, string>) => [...map].sort(([a], [b]) => (a < b ? -1 : 1));
    const extra = [...found.keys()].filter((key) => !expected.has(key));
    for (const key of extra)
      assert.match(key, /^(endpoint|service)\//, `${key} did not change, ${from}..${to}, seed ${SEED}`);
    for (const key of extra) found.delete(key);
    assert.deepEqual(sorted(found), sorted(expected), `${from}..${to}, seed ${SEED}`);
    compared += expected.size;
  }
  assert.ok(compared > 50, `only ${compared}`);
});

test('one entity by its subject; one that did not change is not there', async (t) => {
  const system = await openSystem(tempDir(t));
  t.after(() => closeSystem(system));
  await feed(system, registered('a'), policy('Route', 'a', { timeout: '1s' }), endpoint('a', 'x'));
  await feed(system, policy('Route', 'a', { timeout: '2s' }), endpoint('a', 'x', { weight: 3 }));
  const one = async (subject: string) =>
    (await system.projector.past.diff({ from: 3, to: 5, limit: 1, subject })).entities;
  const [route] = await one('policy/Route/shop/a');
  assert.deepEqual([route?.before?.spec, route?.after?.spec], [{ timeout: '1s' }, { timeout: '2s' }]);
  const [changed] = await one('endpoint/shop/a/x');
  assert.deepEqual([changed?.before?.weight, changed?.after?.weight], [undefined, 3]);
  assert.deepEqual(await one('service/shop/a'), []);
  assert.deepEqual(await one('service/shop/nobody'), []);
  await assert.rejects(system.projector.past.diff({ from: 3, to: 6, limit: 1 }), { code: 'OFFSET_INVALID' });
});
