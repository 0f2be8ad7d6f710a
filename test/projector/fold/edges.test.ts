import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Story } from './story.ts';

const edge = { from: 'web.default', to: 'cart.default:80' };
const source = (name: string) => ({ source: name });

test('edges of a caller stand in order, each with what was said of it', () => {
  const story = new Story();
  story.send('dependency.observed', { ...edge, evidence: 'subscribed' }, source('sidecar:1'));
  story.send('dependency.declared', { from: 'web.default', to: 'api.default' }, source('ann'));
  assert.deepEqual(story.fold.edges('web.default').targets(), ['api.default', 'cart.default:80']);
  assert.deepEqual(story.fold.edges('web.default').find(edge.to), {
    ...edge,
    declaredBy: [],
    pinned: false,
    denied: false,
    evidence: ['subscribed'],
    witnesses: ['sidecar:1'],
    firstOffset: 1,
    lastOffset: 1,
    firstSeen: Date.UTC(2026, 0, 1) + 1,
    lastSeen: Date.UTC(2026, 0, 1) + 1,
    usedAt: Date.UTC(2026, 0, 1) + 1,
  });
  assert.deepEqual([...story.fold.callersWithEdges()], ['web.default']);
  const changes = story.fold.drain();
  assert.deepEqual([...changes.inputs], ['edges:web.default']);
  assert.deepEqual([...changes.entities.keys()], ['edges/web.default']);
});

test('every word on an edge touches its caller; one on no edge does not', () => {
  const story = new Story();
  const touched = () => [...story.fold.drain().inputs];
  const observe = (name: string) =>
    story.send('dependency.observed', { ...edge, evidence: 'subscribed' }, source(name));
  observe('sidecar:1');
  assert.deepEqual(touched(), ['edges:web.default']);
  observe('sidecar:2');
  assert.deepEqual(touched(), ['edges:web.default']);
  story.send('dependency.renewed', { edges: [edge, { from: 'ghost.default', to: 'none.default' }] });
  assert.deepEqual(touched(), ['edges:web.default']);
  assert.equal(story.fold.edges('web.default').find(edge.to)?.lastOffset, 3);
  story.send('dependency.expired', edge);
  assert.deepEqual(touched(), ['edges:web.default']);
  assert.equal(story.fold.edges('web.default').find(edge.to)?.expired, true);
  const nothing = story.send('dependency.expired', { from: 'ghost.default', to: 'none.default' });
  assert.match(nothing.message ?? '', /no edge/);
  assert.deepEqual(touched(), []);
});

test('withdrawing takes back the own word only; the last word gone, the edge is gone', () => {
  const story = new Story();
  story.send('dependency.declared', edge, source('ann'));
  story.send('dependency.pinned', edge, source('bob'));
  story.send('dependency.denied', edge, source('bob'));
  assert.deepEqual(
    [...story.fold.edges('web.default')].map(({ declaredBy, pinned, denied, deniedBy }) => [
      declaredBy,
      pinned,
      denied,
      deniedBy,
    ]),
    [[['ann'], false, true, ['bob']]],
  );
  const foreign = story.send('dependency.withdrawn', edge, source('eve'));
  assert.deepEqual([foreign.status, foreign.code], ['rejected', 'not-owner']);
  story.send('dependency.withdrawn', edge, source('bob'));
  assert.equal(story.fold.edges('web.default').find(edge.to)?.denied, false);
  story.send('dependency.withdrawn', edge, source('ann'));
  assert.deepEqual([...story.fold.callersWithEdges()], []);
  story.fold.drain();
  const nothing = story.send('dependency.withdrawn', edge, source('ann'));
  assert.equal(nothing.status, 'applied');
  assert.match(nothing.message ?? '', /no edge/);
});

test('a caller has a bound of edges', () => {
  const story = new Story({ freeze: false });
  const observe = (n: number) =>
    story.send('dependency.observed', { from: 'web.default', to: `s${n}.default:80`, evidence: 'subscribed' });
  for (let n = 0; n < 10_000; n += 1) assert.equal(observe(n).status, 'applied');
  assert.equal(observe(10_000).code, 'E106');
  assert.equal(observe(5).status, 'applied');
  assert.equal(story.fold.edges('web.default').size, 10_000);
});

test("a keeper's expiry counts only in its term, and only for the edge as it knew it", () => {
  const story = new Story();
  const observe = () => story.send('dependency.observed', { ...edge, evidence: 'observed' }, source('sidecar:1'));
  const expired = () => story.fold.edges('web.default').find(edge.to)?.expired === true;
  const elect = (epoch: number) =>
    story.send('keeper.elected', { keeper: 'edges', epoch, holder: 'replica-1' }, source('tendril'));
  observe();
  assert.equal(story.send('dependency.expired', { ...edge, epoch: 1 }).code, 'stale-epoch');
  assert.deepEqual([elect(2).code, elect(1).status, elect(1).code], ['stale-epoch', 'applied', 'stale-epoch']);
  assert.equal(story.fold.keeperEpoch('edges'), 1);
  const seen = story.fold.subjectOffset(`edge/${edge.from}/${edge.to}`);
  story.send('dependency.renewed', { edges: [edge] });
  const late = story.send('dependency.expired', { ...edge, epoch: 1, seen });
  assert.deepEqual([late.status, late.code, expired()], ['rejected', 'expect', false]);
  assert.equal(elect(2).status, 'applied');
  const now = story.fold.subjectOffset(`edge/${edge.from}/${edge.to}`);
  assert.equal(story.send('dependency.expired', { ...edge, epoch: 1, seen: now }).code, 'stale-epoch');
  assert.equal(story.send('dependency.expired', { ...edge, epoch: 2, seen: now }).status, 'applied');
  assert.equal(expired(), true);
  observe();
  assert.deepEqual([expired(), story.fold.edges('web.default').find(edge.to)?.returned], [false, 1]);
});

test('a renewal of many edges changes each once, and tells how many are not known', () => {
  const story = new Story();
  const to = (n: number) => `s${n}.default:80`;
  for (const from of ['web.default', 'api.default'])
    for (let n = 0; n < 3; n += 1)
      story.send('dependency.observed', { from, to: to(n), evidence: 'observed' }, source('sidecar:1'));
  story.fold.drain();
  story.recordedAt = Date.UTC(2026, 5, 1);
  const renewed = story.send('dependency.renewed', {
    edges: [
      { from: 'web.default', to: to(2) },
      { from: 'api.default', to: to(0) },
      { from: 'web.default', to: to(0) },
      { from: 'web.default', to: to(7) },
    ],
  });
  assert.match(renewed.message ?? '', /1 of 4/);
  const young = (caller: string) =>
    [...story.fold.edges(caller)].filter(({ usedAt }) => usedAt === story.recordedAt).map((one) => one.to);
  assert.deepEqual([young('web.default'), young('api.default')], [[to(0), to(2)], [to(0)]]);
});
