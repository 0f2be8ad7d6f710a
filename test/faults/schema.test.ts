/** F-schema of reference/reliability.md, section 4b: logs of every version that was, and of one that is to come. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { LOG_SCHEMA, openEventLog } from '../../src/log/index.ts';
import { Projector } from '../../src/projector/index.ts';
import { createRun } from '../../src/projector/parts.ts';
import { STATE_NAME, STATE_SCHEMA } from '../../src/projector/state-tables.ts';
import { openEnvironment } from '../../src/store/index.ts';
import { assertRefused, cleanUp, temporaryFolder, tendril } from '../cli/support/tendril.ts';
import {
  briefly,
  FIXTURE_EVENTS,
  FIXTURE_EXPECTED,
  FIXTURE_MESH,
  FIXTURE_WINDOW,
  type FixtureExpected,
  type FixtureLine,
} from '../projector/fold/v1-log.ts';
import { tempDir } from '../projector/harness.ts';
import { type Written, writeInto } from './poison.ts';
import { readLog } from './replay.ts';

after(cleanUp);

const fixture = (): Written[] =>
  readFileSync(FIXTURE_EVENTS, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as FixtureLine)
    .map(({ event, raw, recordedAt }) => ({ text: raw ?? JSON.stringify(event), recordedAt }));

test('F-schema: a log of version 1 on disk folds to what it folded to then; live, made anew and replayed alike', async (t) => {
  const expected = JSON.parse(readFileSync(FIXTURE_EXPECTED, 'utf8')) as FixtureExpected;
  const dir = tempDir(t);
  const fold = { idempotency: FIXTURE_WINDOW };
  assert.equal(await writeInto(dir, FIXTURE_MESH, fixture()), 1);
  const hashes = new Set<string | undefined>();
  for (let life = 0; life < 2; life++) {
    const log = await openEventLog({ kind: 'lmdb', dir, mesh: FIXTURE_MESH, clock: Date });
    const projector = await Projector.open({ dir, log, mesh: FIXTURE_MESH, clock: Date, fold });
    const offsets = Array.from({ length: log.head().offset }, (_, index) => index + 1);
    // An applied event with warnings tells its code as well; the fixture has the outcome alone.
    assert.deepEqual(projector.outcomesOf(offsets).map(briefly), [...expected.outcomes].sort(byOffset));
    hashes.add(projector.proof()?.hash);
    await projector.close();
    await log.close();
  }
  const run = createRun({ mesh: FIXTURE_MESH, fold });
  for (const record of await readLog(dir, FIXTURE_MESH)) run.apply(record);
  hashes.add(run.stateHash());
  assert.equal(hashes.size, 1, [...hashes].join(' '));
});

const byOffset = (a: string, b: string): number => Number.parseInt(a, 10) - Number.parseInt(b, 10);

for (const [what, name, schema] of [
  ['log', 'log', LOG_SCHEMA],
  ['state', STATE_NAME, STATE_SCHEMA],
] as const)
  test(`F-schema: a ${what} of a newer Tendril is refused with what to do, by serve and by verify, and is left as it is`, async () => {
    const data = join(temporaryFolder(), 'data');
    if (name !== 'log') await writeInto(data, 'default', []);
    const newer = { name: schema.name, version: schema.version + 1 };
    const environment = await openEnvironment({ dir: data, mesh: 'default', name, schema: newer });
    const table = environment.table<string>('later');
    await environment.commit((batch) => batch.put(table, 'what', Buffer.from('nobody here can read')));
    await environment.close();
    for (const command of [
      ['serve', '--data', data, '--workers', '0', '--xds', '127.0.0.1:0', '--admin', '127.0.0.1:0'],
      ['verify', '--data', data],
    ])
      assertRefused(await tendril(command), 'DATA_FROM_NEWER_VERSION', String(newer.version), 'newer Tendril');
    const again = await openEnvironment({ dir: data, mesh: 'default', name, schema: newer, readOnly: true });
    assert.equal(again.table<string>('later').get('what')?.toString(), 'nobody here can read');
    await again.close();
  });
