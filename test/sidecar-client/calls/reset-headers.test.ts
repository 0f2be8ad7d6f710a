/** What an answer asks to wait: `rate_limited_retry_back_off` (src/sidecar-client/calls/reset-headers.ts). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RetryPolicy } from '../../../src/proto/index.ts';
import { retryRules } from '../../../src/sidecar-client/calls/retry-rules.ts';

const NOW_S = 1_700_000_000;

const asked = (headers: Record<string, string>, maxSeconds?: number, random = 0): number | undefined => {
  const policy = RetryPolicy.encode({
    retryOn: '5xx',
    rateLimitedRetryBackOff: {
      resetHeaders: [{ name: 'Retry-After' }, { name: 'X-Reset', format: 1 }],
      ...(maxSeconds === undefined ? {} : { maxInterval: { seconds: maxSeconds } }),
    },
  }).finish();
  const facts = { header: (name: string) => headers[name], wallMs: NOW_S * 1000 + 999, random: () => random };
  return retryRules(RetryPolicy.decode(policy))?.askedWaitMs(facts);
};

test('seconds, or a time; up to half of it on top', () => {
  assert.equal(asked({ 'retry-after': '2' }), 2_000);
  assert.equal(asked({ 'retry-after': '2' }, undefined, 0.5), 2_500);
  assert.equal(asked({ 'retry-after': '0' }, undefined, 0.5), 0);
  assert.equal(asked({ 'x-reset': String(NOW_S + 3) }), 3_000);
  assert.equal(asked({ 'retry-after': '2', 'x-reset': String(NOW_S + 3) }), 2_000);
});

test('what is no number, is over, or is above the bound asks nothing; the next header is looked at', () => {
  assert.equal(asked({}), undefined);
  for (const text of ['', '-1', '1.5', 'Wed, 21 Oct 2026 07:28:00 GMT', '9'.repeat(30)])
    assert.equal(asked({ 'retry-after': text }), undefined, text);
  assert.equal(asked({ 'x-reset': String(NOW_S - 1) }), undefined);
  assert.deepEqual([asked({ 'retry-after': '300' }), asked({ 'retry-after': '301' })], [300_000, undefined]);
  assert.deepEqual([asked({ 'retry-after': '3' }, 3), asked({ 'retry-after': '4' }, 3)], [3_000, undefined]);
  assert.equal(asked({ 'retry-after': '4', 'x-reset': String(NOW_S + 1) }, 3), 1_000);
});

test('a policy that names no header takes no notice', () => {
  const facts = { header: () => '2', wallMs: 0, random: () => 0 };
  assert.equal(
    retryRules(RetryPolicy.decode(RetryPolicy.encode({ retryOn: '5xx' }).finish()))?.askedWaitMs(facts),
    undefined,
  );
});
