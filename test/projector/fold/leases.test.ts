/** Leases in the fold: 1 to 3 of src/projector/fold/evolve-lease.ts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Story } from './story.ts';

const SOURCE = { source: 'lease:local' };
const REF = { namespace: 'default', service: 'cart', id: 'a' };
const word = (holder = 'h') => ({ ...REF, address: '10.0.0.1', lease: { ttlMs: 30_000, holder } });

const leased = (): Story => {
  const story = new Story();
  story.send('endpoint.registered', word(), SOURCE);
  return story;
};
const lease = (story: Story) => story.fold.lease('cart.default', 'a', 'lease:local');

test('1: a lease comes with the word of a source, and ends with it', () => {
  const story = leased();
  assert.equal(lease(story)?.holder, 'h');
  story.send('endpoint.registered', word('i'), SOURCE);
  assert.equal(lease(story)?.holder, 'i');
  story.send('endpoint.registered', { ...REF, address: '10.0.0.1' }, SOURCE);
  assert.equal(lease(story), undefined);
  story.send('endpoint.registered', word(), SOURCE);
  story.send('endpoint.deregistered', REF, SOURCE);
  assert.deepEqual([lease(story), story.fold.leaseCount, story.fold.endpointCount('cart.default')], [undefined, 0, 0]);
});

test('1: only a source lease:NAME can hold one', () => {
  const story = new Story();
  assert.equal(story.send('endpoint.registered', word()).code, 'not-owner');
  assert.equal(story.fold.endpointCount('cart.default'), 0);
});

test('2: one that ran out stays, without its endpoint, until it is registered or ended again', () => {
  const story = leased();
  assert.equal(story.send('endpoint.expired', REF, SOURCE).status, 'applied');
  assert.equal(lease(story)?.expired, true);
  assert.equal(story.fold.endpoint('cart.default', 'a'), undefined);
  story.send('endpoint.registered', word(), SOURCE);
  assert.equal(lease(story)?.expired, undefined);
  for (const end of ['endpoint.expired', 'endpoint.deregistered'] as const) {
    story.send('endpoint.registered', word(), SOURCE);
    story.send('endpoint.expired', REF, SOURCE);
    assert.equal(story.send(end, REF, SOURCE).status, 'applied');
    assert.equal(lease(story), undefined);
  }
});

test('3: an expiry of another term, or that had not seen the last registration, changes nothing', () => {
  const story = leased();
  story.send('keeper.elected', { keeper: 'edges', epoch: 1, holder: 'a/1' });
  assert.equal(story.send('endpoint.expired', { ...REF, epoch: 2, seen: 1 }, SOURCE).code, 'stale-epoch');
  story.send('endpoint.registered', word('i'), SOURCE);
  assert.equal(story.send('endpoint.expired', { ...REF, epoch: 1, seen: 1 }, SOURCE).code, 'expect');
  assert.equal(story.fold.endpointCount('cart.default'), 1);
  const seen = lease(story)?.offset ?? 0;
  assert.equal(story.send('endpoint.expired', { ...REF, epoch: 1, seen }, SOURCE).status, 'applied');
  assert.equal(story.fold.endpointCount('cart.default'), 0);
});
