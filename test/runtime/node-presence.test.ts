/** Who was away, and since when nobody looked. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { KeeperHeartbeat } from '../../src/runtime/keeper-heartbeat.ts';
import { AWAY_MS, NodePresence } from '../../src/runtime/node-presence.ts';

const row = (arrived: readonly string[], departed: readonly string[] = [], caller = 'web.shop') => ({
  caller,
  nodes: 2,
  silent: 0,
  arrived,
  departed,
});
const returned = (rows: readonly { readonly returned: number }[]) => rows.map((one) => one.returned);

test('a node that left a moment ago, from whichever worker, was not away; one of whom that is not known was', () => {
  const presence = new NodePresence(0);
  assert.deepEqual(returned(presence.rows([row([]), row(['a', 'b'], ['a'])], 1_000)), [0, 1]);
  assert.deepEqual(returned(presence.rows([row([], ['c']), row(['c'])], 2_000)), [0, 0]);
  assert.deepEqual(returned(presence.rows([row(['c'])], 2_000 + AWAY_MS)), [0]);
  assert.deepEqual(returned(presence.rows([row([])], 3_000 + AWAY_MS)), [0]);
  assert.deepEqual(returned(presence.rows([row(['c'])], 4_000 + AWAY_MS)), [1]);
});

test('after a start that followed a short gap whoever comes at first was not away', () => {
  const presence = new NodePresence(10_000);
  assert.deepEqual(returned(presence.rows([row(['a', 'b'])], 9_999)), [0]);
  assert.deepEqual(returned(presence.rows([row(['a', 'b'])], 10_000)), [2]);
});

test('the last look survives a restart; a file that cannot be read says never', () => {
  const dir = mkdtempSync(join(tmpdir(), 'tendril-presence-'));
  try {
    const heartbeat = new KeeperHeartbeat(dir);
    assert.equal(heartbeat.read(), undefined);
    const blindness = { all: 7, callers: [['web.shop', 9]] as const };
    heartbeat.write(1_234, blindness);
    assert.deepEqual(new KeeperHeartbeat(dir).read(), { at: 1_234, blindness });
    for (const text of [
      'rubbish',
      'null',
      '12',
      '{"at":1,"all":2,"callers":[["a"]]}',
      '{"at":-1,"all":2,"callers":[]}',
    ]) {
      writeFileSync(join(dir, 'edge-keeper.last'), text);
      assert.equal(heartbeat.read(), undefined);
    }
    new KeeperHeartbeat(join(dir, 'missing')).write(1, blindness);
  } finally {
    rmSync(dir, { recursive: true });
  }
});
