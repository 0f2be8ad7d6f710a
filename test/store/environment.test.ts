import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { crc32 } from '../../src/store/crc32.ts';
import { unfitFileSystem } from '../../src/store/data-dir.ts';
import {
  type CommitMode,
  createDiskGuard,
  type Environment,
  type EnvironmentOptions,
  openEnvironment,
} from '../../src/store/index.ts';
import { hasCode, nextMessage, skipLoudly, smallDisk, startChild, temporaryDirectory } from './support.ts';

const childModule = new URL('./environment-child.js', import.meta.url);
const schema = { name: 'test', version: 1 } as const;

const openIn = async (
  context: TestContext,
  dir: string,
  options: Partial<EnvironmentOptions> = {},
): Promise<Environment> => {
  const environment = await openEnvironment({ dir, name: 'state', mesh: 'm', schema, ...options });
  context.after(() => environment.close());
  return environment;
};

const text = (value: Buffer | undefined): string | undefined => value?.toString();
const put = (environment: Environment, entries: Readonly<Record<string, string>>): Promise<void> => {
  const table = environment.table<string>('texts');
  return environment.commit((batch) => {
    for (const [key, value] of Object.entries(entries)) batch.put(table, key, Buffer.from(value));
  });
};

describe('environment: reading and writing', () => {
  for (const mode of ['durable', 'visible'] as const satisfies readonly CommitMode[]) {
    test(`mode ${mode}: what was committed is read, in key order, also after closing`, async (context) => {
      const dir = temporaryDirectory(context);
      const first = await openIn(context, dir, { mode });
      assert.deepEqual(first.opened, { created: true, clean: true, schemaVersion: 1 });
      await put(first, { b: 'two', a: 'one', c: 'three' });
      const table = first.table<string>('texts');
      await first.commit((batch) => {
        batch.remove(table, 'b');
        batch.put(table, 'c', Buffer.from('3'));
        const framed = Buffer.from('____four');
        batch.putFramed(table, 'd', framed);
      });
      await first.flushed();
      assert.deepEqual([...table.keys()], ['a', 'c', 'd']);
      assert.equal(table.count(), 3);
      assert.equal(table.has('b'), false);
      assert.equal(table.get('b'), undefined);
      assert.deepEqual(
        [...table.range({ reverse: true, limit: 2 })].map(({ key, body }) => `${key}=${body}`),
        ['d=four', 'c=3'],
      );
      const kept = table.get('a');
      assert.equal(text(table.peek('c')), '3');
      assert.equal(text(kept), 'one', 'get gives memory of its own');
      await first.close();
      const second = await openIn(context, dir, { mode });
      assert.deepEqual(second.opened, { created: false, clean: true, schemaVersion: 1 });
      assert.equal(second.id, first.id);
      assert.equal(text(second.table<string>('texts').get('d')), 'four');
    });
  }

  test('numbers and arrays are keys too, in their order; large and empty bodies fit', async (context) => {
    const environment = await openIn(context, temporaryDirectory(context));
    const numbers = environment.table<number>('numbers');
    const pairs = environment.table<readonly [string, number]>('pairs');
    const large = Buffer.alloc(20 * 2 ** 20, 7);
    await environment.commit((batch) => {
      for (const n of [2 ** 40, 3, 200]) batch.put(numbers, n, Buffer.from(String(n)));
      batch.put(numbers, 4, large);
      batch.put(numbers, 5, new Uint8Array(0));
      for (const n of [10, 9]) batch.put(pairs, ['svc/a', n], Buffer.from(String(n)));
    });
    assert.deepEqual([...numbers.keys()], [3, 4, 5, 200, 2 ** 40]);
    assert.deepEqual([...numbers.keys({ start: 4, end: 200 })], [4, 5]);
    assert.ok(numbers.get(4)?.equals(large));
    assert.equal(numbers.get(5)?.length, 0);
    assert.equal(text(numbers.get(3)), '3');
    assert.deepEqual(
      [...pairs.keys()],
      [
        ['svc/a', 9],
        ['svc/a', 10],
      ],
    );
  });

  test('E3: what throws while it collects, or has a bad key, leaves nothing behind', async (context) => {
    const environment = await openIn(context, temporaryDirectory(context));
    const table = environment.table<string>('texts');
    await assert.rejects(
      environment.commit((batch) => {
        batch.put(table, 'a', Buffer.from('1'));
        throw new Error('stop');
      }),
      /stop/,
    );
    for (const key of ['', 'x'.repeat(2000)])
      await assert.rejects(put(environment, { a: '1', [key]: '2' }), hasCode('INVALID_KEY'));
    assert.equal(table.count(), 0);
    assert.equal(environment.counters.commits, 1, 'the identity only');
  });

  test('nothing works after close, and closing twice is harmless', async (context) => {
    const environment = await openIn(context, temporaryDirectory(context));
    const table = environment.table<string>('texts');
    const running = put(environment, { a: '1' });
    await environment.close();
    await running;
    await environment.close();
    assert.throws(() => table.get('a'), hasCode('DATA_CLOSED'));
    assert.throws(() => [...table.range()], hasCode('DATA_CLOSED'));
    await assert.rejects(put(environment, { a: '1' }), hasCode('DATA_CLOSED'));
  });

  test('the guard is asked before every commit', async (context) => {
    const disk = { free: 2 ** 40 };
    const guard = createDiskGuard({ path: '/', reserveBytes: 1000, freeBytes: () => disk.free });
    context.after(() => guard.close());
    const environment = await openIn(context, temporaryDirectory(context), { guard });
    await put(environment, { a: '1' });
    disk.free = 999;
    await assert.rejects(put(environment, { a: '2' }), hasCode('DISK_FULL'));
    assert.throws(() => environment.table('new'), hasCode('DISK_FULL'));
    assert.equal(environment.failure, undefined);
    disk.free = 2 ** 40;
    await put(environment, { a: '3' });
    assert.equal(text(environment.table<string>('texts').get('a')), '3');
    disk.free = 0;
    const dir = temporaryDirectory(context);
    await assert.rejects(openIn(context, dir, { guard }), hasCode('DISK_FULL'));
  });
});

