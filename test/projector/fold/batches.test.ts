import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endpoint, Story, service, told } from './story.ts';

const brief = (outcomes: readonly { readonly offset: number; readonly status: string; readonly code?: string }[]) =>
  outcomes.map(({ offset, status, code }) => `${offset} ${status}${code === undefined ? '' : ` ${code}`}`);

test('a batch is told with its last event, and applied whole', () => {
  const story = new Story();
  const batch = (index: number) => ({ id: 'b', index, size: 2 });
  assert.deepEqual(story.apply(told('service.registered', service('a')), batch(0)), []);
  assert.equal(story.fold.offset, 0);
  assert.equal(story.fold.service('a.default'), undefined);
  const outcomes = story.apply(told('service.registered', service('b')), batch(1));
  assert.deepEqual(brief(outcomes), ['1 applied', '2 applied']);
  assert.equal(story.fold.offset, 2);
  assert.ok(story.fold.service('a.default') && story.fold.service('b.default'));
});

test('one bad event: none is applied', () => {
  const story = new Story();
  const outcomes = story.batch(
    told('endpoint.registered', endpoint('cart', 'a')),
    told('endpoint.registered', endpoint('cart', 'b', { address: 'nowhere' })),
    told('endpoint.registered', endpoint('cart', 'a', { address: '10.0.0.2' })),
  );
  assert.deepEqual(brief(outcomes), ['1 rejected batch', '2 quarantined schema', '3 rejected batch']);
  assert.match(outcomes[0]?.message ?? '', /offset 2/);
  assert.equal(story.fold.endpointCount('cart.default'), 0);
  assert.deepEqual([...story.fold.drain().entities], []);
  assert.deepEqual(story.fold.counters, { applied: 0, rejected: 2, quarantined: 1, duplicate: 0 });
});

test('a duplicate inside a batch is skipped, the rest applies', () => {
  const story = new Story();
  story.send('service.registered', service('a'), { id: 'one' });
  const outcomes = story.batch(
    told('service.registered', service('changed'), { id: 'one' }),
    told('service.registered', service('b'), { id: 'two' }),
    told('service.registered', service('c'), { id: 'two' }),
  );
  assert.deepEqual(brief(outcomes), ['2 duplicate', '3 applied', '4 duplicate']);
  assert.deepEqual([outcomes[0]?.duplicateOf, outcomes[2]?.duplicateOf], [1, 3]);
  assert.deepEqual([...story.fold.serviceNames()], ['a.default', 'b.default']);
});

test('a batch rejected whole stays rejected when it is sent again', () => {
  const story = new Story();
  const send = () =>
    story.batch(
      told('service.registered', service('a'), { id: 'one' }),
      told('service.registered', service('b'), { id: 'two', expect: 7 }),
    );
  assert.deepEqual(brief(send()), ['1 rejected batch', '2 rejected expect']);
  assert.deepEqual(brief(send()), ['3 duplicate', '4 duplicate']);
  assert.deepEqual([...story.fold.serviceNames()], []);
});

test('an incomplete batch followed by something else is rejected, and may be sent again', () => {
  const story = new Story();
  const batch = (index: number) => ({ id: 'b', index, size: 3 });
  story.apply(told('service.registered', service('a'), { id: 'one' }), batch(0));
  story.apply(told('service.registered', service('b'), { id: 'two' }), batch(1));
  assert.equal(story.fold.offset, 0);
  const outcomes = story.apply(told('service.registered', service('c')));
  assert.deepEqual(brief(outcomes), ['1 rejected batch', '2 rejected batch', '3 applied']);
  assert.equal(story.fold.offset, 3);
  const again = story.batch(
    told('service.registered', service('a'), { id: 'one' }),
    told('service.registered', service('b'), { id: 'two' }),
  );
  assert.deepEqual(brief(again), ['4 applied', '5 applied']);
});

test('another batch, an unreadable record, and a fragment break a batch too', () => {
  const story = new Story();
  story.apply(told('service.registered', service('a')), { id: 'b', index: 0, size: 2 });
  assert.deepEqual(brief(story.unreadable()), ['1 rejected batch', '2 quarantined unreadable']);
  story.apply(told('service.registered', service('a')), { id: 'c', index: 0, size: 2 });
  const other = story.apply(told('service.registered', service('a')), { id: 'd', index: 0, size: 2 });
  assert.deepEqual(brief(other), ['3 rejected batch']);
  assert.equal(story.fold.offset, 3);
  const stranger = story.apply(told('service.registered', service('b'), { source: 'x' }), {
    id: 'd',
    index: 1,
    size: 2,
  });
  assert.deepEqual(brief(stranger), ['4 rejected batch', '5 rejected batch']);
  assert.equal(story.fold.offset, 5);
  const huge = story.apply(told('service.registered', service('b')), { id: 'e', index: 0, size: 10_001 });
  assert.deepEqual(brief(huge), ['6 rejected batch']);
  assert.match(huge[0]?.message ?? '', /10000 are allowed/);
});

test('`expect` is the offset of the subject’s last applied event', () => {
  const story = new Story();
  const register = (expect: number) => story.send('service.registered', service('a'), { expect });
  assert.equal(register(3).code, 'expect');
  assert.equal(register(0).status, 'applied');
  const stale = register(1);
  assert.equal(stale.code, 'expect');
  assert.match(stale.message ?? '', /at 2 now/);
  assert.equal(register(2).status, 'applied');
  // Within a batch it is the state before the batch that the author saw.
  const both = story.batch(
    told('service.registered', service('a', { labels: { v: '1' } }), { expect: 4 }),
    told('service.registered', service('a', { labels: { v: '2' } }), { expect: 4 }),
  );
  assert.deepEqual(brief(both), ['5 applied', '6 applied']);
});

test('every kind of subject has its offset', () => {
  const story = new Story();
  story.send('service.registered', service('a'));
  story.send('endpoint.registered', endpoint('a', 'x/y/z'));
  story.document('Route', 'a', { timeout: '1s' });
  story.send('dependency.declared', { from: 'a.default', to: 'b.default:80' });
  const offsets = [
    'service/default/a',
    'endpoint/default/a/x/y/z',
    'policy/Route/default/a',
    'edge/a.default/b.default:80',
  ];
  assert.deepEqual(
    offsets.map((subject) => story.fold.subjectOffset(subject)),
    [1, 2, 3, 4],
  );
  const nothing = ['service/default/b', 'endpoint/a', 'policy/Route/x/a', 'edge/a.default/c.default', 'edges', 'x', ''];
  assert.deepEqual(new Set(nothing.map((subject) => story.fold.subjectOffset(subject))), new Set([0]));
});

test('records must come in order', () => {
  const story = new Story();
  story.send('service.registered', service('a'));
  story.offset = 0;
  assert.throws(() => story.send('service.registered', service('a')), { code: 'FOLD_ORDER' });
});
