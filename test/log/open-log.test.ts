import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { LOG_SCHEMA, type OpenLogOptions, openEventLog } from '../../src/log/index.ts';
import { openEnvironment, type Table } from '../../src/store/index.ts';
import { collect } from '../contracts/event-log.ts';
import { hasCode, temporaryDirectory } from '../store/support.ts';
import { MESH, sampleEvent, sampleEvents } from './sample-events.ts';

const base = { kind: 'lmdb', mesh: MESH, clock: Date } as const satisfies Partial<OpenLogOptions>;

/** Changes the log's file as no Tendril would. */
const tamper = async (
  dir: string,
  change: (events: Table<number>) => readonly [number, Buffer | undefined][],
): Promise<void> => {
  const environment = await openEnvironment({ dir, name: 'log', mesh: MESH, schema: LOG_SCHEMA });
  const events = environment.table<number>('events');
  await environment.commit((batch) => {
    for (const [offset, body] of change(events)) {
      if (body === undefined) batch.remove(events, offset);
      else batch.put(events, offset, body);
    }
  });
  await environment.close();
};

const filled = async (dir: string, count: number): Promise<void> => {
  const log = await openEventLog({ ...base, dir });
  await log.append(sampleEvents(1, count));
  await log.close();
};

describe('openEventLog', () => {
  test('a kind that is not there is refused with what to use', async () => {
    const refused = (kind: string) => openEventLog({ ...base, kind });
    await assert.rejects(
      refused('kafka://broker/events'),
      hasCode('LOG_KIND_UNSUPPORTED', 'brokers and a topic', 'kafka://127.0.0.1:9092/mesh'),
    );
    await assert.rejects(refused('sqlite'), hasCode('LOG_KIND_UNSUPPORTED', '"sqlite"'));
    await assert.rejects(refused('lmdb'), hasCode('DATA_NOT_WRITABLE', '--data'));
  });

  test('a second writer, another mesh, a newer version, a file in the way', async (context) => {
    const dir = temporaryDirectory(context);
    const log = await openEventLog({ ...base, dir });
    await assert.rejects(openEventLog({ ...base, dir }), hasCode('LOG_LOCKED', `kill ${process.pid}`));
    await log.append([sampleEvent(1)]);
    await log.close();
    await assert.rejects(
      openEventLog({ ...base, dir, mesh: 'other' }),
      hasCode('MESH_MISMATCH', '"contract"', '"other"'),
    );
    const again = await openEventLog({ ...base, dir });
    assert.equal(again.head().offset, 1, 'nothing was changed by the attempts');
    assert.equal(again.opened?.clean, true);
    await again.close();
    const schema = { ...LOG_SCHEMA, version: LOG_SCHEMA.version + 1 };
    await (await openEnvironment({ dir, name: 'log', mesh: MESH, schema })).close();
    await assert.rejects(openEventLog({ ...base, dir }), hasCode('DATA_FROM_NEWER_VERSION', 'tendril-log'));
    const blocked = temporaryDirectory(context);
    writeFileSync(join(blocked, 'log'), '');
    await assert.rejects(openEventLog({ ...base, dir: blocked }), hasCode('DATA_NOT_WRITABLE'));
  });

  test('a file that is no database is LOG_CORRUPT', async (context) => {
    const dir = temporaryDirectory(context);
    mkdirSync(join(dir, 'log'));
    writeFileSync(join(dir, 'log', 'data.mdb'), Buffer.alloc(100_000, 1));
    await assert.rejects(openEventLog({ ...base, dir }), hasCode('LOG_CORRUPT', 'not an LMDB file'));
  });

  test('a gap is LOG_CORRUPT at the opening', async (context) => {
    const dir = temporaryDirectory(context);
    await filled(dir, 20);
    await tamper(dir, () => [[7, undefined]]);
    await assert.rejects(openEventLog({ ...base, dir }), hasCode('LOG_CORRUPT', '20 events, but 19'));
  });

  test('a log whose beginning was removed starts there, and says so to who asks for more', async (context) => {
    const dir = temporaryDirectory(context);
    await filled(dir, 20);
    await tamper(dir, () => Array.from({ length: 5 }, (_, n) => [n + 1, undefined]));
    const log = await openEventLog({ ...base, dir });
    context.after(() => log.close());
    assert.equal(log.head().first, 6);
    assert.equal((await collect(log.read({ from: 6 }))).length, 15);
    await assert.rejects(collect(log.read({ from: 5 })), hasCode('OFFSET_GONE', 'begins at 6'));
    assert.equal(log.offsetAt(0), 0);
    assert.equal(log.offsetAt(Number.MAX_SAFE_INTEGER), 20);
  });

  test('events that cannot be read as such are given as unreadable, with their bytes; the others go on', async (context) => {
    const dir = temporaryDirectory(context);
    await filled(dir, 4);
    const header = Buffer.alloc(8);
    const newer = JSON.stringify({ ...sampleEvent(2), schemaVersion: 99 });
    await tamper(dir, () => [
      [1, Buffer.concat([header, Buffer.from('{"half":')])],
      [2, Buffer.concat([header, Buffer.from(newer)])],
      [3, Buffer.alloc(2)],
    ]);
    const log = await openEventLog({ ...base, dir });
    context.after(() => log.close());
    const records = await collect(log.read({ from: 1 }));
    assert.deepEqual(
      records.map(({ event, unreadable }) => event?.id ?? unreadable),
      [
        'not JSON',
        'schemaVersion 99 comes from a newer Tendril; this one knows 1',
        'the record is too short',
        'event-4',
      ],
    );
    assert.equal(Buffer.from(records[1]?.bytes ?? []).toString('utf8', 8), newer);
  });
});
