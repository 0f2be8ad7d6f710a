import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resolveConfig } from '../../src/runtime/index.ts';
import { parseRetention } from '../../src/runtime/retention-config.ts';

const HOUR = 3_600_000;

test('what is kept: a duration, a number, both, or all', () => {
  assert.equal(parseRetention(undefined, undefined).policy, undefined);
  assert.equal(parseRetention('all', undefined).policy, undefined);
  assert.deepEqual(parseRetention('72h', undefined).policy, { ms: 72 * HOUR });
  assert.deepEqual(parseRetention('30d', '50000').policy, { ms: 30 * 24 * HOUR, events: 50_000 });
});

test('what is no retention is named, and a log in memory has none', () => {
  for (const [retain, events] of [
    ['soon'],
    ['5s'],
    [''],
    [undefined, '0'],
    [undefined, '-1'],
    [undefined, '1.5'],
  ] as const)
    assert.equal(parseRetention(retain, events).problems.length, 1, `${retain} ${events}`);
  assert.throws(
    () => resolveConfig({ flags: { retain: '1h', log: 'memory' }, env: {} }),
    /--log is "memory"; allowed: lmdb/,
  );
  assert.deepEqual(resolveConfig({ flags: {}, env: { TENDRIL_RETAIN_EVENTS: '20000' } }).retain, { events: 20_000 });
});
