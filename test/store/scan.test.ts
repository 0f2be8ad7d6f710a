/** Reading a whole environment in slices, damage met by a read, and readers: what scrub, health and metrics are made of. */
import assert from 'node:assert/strict';
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { type Environment, openEnvironment, scanTable, type TableKey } from '../../src/store/index.ts';
import { parseReaders, ReaderWatch } from '../../src/store/readers.ts';
import { hasCode, temporaryDirectory } from './support.ts';

const open = (dir: string, more: { derived?: boolean; readOnly?: boolean } = {}): Promise<Environment> =>
  openEnvironment({ dir, name: 'part', mesh: 'm', schema: { name: 'test', version: 1 }, ...more });

const flip = (dir: string, text: string): void => {
  const file = join(dir, 'part', 'data.mdb');
  const bytes = readFileSync(file);
  const handle = openSync(file, 'r+');
  for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at + 1))
    writeSync(handle, Buffer.from([(bytes[at] ?? 0) ^ 1]), 0, 1, at);
  closeSync(handle);
};

describe('slices', () => {
  test('property: whatever the size of slices and the kind of keys, every record is met once, in order', async (context) => {
    const environment = await open(temporaryDirectory(context));
    context.after(() => environment.close());
    const keys: Record<string, TableKey[]> = {
      numbers: Array.from({ length: 60 }, (_, index) => index + 1),
      texts: Array.from({ length: 60 }, (_, index) => `key-${String(index).padStart(3, '0')}`),
      pairs: Array.from({ length: 60 }, (_, index) => [Math.floor(index / 7) + 1, index + 1]),
    };
    for (const [name, list] of Object.entries(keys))
      await environment.commit((batch) => {
        for (const key of list)
          batch.put(environment.table<TableKey>(name), key, Buffer.from(`value of ${String(key)}`));
      });
    await fc.assert(
      fc.property(
        fc.constantFrom(...Object.keys(keys)),
        fc.integer({ min: 1, max: 70 }),
        fc.integer({ min: 1, max: 2_000 }),
        (name, records, bytes) => {
          const table = environment.table<TableKey>(name);
          const met: TableKey[] = [];
          for (let after: TableKey | undefined; ; ) {
            const scan = scanTable(table, { after, records, bytes, onRecord: (key) => met.push(key) });
            assert.deepEqual(scan.bad, []);
            if (scan.last === undefined) break;
            after = scan.last;
          }
          assert.deepEqual(met, keys[name]);
        },
      ),
      { numRuns: 40 },
    );
  });

  test('bad records are named and the others are still met', async (context) => {
    const dir = temporaryDirectory(context);
    const environment = await open(dir);
    context.after(() => environment.close());
    const table = environment.table<number>('t');
    await environment.commit((batch) => {
      for (let key = 1; key <= 9; key++) batch.put(table, key, Buffer.from(`record-${key}-text`));
    });
    flip(dir, 'record-4');
    flip(dir, 'record-7');
    const met: number[] = [];
    environment.refresh();
    const scan = scanTable(table, { records: 100, bytes: 1e6, onRecord: (key) => met.push(key) });
    assert.deepEqual([scan.bad, met, scan.records], [[4, 7], [1, 2, 3, 5, 6, 8, 9], 9]);
    assert.equal(environment.damage, undefined, 'who scans decides what follows');
  });
});

describe('E5: damage that a read has met', () => {
  test('ends the writing of what cannot be made again, with the code and place of the record; reading goes on', async (context) => {
    const dir = temporaryDirectory(context);
    const environment = await open(dir);
    context.after(() => environment.close());
    const table = environment.table<string>('t');
    const put = (key: string): Promise<void> =>
      environment.commit((batch) => batch.put(table, key, Buffer.from(`some text of ${key}`)));
    await put('a');
    await put('b');
    flip(dir, 'some text of a');
    await put('c');
    environment.refresh();
    assert.throws(() => table.get('a'), hasCode('CORRUPT_RECORD'));
    assert.match(environment.damage?.message ?? '', /record a of table t/);
    await assert.rejects(put('d'), hasCode('CORRUPT_RECORD'));
    assert.equal(table.get('b')?.toString(), 'some text of b');
  });

  test('of what can be made again: is told, and writing goes on', async (context) => {
    const dir = temporaryDirectory(context);
    const environment = await open(dir, { derived: true });
    context.after(() => environment.close());
    const table = environment.table<string>('t');
    await environment.commit((batch) => batch.put(table, 'a', Buffer.from('some text of a')));
    flip(dir, 'some text of a');
    environment.refresh();
    assert.throws(() => [...table.range()], hasCode('CORRUPT_RECORD'));
    assert.equal(environment.damage?.code, 'CORRUPT_RECORD');
    await environment.commit((batch) => batch.put(table, 'a', Buffer.from('made again')));
    assert.equal(table.get('a')?.toString(), 'made again');
  });
});

describe('readers', () => {
  test("LMDB's own list is understood", () => {
    const text = '\t\tpid\t\t thread\t\t txnid\n      5647 7efd80c88c80 12\n      5648 7efd80c88c81 -\n';
    assert.deepEqual(parseReaders(text), [{ pid: 5647, thread: '7efd80c88c80', commit: 12 }]);
    assert.deepEqual(parseReaders('(no active readers)\n'), []);
  });

  test('a reader that stays on an older commit grows old; the newest commit, another one, and its end make it young', () => {
    const watch = new ReaderWatch();
    const reader = (commit: number) => [{ pid: 7, thread: 'a', commit }];
    assert.equal(watch.look(reader(5), 5, 0).oldestMs, 0);
    assert.equal(watch.look(reader(5), 9, 1_000).oldestMs, 0, 'first seen behind');
    assert.deepEqual(watch.look(reader(5), 10, 4_000), { inUse: 1, oldestMs: 3_000, oldestPid: 7 });
    assert.equal(watch.look(reader(8), 10, 5_000).oldestMs, 0, 'another commit');
    assert.equal(watch.look(reader(8), 10, 9_000).oldestMs, 4_000);
    assert.deepEqual(watch.look([], 11, 10_000), { inUse: 0, oldestMs: 0, oldestPid: undefined });
    assert.equal(watch.look(reader(8), 11, 11_000).oldestMs, 0);
  });

  test('a real one: held by a range that is not read to its end', async (context) => {
    const environment = await open(temporaryDirectory(context));
    context.after(() => environment.close());
    const table = environment.table<number>('t');
    await environment.commit((batch) => {
      for (let key = 1; key <= 10; key++) batch.put(table, key, Buffer.from('x'));
    });
    environment.refresh();
    const range = table.range()[Symbol.iterator]();
    range.next();
    assert.ok(environment.readers().inUse >= 1);
    assert.ok(environment.size() > 0);
    range.return?.();
  });
});