describe('environment: files', () => {
  test('directories are private, files too, also when they were not before', async (context) => {
    const dir = join(temporaryDirectory(context), 'new', 'data');
    mkdirSync(join(dir, 'state'), { recursive: true, mode: 0o755 });
    await (await openIn(context, dir)).close();
    const modeOf = (path: string): string => (statSync(path).mode & 0o777).toString(8);
    assert.equal(modeOf(dir), '700');
    assert.equal(modeOf(join(dir, 'state')), '700');
    for (const name of readdirSync(join(dir, 'state'))) {
      if (!name.endsWith('.lock')) assert.equal(modeOf(join(dir, 'state', name)), '600', name);
    }
  });

  test('a path that cannot be a directory is refused', async (context) => {
    // Not a directory without permissions: the tests may run as root, whom permissions do not stop.
    const file = join(temporaryDirectory(context), 'file');
    writeFileSync(file, '');
    await assert.rejects(openIn(context, file), hasCode('DATA_NOT_WRITABLE', file, '--data'));
    await assert.rejects(openIn(context, join(file, 'below')), hasCode('DATA_NOT_WRITABLE', 'ENOTDIR'));
  });

  test('a disk that is mounted for reading only is refused', async (context) => {
    const disk = smallDisk(context, 4);
    if ('why' in disk) return skipLoudly(context, disk.why);
    spawnSync('mount', ['-o', 'remount,ro', disk.path]);
    await assert.rejects(openIn(context, join(disk.path, 'data')), hasCode('DATA_NOT_WRITABLE', 'EROFS'));
  });

  test('network file systems are refused', async (context) => {
    assert.equal(unfitFileSystem(0x6969), 'NFS');
    assert.equal(unfitFileSystem(0xff534d42 | 0), 'CIFS', 'the kernel may give it as a negative number');
    assert.equal(unfitFileSystem(0xef53), undefined, 'ext4');
    const dir = temporaryDirectory(context);
    await assert.rejects(
      openIn(context, dir, { fileSystemType: () => 0x6969 }),
      hasCode('DATA_ON_NETWORK_FS', 'NFS', 'local disk'),
    );
  });
});

