import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { parseFailpoint } from '../../src/store/failpoint.ts';
import { assertRefused, cleanUp, temporaryFolder, tendril } from '../cli/support/tendril.ts';
import { hasCode } from '../store/support.ts';
import { failpointRounds } from './failpoint-rounds.ts';

after(cleanUp);

test('F-failpoint: kill -9 at each of seven named places', (context) => failpointRounds(context, 1));

test('TENDRIL_FAILPOINT: a name, or a name and a pass', () => {
  assert.equal(parseFailpoint(undefined), undefined);
  assert.equal(parseFailpoint(''), undefined);
  assert.deepEqual(parseFailpoint('afterFlush'), { name: 'afterFlush', pass: 1 });
  assert.deepEqual(parseFailpoint('beforePush:12'), { name: 'beforePush', pass: 12 });
  for (const bad of ['afterflush', 'beforePush:0', 'beforePush:x', 'beforePush:1:2', ' '])
    assert.throws(() => parseFailpoint(bad), hasCode('CONFIG_INVALID', 'beforeAppend'));
});

test('a failpoint that does not exist: the server says so and does not start', async () => {
  const ended = await tendril(
    ['serve', '--data', temporaryFolder(), '--workers', '0', '--xds', '127.0.0.1:0', '--admin', '127.0.0.1:0'],
    { env: { TENDRIL_FAILPOINT: 'beforeLunch' } },
  );
  assertRefused(ended, 'CONFIG_INVALID', 'beforeLunch', 'afterFlush');
});
