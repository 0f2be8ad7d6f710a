/** F-enospc of reference/reliability.md, section 4b. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { openEventLog } from '../../src/log/index.ts';
import { collect, MESH } from '../contracts/event-log.ts';
import { nextMessage, skipLoudly, smallDisk, startChild } from '../store/support.ts';

interface Report {
  readonly appended: number;
  readonly readable: number;
  readonly codes: Readonly<Record<string, number>>;
  readonly resumed: number;
  readonly cycles: number;
  readonly least: number;
  readonly reserve: number;
  readonly changes: readonly string[];
  readonly failure?: string;
}

test('F-enospc: a full disk refuses writes before LMDB meets it, and they go on by themselves when there is room', async (context) => {
  const disk = smallDisk(context, 24);
  if ('why' in disk) return skipLoudly(context, disk.why);
  const child = startChild(context, new URL('./disk-full-child.js', import.meta.url), [disk.path]);
  const ended = new Promise((resolve) => child.once('exit', (code, signal) => resolve(signal ?? code)));
  const report = (await nextMessage(child)) as Report;
  assert.equal(await ended, 0, 'the writer ended by itself');
  assert.equal(report.failure, undefined);
  assert.deepEqual(Object.keys(report.codes), ['DISK_FULL']);
  assert.equal(report.resumed, report.cycles, 'every time there was room again the next append succeeded');
  assert.deepEqual(
    report.changes,
    report.changes.map((_, index) => (index % 2 === 0 ? 'full' : 'ok')),
  );
  assert.ok(report.least > report.reserve / 2, `only ${report.least} bytes were left`);
  assert.equal(report.readable, report.appended);
  const log = await openEventLog({ kind: 'lmdb', dir: join(disk.path, 'data'), mesh: MESH, clock: Date });
  const records = await collect(log.read({ from: 1 }));
  await log.close();
  assert.equal(records.length, report.appended);
  context.diagnostic(
    `${report.appended} events, ${report.codes.DISK_FULL} refused, ${report.cycles} times full and free again`,
  );
});