describe('environment: identity', () => {
  test('another mesh, another schema and a newer version are refused, and nothing is changed', async (context) => {
    const dir = temporaryDirectory(context);
    const first = await openIn(context, dir, { schema: { name: 'test', version: 2 } });
    await put(first, { a: '1' });
    await first.close();
    await assert.rejects(
      openIn(context, dir, { mesh: 'other' }),
      hasCode('MESH_MISMATCH', '"m"', '"other"', '--mesh m'),
    );
    await assert.rejects(
      openIn(context, dir, { schema: { name: 'else', version: 2 } }),
      hasCode('DATA_FOREIGN', 'else'),
    );
    await assert.rejects(openIn(context, dir), hasCode('DATA_FROM_NEWER_VERSION', 'version 2', 'newer Tendril'));
    await assert.rejects(openIn(context, dir, { derived: true }), hasCode('DATA_FROM_NEWER_VERSION'));
    const again = await openIn(context, dir, { schema: { name: 'test', version: 2 } });
    assert.equal(again.opened.clean, true);
    assert.equal(text(again.table<string>('texts').get('a')), '1');
  });

  test('an older version is kept and raised, or emptied when it can be made again', async (context) => {
    const dir = temporaryDirectory(context);
    const first = await openIn(context, dir);
    await put(first, { a: '1' });
    await first.close();
    const raised = await openIn(context, dir, { schema: { name: 'test', version: 2 } });
    assert.equal(raised.opened.schemaVersion, 1);
    assert.equal(text(raised.table<string>('texts').get('a')), '1');
    await raised.close();
    await assert.rejects(openIn(context, dir), hasCode('DATA_FROM_NEWER_VERSION'));
    const emptied = await openIn(context, dir, { schema: { name: 'test', version: 3 }, derived: true });
    assert.match(emptied.opened.emptied ?? '', /version 2, 3 is needed/);
    assert.equal(emptied.opened.created, true);
    assert.notEqual(emptied.id, first.id, 'readers can tell that it is another one');
    assert.equal(emptied.table<string>('texts').count(), 0);
    await put(emptied, { b: '2' });
  });
});

describe('environment: other processes', () => {
  for (const mode of ['durable', 'visible'] as const satisfies readonly CommitMode[]) {
    test(`E1, mode ${mode}: readers need no lock, see what is committed, cannot write, and outlive the writer`, async (context) => {
      const dir = temporaryDirectory(context);
      const writer = startChild(context, childModule, ['write', dir, mode]);
      assert.equal(await nextMessage(writer), 'written');
      await assert.rejects(openIn(context, dir, { mode }), hasCode('LOG_LOCKED', `process ${writer.pid} on`));
      const reader = startChild(context, childModule, ['read', dir, '7']);
      const { value, id, refused } = (await nextMessage(reader)) as Record<string, unknown>;
      assert.deepEqual([value, refused], ['value 7', 'DATA_READ_ONLY']);
      const ended = new Promise((resolve) => writer.once('exit', resolve));
      writer.kill('SIGKILL');
      await ended;
      const environment = await openIn(context, dir, { mode });
      assert.equal(environment.id, id);
      const table = environment.table<number>('numbers');
      assert.equal(table.count(), 100);
      await environment.commit((batch) => batch.put(table, 7, Buffer.from('seven')));
      const answer = nextMessage(reader);
      reader.send('7');
      assert.deepEqual(await answer, { value: 'seven', id, refused: 'DATA_READ_ONLY' });
      assert.equal(environment.checkReaders(), 0, 'the reader lives');
    });
  }

  test('a reader of what does not exist, or has no such table, is told so', async (context) => {
    const dir = temporaryDirectory(context);
    await assert.rejects(openIn(context, dir, { readOnly: true }), hasCode('DATA_MISSING', 'tendril serve'));
    await (await openIn(context, dir)).close();
    const reader = await openIn(context, dir, { readOnly: true });
    assert.throws(() => reader.table('texts'), hasCode('DATA_MISSING', 'texts'));
  });

  for (const mode of ['durable', 'visible'] as const satisfies readonly CommitMode[]) {
    test(`E2, mode ${mode}: killed with 9 it is not clean, is read through, and has everything`, async (context) => {
      const dir = temporaryDirectory(context);
      const child = startChild(context, childModule, ['write', dir, mode]);
      assert.equal(await nextMessage(child), 'written');
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await ended;
      const told: object[] = [];
      const logger = { info: (fields: object) => told.push(fields), warn: () => undefined, error: () => undefined };
      const environment = await openIn(context, dir, { mode, logger });
      assert.equal(environment.opened.clean, false);
      assert.deepEqual(told, [{ environment: environment.path, ok: true, records: 101, verified: 101 }]);
      assert.equal(environment.table<number>('numbers').count(), 100);
      await environment.close();
      assert.equal((await openIn(context, dir, { mode })).opened.clean, true);
    });

    test(`E2, mode ${mode}: killed with 9 at a checkpoint it is clean; not after a commit behind it`, async (context) => {
      for (const [command, clean] of [
        ['checkpoint', true],
        ['later', false],
      ] as const) {
        const dir = temporaryDirectory(context);
        const child = startChild(context, childModule, [command, dir, mode]);
        assert.equal(await nextMessage(child), 'written');
        const ended = new Promise((resolve) => child.once('exit', resolve));
        child.kill('SIGKILL');
        await ended;
        const environment = await openIn(context, dir, { mode });
        assert.equal(environment.opened.clean, clean);
        assert.equal(text(environment.table<number>('numbers').get(0)), clean ? 'value 0' : 'later');
        assert.equal(environment.table<number>('numbers').count(), 100);
        assert.equal(existsSync(join(dir, 'state', 'clean.json')), false, 'an open environment is not marked');
      }
    });
  }
});

