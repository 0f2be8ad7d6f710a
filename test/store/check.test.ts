import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { type CheckExtent, checkEnvironment, openEnvironment } from '../../src/store/index.ts';
import { temporaryDirectory } from './support.ts';

const RECORDS = 120_000;

/** An environment with more records than the bounded check verifies. */
const filled = async (context: TestContext, records: number): Promise<{ path: string; file: string }> => {
  const dir = temporaryDirectory(context);
  const environment = await openEnvironment({ dir, name: 'log', mesh: 'm', schema: { name: 'test', version: 1 } });
  const table = environment.table<number>('numbers');
  for (let n = 0; n < records; n += 20_000) {
    await environment.commit((batch) => {
      for (let i = n; i < Math.min(records, n + 20_000); i++) batch.put(table, i, Buffer.from(`body of ${i}.`));
    });
  }
  await environment.close();
  return { path: environment.path, file: join(environment.path, 'data.mdb') };
};

const check = (path: string, extent: CheckExtent) =>
  checkEnvironment({ path, mode: 'durable', extent, maxReaders: 16, mapSize: 2 ** 40 });

/** Changes one letter in every page that holds the text: old pages stay in the file. */
const damage = (file: string, text: string): void => {
  const data = readFileSync(file);
  for (let at = data.indexOf(text); at >= 0; at = data.indexOf(text, at + 1)) data[at] = 'B'.charCodeAt(0);
  writeFileSync(file, data);
};

describe('check in a child process', () => {
  test('a good environment: full reads everything, bounded the tail and a spread', async (context) => {
    const { path } = await filled(context, RECORDS);
    assert.deepEqual(await check(path, 'full'), { ok: true, records: RECORDS + 1, verified: RECORDS + 1 });
    const bounded = await check(path, 'bounded');
    assert.ok(bounded.ok);
    assert.equal(bounded.records, RECORDS + 1);
    assert.ok(bounded.verified >= 100_000 && bounded.verified < RECORDS, `${bounded.verified} verified`);
  });

  test('a damaged record is named with table and key: by the full check wherever it is, by the bounded one in the tail', async (context) => {
    const { path, file } = await filled(context, RECORDS);
    damage(file, 'body of 100001.');
    const finding = { ok: false, what: 'checksum mismatch', where: 'numbers[100001]' };
    assert.deepEqual(await check(path, 'bounded'), finding);
    assert.deepEqual(await check(path, 'full'), finding);
    damage(file, 'body of 41.');
    assert.deepEqual(await check(path, 'full'), { ...finding, where: 'numbers[41]' });
  });

  test('damage that kills the child is a finding that names the step', async (context) => {
    const { path, file } = await filled(context, 5000);
    truncateSync(file, 8192);
    const result = await check(path, 'bounded');
    assert.ok(!result.ok);
    assert.match(result.what, /SIGBUS|SIGSEGV|SIGABRT|MDB_/);
    assert.notEqual(result.where, '');
    context.diagnostic(`${result.what}, at ${result.where}`);
  });

  test('a cut tail is found also when only old pages are missing from the tree', async (context) => {
    const { path, file } = await filled(context, 5000);
    truncateSync(file, Math.floor(statSync(file).size * 0.9));
    const result = await check(path, 'bounded');
    if (result.ok) assert.equal(result.verified, 5001, 'what was cut off was not in use');
    else assert.notEqual(result.what, '');
  });

  for (const mode of ['durable', 'visible'] as const) {
    test(`mode ${mode}: the check changes nothing: what was clean stays clean`, async (context) => {
      const dir = temporaryDirectory(context);
      const options = { dir, name: 'state', mesh: 'm', schema: { name: 'test', version: 1 }, mode };
      const environment = await openEnvironment(options);
      await environment.commit((batch) => batch.put(environment.table<number>('numbers'), 1, Buffer.from('one')));
      await environment.close();
      const { path } = environment;
      const result = await checkEnvironment({ path, mode, extent: 'full', maxReaders: 16, mapSize: 2 ** 40 });
      assert.deepEqual(result, { ok: true, records: 2, verified: 2 });
      const again = await openEnvironment(options);
      assert.equal(again.opened.clean, true);
      await again.close();
    });
  }

  test('what does not exist is a finding, and is not made', async (context) => {
    const path = join(temporaryDirectory(context), 'none');
    const result = await check(path, 'full');
    assert.ok(!result.ok);
    assert.match(result.what, /ENOENT/);
    assert.equal(existsSync(path), false);
  });
});
