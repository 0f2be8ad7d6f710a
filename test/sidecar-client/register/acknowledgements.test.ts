/** Waiting until nobody holds what was withdrawn (src/sidecar-client/register/acknowledgements.ts), by a clock of its own. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { acknowledged } from '../../../src/sidecar-client/register/acknowledgements.ts';
import type { AdminAnswer } from '../../../src/sidecar-client/register/admin-api.ts';

const answer = (offset: number, holders: readonly string[], more: object = {}): AdminAnswer => ({
  status: 200,
  offset,
  body: { holders: holders.map((id) => ({ id })), total: holders.length, ...more },
});

/** Control planes by host; each answers by the time, in ms since the withdrawal at offset 7; undefined: not at all. */
const wait = async (planes: Readonly<Record<string, (now: number) => AdminAnswer | undefined>>, patience = 15_000) => {
  let now = 0;
  let questions = 0;
  const ended = await acknowledged(
    {
      addresses: Object.keys(planes).map((host) => new URL(`http://${host}`)),
      ask: async ({ host }, { path }) => {
        assert.equal(path, '/v1/services/shop/cart/holders?pending=1&limit=10');
        questions++;
        return planes[host]?.(now) ?? Promise.reject(new Error('nobody'));
      },
    },
    {
      service: 'cart',
      namespace: 'shop',
      offset: 7,
      deadline: patience,
      clock: () => now,
      sleep: async (ms) => {
        now += ms;
      },
    },
  );
  return { ...ended, now, questions };
};

test('nobody is left: at once; a replica behind the withdrawal, or without all workers, is asked again', async () => {
  assert.deepEqual(await wait({ a: () => answer(7, []) }), {
    all: true,
    waiting: [],
    silent: [],
    now: 0,
    questions: 1,
  });
  const behind = await wait({ a: (now) => answer(now < 2_000 ? 6 : 9, []) });
  assert.ok(behind.all && behind.now >= 2_000);
  const partial = await wait({ a: (now) => answer(7, [], now < 2_000 ? { complete: false } : {}) });
  assert.ok(partial.all && partial.now >= 2_000);
});

test('sidecars that do not acknowledge are named at the end of patience; it is asked less and less often', async () => {
  const ended = await wait({ a: (now) => answer(7, now < 1_000 ? ['x', 'y'] : ['x']), b: () => answer(8, []) });
  assert.deepEqual([ended.all, ended.waiting, ended.silent], [false, ['x'], []]);
  assert.ok(ended.now > 13_000 && ended.now <= 15_000, `${ended.now}`);
  assert.ok(ended.questions < 40, `${ended.questions}`);
});

test('a control plane that does not answer is given 3 s, not all patience; one that comes back counts', async () => {
  const silent = await wait({ a: () => answer(7, []), b: () => undefined });
  assert.deepEqual([silent.all, silent.silent], [false, ['b']]);
  assert.ok(silent.now <= 3_000, `${silent.now}`);
  const back = await wait({ a: (now) => (now < 2_000 ? undefined : answer(7, [])) });
  assert.equal(back.all, true);
});