describe('environment: damage', () => {
  const filled = async (context: TestContext): Promise<{ dir: string; file: string }> => {
    const dir = temporaryDirectory(context);
    const environment = await openIn(context, dir);
    await put(
      environment,
      Object.fromEntries(Array.from({ length: 500 }, (_, n) => [`key-${n}`, `value-${n} `.repeat(20)])),
    );
    await environment.close();
    return { dir, file: join(dir, 'state', 'data.mdb') };
  };

  test('E2: a truncated file is found before this process maps it, and is emptied only when it can be made again', async (context) => {
    const { dir, file } = await filled(context);
    truncateSync(file, Math.floor(statSync(file).size / 2));
    await assert.rejects(openIn(context, dir), hasCode('DATA_CORRUPT', 'tendril verify'));
    assert.ok(existsSync(file), 'nothing is thrown away');
    const emptied = await openIn(context, dir, { derived: true });
    assert.match(emptied.opened.emptied ?? '', /damaged/);
    assert.equal(emptied.table<string>('texts').count(), 0);
  });

  test('E2: a file that is not one of LMDB, or whose meta pages do not fit, is refused', async (context) => {
    const { dir, file } = await filled(context);
    const good = readFileSync(file);
    writeFileSync(file, 'hello');
    await assert.rejects(openIn(context, dir), hasCode('DATA_CORRUPT', 'not an LMDB file'));
    const older = Buffer.from(good);
    const latest = older.readBigUInt64LE(152) > older.readBigUInt64LE(4096 + 152) ? 152 : 4096 + 152;
    older.writeBigUInt64LE(older.readBigUInt64LE(latest) ^ 64n, latest);
    writeFileSync(file, older);
    await assert.rejects(openIn(context, dir), hasCode('DATA_CORRUPT', 'meta pages contradict'));
    writeFileSync(file, '');
    assert.equal((await openIn(context, dir)).opened.created, true, 'an empty file is a new one');
  });

  test('a flipped bit that nobody saw at the opening is found when the record is read', async (context) => {
    const { dir, file } = await filled(context);
    const data = readFileSync(file);
    // In the tree LMDB keeps old pages too: the bit is flipped in every copy of the value.
    for (let at = data.indexOf('value-250 '); at >= 0; at = data.indexOf('value-250 ', at + 1))
      data[at] = 'V'.charCodeAt(0);
    writeFileSync(file, data);
    const head = crc32(data.subarray(0, 131_072));
    writeFileSync(join(dir, 'state', 'clean.json'), JSON.stringify({ size: data.length, meta: head }));
    const environment = await openIn(context, dir);
    assert.equal(environment.opened.clean, true);
    const table = environment.table<string>('texts');
    assert.equal(text(table.get('key-249'))?.slice(0, 9), 'value-249');
    for (const reading of [() => table.get('key-250'), () => table.peek('key-250'), () => [...table.range()]]) {
      assert.throws(reading, hasCode('CORRUPT_RECORD', 'texts', 'key-250', environment.path));
    }
  });

  test('the marker of another file does not make this one clean', async (context) => {
    const { dir, file } = await filled(context);
    const marker = readFileSync(join(dir, 'state', 'clean.json'));
    const environment = await openIn(context, dir);
    await put(environment, { later: '1' });
    await environment.close();
    writeFileSync(join(dir, 'state', 'clean.json'), marker);
    assert.ok(existsSync(file));
    assert.equal((await openIn(context, dir)).opened.clean, false);
  });

  test('without the record that names the mesh, data is not taken for new', async (context) => {
    const { dir } = await filled(context);
    const environment = await openIn(context, dir);
    await environment.commit((batch) => batch.remove(environment.table<string>('meta'), 'identity'));
    await environment.close();
    await assert.rejects(openIn(context, dir), hasCode('DATA_CORRUPT', 'names its mesh'));
    rmSync(join(dir, 'state', 'clean.json'), { force: true });
    assert.match((await openIn(context, dir, { derived: true })).opened.emptied ?? '', /names its mesh/);
  });
});
