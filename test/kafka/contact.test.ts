/** Contact with the topic. Invariants A1 to A5 are those of src/log/kafka/contact.ts. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  type Contact,
  type ContactEvent,
  conditionOf,
  contactAfter,
  firstContact,
} from '../../src/log/kafka/contact.ts';
import { TendrilError } from '../../src/model/index.ts';

const after = (events: readonly ContactEvent[]): Contact => events.reduce(contactAfter, firstContact(1, 0));
const gap = new TendrilError('LOG_GAP', 'offsets 3 to 9 are missing', { remedy: 'recover' });

const someEvent: fc.Arbitrary<ContactEvent> = fc.oneof(
  fc.record({ what: fc.constant('connected' as const), atMs: fc.nat(), end: fc.nat(20) }),
  fc.record({ what: fc.constant('progress' as const), head: fc.nat(20), end: fc.nat(20) }),
  fc.record({ what: fc.constant('failed' as const), atMs: fc.nat(), message: fc.string() }),
);

describe('contact', () => {
  test('A2: live only when the end at the connection has been reached', () => {
    const connected: ContactEvent = { what: 'connected', atMs: 2, end: 5 };
    assert.equal(after([connected]).state, 'catching-up');
    assert.equal(after([connected, { what: 'progress', head: 4, end: 9 }]).state, 'catching-up');
    const live = after([connected, { what: 'progress', head: 5, end: 9 }]);
    assert.deepEqual(conditionOf(live, []), { state: 'live', behind: 4 });
    assert.equal(after([{ what: 'connected', atMs: 2, end: 0 }]).state, 'live', 'an empty topic is complete');
  });

  test('A3: being away has one beginning, and the newest reason', () => {
    const failed = (atMs: number): ContactEvent => ({ what: 'failed', atMs, message: `at ${atMs}` });
    const { code, message, sinceMs, state } = conditionOf(after([failed(5), failed(9)]), []);
    assert.deepEqual([state, code, message, sinceMs], ['away', 'LOG_AWAY', 'at 9', 5]);
  });

  test('A4: whether this is the first time is said until the first live or away', () => {
    assert.equal(conditionOf(firstContact(1, 0), []).atStart, true);
    const back = after([
      { what: 'failed', atMs: 5, message: '' },
      { what: 'connected', atMs: 6, end: 3 },
    ]);
    assert.equal(conditionOf(back, []).atStart, false);
  });

  test('property: A1, A2, A3, A4, A5 hold along any sequence', () => {
    fc.assert(
      fc.property(fc.array(someEvent, { maxLength: 30 }), fc.nat(30), (events, breakAt) => {
        let contact = firstContact(1, 0);
        let began = true;
        for (const [index, event] of events.entries()) {
          const before = contact;
          contact = contactAfter(contact, index === breakAt ? { what: 'broken', atMs: 7, error: gap } : event);
          const condition = conditionOf(contact, []);
          assert.ok((condition.behind ?? 0) >= 0, 'A5');
          if (before.state === 'broken') assert.equal(contact, before, 'A1');
          if (contact.state === 'live' && before.state !== 'live') assert.ok(contact.head >= contact.goal, 'A2');
          if (before.state === 'away' && contact.state === 'away') assert.equal(contact.sinceMs, before.sinceMs, 'A3');
          if (contact.atStart) assert.ok(began, 'A4');
          began = contact.atStart;
        }
        if (events.length > breakAt) assert.equal(conditionOf(contact, []).code, 'LOG_GAP');
      }),
    );
  });
});
