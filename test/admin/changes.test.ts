/** Waiting for changes: what wakes, and what is left behind. */
import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { test } from 'node:test';
import { Changes } from '../../src/admin/changes.ts';

test('a change, the time and the signal wake; none of them leaves a listener at the signal', async () => {
  const end = new AbortController();
  const { signal } = end;
  const changes = new Changes();
  const listeners = (): number => getEventListeners(signal, 'abort').length;
  const woken = changes.next(3_600_000, signal);
  assert.equal(listeners(), 1);
  changes.note();
  await woken;
  assert.equal(listeners(), 0);
  await changes.next(1, signal);
  assert.equal(listeners(), 0);
  // A change between two waits is not lost.
  changes.note();
  await changes.next(3_600_000, signal);
  const last = changes.next(3_600_000, signal);
  end.abort();
  await last;
  assert.equal(listeners(), 0);
  await changes.next(3_600_000, signal);
});
